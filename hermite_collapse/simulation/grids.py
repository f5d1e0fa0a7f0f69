"""Time grids of a reverse diffusion: decreasing Ornstein-Uhlenbeck times from the horizon to the truncation time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core import checks
from ..core.errors import InputError

GRIDS = ("log_snr", "uniform", "geometric")


def time_grid(name: str, steps: int, *, start: float, stop: float, rate: float = 0.5) -> NDArray[np.float64]:
    """Times t_0 = start > ... > t_steps = stop > 0, shape (steps + 1,).

        log_snr     equal steps of log(a / sqrt(v)): fine near the data, coarse in the noise
        uniform     equal steps of t
        geometric   equal steps of log t

    The end points are exact.
    """
    checks.one_of(name, GRIDS, "grid")
    count = checks.integer(steps, "steps", minimum=1)
    stop = checks.positive(stop, "truncation_time")
    if not start > stop:
        raise InputError(f"horizon must exceed the truncation time {stop!r}, got {start!r}.")
    fractions = np.linspace(0.0, 1.0, count + 1)
    if name == "uniform":
        times = start + (stop - start) * fractions
    elif name == "geometric":
        times = start * (stop / start) ** fractions
    else:
        # log sigma^2 = log expm1(2 rate t) runs linearly; t = log1p(sigma^2) / (2 rate).
        ends = np.log(np.expm1(2.0 * rate * np.array([start, stop])))
        times = np.log1p(np.exp(ends[0] + (ends[1] - ends[0]) * fractions)) / (2.0 * rate)
    times[0], times[-1] = start, stop
    return times
