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

from ...core.types import FloatArray
from ...pipeline.interpolant import Interpolant
from ...pipeline.mechanism import Mechanism
from ..fits.reweighting import SHARES, followed
from ..fits.round_models import LongRun, Parameter, RoundModel
from ..measuring.measured import Measured
from ..observed.observations import VARIANCE, Observations
from .matrix_rounds import Law, MatrixRounds, law_of
from .sampler_errors import about_share, with_own_errors

LARGEST_BIAS, LARGEST_CHANGE = 1.0 / 3.0, 0.05
"""Part of a variance that finite training sets, or a quarter of the axes, may add to it."""
MOVED = (
    "finite training sets may move them by more than a third of their variance, and second order says no more"
)
UNRESOLVED = "what was kept of the data's covariance does not fix their curves"
_FAR = 5.0  # errors above which a value is far from a curve
_ROUNDS_TO_LIMIT, _NEWTON_STEPS = 60, 12
"""Rounds after which a recursion is near its limit, and steps of Newton's method that reach it."""
_SETTLED = 1e-4  # of a variance, moved by the last of them


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

    def roughly(
        self, observations: Observations, fresh_fraction: float | None, near: float | None
    ) -> tuple[float, float]:
        """Return chi-square of measured generations without a fit, and the likeliest fresh fraction."""
        return about_share(self.maps, observations, fresh_fraction, near)

    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        data = np.maximum(starts, 0.0)
        index = observations.rounds.astype(np.int64)
        if observations.moments is not None:
            return self._curves(alpha, data, observations)[:, index]
        curve = [data]
        for _ in range(observations.last):
            curve.append(self.maps.interpolant.variance(alpha * data + (1.0 - alpha) * curve[-1]))
        return np.stack(curve, axis=1)[:, index]

    def certain(
        self, measured: Measured, observations: Observations, fresh_fraction: float | None
    ) -> tuple[Measured, Observations, dict[str, list[str]]]:
        """Return the curves that can be fitted, and the reasons and names of the others; all where none can."""
        reasons = self.uncertain(observations, fresh_fraction)
        lost = {name for names in reasons.values() for name in names}
        remaining = [c for c, name in enumerate(measured.names) if name not in lost]
        if len(remaining) in (0, len(measured.names)):
            return measured, observations, {}
        part = measured.only(np.array(remaining))
        return part, followed(part, fresh_fraction), reasons

    def uncertain(self, observations: Observations, fresh_fraction: float | None) -> dict[str, list[str]]:
        """Return why directions are not to be fitted, and their names.

        At the fresh fraction, of a few, whose curves lie nearest.
        """
        moments = observations.moments
        if moments is None or observations.measured is None:
            return {}
        shares = np.array(SHARES if fresh_fraction is None else [fresh_fraction])[:, None]
        starts, index = (
            np.maximum(observations.start_guesses, 0.0)[None],
            observations.rounds.astype(np.int64),
        )
        curves = self._curves(shares, np.repeat(starts, len(shares), axis=0), observations)[:, index]
        errors = np.sqrt(np.diagonal(observations.covariance))
        rest = np.abs((curves - observations.values)[:, observations.used]) / errors
        nearest = int(np.argmin(np.square(np.minimum(rest, _FAR)).sum(axis=1)))

        def change(other: Observations) -> FloatArray:
            without = self._curves(shares[[nearest]], starts, other)[0, index]
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.nanmax(np.abs(np.log(curves[nearest] / without)), axis=0)

        names, reasons = np.array(observations.names), {}
        # What is added goes with fourth moments, Gaussian ones in theory.
        own, measured = np.diagonal(observations.measured.data_scatter), observations.measured
        gaussian = 2.0 * np.square(measured.data)
        tails = np.divide(own, gaussian, out=np.ones_like(own), where=gaussian > 0.0)
        added = np.maximum(tails, 1.0) * change(observations.replace(measured=None))
        moved = added > np.log1p(LARGEST_BIAS)
        few = moments.cut(3 * len(moments.mean) // 4)
        unresolved = np.zeros_like(moved)
        if len(moments.variances) > len(moments.mean) and len(few.mean) > len(names):
            unresolved = ~moved & (change(observations.replace(moments=few)) > np.log1p(LARGEST_CHANGE))
        reasons[MOVED] = names[moved].tolist()
        reasons[UNRESOLVED] = names[unresolved].tolist()
        return {reason: lost for reason, lost in reasons.items() if lost}

    def _curves(self, alpha: FloatArray, data: FloatArray, observations: Observations) -> FloatArray:
        """Return the variances of all rounds, (s, k + 1, m), of directions that are no eigenvectors."""
        if observations.moments is None:
            raise ValueError("observations must hold moments")
        curve = [data]
        law = model = law_of(observations.moments, data)
        scatter = self.maps.scatter(alpha, law, observations.measured)
        for _ in range(observations.last):
            model = self.maps.trained(alpha, law, model, scatter).model
            curve.append(model.along(data.shape[1]))
        return np.stack(curve, axis=1)

    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        data = np.maximum(starts, 0.0)
        if observations.moments is not None:
            return self._matrix_limit(alpha, law_of(observations.moments, data), observations)
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

    def _matrix_limit(self, alpha: FloatArray, law: Law, observations: Observations) -> LongRun:
        """Return plateaus, and the parts of an error along a direction that come back along it after one round.

        Arguments lie close to each other: their Newton steps begin where their mean leads.  A direction that the last
        of them still moves has no plateau in sight.
        """
        count, old = len(observations.names), 1.0 - alpha
        if len(alpha) == 0:
            return LongRun(np.empty((0, count)), np.empty((0, count)))
        middle = alpha.mean(axis=0, keepdims=True)
        data = model = Law(law.covariance.mean(axis=0, keepdims=True), law.mean[:1])
        scatter = self.maps.scatter(middle, data, observations.measured)
        for _ in range(_ROUNDS_TO_LIMIT):
            model = self.maps.trained(middle, data, model, scatter).model
        model = Law(
            np.broadcast_to(model.covariance, law.covariance.shape),
            np.broadcast_to(model.mean, law.mean.shape),
        )
        scatter = None if scatter is None else scatter.at(alpha)
        before = model.along(count)
        for _ in range(_NEWTON_STEPS):
            trained = self.maps.trained(alpha, law, model, scatter)
            axes, rates = trained.axes, old[:, :, None] * trained.differences
            sizes = np.sqrt(trained.variances)
            rest = axes.swapaxes(1, 2) @ (trained.model.covariance - model.covariance) @ axes
            # Axes see one triangle alone: what rounding makes of the other grows by 1 / (1 - rate) in each step.
            rest = 0.5 * (rest + rest.swapaxes(1, 2))
            step = np.divide(rest, 1.0 - rates, out=np.zeros_like(rest), where=rates < 1.0)
            # Narrow directions stay positive, and what does not vary stays so, whatever rounding leaves in them.
            most = 0.5 * sizes[:, :, None] * sizes[:, None, :]
            step = np.clip(step, -most, most)
            part = alpha * np.einsum("sbj,sb->sj", axes, law.mean) * trained.gain
            left = 1.0 - old * trained.gain
            mean = np.einsum(
                "sbj,sj->sb", axes, np.divide(part, left, out=np.zeros_like(part), where=left > 0.0)
            )
            before = model.along(count)
            model = Law(model.covariance + axes @ step @ axes.swapaxes(1, 2), mean)
        rate, plateau = old * self.maps.trained(alpha, law, model).slopes(count), model.along(count)
        settled = np.abs(plateau - before) <= _SETTLED * plateau
        return LongRun(np.where((rate < 1.0) & settled, plateau, np.inf), rate)
