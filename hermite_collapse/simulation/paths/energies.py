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

References: arXiv:2602.16601, section 3 (energies); Girsanov's theorem.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...core.estimates import Estimate
from ...core.threads import one_thread
from ..noise import NoiseStream, plan_chunks
from .processes import Diffusion, Field, checked_clocks, checked_points

# Rejection level of the weight check: a two-sided probability of 6e-5 for a normal mean.
_REJECT = 4.0


@dataclass(frozen=True, eq=False)
class PathFunctionals:
    """What paths on one grid of nodes gave, one entry a path.

    Attributes
    ----------
    end : tensor, shape (n, d)
        End points.
    energy : tensor, shape (n,)
        int norm(e)^2 by the trapezoid rule.
    integral, quadratic_variation : tensor, shape (n,)
        M and int norm(e)^2 by left-point sums.
    """

    end: torch.Tensor
    energy: torch.Tensor
    integral: torch.Tensor
    quadratic_variation: torch.Tensor

    @property
    def log_weight(self) -> torch.Tensor:
        """log L = M - (1/2) int norm(e)^2, shape (n,)."""
        return self.integral - self.quadratic_variation / 2.0


@dataclass(frozen=True, eq=False)
class FollowedPaths:
    """Paths with all steps and with every second node, driven by one Brownian motion.

    Attributes
    ----------
    fine, coarse : PathFunctionals
    """

    fine: PathFunctionals
    coarse: PathFunctionals


@dataclass(frozen=True)
class PathEnergy:
    """A path energy, extrapolated in the time step.

    Attributes
    ----------
    energy : Estimate
        With standard error.
    step_change : float
        What extrapolation changed.
    paths : int
        Number of paths.
    """

    energy: Estimate
    step_change: float
    paths: int


@dataclass(frozen=True)
class WeightCheck:
    """Whether the mean of a Girsanov weight is 1.

    Attributes
    ----------
    mean : Estimate
        With standard error.
    score : float
        (mean - 1) / standard error.
    accepted : bool
        Whether abs(score) <= 4.
    effective_share : float
        Share of the paths that carry the weight, (sum w)^2 / (n sum w^2): below about 0.05 the standard error itself
        cannot be trusted.
    """

    mean: Estimate
    score: float
    accepted: bool
    effective_share: float


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
) -> FollowedPaths:
    """Follow paths by Euler's rule, fine and coarse with one Brownian motion, and sum what e does along them.

    Parameters
    ----------
    diffusion : Diffusion
        The ideal diffusion, such as a `ReverseProcess`; its drift defines dW*.
    error : function
        e(y, clock), the drift error over the coefficient.
    start : tensor, shape (n, d)
        Where the paths begin; n >= 2.
    clocks : array, shape (K + 1,)
        Monotone in either direction, K even.
    drift : function, optional
        The drift the paths really follow; the ideal one unless given.  For learned paths pass the drift of the learned
        diffusion, `diffusion.learned(score_error).drift`.
    seed, round_index : int
        Address of the random numbers.
    chunk : int
        Most paths followed at once; the results do not depend on it.

    Returns
    -------
    FollowedPaths

    Raises
    ------
    InputError
        If the clocks are not monotone or their number of steps is odd, or start has another shape.

    Examples
    --------
    >>> from hermite_collapse.simulation import ReverseProcess, TimeOnlyError, path_energy, time_nodes
    >>> ideal, error = ReverseProcess(lambda x, t: -x), TimeOnlyError([0.1])
    >>> start = torch.zeros(100, 1, dtype=torch.float64)
    >>> paths = follow_paths(ideal, ideal.relative(error), start, time_nodes(2.0, 0.0, 8))
    >>> round(path_energy(paths).energy.value, 6)
    0.02
    """
    times = checked_clocks(clocks)
    begin = checked_points(start, "start")
    steps = np.abs(np.diff(times))
    followed = diffusion.drift if drift is None else drift
    fine: list[PathFunctionals] = []
    coarse: list[PathFunctionals] = []
    for piece in plan_chunks(1, len(begin), chunk):
        stream = NoiseStream(
            piece.pieces, seed=seed, round_index=round_index, purpose="path", device=begin.device
        )
        y = begin[piece.start : piece.stop]
        with one_thread():
            walkers = [_Walker(diffusion, followed, error, y, float(times[0])) for _ in range(2)]
            for k in range(0, len(steps), 2):
                first = stream.normal(y.shape[1]) * math.sqrt(steps[k])
                second = stream.normal(y.shape[1]) * math.sqrt(steps[k + 1])
                walkers[0].step(float(times[k + 1]), first)
                walkers[0].step(float(times[k + 2]), second)
                walkers[1].step(float(times[k + 2]), first + second)
        fine.append(walkers[0].result())
        coarse.append(walkers[1].result())
    return FollowedPaths(_joined(fine), _joined(coarse))


def _joined(parts: list[PathFunctionals]) -> PathFunctionals:
    return PathFunctionals(
        end=torch.cat([part.end for part in parts]),
        energy=torch.cat([part.energy for part in parts]),
        integral=torch.cat([part.integral for part in parts]),
        quadratic_variation=torch.cat([part.quadratic_variation for part in parts]),
    )


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
        increment = (moved - self._y - ideal * step) / g
        self._integral += (self._e * increment).sum(dim=1)
        self._variation += step * self._square
        self._y, self._clock = moved, clock
        before = self._square
        self._e = self._error(moved, clock)
        self._square = (self._e**2).sum(dim=1)
        self._energy += (step / 2.0) * (before + self._square)

    def result(self) -> PathFunctionals:
        return PathFunctionals(self._y, self._energy, self._integral, self._variation)


def path_energy(paths: FollowedPaths) -> PathEnergy:
    """Return E int norm(e)^2 ds along the paths, extrapolated in the time step.

    Parameters
    ----------
    paths : FollowedPaths

    Returns
    -------
    PathEnergy

    Accuracy
    --------
    The estimate is the mean of 2 fine - coarse; its standard error is that of these differences.  Remaining bias:
    second order in the step, of the order of step_change^2 / energy.
    """
    fine, coarse = paths.fine.energy, paths.coarse.energy
    energy = Estimate.of_mean((2.0 * fine - coarse).cpu().numpy())
    return PathEnergy(energy, float((fine - coarse).mean()), fine.numel())


def weight_check(paths: FollowedPaths, *, learned: bool) -> WeightCheck:
    """Return whether the Girsanov weight has mean 1.

        ideal paths    E[L] = 1                 learned paths    E[1/L] = 1

    Parameters
    ----------
    paths : FollowedPaths
    learned : bool
        Which law the paths are claimed to have.

    Returns
    -------
    WeightCheck

    Notes
    -----
    Both hold exactly for Euler paths at any step, so any significant difference means that the paths did not follow
    the drift they were said to follow: a wrong sign, a factor, a forgotten term.
    """
    log_weight = paths.fine.log_weight.cpu().numpy()
    weights = np.exp(-log_weight if learned else log_weight)
    mean = Estimate.of_mean(weights)
    excess = mean.value - 1.0
    # Without a spread, as for no error at all, only the mean 1 itself will do.
    score = excess / mean.error if mean.error > 0.0 else math.copysign(math.inf, excess) if excess else 0.0
    share = float(weights.sum() ** 2 / (weights.size * (weights**2).sum()))
    return WeightCheck(mean, score, abs(score) <= _REJECT, share)
