"""What all steps of a sampler do to one direction beside what the last one does, and whether an audit would mind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.numbers import cell
from ..core.types import FloatArray
from ..pipeline.denoiser import Sampler
from ..pipeline.mechanisms import FinalStep
from ..pipeline.pipeline import Pipeline
from ..pipeline.requirements import deviations, is_within
from .enough import TOLERANCE

COARSEST, FINEST, DIRECTIONS = 1.0, 0.01, 33
"""Variances, in the units of the sampler, that an audit asks limits of where no directions are given."""


@dataclass(frozen=True)
class StepsEffect:
    """What all steps of a sampler do with exact scores, and what its last step does alone.

    Attributes
    ----------
    variance : float
        Of the direction, in units of the data's variance.
    in_round, last_step_in_round : float
        Share of the variance that one round keeps: all steps, and the last step alone.
    in_limit, last_step_in_limit : float
        The same in the long run; infinity where it grows without bound, NaN where rounds end in a cycle.
    finest : float
        Smallest variance of the directions that an audit asks limits of, in the units of the sampler.
    deviation : float
        Largest relative deviation of the limits of these directions from the data.
    """

    variance: float
    in_round: float
    last_step_in_round: float
    in_limit: float
    last_step_in_limit: float
    finest: float
    deviation: float

    @property
    def dominant(self) -> Literal["steps", "last step"]:
        """Which does more to the variance in one round."""
        steps = abs(np.log(self.in_round / self.last_step_in_round))
        return "steps" if steps > abs(np.log(self.last_step_in_round)) else "last step"

    @property
    def matters(self) -> bool:
        """Whether the limit of a direction is further from the data than an audit asks for."""
        return not is_within(self.deviation, TOLERANCE)

    @classmethod
    def of(
        cls, sampler: Sampler, *, variance: float, data_scale: float, fresh_fraction: float
    ) -> StepsEffect:
        """Return the effect on a direction of this variance, both in units of the data."""
        kind, sigma = sampler.ending
        last = FinalStep(0.0 if kind == "flow" else sigma, "noisy" if kind == "noisy" else "full")
        own = variance * data_scale**2
        pipelines = [Pipeline([part], fresh_fraction=fresh_fraction) for part in (sampler, last)]
        limits = [float(one.limit(own)) / own for one in pipelines]
        return cls(
            variance,
            float(sampler.variance(own)) / own,
            float(last.variance(own)) / own,
            limits[0],
            limits[1],
            min(FINEST, own),
            float(np.max(np.abs(deviations(pipelines[0], audited_directions(own))))),
        )

    def words(self, sampler: Sampler, fresh_fraction: float) -> str:
        """Return in a sentence what the steps of this sampler do."""
        return (
            f"With exact scores and fresh fraction {fresh_fraction:g}, all its steps together ({sampler.describe()}) "
            f"multiply the variance of {direction_words(self.variance)} by {cell(self.in_round)} in one round and "
            f"{_long_run(self.in_limit)} in the long run; the last step alone "
            f"by {cell(self.last_step_in_round)} and {_long_run(self.last_step_in_limit)}."
        )


def audited_directions(own: float) -> FloatArray:
    """Return the variances of directions that an audit asks limits of, widened to that of one direction."""
    return np.geomspace(max(COARSEST, own), min(FINEST, own), DIRECTIONS)


def direction_words(variance: float) -> str:
    """Return a direction of a variance, in units of the data's, in words."""
    width = "the data's variance" if variance == 1.0 else f"{cell(variance)} of the data's variance"
    return f"a direction with {width}"


def _long_run(factor: float) -> str:
    """Return a factor of the long run in words."""
    if np.isnan(factor):
        return "by factors that alternate"
    return "without bound" if factor == np.inf else f"by {cell(factor)}"
