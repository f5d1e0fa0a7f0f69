r"""The truncation of a diffusers scheduler, read off the scheduler itself.

A configuration that names its class is made into the scheduler and probed (`SamplerSteps.of_scheduler`): the noise
level at which the network is last asked, and what is done with it, are those of the object at that number of steps.
Keys of other classes that stand in the configuration change nothing.  A configuration without a class is a table of
noise levels, read as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray
from ..laws.channels import time_from_sigma
from ..pipeline.sampler_steps import SamplerSteps
from ..pipeline.scheduler_conventions import convention_of
from ..pipeline.scheduler_setup import made
from ..pipeline.scheduler_sources import SchedulerSource, read_source
from ..pipeline.training_noise import training_betas
from .samplers import SamplerTruncation

USUAL_STEPS = 50


@public
def read_scheduler(
    config: str | PathLike[str] | Mapping[str, Any],
    *,
    data_scale: float | None = None,
    step: int | None = None,
    steps: int | None = None,
) -> SamplerTruncation:
    """Return the truncation of a diffusers scheduler, from its configuration, its file or its folder.

        t = log(1 + (sigma / data_scale)^2)          t = -log alpha_bar_step

    Parameters
    ----------
    config : path or mapping
        A `scheduler_config.json`, its content, a scheduler's folder, or the folder of a whole pipeline.
    data_scale : float, optional
        Standard deviation of the data in the scheduler's units, > 0; the configuration's `sigma_data`, or else 1.
    step : int, optional
        Training step at which the sampler stops, where that is not its own last one; 0 is the least noisy.
    steps : int, optional
        Number of inference steps; 50 if left out.

    Returns
    -------
    SamplerTruncation
        With the sampler's steps, but for networks that are no posterior means.

    Raises
    ------
    InputError
        If there is nothing to be read, the class cannot be probed, or torch and diffusers are missing for a
        configuration that names its class.

    Notes
    -----
    Without a class: the beta schedules linear, scaled_linear, squaredcos_cap_v2 and lists of trained_betas, or
    `sigma_min`; the end by `set_alpha_to_one` and `final_sigmas_type`.

    Examples
    --------
    >>> linear = {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
    >>> round(read_scheduler(linear).sigma, 5)
    0.01
    """
    source = read_source(config)
    scale = 1.0 if data_scale is None else checks.positive(data_scale, "data_scale")
    if step is not None and steps is not None:
        raise InputError(f"steps must be left out where step says where the sampler stops, got {steps!r}.")
    if not source.class_name:
        if steps is not None:
            raise InputError("steps must come with a configuration that names its class (_class_name).")
        return _of_table(source.settings, scale, step)
    if data_scale is None:
        scale = checks.positive(source.settings.get("sigma_data", 1.0), "sigma_data")
    return _of_class(source, scale, step, USUAL_STEPS if steps is None else steps)


def _of_class(source: SchedulerSource, scale: float, step: int | None, steps: int) -> SamplerTruncation:
    """Return what the scheduler object does."""
    scheduler = made(source)
    name = source.class_name
    sampler = SamplerSteps.of_scheduler(source.settings, steps=steps, denoiser="posterior_mean")
    kind, sigma = sampler.ending
    if step is not None:
        table = getattr(scheduler, "alphas_cumprod", None)
        if table is None:
            raise InputError(f"step must be left out for {name}, which has no training steps, got {step!r}.")
        level = float(table[_checked_step(step, len(table))])
        sigma = np.inf if level == 0.0 else np.sqrt((1.0 - level) / level)
        name = f"{name}, stopped at training step {step}"
    else:
        name = f"{name}, {steps} steps"
    preserving = abs(sampler.signal[-1] ** 2 + sampler.noise[-1] ** 2 - 1.0) < 1e-6
    if step is None and kind == "noisy" and preserving:
        sigma = sigma / np.sqrt(1.0 - sigma**2)  # what is left of unit variance
    time = np.inf if sigma == np.inf else float(time_from_sigma(sigma / scale))
    final = "full" if kind != "noisy" else "noisy" if preserving else "rescaled"
    few = convention_of((source.class_name,)).few_steps
    note = ""
    if few or source.guidance_distilled:
        training = "for few steps" if few else "distilled with guidance"
        note = f"Its network is taken for a posterior mean here, which networks {training} are not."
    is_known = not note and step is None
    return SamplerTruncation(name, time, final, sampler if is_known else None, scale, note, steps)


def _of_table(settings: Mapping[str, Any], scale: float, step: int | None) -> SamplerTruncation:
    """Return the truncation of a table of noise levels without a class."""
    ends_noisy = settings.get("final_sigmas_type") == "sigma_min" or settings.get("set_alpha_to_one") is False
    final = "noisy" if ends_noisy else "full"
    if settings.get("sigma_min") is not None and "beta_start" not in settings:
        if step is not None:
            raise InputError(f"step must be left out for a scheduler given by sigma_min, got {step!r}.")
        sigma = checks.positive(settings["sigma_min"], "sigma_min")
        return SamplerTruncation(
            "This scheduler", float(time_from_sigma(sigma / scale)), final, data_scale=scale
        )
    betas = _betas(settings)
    last = _checked_step(0 if step is None else step, len(betas))
    # Through logarithms, so that the first betas keep their digits.
    time = float(-np.log1p(-betas[: last + 1]).sum())
    if scale != 1.0:
        time = float(time_from_sigma(np.sqrt(np.expm1(time)) / scale))
    return SamplerTruncation("This scheduler", time, final, data_scale=scale)


def _checked_step(step: int, count: int) -> int:
    last = checks.integer(step, "step")
    if last >= count:
        raise InputError(f"step must be one of the scheduler's {count}, 0 to {count - 1}, got {last}.")
    return last


def _betas(settings: Mapping[str, Any]) -> FloatArray:
    """Return the betas of a table."""
    if settings.get("trained_betas") is not None:
        betas = checks.vector(settings["trained_betas"], "trained_betas")
        if betas.min() < 0.0 or betas.max() >= 1.0:
            raise InputError(f"betas must lie in [0, 1), got values from {betas.min():g} to {betas.max():g}.")
        return betas
    if "beta_schedule" not in settings:
        raise InputError(
            "config must have a beta_schedule, trained_betas or sigma_min, got the keys "
            f"{', '.join(sorted(map(str, settings))) or 'none'}."
        )
    return training_betas(
        settings.get("num_train_timesteps", 1000),
        settings.get("beta_start", 1e-4),
        settings.get("beta_end", 0.02),
        settings["beta_schedule"],
    )
