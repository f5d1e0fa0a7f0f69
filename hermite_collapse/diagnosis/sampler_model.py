r"""Given steps of a sampler as curves: a round map that is not affine, without parameters of its own.

Columns of a table are taken as eigenvectors of the covariance, v' = V(alpha v_d + (1 - alpha) v).  Measured directions
are none: with the data's mean m and covariance C in their space (`moments`), a round is the Gaussian closure

    W  = alpha C + (1 - alpha) S + alpha (1 - alpha) (m - n)(m - n)^T,
    S' = V(W),     n' = gamma(W) (alpha m + (1 - alpha) n)

with V and the gain gamma as functions of matrices, and a curve is q^T S q.  In the axes u_j of W an error of S along
q comes back along q times

    (1 - alpha) sum_jk (q.u_j)^2 V[w_j, w_k] (q.u_k)^2,      V[w_j, w_k] the divided difference, V'(w_j) for k = j,

so that each direction passes its errors on by a factor of its own in each round, and some to the other directions
(`matrix_errors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from ..core.types import FloatArray
from ..pipeline.interpolant import VARIANCES, Interpolant
from ..pipeline.mechanism import Mechanism
from .gathering import from_measured
from .matrix_errors import Step, passed_between
from .moments import Moments
from .observations import VARIANCE, Observations
from .reweighting import near_measured
from .round_models import FRESH, LongRun, Parameter, RoundModel
from .sampling_noise import LEAST_SHRINKAGE

_ROUNDS_TO_LIMIT, _NEWTON_STEPS = 60, 12
"""Rounds after which a recursion is near its limit, and steps of Newton's method that reach it."""
_NEAR = 1e-5  # relative distance of variances at which a divided difference is the slope between them
_PASSES, _REFINED = 2, 3
"""Times that the covariance follows the likely fresh fraction, and that the grid of this is made finer."""
_DRAWS = 16
"""Of the moments of unseen data, by which their errors become those of curves."""
_GRID = VARIANCES[::4]  # of gains, which straight lines in log w follow to 1e-6


@lru_cache(maxsize=16)
def interpolant_of(mechanism: Mechanism) -> Interpolant:
    """Return the interpolant of a mechanism, made once."""
    return Interpolant.of(mechanism)


@lru_cache(maxsize=16)
def _gains(mechanism: Mechanism) -> FloatArray:
    """Return the mean gain at `_GRID`, made once."""
    return np.asarray(mechanism.gain(_GRID))


class _Model(NamedTuple):
    """Covariance and mean of a law, (s, b, b) and (s, b)."""

    covariance: FloatArray
    mean: FloatArray


class _Trained(NamedTuple):
    """The law of a training set: variances and axes of its covariance, its mean along them, and what a round makes."""

    variances: FloatArray
    axes: FloatArray
    mean: FloatArray
    image: FloatArray
    slope: FloatArray
    gain: FloatArray

    @property
    def model(self) -> _Model:
        """The law of the model."""
        covariance = (self.axes * self.image[:, None, :]) @ self.axes.swapaxes(1, 2)
        return _Model(covariance, np.einsum("sbj,sj->sb", self.axes, self.gain * self.mean))

    def slopes(self, count: int) -> FloatArray:
        """Return the part of an error along each of the first directions that comes back along it, (s, count)."""
        parts = np.square(self.axes[:, :count])
        return np.asarray(np.einsum("skb,sbc,skc->sk", parts, self.differences, parts))

    @property
    def differences(self) -> FloatArray:
        """Divided differences of the round map, (s, b, b), by which it multiplies an error of the covariance."""
        w, image, slope = self.variances, self.image, self.slope
        apart = w[:, :, None] - w[:, None, :]
        near = np.abs(apart) <= _NEAR * (w[:, :, None] + w[:, None, :])
        rise = image[:, :, None] - image[:, None, :]
        return np.where(
            near, 0.5 * (slope[:, :, None] + slope[:, None, :]), rise / np.where(near, 1.0, apart)
        )


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

    def observed(self, observations: Observations, fresh_fraction: float | None) -> Observations:
        """Return the columns with the errors of the moments, as far as the curves of a likely share show them."""
        if observations.covariance.ndim == 1 or observations.measured is None:
            return self._with_drawn_moments(observations, fresh_fraction)
        for _ in range(_PASSES):
            share = self._likely_share(self._with_drawn_moments(observations, fresh_fraction), fresh_fraction)
            observations = self._following(share, observations)
        return self._with_drawn_moments(observations, fresh_fraction)

    def _likely_share(self, observations: Observations, fresh_fraction: float | None) -> FloatArray:
        """Return the fresh fraction (1, 1) that fits best from the measured values of the data."""
        if fresh_fraction is not None:
            return np.array([[fresh_fraction]])
        starts, shares = observations.start_guesses, np.array(FRESH.grid)
        for _ in range(_REFINED):
            likely = self.predict(
                shares[:, None], np.empty((1, 0)), np.tile(starts, (len(shares), 1)), observations
            )
            best = int(np.argmin(np.square(observations.residuals(likely)).sum(axis=1)))
            ends = shares[max(best - 1, 0)], shares[min(best + 1, len(shares) - 1)]
            best_share, shares = shares[best], np.linspace(*ends, len(shares))
        return np.array([[best_share]])

    def _following(self, share: FloatArray, observations: Observations) -> Observations:
        """Return the columns with the covariance that rounds of this fresh fraction give."""
        measured, moments = observations.measured, observations.moments
        if measured is None:
            return observations
        starts = np.maximum(observations.start_guesses, 0.0)[None, :]
        count = starts.shape[1]
        curve, slopes, steps = [starts[0]], [], []
        if moments is None:
            for _ in range(observations.last):
                image, slope = self.interpolant.with_slope(share * starts + (1.0 - share) * curve[-1])
                curve.append(image[0])
                slopes.append(slope[0])
        else:
            law = model = _law(moments, starts)
            for _ in range(observations.last):
                trained = self._trained(share, law, model)
                steps.append(Step(model.covariance[0], trained.axes[0], trained.differences[0]))
                model = trained.model
                curve.append(_along(model.covariance, count)[0])
                slopes.append(trained.slopes(count)[0])
        rounds, slope = measured.rounds.astype(np.int64), np.array(slopes)
        near = near_measured(np.array(curve)[rounds], measured)
        old = 1.0 - float(share[0, 0])
        other = from_measured(measured, old * slope, slope, near, starts[0]).replace(moments=moments)
        if moments is None:
            return other
        added = passed_between(measured, steps, model.covariance[0], old, slope)
        wider = other.covariance.copy()
        wider[-len(added) :, -len(added) :] += added
        scale = np.sqrt(np.maximum(np.diagonal(wider), 1e-300))
        # What Gaussian samples pass on may not fit to the noise of others.
        safe = np.linalg.eigvalsh(wider / np.outer(scale, scale))[0] > LEAST_SHRINKAGE / 10.0
        return other.replace(covariance=wider) if safe else other

    def _with_drawn_moments(self, observations: Observations, fresh_fraction: float | None) -> Observations:
        """Return the columns with the errors of the moments, as far as the curves of a likely share show them."""
        moments = observations.moments
        if moments is None or moments.samples == 0 or observations.covariance.ndim == 1:
            return observations
        starts, nothing = observations.start_guesses[None, :], np.empty((1, 0))
        share = self._likely_share(observations, fresh_fraction)
        likely = self.predict(share, nothing, starts, observations)[0]
        curves = [
            self.predict(share, nothing, starts, observations.replace(moments=drawn))[0]
            for drawn in moments.drawn(_DRAWS)
        ]
        away = (np.array(curves) - likely)[:, observations.used]
        return observations.replace(covariance=observations.covariance + away.T @ away / _DRAWS)

    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        data = np.maximum(starts, 0.0)
        curve = [data]
        if observations.moments is None:
            for _ in range(observations.last):
                curve.append(self.interpolant.variance(alpha * data + (1.0 - alpha) * curve[-1]))
        else:
            law = model = _law(observations.moments, data)
            for _ in range(observations.last):
                model = self._trained(alpha, law, model).model
                curve.append(_along(model.covariance, data.shape[1]))
        return np.stack(curve, axis=1)[:, observations.rounds.astype(np.int64)]

    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        data = np.maximum(starts, 0.0)
        if observations.moments is not None:
            return self._matrix_limit(alpha, _law(observations.moments, data), data.shape[1])
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

    def _matrix_limit(self, alpha: FloatArray, law: _Model, count: int) -> LongRun:
        """Return plateaus, and the parts of an error along a direction that come back along it after one round."""
        model, old = law, 1.0 - alpha
        for _ in range(_ROUNDS_TO_LIMIT):
            model = self._trained(alpha, law, model).model
        for _ in range(_NEWTON_STEPS):
            trained = self._trained(alpha, law, model)
            axes, rates = trained.axes, old[:, :, None] * trained.differences
            rest = axes.swapaxes(1, 2) @ (trained.model.covariance - model.covariance) @ axes
            step = np.divide(rest, 1.0 - rates, out=np.zeros_like(rest), where=rates < 1.0)
            part = alpha * np.einsum("sbj,sb->sj", axes, law.mean) * trained.gain
            left = 1.0 - old * trained.gain
            mean = np.einsum(
                "sbj,sj->sb", axes, np.divide(part, left, out=np.zeros_like(part), where=left > 0.0)
            )
            model = _Model(model.covariance + axes @ step @ axes.swapaxes(1, 2), mean)
        trained = self._trained(alpha, law, model)
        rate = old * trained.slopes(count)
        return LongRun(np.where(rate < 1.0, _along(model.covariance, count), np.inf), rate)

    def _trained(self, alpha: FloatArray, law: _Model, model: _Model) -> _Trained:
        """Return what a round trains on and makes of it, of fresh fractions (s, 1)."""
        old, drift = 1.0 - alpha, law.mean - model.mean
        between = (alpha * old)[:, :, None] * drift[:, :, None] * drift[:, None, :]
        mixed = alpha[:, :, None] * law.covariance + old[:, :, None] * model.covariance + between
        values, axes = np.linalg.eigh(mixed)
        variances = np.maximum(values, 0.0)
        image, slope = self.interpolant.with_slope(variances)
        gain = np.interp(np.log(np.maximum(variances, _GRID[0])), np.log(_GRID), _gains(self.mechanism))
        mean = np.einsum("sbj,sb->sj", axes, alpha * law.mean + old * model.mean)
        return _Trained(variances, axes, mean, image, slope, gain)


def _law(moments: Moments, data: FloatArray) -> _Model:
    """Return the law of the data with these variances (s, m)."""
    covariance = moments.of_variances(data)
    return _Model(covariance, np.broadcast_to(moments.mean, covariance.shape[:2]))


def _along(covariance: FloatArray, count: int) -> FloatArray:
    """Return the variances along the first axes."""
    return np.asarray(np.einsum("sbb->sb", covariance)[:, :count])
