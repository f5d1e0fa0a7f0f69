"""Path energies, the stochastic integral and the Girsanov weight of a score error, along simulated paths.

A diffusion dY = b(Y, s) ds + g dW is followed from its start to its end; e(y, s) is the drift error over g, so that
the learned path has drift b + g e.  Along any path, with dW* = (dY - b ds)/g the increments *as the ideal drift sees
them*,

    energy     int norm(e)^2 ds                       eps_star^2 on ideal paths, eps_hat^2 on learned ones, in the mean
    integral   M = int e . dW*
    log weight log L = M - (1/2) int norm(e)^2 ds     E_ideal[L] = 1,   E_learned[1/L] = 1.

The sums that make L are the left-point sums of the Euler scheme, for which both means are 1 exactly and at every step
size: L is the exact density ratio of the two discrete paths.  Because the increments are read off the path and not
taken from the noise that made it, a learned path with the error's sign reversed has E[1/L] = exp(2 eps^2) and more:
`weight_check` then rejects.

Time-step bias: every path is followed twice with the same Brownian motion, with all steps and with every second node.
The mean of 2 fine - coarse is correct to second order in the step (first-order weak error cancels), its standard
error comes from the same differences, and the change it made is reported.

References : arXiv:2602.16601, section 3 (energies); Girsanov's theorem.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...core import checks
from ...core.errors import InputError
from ...core.estimates import Estimate
from ..noise import NoiseStream, plan_chunks

Field = Callable[[torch.Tensor, float], torch.Tensor]

# Rejection level of the weight check: a two-sided probability of 6e-5 for a normal mean.
_REJECT = 4.0


class Diffusion(Protocol):
    """dY = drift ds + coefficient dW; `drift(y, clock)` with y (n, d), the clock being whatever time it is told in."""

    coefficient: float

    def drift(self, y: torch.Tensor, clock: float) -> torch.Tensor: ...


class ReverseProcess:
    """The reverse of the Ornstein-Uhlenbeck process, told in OU time running down.

        dY = (theta Y + 2 theta score(Y, t)) |dt| + sqrt(2 theta) dW

    Parameters
    ----------
    score : (x, t) -> (n, d).
    rate : theta.
    """

    def __init__(self, score: Field, *, rate: float = 0.5) -> None:
        self.score = score
        self.rate = checks.positive(rate, "rate")
        self.coefficient = math.sqrt(2.0 * self.rate)

    def drift(self, y: torch.Tensor, clock: float) -> torch.Tensor:
        return self.rate * y + 2.0 * self.rate * self.score(y, clock)

    def relative(self, score_error: Field) -> Field:
        """e = sqrt(2 theta) xi of a score error xi: what `follow_paths` takes."""
        return lambda x, t: self.coefficient * score_error(x, t)

    def learned(self, score_error: Field) -> ReverseProcess:
        """The reverse diffusion run with score + score_error."""
        return ReverseProcess(lambda x, t: self.score(x, t) + score_error(x, t), rate=self.rate)


class BrownianMotion:
    """dY = sigma dW: the ideal path of the solvable family."""

    def __init__(self, diffusion: float = 1.0) -> None:
        self.coefficient = checks.positive(diffusion, "diffusion")

    def drift(self, y: torch.Tensor, clock: float) -> torch.Tensor:
        return torch.zeros_like(y)


@dataclass(frozen=True)
class PathFunctionals:
    """What paths left behind, one entry a path: end points (n, d), the others (n,).

    `energy` by the trapezoid rule, `integral` and `quadratic_variation` by left-point sums; `coarse_...` the same
    paths at every second node.
    """

    end: torch.Tensor
    energy: torch.Tensor
    integral: torch.Tensor
    quadratic_variation: torch.Tensor
    coarse_end: torch.Tensor
    coarse_energy: torch.Tensor
    coarse_integral: torch.Tensor
    coarse_quadratic_variation: torch.Tensor

    @property
    def log_weight(self) -> torch.Tensor:
        """log L = M - (1/2) int norm(e)^2, shape (n,)."""
        return self.integral - self.quadratic_variation / 2.0


@dataclass(frozen=True)
class PathEnergy:
    """A path energy: extrapolated to step zero, with standard error; what extrapolation changed; number of paths."""

    energy: Estimate
    step_change: float
    paths: int


@dataclass(frozen=True)
class WeightCheck:
    """Is the mean of a Girsanov weight 1?

    `mean` with its standard error, `score` = (mean - 1)/standard error, `accepted` if abs(score) <= 4, and the share
    of the paths that carry the weight, (sum w)^2 / (n sum w^2): below about 0.05 the standard error itself cannot be
    trusted.
    """

    mean: Estimate
    score: float
    accepted: bool
    effective_share: float


def time_nodes(first: float, last: float, steps: int, *, grading: float = 2.0) -> np.ndarray:
    """Clock values first, ..., last (steps + 1,), fine near the smaller of the two.

        low + (high - low) u^grading, u uniform on [0, 1]

    grading = 1 is uniform.  A smooth change of variable, so that halving the steps halves every one of them and
    extrapolation in the step stays valid.
    """
    count = checks.integer(steps, "steps", 1)
    power = checks.positive(grading, "grading")
    low, high = sorted((checks.real(first, "first"), checks.real(last, "last")))
    if low == high:
        raise InputError(f"first and last must differ, got {first!r} twice.")
    nodes = low + (high - low) * np.linspace(0.0, 1.0, count + 1) ** power
    nodes[-1] = high
    return nodes if first < last else nodes[::-1].copy()


def follow_paths(
    diffusion: Diffusion,
    error: Field,
    start: torch.Tensor,
    clocks: ArrayLike,
    *,
    drift: Field | None = None,
    seed: int = 0,
    round_index: int = 0,
    chunk: int = 65536,
) -> PathFunctionals:
    """Follow paths by Euler's rule, fine and coarse with one Brownian motion, and accumulate what e does along them.

    Parameters
    ----------
    diffusion : the ideal diffusion; its drift defines dW*.
    error : e(y, clock), the drift error over the coefficient.
    start : (n, d), where the paths begin.
    clocks : (K+1,), monotone in either direction, K even.
    drift : the drift the paths really follow; None: the ideal one.  For learned paths pass the drift of the learned
        diffusion, `diffusion.learned(score_error).drift`.
    seed, round_index : address of the random numbers.
    chunk : most paths followed at once; the results do not depend on it.

    Raises : InputError if the clocks are not monotone or their number of steps is odd.
    """
    times = checks.vector(clocks, "clocks")
    steps = np.diff(times)
    if len(steps) < 2 or len(steps) % 2 or not (np.all(steps > 0.0) or np.all(steps < 0.0)):
        raise InputError(f"clocks must be monotone with an even number of steps, got {len(steps)} steps.")
    if start.ndim != 2:
        raise InputError(f"start must have shape (n, d), got {tuple(start.shape)}.")
    followed = diffusion.drift if drift is None else drift
    parts: list[tuple[torch.Tensor, ...]] = []
    for piece in plan_chunks(1, start.shape[0], chunk):
        stream = NoiseStream(
            piece.pieces, seed=seed, round_index=round_index, purpose="path", device=start.device
        )
        begin = start[piece.start : piece.stop].to(torch.float64)
        fine = _Walker(diffusion, followed, error, begin, float(times[0]))
        coarse = _Walker(diffusion, followed, error, begin, float(times[0]))
        for k in range(0, len(steps), 2):
            first = stream.normal(begin.shape[1]) * math.sqrt(abs(steps[k]))
            second = stream.normal(begin.shape[1]) * math.sqrt(abs(steps[k + 1]))
            fine.step(float(times[k + 1]), first)
            fine.step(float(times[k + 2]), second)
            coarse.step(float(times[k + 2]), first + second)
        parts.append(fine.results() + coarse.results())
    return PathFunctionals(*(torch.cat(column) for column in zip(*parts, strict=True)))


class _Walker:
    """A batch of Euler paths and their running sums."""

    def __init__(
        self, diffusion: Diffusion, followed: Field, error: Field, y: torch.Tensor, clock: float
    ) -> None:
        self._diffusion, self._followed, self._error = diffusion, followed, error
        self._same = followed == diffusion.drift
        self._y, self._clock = y, clock
        self._e = error(y, clock)
        self._square = (self._e**2).sum(dim=1)
        self._energy = torch.zeros_like(self._square)
        self._integral = torch.zeros_like(self._square)
        self._variation = torch.zeros_like(self._square)

    def step(self, clock: float, brownian: torch.Tensor) -> None:
        step = abs(clock - self._clock)
        g = self._diffusion.coefficient
        ideal = self._diffusion.drift(self._y, self._clock)
        real = ideal if self._same else self._followed(self._y, self._clock)
        moved = self._y + real * step + g * brownian
        seen = (moved - self._y - ideal * step) / g
        self._integral += (self._e * seen).sum(dim=1)
        self._variation += step * self._square
        self._y, self._clock = moved, clock
        before = self._square
        self._e = self._error(moved, clock)
        self._square = (self._e**2).sum(dim=1)
        self._energy += (step / 2.0) * (before + self._square)

    def results(self) -> tuple[torch.Tensor, ...]:
        return self._y, self._energy, self._integral, self._variation


def mean_estimate(values: torch.Tensor, *, route: str = "samples") -> Estimate:
    """Mean and standard error of independent values (n,)."""
    count = values.numel()
    if count < 2:
        raise InputError(f"values must hold at least 2 entries for a standard error, got {count}.")
    return Estimate(
        float(values.mean()), float(values.std(unbiased=True)) / math.sqrt(count), "standard_error", route
    )


def path_energy(functionals: PathFunctionals) -> PathEnergy:
    """E int norm(e)^2 ds along the paths, extrapolated in the time step.

    The estimate is the mean of 2 fine - coarse; its standard error is that of these differences.  Remaining bias:
    second order in the step, of the order of step_change^2 / energy.
    """
    energy = mean_estimate(2.0 * functionals.energy - functionals.coarse_energy)
    change = float((functionals.energy - functionals.coarse_energy).mean())
    return PathEnergy(energy, change, functionals.energy.numel())


def weight_check(functionals: PathFunctionals, *, learned: bool) -> WeightCheck:
    """Does the Girsanov weight have mean 1?

        ideal paths    E[L] = 1                 learned paths    E[1/L] = 1

    Both hold exactly for Euler paths at any step, so any significant difference means that the paths did not follow
    the drift they were said to follow: a wrong sign, a factor, a forgotten term.

    Parameters
    ----------
    functionals : from `follow_paths`.
    learned : which law the paths are claimed to have.
    """
    log_weight = -functionals.log_weight if learned else functionals.log_weight
    weights = torch.exp(log_weight)
    mean = mean_estimate(weights)
    score = (mean.value - 1.0) / mean.error if mean.error > 0.0 else 0.0
    share = float(weights.sum() ** 2 / (weights.numel() * (weights**2).sum()))
    return WeightCheck(mean, score, abs(score) <= _REJECT, share)
