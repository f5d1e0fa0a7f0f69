"""Time grids of a reverse diffusion: decreasing Ornstein-Uhlenbeck times from the horizon to the truncation time."""

from __future__ import annotations

import warnings

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray
from ..laws.channels import OrnsteinUhlenbeck
from ..recursion.recursion import Recursion
from .words import GRIDS

HORIZON = 4.0  # in units of 1 / rate: signal scale exp(-4)
BEYOND = 1.0  # the same above a truncation time that reaches it
FEW = 10  # steps, below which they are meant to be coarse
COARSE, FINE = 1.0, 0.1  # of log sigma in one step


def time_grid(name: str, steps: int, *, start: float, stop: float, rate: float = 0.5) -> FloatArray:
    """Return the times of a reverse diffusion, which fall from t_0 = start to t_steps = stop.

        log_snr     equal steps of log(a / sqrt(v)): fine near the data, coarse in the noise
        uniform     equal steps of t
        geometric   equal steps of log t

    Parameters
    ----------
    name : str
        "log_snr", "uniform" or "geometric".
    steps : int
        Number of steps, >= 1.
    start, stop : float
        Ornstein-Uhlenbeck times, start > stop > 0.
    rate : float
        Rate of the Ornstein-Uhlenbeck process; only "log_snr" depends on it.

    Returns
    -------
    array, shape (steps + 1,)
        Decreasing; both end points are exact.

    Raises
    ------
    InputError
        If the name is unknown, steps < 1, or not start > stop > 0.

    Examples
    --------
    >>> time_grid("uniform", 4, start=1.0, stop=0.2).round(2).tolist()
    [1.0, 0.8, 0.6, 0.4, 0.2]
    """
    checks.one_of(name, GRIDS, "grid")
    count = checks.integer(steps, "steps", minimum=1)
    stop = checks.positive(stop, "truncation_time")
    if not start > stop:
        raise InputError(f"horizon must exceed the truncation time {stop!r}, got {start!r}.")
    times = spaced_times(name, count, start=start, stop=stop, rate=rate)
    if name != "uniform" and count >= FEW:
        _warn_of_coarse_steps(count, start, stop, rate)
    return times


def default_horizon(stop: float, rate: float) -> float:
    """Return where a reverse diffusion to a time starts unless it is said: any later time has its exact law."""
    usual = HORIZON / rate
    return usual if stop < usual else stop + BEYOND / rate


def ornstein_uhlenbeck_time(recursion: Recursion, time: float) -> tuple[float, float]:
    """Return time and rate of the Ornstein-Uhlenbeck process that a reverse diffusion to a truncation time runs in.

    A variance-exploding round at noise variance s is the Ornstein-Uhlenbeck round at time log1p(s), rate 1/2.
    """
    if isinstance(recursion.process, OrnsteinUhlenbeck):
        return time, recursion.process.rate
    return float(np.log1p(time)), 0.5


def spaced_times(name: str, count: int, *, start: float, stop: float, rate: float) -> FloatArray:
    """Return the times of a grid whose arguments are known to be in order."""
    times = times_at(name, np.linspace(0.0, 1.0, count + 1), start=start, stop=stop, rate=rate)
    times[0], times[-1] = start, stop
    return times


def times_at(name: str, fractions: FloatArray, *, start: float, stop: float, rate: float) -> FloatArray:
    """Return the times of a grid where those fractions of its steps are done."""
    if name == "uniform":
        return np.asarray(start + (stop - start) * fractions)
    if name == "geometric":
        return np.asarray(start * (stop / start) ** fractions)
    # log sigma^2 = log expm1(2 rate t) runs linearly; t = log1p(sigma^2) / (2 rate).
    ends = np.log(np.expm1(2.0 * rate * np.array([start, stop])))
    return np.asarray(np.log1p(np.exp(ends[0] + (ends[1] - ends[0]) * fractions)) / (2.0 * rate))


def _warn_of_coarse_steps(count: int, start: float, stop: float, rate: float) -> None:
    """Warn where a sampler of many steps has a truncation time so small that each divides the noise by much."""
    first, last = 0.5 * np.log(np.expm1(2.0 * rate * np.array([start, stop])))
    fall = float(first - last)
    if fall > COARSE * count:
        warnings.warn(
            f"{count} steps down to the truncation time {stop!r} divide the noise by {np.exp(fall / count):.3g} each, "
            f"which is too coarse to follow the law: take {int(np.ceil(fall / FINE))} steps, or a larger "
            "truncation time.",
            stacklevel=2,
        )
