"""Truncation schedules: the Ornstein-Uhlenbeck time at which each round stops its reverse diffusion.

A schedule is data: `times(rounds)` lists the first times, `final` is the limit of the times, and `total` their
sum (infinite where it diverges), which decides what recursion without fresh data leaves over.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.display import Displayed
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray


class Schedule(Displayed, ABC):
    """What every schedule offers."""

    @property
    @abstractmethod
    def final(self) -> float:
        """The limit of the times."""

    @property
    @abstractmethod
    def total(self) -> float:
        """The sum of the times; infinite where it diverges."""

    @abstractmethod
    def _times(self, rounds: int) -> FloatArray:
        """Return the first `rounds` times, shape (rounds,)."""

    def times(self, rounds: int) -> FloatArray:
        """Return the first `rounds` times, shape (rounds,)."""
        return self._times(checks.entries(rounds, "rounds"))


@public
@dataclass(frozen=True)
class Constant(Schedule):
    """t_i = time.

    Parameters
    ----------
    time : float
        >= 0.

    Examples
    --------
    >>> Constant(0.1).times(3).tolist()
    [0.1, 0.1, 0.1]
    """

    time: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", checks.nonnegative(self.time, "truncation_time"))

    @property
    def final(self) -> float:
        return self.time

    @property
    def total(self) -> float:
        return np.inf if self.time > 0.0 else 0.0

    def _times(self, rounds: int) -> FloatArray:
        return np.full(rounds, self.time)


@public
@dataclass(frozen=True)
class Polynomial(Schedule):
    """t_i = time / (1 + i)^exponent.

    Parameters
    ----------
    time : float
        >= 0.
    exponent : float
        > 0.

    Examples
    --------
    >>> Polynomial(0.6, 1.0).times(3).round(3).tolist()
    [0.6, 0.3, 0.2]
    """

    time: float
    exponent: float

    def __post_init__(self) -> None:
        checks.keep(self, checks.nonnegative, "time")
        checks.keep(self, checks.positive, "exponent")

    @property
    def final(self) -> float:
        return 0.0

    @property
    def total(self) -> float:
        if self.time == 0.0:
            return 0.0
        if self.exponent <= 1.0:
            return np.inf
        from scipy.special import zeta

        return self.time * float(zeta(self.exponent))

    def _times(self, rounds: int) -> FloatArray:
        return np.asarray(self.time * np.arange(1.0, rounds + 1.0) ** -self.exponent)


@public
@dataclass(frozen=True)
class Geometric(Schedule):
    """t_i = max(time * ratio^i, floor).

    Parameters
    ----------
    time : float
        >= 0.
    ratio : float
        In (0, 1).
    floor : float
        >= 0.

    Examples
    --------
    >>> Geometric(0.4, 0.5, floor=0.15).times(3).tolist()
    [0.4, 0.2, 0.15]
    """

    time: float
    ratio: float
    floor: float = 0.0

    def __post_init__(self) -> None:
        checks.keep(self, checks.nonnegative, "time", "floor")
        ratio = checks.positive(self.ratio, "ratio")
        if ratio >= 1.0:
            raise InputError(f"ratio must lie in (0, 1), got {ratio!r}.")
        object.__setattr__(self, "ratio", ratio)

    @property
    def final(self) -> float:
        return self.floor

    @property
    def total(self) -> float:
        return np.inf if self.floor > 0.0 else self.time / (1.0 - self.ratio)

    def _times(self, rounds: int) -> FloatArray:
        return np.asarray(np.maximum(self.time * self.ratio ** np.arange(rounds), self.floor))


@public
@dataclass(frozen=True)
class Explicit(Schedule):
    """Times written out, one a round; the last one holds for every later round.

    Parameters
    ----------
    values : sequence of float
        At least one, each >= 0.

    Examples
    --------
    >>> Explicit([0.3, 0.1]).times(4).tolist()
    [0.3, 0.1, 0.1, 0.1]
    """

    values: Sequence[float] | FloatArray

    def __post_init__(self) -> None:
        values = checks.vector(self.values, "truncation_time")
        if values.min() < 0.0:
            raise InputError(f"truncation_time must hold times >= 0, got {float(values.min())!r}.")
        object.__setattr__(self, "values", tuple(float(t) for t in values))

    @property
    def final(self) -> float:
        return self.values[-1]

    @property
    def total(self) -> float:
        return np.inf if self.final > 0.0 else float(sum(self.values))

    def _times(self, rounds: int) -> FloatArray:
        last = len(self.values) - 1
        return np.array(self.values)[np.minimum(np.arange(rounds), last)]


def as_schedule(truncation_time: float | ArrayLike | Schedule) -> Schedule:
    """Return a schedule as it is, a time as a constant schedule, a sequence of times as an explicit one."""
    if isinstance(truncation_time, Schedule):
        return truncation_time
    if np.ndim(truncation_time) == 0:
        return Constant(truncation_time)  # type: ignore[arg-type]
    return Explicit(truncation_time)  # type: ignore[arg-type]
