"""The coefficients of the closed forms: what each step of EDM, DDPM, DDIM and flow matching is made of.

Names are those of `sampler_steps`: each step is x' = c_x x + c_D D + c_N N + sqrt(q) z, with the posterior means D and
N at the level (a, s) of the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray
from .levels import SPACINGS, decreasing, edm_levels, previous_levels, used_timesteps

VARIANCES = ("posterior", "beta")


@dataclass(frozen=True, eq=False, repr=False)
class StepCoefficients:
    """A sampler in words, the variance of its start, and arrays of shape (K,); see `SamplerSteps`."""

    name: str
    start: float
    signal: FloatArray
    noise: FloatArray
    on_sample: FloatArray
    on_data: FloatArray
    on_noise: FloatArray
    added: FloatArray
    corrector: FloatArray | None = None
    training_steps: int | None = None


def edm_steps(
    steps: int, sigma_min: float, sigma_max: float, rho: float, method: str, sigmas: ArrayLike | None
) -> StepCoefficients:
    """Return those of `SamplerSteps.edm`."""
    checks.one_of(method, ("heun", "euler"), "method")
    if sigmas is None:
        levels = edm_levels(steps, sigma_min, sigma_max, rho)
    else:
        levels = decreasing(sigmas, "sigmas")
    later = np.append(levels[1:], 0.0)
    heun = method == "heun"
    corrector = np.where(later > 0.0, 0.5 * (later - levels), 0.0) if heun else None
    on_noise = np.where(later > 0.0, 0.5 * (levels + later), 0.0) if heun else later
    zero, one = np.zeros_like(levels), np.ones_like(levels)
    name, start = f"EDM {method.capitalize()}", float(levels[0] ** 2)
    return StepCoefficients(name, start, one, levels, zero, one, on_noise, zero, corrector)


def ddpm_steps(steps: int, table: FloatArray, variance: str) -> StepCoefficients:
    """Return those of `SamplerSteps.ddpm`, for a table of signal levels."""
    checks.one_of(variance, VARIANCES, "variance")
    times = used_timesteps(steps, len(table), "leading", 0)
    now, then = table[times], previous_levels(table, times, steps, 1.0)
    beta = 1.0 - now / then
    posterior = beta * (1.0 - then) / (1.0 - now)
    added = np.where(then < 1.0, posterior if variance == "posterior" else beta, 0.0)
    name, signal, noise = f"DDPM with {variance} variance", np.sqrt(now), np.sqrt(1.0 - now)
    on_sample = np.sqrt(now / then) * (1.0 - then) / (1.0 - now)
    on_data = np.sqrt(then) * beta / (1.0 - now)
    return StepCoefficients(
        name, 1.0, signal, noise, on_sample, on_data, np.zeros_like(now), added, None, len(table)
    )


def ddim_steps(
    steps: int, table: FloatArray, eta: float, spacing: str, offset: int, set_alpha_to_one: bool
) -> StepCoefficients:
    """Return those of `SamplerSteps.ddim`, for a table of signal levels."""
    share = checks.nonnegative(eta, "eta")
    times = used_timesteps(steps, len(table), checks.one_of(spacing, SPACINGS, "spacing"), offset)
    last = 1.0 if set_alpha_to_one else float(table[0])
    now, then = table[times], previous_levels(table, times, steps, last)
    added = share**2 * (1.0 - then) / (1.0 - now) * (1.0 - now / then)
    if np.any(added > 1.0 - then):
        raise InputError(f"eta must leave the noise of a step below its level, got {share:g}.")
    name, signal, noise = f"DDIM with eta {share:g}", np.sqrt(now), np.sqrt(1.0 - now)
    on_noise = np.sqrt(np.maximum(1.0 - then - added, 0.0))
    zero = np.zeros_like(now)
    return StepCoefficients(name, 1.0, signal, noise, zero, np.sqrt(then), on_noise, added, None, len(table))


def flow_steps(steps: int, shift: float, sigmas: ArrayLike | None) -> StepCoefficients:
    """Return those of `SamplerSteps.flow`."""
    if sigmas is None:
        u = 1.0 - np.arange(checks.integer(steps, "steps", minimum=1)) / steps
        stretch = checks.positive(shift, "shift")
        levels = stretch * u / (1.0 + (stretch - 1.0) * u)
    else:
        levels = decreasing(sigmas, "sigmas")
        if levels[0] > 1.0:
            raise InputError(f"sigmas must be at most 1 for flow matching, got {float(levels[0])!r}.")
    later = np.append(levels[1:], 0.0)
    zero = np.zeros_like(levels)
    return StepCoefficients("flow Euler", 1.0, 1.0 - levels, levels, zero, 1.0 - later, later, zero)
