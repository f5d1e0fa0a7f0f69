"""Truncation schedules: the Ornstein-Uhlenbeck time at which each round stops its reverse diffusion.

A schedule is data: `times(rounds)` lists the first times, `final` is the limit of the times, and `total` their
sum (infinite where it diverges), which decides what recursion without fresh data leaves over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import InputError


class Schedule(Protocol):
    """What every schedule offers."""

    @property
    def final(self) -> float: ...
    @property
    def total(self) -> float: ...
    def times(self, rounds: int) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Constant:
    """t_i = time."""

    time: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", checks.nonnegative(self.time, "truncation_time"))

    @property
    def final(self) -> float:
        return self.time

    @property
    def total(self) -> float:
        return np.inf if self.time > 0.0 else 0.0

    def times(self, rounds: int) -> NDArray[np.float64]:
        """The first `rounds` times, shape (rounds,)."""
        return np.full(checks.integer(rounds, "rounds"), self.time)


@dataclass(frozen=True)
class Polynomial:
    """t_i = time / (1 + i)^exponent, exponent > 0."""

    time: float
    exponent: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", checks.nonnegative(self.time, "time"))
        object.__setattr__(self, "exponent", checks.positive(self.exponent, "exponent"))

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

    def times(self, rounds: int) -> NDArray[np.float64]:
        """The first `rounds` times, shape (rounds,)."""
        return self.time * np.arange(1.0, checks.integer(rounds, "rounds") + 1.0) ** -self.exponent


@dataclass(frozen=True)
class Geometric:
    """t_i = max(time * ratio^i, floor), 0 < ratio < 1."""

    time: float
    ratio: float
    floor: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", checks.nonnegative(self.time, "time"))
        object.__setattr__(self, "floor", checks.nonnegative(self.floor, "floor"))
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

    def times(self, rounds: int) -> NDArray[np.float64]:
        """The first `rounds` times, shape (rounds,)."""
        powers = self.ratio ** np.arange(checks.integer(rounds, "rounds"))
        return np.maximum(self.time * powers, self.floor)


@dataclass(frozen=True)
class Explicit:
    """Times written out, one a round; the last one holds for every later round."""

    values: tuple[float, ...]

    def __init__(self, times: ArrayLike) -> None:
        values = checks.vector(times, "truncation")
        if values.min() < 0.0:
            raise InputError(f"truncation must hold times >= 0, got {float(values.min())!r}.")
        object.__setattr__(self, "values", tuple(float(t) for t in values))

    @property
    def final(self) -> float:
        return self.values[-1]

    @property
    def total(self) -> float:
        return np.inf if self.final > 0.0 else float(sum(self.values))

    def times(self, rounds: int) -> NDArray[np.float64]:
        """The first `rounds` times, shape (rounds,)."""
        last = len(self.values) - 1
        return np.array(self.values)[np.minimum(np.arange(checks.integer(rounds, "rounds")), last)]


def as_schedule(truncation: float | ArrayLike | Schedule) -> Schedule:
    """A schedule from a time (constant), a sequence of times, or a schedule."""
    if hasattr(truncation, "times"):
        return truncation  # type: ignore[return-value]
    if np.ndim(truncation) == 0:  # type: ignore[arg-type]
        return Constant(truncation)  # type: ignore[arg-type]
    return Explicit(truncation)  # type: ignore[arg-type]
