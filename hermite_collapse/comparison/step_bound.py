"""How many steps a sampler needs for their effect to stay below the error bars, before anything is measured.

What is proved: on a Gaussian direction the steps leave a Gaussian of variance (1 + delta) V instead of V, with delta by
`gaussian_steps`, exactly.  The mean of any function of that direction over N independent particles is then off by at
most

    sqrt(N chi2),    chi2 = (1 - delta^2)^(-1/2) - 1,    about sqrt(N / 2) abs(delta)

of its standard errors (Cauchy and Schwarz), and the Hermite mode of degree 2 about the mean by nearly as much.

What is calibrated: mixtures.  The bound is

    MARGIN sqrt(N) max( sqrt(chi2),  max_i h_i^p w_i )

the first over all variances up to the largest S of a direction of the law, the second with h the change of log sigma in
a step, p the weak order and w = S / (S + sigma^2) where the step ends.  No inequality says so.  On mixtures on a line,
whose steps are followed on a grid without particles, the largest effect on a coefficient to degree 8 was .05 to 1.0 of
it; `tests/comparison/test_gaussian_steps.py` tries others.  In more than EXACT_STEPS steps sqrt(chi2) is that of so
many and falls with the order, and the maximum is over so many of the steps, the last among them; for samplers that are
not known here sqrt(chi2) is left out.

Extrapolated from twice the steps, both are of one order more, beside the wider error bars of the extrapolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..core.types import FloatArray
from ..recursion.recursion import Recursion
from ..simulation.grids import default_horizon, ornstein_uhlenbeck_time, spaced_times, times_at
from ..simulation.words import GRIDS
from .gaussian_steps import log_sigma, variance_defect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..storage.record import SimulatedRecursion

LARGEST = 1.0
"""Standard errors that the steps may move a coefficient by in a comparison."""

MARGIN = 1.25
"""What the effect on mixtures is allowed beyond the larger of the two estimates."""

MOST_STEPS = 1 << 24
EXACT_STEPS = 1 << 12
_TIMES, _ROUNDS = 16, 4
"""Truncation times and rounds that are looked at, where there are more."""
_VARIANCES = np.logspace(-10.0, 0.0, 31)
_STEEP = 0.9  # a relative defect from which the effect is taken as proportional to it


def order_of(sampler: Mapping[str, object] | None) -> float | None:
    """Return the weak order of a recorded sampler; None where it is not stated."""
    order = (sampler or {}).get("order")
    return float(order) if isinstance(order, int | float) and order > 0 else None


def gain_of(order: float) -> float:
    """Return what the difference to twice the steps is multiplied by: 1 / (1 - 2^-order)."""
    return 1.0 / (1.0 - 0.5**order)


def independent_particles(particles: int, runs: int, pool: int | None) -> float:
    """Return how many independent particles have error bars as small as those of all runs."""
    return runs / (1.0 / particles + (0.0 if pool is None else 1.0 / pool))


@dataclass(frozen=True)
class PlannedSteps:
    """A reverse diffusion whose number of steps is still to be chosen.

    Parameters
    ----------
    recursion : Recursion
    sampler : mapping
        As in the record: order, grid and horizon.
    rounds : int
    particles : float
        Independent particles of all runs together.
    refined : bool
        Whether the values are extrapolated from twice the steps.
    """

    recursion: Recursion
    sampler: Mapping[str, object]
    rounds: int
    particles: float
    refined: bool = False

    @classmethod
    def of_record(
        cls, recursion: Recursion, simulated: SimulatedRecursion, *, refined: bool = False
    ) -> PlannedSteps:
        """Return those of a simulation; without a sampler there is nothing that steps do."""
        particles = independent_particles(simulated.particles, simulated.runs, simulated.pool)
        return cls(recursion, simulated.sampler or {}, simulated.rounds, particles, refined)

    def bound(self, steps: int | None) -> float:
        """Return how many standard errors so many steps may move a coefficient by; 0 for a grid or order not stated."""
        order, grid = order_of(self.sampler), self.sampler.get("grid")
        if steps is None or order is None or grid not in GRIDS or self.rounds == 0:
            return 0.0
        gain = gain_of(order)
        wider = np.hypot(1.0 - gain, gain) if self.refined else 1.0
        largest = max(self._effect(float(time), steps, order, str(grid)) for time in self._times)
        return float(np.sqrt(self.particles) * largest / wider)

    def _effect(self, time: float, steps: int, order: float, grid: str) -> float:
        """The effect on one particle of a round that stops at a truncation time, in its standard deviations."""
        start, stop, rate = self._ends(time)
        power = order + 1.0 if self.refined else order
        first: FloatArray = np.arange(steps, dtype=float)
        if steps > EXACT_STEPS:
            first = np.linspace(0, steps - 1, EXACT_STEPS).round()
        before, after = (
            times_at(grid, done / steps, start=start, stop=stop, rate=rate) for done in (first, first + 1.0)
        )
        shares = 1.0 / (1.0 + np.expm1(2.0 * rate * after) / self._variance)
        estimate = float(np.max((log_sigma(before, rate) - log_sigma(after, rate)) ** power * shares))
        proved = self._proved(time, min(steps, EXACT_STEPS), order, grid)
        if proved is None:
            return MARGIN * estimate
        if steps > EXACT_STEPS:
            proved = min(proved, 1.0) * (EXACT_STEPS / steps) ** power
        return MARGIN * max(estimate, proved)

    def _ends(self, time: float) -> tuple[float, float, float]:
        """The Ornstein-Uhlenbeck times at which a round begins and ends, and the rate."""
        stop, rate = ornstein_uhlenbeck_time(self.recursion, time)
        horizon = self.sampler.get("horizon")
        start = float(horizon) if isinstance(horizon, int | float) else default_horizon(stop, rate)
        return start, stop, rate

    def _proved(self, time: float, steps: int, order: float, grid: str) -> float | None:
        """The exact effect on one particle of Gaussian directions; None for samplers that are not known."""
        key = (time, steps)
        if key not in self._proved_before:
            self._proved_before[key] = self._largest_deviation(time, steps, order, grid)
        return self._proved_before[key]

    @cached_property
    def _proved_before(self) -> dict[tuple[float, int], float | None]:
        return {}

    def _largest_deviation(self, time: float, steps: int, order: float, grid: str) -> float | None:
        start, stop, rate = self._ends(time)

        def defect(count: int) -> FloatArray | None:
            times = spaced_times(grid, count, start=start, stop=stop, rate=rate)
            variances = self._variance * _VARIANCES
            return variance_defect(str(self.sampler.get("name")), order, times, rate, variances)

        exact = defect(steps)
        if exact is None:
            return None
        if self.refined:
            finer = defect(2 * steps)
            assert finer is not None
            with np.errstate(invalid="ignore"):
                exact = np.nan_to_num(exact + gain_of(order) * (finer - exact), nan=np.inf)
        return _deviations(exact)

    @cached_property
    def _times(self) -> FloatArray:
        """The truncation times that are looked at."""
        times = np.unique(self.recursion.schedule.times(self.rounds))
        return times[np.unique(np.linspace(0, len(times) - 1, _TIMES).round().astype(int))]

    @cached_property
    def _variance(self) -> float:
        """The largest variance of a direction of the training laws."""
        largest = 0.0
        for index in np.unique(np.linspace(0, self.rounds - 1, _ROUNDS).round().astype(int)):
            covariance = self.recursion.training_law(int(index)).covariance
            largest = max(largest, float(np.linalg.eigvalsh(covariance)[-1]))
        return max(largest + self.recursion.blur**2, np.finfo(float).tiny)

    def needed(self, steps: int) -> int:
        """Return the least number of steps >= `steps`, to a few per cent, whose effect stays below the error bars."""
        if self.bound(steps) <= LARGEST:
            return steps
        below, above = steps, 2 * steps
        while self.bound(above) > LARGEST and above < MOST_STEPS:
            below, above = above, 2 * above
        while above - below > max(1, above // 100):
            middle = (below + above) // 2
            below, above = (below, middle) if self.bound(middle) <= LARGEST else (middle, above)
        return above


def too_few_steps(recursion: Recursion, simulated: SimulatedRecursion, *, refined: bool) -> str:
    """Return why nothing is tested for the steps of the sampler; nothing where they are enough."""
    planned = PlannedSteps.of_record(recursion, simulated, refined=refined)
    bound = planned.bound(simulated.steps)
    if bound <= LARGEST or simulated.steps is None:
        return ""
    needed = planned.needed(simulated.steps)
    how = ", extrapolated from twice as many," if refined else ""
    return (
        f"Nothing is tested: {simulated.steps} steps of the sampler{how} may move a coefficient by up to {bound:.2g} "
        f"standard errors of {simulated.particles} particles in {simulated.runs} runs, which says nothing about the "
        f"theory; steps = {needed} are enough, or generator = channel, which has none."
    )


def _deviations(defect: FloatArray) -> float:
    """Return the largest effect of relative defects of a variance, in standard deviations of one particle."""
    size = np.abs(defect)
    inside = np.minimum(size, _STEEP)
    # 1 / sqrt(1 - x) - 1 without cancellation.
    root = np.sqrt(np.expm1(-0.5 * np.log1p(-(inside**2))))
    effect = np.divide(root * size, inside, out=np.zeros_like(size), where=inside > 0.0)
    return float(np.max(effect, initial=0.0))
