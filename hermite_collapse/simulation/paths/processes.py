"""Reverse diffusions as processes whose paths can be followed forward or drawn backward, and the times of their nodes.

    dY = (theta Y + 2 theta score(Y, t)) |dt| + sqrt(2 theta) dW

Turned round in time, the ideal reverse diffusion of an Ornstein-Uhlenbeck process *is* that process, started from the
end law: ideal paths need no numerical scheme.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...core import checks
from ...core.errors import InputError
from ...core.types import FloatArray

# A field (y, clock) -> (n, d) of points (n, d).
Field = Callable[[torch.Tensor, float], torch.Tensor]


class Normals(Protocol):
    """A source of standard normals and uniforms, one row a path."""

    def normal(self, columns: int) -> torch.Tensor: ...
    def uniform(self, columns: int) -> torch.Tensor: ...


class Diffusion(Protocol):
    """dY = drift ds + coefficient dW; `drift(y, clock)` with y (n, d) at whatever time the clock shows."""

    coefficient: float

    def drift(self, y: torch.Tensor, clock: float) -> torch.Tensor: ...


class IdealProcess(Diffusion, Protocol):
    """A diffusion whose paths can be drawn backward: it has a marginal score and one exact step back."""

    def score(self, y: torch.Tensor, clock: float, /) -> torch.Tensor: ...

    def step_back(
        self, y: torch.Tensor, clock: float, following: float, noise: Normals
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the path at the following clock value, and the backward noise increment dB of the step."""
        ...


class ReverseProcess:
    """The reverse diffusion of the Ornstein-Uhlenbeck process with a given score; its clock is OU time.

        dY = (theta Y + 2 theta score(Y, t)) |dt| + sqrt(2 theta) dW

    Parameters
    ----------
    score : function
        (x, t) -> (n, d) for x (n, d) in float64.
    rate : float
        theta > 0.

    Examples
    --------
    >>> process = ReverseProcess(lambda x, t: -x)
    >>> process.drift(torch.ones(1, 2, dtype=torch.float64), 0.1).tolist()
    [[-0.5, -0.5]]
    """

    def __init__(self, score: Field, *, rate: float = 0.5) -> None:
        self.score = score
        self.rate = checks.positive(rate, "rate")
        self.coefficient = math.sqrt(2.0 * self.rate)

    def drift(self, y: torch.Tensor, clock: float) -> torch.Tensor:
        """Return theta y + 2 theta score(y, t)."""
        return self.rate * y + 2.0 * self.rate * self.score(y, clock)

    def relative(self, score_error: Field) -> Field:
        """Return e = sqrt(2 theta) xi of a score error xi, as the functions of this package take it."""
        return lambda x, t: self.coefficient * score_error(x, t)

    def learned(self, score_error: Field) -> ReverseProcess:
        """Return the reverse diffusion run with score + score_error."""
        return ReverseProcess(lambda x, t: self.score(x, t) + score_error(x, t), rate=self.rate)

    def step_back(
        self, y: torch.Tensor, clock: float, following: float, noise: Normals
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the ideal path at a later OU time, exact in law, and the backward noise increment of the step."""
        length = following - clock
        normals = noise.normal(y.shape[1])
        spread = math.sqrt(-math.expm1(-2.0 * self.rate * length))
        return math.exp(-self.rate * length) * y + spread * normals, math.sqrt(length) * normals


def time_nodes(first: float, last: float, steps: int, *, grading: float = 2.0) -> FloatArray:
    """Return clock values from first to last, fine near the smaller of the two.

        low + (high - low) u^grading,   u uniform on [0, 1]

    Parameters
    ----------
    first, last : float
        Different.
    steps : int
        >= 1.
    grading : float
        > 0; 1 is uniform.

    Returns
    -------
    array, shape (steps + 1,)

    Notes
    -----
    A smooth change of variable, so that halving the steps halves every one of them and extrapolation in the step stays
    valid.

    Examples
    --------
    >>> time_nodes(1.0, 0.0, 2).tolist()
    [1.0, 0.25, 0.0]
    """
    count = checks.integer(steps, "steps", 1)
    power = checks.positive(grading, "grading")
    low, high = sorted((checks.real(first, "first"), checks.real(last, "last")))
    if low == high:
        raise InputError(f"first and last must differ, got {first!r} twice.")
    nodes = low + (high - low) * np.linspace(0.0, 1.0, count + 1) ** power
    nodes[-1] = high
    return nodes if first < last else nodes[::-1].copy()


def checked_clocks(clocks: ArrayLike) -> FloatArray:
    """Return clock values that are monotone with an even number of steps, as the coarse sums need it."""
    times = checks.vector(clocks, "clocks")
    steps = np.diff(times)
    if len(steps) < 2 or len(steps) % 2 or not (np.all(steps > 0.0) or np.all(steps < 0.0)):
        raise InputError(f"clocks must be monotone with an even number of steps, got {len(steps)} steps.")
    return times


def checked_points(points: torch.Tensor, name: str) -> torch.Tensor:
    """Return points (n, d) of at least two paths in float64."""
    if points.ndim != 2 or len(points) < 2:
        raise InputError(f"{name} must have shape (n, d) with n >= 2, got {tuple(points.shape)}.")
    return points.to(torch.float64)
