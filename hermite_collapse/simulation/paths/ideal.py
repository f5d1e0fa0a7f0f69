"""Ideal paths drawn from their end backwards: exact in law, and as many as wanted through one end point.

Turned round in time, the ideal reverse diffusion of an Ornstein-Uhlenbeck process *is* that process, started from the
end law; the path X + sigma W_t of the solvable family, started from its end, has Gaussian steps given X.  So ideal
paths need no numerical scheme, and two of them can be drawn that share their end point and nothing else.  In backward
time, with score s of the marginal law and backward noise B,

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

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...bounds.propagation.solvable import SolvableFamily
from ...core import checks
from ...core.errors import InputError
from ..noise import NoiseStream, plan_chunks
from .perturbations import Field


class Normals(Protocol):
    """A source of standard normals and uniforms, one row a path."""

    def normal(self, columns: int) -> torch.Tensor: ...

    def uniform(self, columns: int) -> torch.Tensor: ...


class IdealProcess(Protocol):
    """An ideal path that can be drawn backwards: drift b, coefficient g, marginal score s, and one exact step."""

    coefficient: float

    def drift(self, y: torch.Tensor, clock: float) -> torch.Tensor: ...

    def marginal_score(self, y: torch.Tensor, clock: float) -> torch.Tensor: ...

    def step_back(
        self, y: torch.Tensor, clock: float, following: float, noise: Normals
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The path at the following clock value, and the backward noise increment dB of the step."""
        ...


class ReversedOrnsteinUhlenbeck:
    """The ideal reverse diffusion of a law with known score, drawn as the forward process from its end points.

    Clock: OU time; the end is the smallest one.
    """

    def __init__(self, score: Field, *, rate: float = 0.5) -> None:
        self.score = score
        self.rate = checks.positive(rate, "rate")
        self.coefficient = math.sqrt(2.0 * self.rate)

    def drift(self, y: torch.Tensor, clock: float) -> torch.Tensor:
        return self.rate * y + 2.0 * self.rate * self.score(y, clock)

    def marginal_score(self, y: torch.Tensor, clock: float) -> torch.Tensor:
        return self.score(y, clock)

    def step_back(
        self, y: torch.Tensor, clock: float, following: float, noise: Normals
    ) -> tuple[torch.Tensor, torch.Tensor]:
        length = following - clock
        normals = noise.normal(y.shape[1])
        spread = math.sqrt(-math.expm1(-2.0 * self.rate * length))
        return math.exp(-self.rate * length) * y + spread * normals, math.sqrt(length) * normals


class SolvablePaths:
    """The path X + sigma W_t of a SolvableFamily from its end at t = 1 back to t = 0; one dimension.

    A step back draws X from its law given Y_t, then the Brownian bridge between them: exact at any step size.
    """

    def __init__(self, family: SolvableFamily) -> None:
        self.coefficient = float(family.diffusion)
        self._log_weights = torch.from_numpy(np.log(family.start.weights))
        self._means = torch.from_numpy(np.ascontiguousarray(family.start.means))
        self._variances = torch.from_numpy(np.ascontiguousarray(family.start.variances))
        self.error = lambda y, t: torch.full_like(y, float(family.drift_error(t)))

    def drift(self, y: torch.Tensor, clock: float) -> torch.Tensor:
        return torch.zeros_like(y)

    def _shares(self, y: torch.Tensor, clock: float) -> tuple[torch.Tensor, torch.Tensor]:
        spread = self._variances + self.coefficient**2 * clock
        gap = y - self._means
        return torch.softmax(
            self._log_weights - gap**2 / (2.0 * spread) - torch.log(spread) / 2.0, dim=1
        ), spread

    def marginal_score(self, y: torch.Tensor, clock: float) -> torch.Tensor:
        if clock == 0.0 and bool((self._variances == 0.0).any()):
            # A point mass has no score.  The node enters with half the first step only, which on a grid graded
            # towards it is of second order in the number of steps.
            return torch.zeros_like(y)
        shares, spread = self._shares(y, clock)
        return (shares * (self._means - y) / spread).sum(dim=1, keepdim=True)

    def draw_end(self, count: int, *, seed: int = 0, round_index: int = 0) -> torch.Tensor:
        """Independent end points Y_1, shape (count, 1)."""
        parts = []
        for piece in plan_chunks(1, count, 65536):
            stream = NoiseStream(
                piece.pieces, seed=seed, round_index=round_index, purpose="start", device=torch.device("cpu")
            )
            chosen = self._choose(torch.exp(self._log_weights).expand(piece.rows, -1), stream)
            spread = torch.sqrt(self._variances[chosen] + self.coefficient**2)
            parts.append(self._means[chosen] + spread * stream.normal(1))
        return torch.cat(parts)

    @staticmethod
    def _choose(shares: torch.Tensor, noise: Normals) -> torch.Tensor:
        steps = torch.cumsum(shares, dim=1)
        steps[:, -1] = torch.inf
        return (noise.uniform(1) >= steps).sum(dim=1, keepdim=True)

    def step_back(
        self, y: torch.Tensor, clock: float, following: float, noise: Normals
    ) -> tuple[torch.Tensor, torch.Tensor]:
        shares, spread = self._shares(y, clock)
        chosen = self._choose(shares, noise)
        gain = (self._variances / spread)[chosen]
        centre = self._means[chosen] + gain * (y - self._means[chosen])
        origin = centre + torch.sqrt(gain) * self.coefficient * math.sqrt(clock) * noise.normal(1)
        share = (clock - following) / clock
        width = self.coefficient * math.sqrt(max(0.0, following * share))
        moved = y + share * (origin - y) + width * noise.normal(1)
        # E[moved given y] = y + (clock - following) sigma^2 score(y): what is left is the martingale increment.
        expected = (self._means[chosen] * 0.0) + (
            (shares * (self._means - y) / spread).sum(dim=1, keepdim=True)
        )
        drifted = y + (clock - following) * self.coefficient**2 * expected
        return moved, (moved - drifted) / self.coefficient


@dataclass(frozen=True)
class IdealPaths:
    """What ideal paths through given end points left behind.

    end : (n, d).  The other fields have shape (copies, n), copies being paths that share the end point and are
    independent given it:

    energy          int norm(e)^2, trapezoid
    integral        M by forward Ito sums, weak error of first order in the step
    backward_noise  -int e . dB, conditional mean zero at every step size
    stein           A, trapezoid; None where the error's divergence was not given
    martingales     (copies, n, features), integrals of other fields against dB, conditional mean zero

    `coarse_...` : the same with every second node.
    """

    end: torch.Tensor
    energy: torch.Tensor
    integral: torch.Tensor
    backward_noise: torch.Tensor
    stein: torch.Tensor | None
    martingales: torch.Tensor
    coarse_energy: torch.Tensor
    coarse_integral: torch.Tensor
    coarse_backward_noise: torch.Tensor
    coarse_stein: torch.Tensor | None

    @property
    def stochastic_integral(self) -> torch.Tensor:
        """M: A - int e . dB where the Stein form is there (conditional mean of second order), else `integral`."""
        return self.integral if self.stein is None else self.stein + self.backward_noise

    @property
    def coarse_stochastic_integral(self) -> torch.Tensor:
        """The same at every second node."""
        if self.coarse_stein is None:
            return self.coarse_integral
        return self.coarse_stein + self.coarse_backward_noise

    @property
    def log_weight(self) -> torch.Tensor:
        """M - energy/2, shape (copies, n): the log density of the learned path against the ideal one."""
        return self.stochastic_integral - self.energy / 2.0

    @property
    def coarse_log_weight(self) -> torch.Tensor:
        """The same at every second node."""
        return self.coarse_stochastic_integral - self.coarse_energy / 2.0


def draw_ideal_paths(
    process: IdealProcess,
    error: Field,
    end: torch.Tensor,
    clocks: ArrayLike,
    *,
    divergence: Callable[[torch.Tensor, float], torch.Tensor] | None = None,
    time_bins: int = 6,
    copies: int = 2,
    seed: int = 0,
    round_index: int = 0,
    chunk: int = 65536,
) -> IdealPaths:
    """Draw ideal paths backwards from their end points and accumulate what e does along them.

    Parameters
    ----------
    process : the ideal process.
    error : e(y, clock), the drift error over the coefficient.
    end : (n, d), draws of the ideal end law.
    clocks : (K+1,), from the end of the path to its start, monotone, K even.
    divergence : div e(y, clock), shape (n,); None: no Stein form.
    time_bins : the path is cut into so many stretches, and in each the backward-noise integrals of e and, coordinate
        by coordinate, of 1, y, s, s^2 and y^2 are kept, s the marginal score: (1 + 5 d) time_bins features.
    copies : paths through each end point.
    seed, round_index : address of the random numbers; chunk : most end points treated at once.

    The path itself is exact at any step; the sums have weak error of first order in the step (M) or second (energy
    and Stein form, trapezoid), hence the coarse twins.
    """
    times = checks.vector(clocks, "clocks")
    steps = np.diff(times)
    if len(steps) < 2 or len(steps) % 2 or not (np.all(steps > 0.0) or np.all(steps < 0.0)):
        raise InputError(f"clocks must be monotone with an even number of steps, got {len(steps)} steps.")
    bins = checks.integer(time_bins, "time_bins", 1)
    count = checks.integer(copies, "copies", 1)
    if end.ndim != 2:
        raise InputError(f"end must have shape (n, d), got {tuple(end.shape)}.")
    columns: list[list[_Sums]] = [[] for _ in range(count)]
    for copy in range(count):
        for piece in plan_chunks(1, end.shape[0], chunk):
            stream = NoiseStream(
                [type(p)(copy, p.block, p.rows) for p in piece.pieces],
                seed=seed,
                round_index=round_index,
                purpose="path",
                device=end.device,
            )
            columns[copy].append(
                _draw(process, error, divergence, end[piece.start : piece.stop], times, bins, stream)
            )

    def gather(name: str) -> torch.Tensor:
        return torch.stack([torch.cat([getattr(sums, name) for sums in column]) for column in columns])

    with_stein = divergence is not None
    return IdealPaths(
        end=end,
        energy=gather("energy"),
        integral=gather("integral"),
        stein=gather("stein") if with_stein else None,
        backward_noise=gather("backward_noise"),
        martingales=gather("martingales"),
        coarse_energy=gather("coarse_energy"),
        coarse_integral=gather("coarse_integral"),
        coarse_backward_noise=gather("coarse_backward_noise"),
        coarse_stein=gather("coarse_stein") if with_stein else None,
    )


@dataclass
class _Sums:
    energy: torch.Tensor
    integral: torch.Tensor
    backward_noise: torch.Tensor
    stein: torch.Tensor
    martingales: torch.Tensor
    coarse_energy: torch.Tensor
    coarse_integral: torch.Tensor
    coarse_backward_noise: torch.Tensor
    coarse_stein: torch.Tensor


@dataclass
class _Node:
    """The path at one clock value with everything the sums need there."""

    clock: float
    y: torch.Tensor
    e: torch.Tensor
    drift: torch.Tensor
    score: torch.Tensor
    square: torch.Tensor
    density: torch.Tensor


def _draw(
    process: IdealProcess,
    error: Field,
    divergence: Callable[[torch.Tensor, float], torch.Tensor] | None,
    end: torch.Tensor,
    times: np.ndarray,
    bins: int,
    stream: Normals,
) -> _Sums:
    g = process.coefficient
    n, d = end.shape

    def node(y: torch.Tensor, clock: float) -> _Node:
        e, score = error(y, clock), process.marginal_score(y, clock)
        density = y.new_zeros(n)
        if divergence is not None:
            density = -g * (divergence(y, clock) + (e * score).sum(dim=1))
        return _Node(clock, y, e, process.drift(y, clock), score, (e**2).sum(dim=1), density)

    names = ("energy", "integral", "backward_noise", "stein")
    sums = _Sums(
        martingales=end.new_zeros(n, bins, 1 + 5 * d),
        **{prefix + name: end.new_zeros(n) for prefix in ("", "coarse_") for name in names},
    )
    here = node(end.to(torch.float64), float(times[0]))
    even, pair = here, torch.zeros_like(here.y)
    last = len(times) - 1
    for k in range(1, last + 1):
        y, noise = process.step_back(here.y, here.clock, float(times[k]), stream)
        row = sums.martingales[:, (k - 1) * bins // last]
        row[:, 0] += (here.e * noise).sum(dim=1)
        fields = (torch.ones_like(y), here.y, here.score, here.score**2, here.y**2)
        for j, factor in enumerate(fields):
            row[:, 1 + j * d : 1 + (j + 1) * d] += factor * noise
        there = node(y, float(times[k]))
        _add(sums, here, there, noise, g, "")
        pair = noise if k % 2 else pair + noise
        if k % 2 == 0:
            _add(sums, even, there, pair, g, "coarse_")
            even = there
        here = there
    sums.martingales = sums.martingales.reshape(n, -1)
    return sums


def _add(sums: _Sums, late: _Node, early: _Node, noise: torch.Tensor, g: float, prefix: str) -> None:
    """One interval: `late` is nearer the end of the path, `early` nearer its start, `noise` the increment of B."""
    step = abs(early.clock - late.clock)
    seen = (late.y - early.y - early.drift * step) / g
    getattr(sums, prefix + "integral").add_((early.e * seen).sum(dim=1))
    getattr(sums, prefix + "backward_noise").sub_((late.e * noise).sum(dim=1))
    getattr(sums, prefix + "energy").add_((step / 2.0) * (early.square + late.square))
    getattr(sums, prefix + "stein").add_((step / 2.0) * (early.density + late.density))
