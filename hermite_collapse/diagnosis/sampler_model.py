r"""Given steps of a sampler as curves: a round map that is not affine, without parameters of its own.

Columns of a table are taken as eigenvectors of the covariance, v' = V(alpha v_d + (1 - alpha) v).  Measured directions
are none: a round is the Gaussian closure of matrices (`matrix_rounds`), and a curve is q^T S q.  An error of S along q
comes back along q times

    (1 - alpha) sum_jk (q.u_j)^2 V[w_j, w_k] (q.u_k)^2,

so that each direction passes its errors on by a factor of its own in each round, and some to the other directions.
These make the covariance of the curves (`sampler_errors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from ..core.types import FloatArray
from ..pipeline.interpolant import Interpolant
from ..pipeline.mechanism import Mechanism
from .matrix_rounds import Law, MatrixRounds, law_of
from .observations import VARIANCE, Observations
from .round_models import LongRun, Parameter, RoundModel
from .sampler_errors import with_own_errors

_ROUNDS_TO_LIMIT, _NEWTON_STEPS = 60, 12
"""Rounds after which a recursion is near its limit, and steps of Newton's method that reach it."""


@lru_cache(maxsize=16)
def interpolant_of(mechanism: Mechanism) -> Interpolant:
    """Return the interpolant of a mechanism, made once."""
    return Interpolant.of(mechanism)


@dataclass(frozen=True)
class SamplerModel(RoundModel):
    """Given steps of a sampler: any round map, without parameters of its own."""

    maps: MatrixRounds
    name: ClassVar[str] = "sampler"
    title: ClassVar[str] = "the given sampler"
    starts_are_linear: ClassVar[bool] = False

    @classmethod
    def of(cls, mechanism: Mechanism) -> SamplerModel:
        """Return the curves of a mechanism."""
        return cls(MatrixRounds(mechanism, interpolant_of(mechanism)))

    def speaks_of(self, observations: Observations) -> bool:
        return bool(np.all(observations.degrees == VARIANCE))

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        return ()

    def observed(self, observations: Observations, fresh_fraction: float | None) -> Observations:
        return with_own_errors(self.maps, observations, fresh_fraction)

    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        data = np.maximum(starts, 0.0)
        curve = [data]
        if observations.moments is None:
            for _ in range(observations.last):
                curve.append(self.maps.interpolant.variance(alpha * data + (1.0 - alpha) * curve[-1]))
        else:
            law = model = law_of(observations.moments, data)
            for _ in range(observations.last):
                model = self.maps.trained(alpha, law, model).model
                curve.append(model.along(data.shape[1]))
        return np.stack(curve, axis=1)[:, observations.rounds.astype(np.int64)]

    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        data = np.maximum(starts, 0.0)
        if observations.moments is not None:
            return self._matrix_limit(alpha, law_of(observations.moments, data), data.shape[1])
        value = data
        for _ in range(_ROUNDS_TO_LIMIT):
            value = self.maps.interpolant.variance(alpha * data + (1.0 - alpha) * value)
        rate = np.ones_like(value)
        for _ in range(_NEWTON_STEPS):
            image, slope = self.maps.interpolant.with_slope(alpha * data + (1.0 - alpha) * value)
            rate = (1.0 - alpha) * slope
            step = np.divide(image - value, 1.0 - rate, out=np.zeros_like(value), where=rate < 1.0)
            value = np.maximum(value + step, 0.0)
        return LongRun(np.where(rate < 1.0, value, np.inf), rate)

    def _matrix_limit(self, alpha: FloatArray, law: Law, count: int) -> LongRun:
        """Return plateaus, and the parts of an error along a direction that come back along it after one round."""
        model, old = law, 1.0 - alpha
        for _ in range(_ROUNDS_TO_LIMIT):
            model = self.maps.trained(alpha, law, model).model
        for _ in range(_NEWTON_STEPS):
            trained = self.maps.trained(alpha, law, model)
            axes, rates = trained.axes, old[:, :, None] * trained.differences
            rest = axes.swapaxes(1, 2) @ (trained.model.covariance - model.covariance) @ axes
            step = np.divide(rest, 1.0 - rates, out=np.zeros_like(rest), where=rates < 1.0)
            part = alpha * np.einsum("sbj,sb->sj", axes, law.mean) * trained.gain
            left = 1.0 - old * trained.gain
            mean = np.einsum(
                "sbj,sj->sb", axes, np.divide(part, left, out=np.zeros_like(part), where=left > 0.0)
            )
            model = Law(model.covariance + axes @ step @ axes.swapaxes(1, 2), mean)
        trained = self.maps.trained(alpha, law, model)
        rate = old * trained.slopes(count)
        return LongRun(np.where(rate < 1.0, model.along(count), np.inf), rate)
