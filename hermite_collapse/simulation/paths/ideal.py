"""Ideal paths drawn from their end backwards: exact in law, and as many as wanted through one end point.

Turned round in time, the ideal reverse diffusion of an Ornstein-Uhlenbeck process *is* that process, started from the
end law.  So ideal paths need no numerical scheme, and two of them can be drawn that share their end point and nothing
else.  In backward time, with score s of the marginal law and backward noise B,

    dY = (g^2 s - b) dc + g dB,        E[ int phi(Y) . dB given the end point ] = 0  for every field phi,

and the stochastic integral M of e along the forward-running path becomes

    M = -int e . dB - int g (div e + e . s) dc.

The last integral, A (with its sign), is the *Stein form*: E[A given the end] = E[M given the end], because the first
integral has conditional mean zero; div e + e . s is the Langevin-Stein operator of the marginal law.

Derivation: M is the Ito integral against the path's own noise, dW = (dY - b dc)/g run forward; run backward the same
sum is an anticipating one, and turning it into a backward Ito integral costs the bracket, -int g div e dc; inserting
the backward dynamics leaves -int g e . s dc.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from numpy.typing import ArrayLike

from ...core import checks
from ...core.threads import one_thread
from ...core.types import FloatArray
from ..noise import NoiseStream, plan_chunks
from .processes import Field, IdealProcess, Normals, checked_clocks, checked_points


@dataclass(frozen=True, eq=False)
class IdealSums:
    """What ideal paths on one grid of nodes gave, one entry a path.

    Attributes
    ----------
    energy : tensor, shape (copies, n)
        int norm(e)^2, trapezoid.
    integral : tensor, shape (copies, n)
        M by forward Ito sums, weak error of first order in the step.
    backward_noise : tensor, shape (copies, n)
        -int e . dB, conditional mean zero at every step size.
    stein : tensor, shape (copies, n), or None
        A, trapezoid; None where the error's divergence was not given.
    """

    energy: torch.Tensor
    integral: torch.Tensor
    backward_noise: torch.Tensor
    stein: torch.Tensor | None

    @property
    def stochastic_integral(self) -> torch.Tensor:
        """M: A - int e . dB where the Stein form is there (conditional mean of second order), else `integral`."""
        return self.integral if self.stein is None else self.stein + self.backward_noise

    @property
    def log_weight(self) -> torch.Tensor:
        """M - energy/2, shape (copies, n): the log density of the learned path against the ideal one."""
        return self.stochastic_integral - self.energy / 2.0


@dataclass(frozen=True, eq=False)
class IdealPaths:
    """Ideal paths through given end points; copies share the end point and are independent given it.

    Attributes
    ----------
    end : tensor, shape (n, d)
    fine, coarse : IdealSums
        With all nodes, and with every second node of the same paths.
    martingales : tensor, shape (copies, n, features)
        Integrals of other fields against dB, conditional mean zero.
    """

    end: torch.Tensor
    fine: IdealSums
    coarse: IdealSums
    martingales: torch.Tensor


def draw_ideal_paths(
    process: IdealProcess,
    error: Field,
    end: torch.Tensor,
    clocks: ArrayLike,
    *,
    divergence: Field | None = None,
    time_bins: int = 6,
    copies: int = 2,
    seed: int = 0,
    round_index: int = 0,
    chunk: int = 65536,
) -> IdealPaths:
    """Draw ideal paths backwards from their end points and sum what e does along them.

    Parameters
    ----------
    process : IdealProcess
        Such as a `ReverseProcess`.
    error : function
        e(y, clock), the drift error over the coefficient.
    end : tensor, shape (n, d)
        Draws of the ideal end law; n >= 2.
    clocks : array, shape (K + 1,)
        From the end of the path to its start, monotone, K even.
    divergence : function, optional
        div e(y, clock), shape (n,); no Stein form unless given.
    time_bins : int
        The path is cut into so many stretches, and in each the backward-noise integrals of e and, coordinate by
        coordinate, of 1, y, s, s^2 and y^2 are taken, s the marginal score: (1 + 5 d) time_bins features.
    copies : int
        Paths through each end point.
    seed, round_index : int
        Address of the random numbers.
    chunk : int
        Most paths treated at once; the results do not depend on it.

    Returns
    -------
    IdealPaths

    Accuracy
    --------
    The path itself is exact at any step; the sums have weak error of first order in the step (M) or second (energy
    and Stein form, trapezoid), hence the coarse sums beside the fine ones.

    Examples
    --------
    >>> from hermite_collapse.simulation import ReverseProcess, TimeOnlyError, time_nodes
    >>> ideal, error = ReverseProcess(lambda x, t: -x), TimeOnlyError([0.1])
    >>> end = torch.zeros(50, 1, dtype=torch.float64)
    >>> draw_ideal_paths(ideal, ideal.relative(error), end, time_nodes(0.0, 2.0, 8)).fine.energy.shape
    torch.Size([2, 50])
    """
    times = checked_clocks(clocks)
    bins = checks.integer(time_bins, "time_bins", 1)
    count = checks.integer(copies, "copies", 1)
    points = checked_points(end, "end")
    n = len(points)
    parts = []
    for piece in plan_chunks(count, n, chunk):
        stream = NoiseStream(
            piece.pieces, seed=seed, round_index=round_index, purpose="path", device=points.device
        )
        rows = torch.arange(piece.start, piece.stop, device=points.device) % n
        with one_thread():
            parts.append(_draw(process, error, divergence, points[rows], times, bins, stream))

    def joined(grid: int) -> IdealSums:
        columns = zip(*(part[grid].columns() for part in parts), strict=True)
        energy, integral, backward_noise, stein = (torch.cat(column).view(count, n) for column in columns)
        return IdealSums(energy, integral, backward_noise, None if divergence is None else stein)

    martingales = torch.cat([part[2] for part in parts]).view(count, n, -1)
    return IdealPaths(points, joined(0), joined(1), martingales)


@dataclass
class _Node:
    """Paths at one clock value with everything the sums need there."""

    clock: float
    y: torch.Tensor
    e: torch.Tensor
    drift: torch.Tensor
    score: torch.Tensor
    square: torch.Tensor
    density: torch.Tensor

    @classmethod
    def at(
        cls,
        process: IdealProcess,
        error: Field,
        divergence: Field | None,
        y: torch.Tensor,
        clock: float,
    ) -> _Node:
        e, score = error(y, clock), process.score(y, clock)
        density = torch.zeros_like(y[:, 0])
        if divergence is not None:
            density = -process.coefficient * (divergence(y, clock) + (e * score).sum(dim=1))
        return cls(clock, y, e, process.drift(y, clock), score, (e**2).sum(dim=1), density)


class _Sums:
    """Running sums over one grid of nodes, from the end of the path to its start."""

    def __init__(self, first: _Node, coefficient: float) -> None:
        self._late, self._coefficient = first, coefficient
        self._energy = torch.zeros_like(first.square)
        self._integral = torch.zeros_like(first.square)
        self._backward_noise = torch.zeros_like(first.square)
        self._stein = torch.zeros_like(first.square)

    def add(self, early: _Node, noise: torch.Tensor) -> None:
        """Add the interval to a node nearer the start of the path; `noise` is the increment of B."""
        late = self._late
        step = abs(early.clock - late.clock)
        increment = (late.y - early.y - early.drift * step) / self._coefficient
        self._integral += (early.e * increment).sum(dim=1)
        self._backward_noise -= (late.e * noise).sum(dim=1)
        self._energy += (step / 2.0) * (early.square + late.square)
        self._stein += (step / 2.0) * (early.density + late.density)
        self._late = early

    def columns(self) -> tuple[torch.Tensor, ...]:
        return self._energy, self._integral, self._backward_noise, self._stein


def _draw(
    process: IdealProcess,
    error: Field,
    divergence: Field | None,
    end: torch.Tensor,
    times: FloatArray,
    bins: int,
    stream: Normals,
) -> tuple[_Sums, _Sums, torch.Tensor]:
    """Fine and coarse sums of one batch of paths, and its martingales (n, features)."""
    n, d = end.shape
    node = partial(_Node.at, process, error, divergence)
    here = node(end, float(times[0]))
    fine, coarse = (_Sums(here, process.coefficient) for _ in range(2))
    martingales = end.new_zeros(n, bins, 1 + 5 * d)
    last, pair = len(times) - 1, torch.zeros_like(end)
    for k in range(1, last + 1):
        y, noise = process.step_back(here.y, here.clock, float(times[k]), stream)
        row = martingales[:, (k - 1) * bins // last]
        row[:, 0] += (here.e * noise).sum(dim=1)
        fields = (torch.ones_like(y), here.y, here.score, here.score**2, here.y**2)
        for j, factor in enumerate(fields):
            row[:, 1 + j * d : 1 + (j + 1) * d] += factor * noise
        here = node(y, float(times[k]))
        fine.add(here, noise)
        pair = noise if k % 2 else pair + noise
        if k % 2 == 0:
            coarse.add(here, pair)
    return fine, coarse, martingales.reshape(n, -1)
