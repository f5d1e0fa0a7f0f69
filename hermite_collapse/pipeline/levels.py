r"""The noise levels that samplers of K steps use: those of EDM, given ones, and K of the training levels.

    sigma_i = (sigma_max^(1/rho) + i/(K-1) (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho,  i < K

Training levels are picked leading (evenly from the least noisy on), trailing (from the noisiest on) or evenly between
both ends (linspace), as diffusers does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from .mechanism import LARGEST_DEVIATION, deviation

LEAST_RHO = 0.25  # below which powers of noise levels are no numbers
SPACINGS = ("leading", "trailing", "linspace")


def edm_levels(steps: int, sigma_min: float, sigma_max: float, rho: float) -> FloatArray:
    """Return the noise levels of EDM, without the 0 at their end."""
    count = checks.integer(steps, "steps", minimum=1)
    least = 1.0 / LARGEST_DEVIATION
    low = deviation(sigma_min, "sigma_min", smallest=least)
    high = deviation(sigma_max, "sigma_max", smallest=least)
    if low > high:
        raise InputError(f"sigma_min must be <= sigma_max ({high:g}), got {low:g}.")
    power = checks.positive(rho, "rho")
    if power < LEAST_RHO:
        raise InputError(f"rho must be >= {LEAST_RHO:g}, got {power:g}.")
    power = 1.0 / power
    ramp = np.arange(count) / max(count - 1, 1)
    return np.asarray((high**power + ramp * (low**power - high**power)) ** (1.0 / power))


def decreasing(sigmas: ArrayLike, name: str) -> FloatArray:
    """Return given noise levels, which must decrease, without the 0 at their end."""
    levels = checks.vector(sigmas, name)
    levels = levels[:-1] if levels[-1] == 0.0 and len(levels) > 1 else levels
    if np.any(levels <= 0.0) or np.any(np.diff(levels) >= 0.0):
        raise InputError(f"{name} must decrease and stay above 0 but for a 0 at the end, got {sigmas!r}.")
    deviation(float(levels[0]), name)
    return levels


def used_timesteps(steps: int, train_steps: int, spacing: str, offset: int) -> IntArray:
    """Return the training steps that are used, from the noisiest on."""
    count = checks.integer(steps, "steps", minimum=1)
    if count > train_steps:
        raise InputError(f"steps must be at most train_steps ({train_steps}), got {count}.")
    if spacing == "leading":
        times = np.arange(count)[::-1] * (train_steps // count) + checks.integer(offset, "offset")
    elif spacing == "trailing":
        times = np.round(np.arange(train_steps, 0.0, -train_steps / count)).astype(np.int64)[:count] - 1
    else:
        times = np.round(np.linspace(0.0, train_steps - 1.0, count))[::-1].astype(np.int64)
    if times.max() >= train_steps:
        raise InputError(f"offset must keep every step below train_steps ({train_steps}), got {offset}.")
    return np.asarray(times, dtype=np.int64)


def previous_levels(table: FloatArray, times: IntArray, steps: int, last: float) -> FloatArray:
    """Return the signal level that each step goes to."""
    earlier = times - len(table) // int(steps)
    return np.where(earlier >= 0, table[np.maximum(earlier, 0)], last)
