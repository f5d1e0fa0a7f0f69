"""Given steps of a sampler as curves: a round map that is not affine, without parameters of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from ..core.types import FloatArray
from ..pipeline.interpolant import Interpolant
from ..pipeline.mechanism import Mechanism
from .observations import VARIANCE, Observations
from .round_models import LongRun, Parameter, RoundModel

_ROUNDS_TO_LIMIT, _NEWTON_STEPS = 60, 12
"""Rounds after which a recursion is near its limit, and steps of Newton's method that reach it."""


@lru_cache(maxsize=16)
def interpolant_of(mechanism: Mechanism) -> Interpolant:
    """Return the interpolant of a mechanism, made once."""
    return Interpolant.of(mechanism)


@dataclass(frozen=True)
class SamplerModel(RoundModel):
    """Given steps of a sampler: any round map, without parameters of its own."""

    mechanism: Mechanism
    interpolant: Interpolant
    name: ClassVar[str] = "sampler"
    title: ClassVar[str] = "the given sampler"
    starts_are_linear: ClassVar[bool] = False

    @classmethod
    def of(cls, mechanism: Mechanism) -> SamplerModel:
        """Return the curves of a mechanism."""
        return cls(mechanism, interpolant_of(mechanism))

    def speaks_of(self, observations: Observations) -> bool:
        return bool(np.all(observations.degrees == VARIANCE))

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        return ()

    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        data = np.maximum(starts, 0.0)
        curve = [data]
        for _ in range(observations.last):
            curve.append(self.interpolant.variance(alpha * data + (1.0 - alpha) * curve[-1]))
        return np.stack(curve, axis=1)[:, observations.rounds.astype(np.int64)]

    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        data = np.maximum(starts, 0.0)
        value = data
        for _ in range(_ROUNDS_TO_LIMIT):
            value = self.interpolant.variance(alpha * data + (1.0 - alpha) * value)
        rate = np.ones_like(value)
        for _ in range(_NEWTON_STEPS):
            image, slope = self.interpolant.with_slope(alpha * data + (1.0 - alpha) * value)
            rate = (1.0 - alpha) * slope
            step = np.divide(image - value, 1.0 - rate, out=np.zeros_like(value), where=rate < 1.0)
            value = np.maximum(value + step, 0.0)
        return LongRun(np.where(rate < 1.0, value, np.inf), rate)
