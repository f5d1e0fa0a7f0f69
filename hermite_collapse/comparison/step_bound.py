"""How many steps a sampler needs for their effect to stay below the error bars, before anything is measured.

Over a step a sampler of weak order p leaves about h^p of what is left of the data, h the change of log sigma in it, so
that coefficients with error bars of N independent particles move by up to

    sqrt(N) max_i h_i^p a_i^2

of them, a the signal scale where the step ends.  On the grid of equal log sigma the largest measured effect is .15 to
.8 of this for `ExponentialMultistep`, .2 to .4 for `ProbabilityFlowHeun`, and up to 1.4 for Euler's rule.  Extrapolated
from twice the steps, the next order is left, beside the wider error bars of the extrapolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.types import FloatArray
from ..recursion.recursion import Recursion
from ..simulation.grids import default_horizon, ornstein_uhlenbeck_time, spaced_times
from ..simulation.words import GRIDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..storage.record import SimulatedRecursion

LARGEST = 1.0
"""Standard errors that the steps may move a coefficient by in a comparison."""

MOST_STEPS = 1 << 24


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
        horizon = self.sampler.get("horizon")
        largest = 0.0
        for time in np.unique(self.recursion.schedule.times(self.rounds)):
            stop, rate = ornstein_uhlenbeck_time(self.recursion, float(time))
            start = float(horizon) if isinstance(horizon, int | float) else default_horizon(stop, rate)
            times = spaced_times(str(grid), steps, start=start, stop=stop, rate=rate)
            power = order + 1.0 if self.refined else order
            effect = -np.diff(_log_sigma(times, rate))
            largest = max(largest, float(np.max(effect**power * np.exp(-2.0 * rate * times[1:]))))
        gain = gain_of(order)
        wider = np.hypot(1.0 - gain, gain) if self.refined else 1.0
        return float(np.sqrt(self.particles) * largest / wider)

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


def _log_sigma(times: FloatArray, rate: float) -> FloatArray:
    """Return log of noise over signal at Ornstein-Uhlenbeck times."""
    exponent = 2.0 * rate * times
    return 0.5 * (exponent + np.log(-np.expm1(-exponent)))
