r"""The noise that a network was trained on: betas of each step, and the signal levels alpha_bar = prod (1 - beta).

linear               beta from beta_start to beta_end
scaled_linear        sqrt(beta) from sqrt(beta_start) to sqrt(beta_end)
squaredcos_cap_v2    alpha_bar(u) = cos^2((u + 0.008) / 1.008 pi / 2), beta at most 0.999
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray

BETA_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")
LARGEST_BETA = 0.999  # where the squared cosine is cut


def training_betas(train_steps: int, beta_start: float, beta_end: float, schedule: str) -> FloatArray:
    """Return the variance beta of the noise that each training step adds."""
    count = checks.integer(train_steps, "train_steps", minimum=1)
    checks.one_of(schedule, BETA_SCHEDULES, "schedule")
    if schedule == "squaredcos_cap_v2":
        t = np.arange(count + 1) / count
        bar = np.cos((t + 0.008) / 1.008 * np.pi / 2.0) ** 2
        return np.minimum(1.0 - bar[1:] / bar[:-1], LARGEST_BETA)
    low, high = checks.share(beta_start, "beta_start"), checks.share(beta_end, "beta_end")
    if not 0.0 < low <= high < 1.0:
        raise InputError(f"beta_start must lie between 0 and beta_end ({high:g}) < 1, got {low:g}.")
    if schedule == "linear":
        return np.linspace(low, high, count)
    return np.linspace(low**0.5, high**0.5, count) ** 2


def signal_levels(
    alphas_cumprod: ArrayLike | None, train_steps: int, beta_start: float, beta_end: float, schedule: str
) -> FloatArray:
    """Return the signal levels alpha_bar of the training steps, from a table or from their schedule."""
    if alphas_cumprod is None:
        return np.asarray(np.cumprod(1.0 - training_betas(train_steps, beta_start, beta_end, schedule)))
    table = checks.vector(alphas_cumprod, "alphas_cumprod")
    if table.min() < 0.0 or table.max() >= 1.0 or np.any(np.diff(table) > 0.0):
        raise InputError("alphas_cumprod must fall within [0, 1), got a table that does not.")
    return table
