r"""Rounds of a map of matrices: the Gaussian closure of a sampler where directions are no eigenvectors.

With the data's mean m and covariance C in the space of the directions (`moments`), a round is

    W  = alpha C + (1 - alpha) S + alpha (1 - alpha) (m - n)(m - n)^T,
    S' = V(W),     n' = gamma(W) (alpha m + (1 - alpha) n)

with V and the gain gamma as functions of matrices.  In the axes u_j and variances w_j of W an error E of W becomes

    U (V[w, w] * U^T E U) U^T,       V[w_j, w_k] the divided difference, V'(w_j) for k = j, * by entries,

in S', and U (gamma[w, w] * U^T E U) U^T (alpha m + (1 - alpha) n) in n'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...core.types import FloatArray
from ...pipeline.interpolant import VARIANCES, Interpolant
from ...pipeline.mechanism import Mechanism
from ..measuring.measured import Measured
from ..measuring.moments import Moments
from .finite_sets import FiniteSets, Scatter

_NEAR = 1e-5  # relative distance of variances at which a divided difference is the slope between them
_ROUNDING = 1e-14  # of the largest variance; what is smaller is none, and must not grow over many rounds
_GRID = VARIANCES[::4]  # of gains, which straight lines in log w follow to 1e-6
_LOG_GRID = np.log(_GRID)


class Law(NamedTuple):
    """Covariance and mean of a law, (s, b, b) and (s, b)."""

    covariance: FloatArray
    mean: FloatArray

    def along(self, count: int) -> FloatArray:
        """Return the variances along the first axes, (s, count)."""
        return np.asarray(np.einsum("sbb->sb", self.covariance)[:, :count])


def law_of(moments: Moments, data: FloatArray) -> Law:
    """Return the law of the data with these variances (s, m)."""
    covariance = moments.of_variances(data)
    return Law(covariance, np.broadcast_to(moments.mean, covariance.shape[:2]))


class Trained(NamedTuple):
    """The law of a training set: variances and axes of its covariance, its mean along them, and what a round makes.

    `bias` is what finite training sets add to the image (`finite_sets`).
    """

    variances: FloatArray
    axes: FloatArray
    mean: FloatArray
    image: FloatArray
    slope: FloatArray
    gain: FloatArray
    bias: FloatArray

    @property
    def model(self) -> Law:
        """The law of the model."""
        covariance = (self.axes * (self.image + self.bias)[:, None, :]) @ self.axes.swapaxes(1, 2)
        return Law(covariance, np.einsum("sbj,sj->sb", self.axes, self.gain * self.mean))

    def slopes(self, count: int) -> FloatArray:
        """Return the part of an error along each of the first directions that comes back along it, (s, count)."""
        parts = np.square(self.axes[:, :count])
        return np.asarray(np.einsum("skb,sbc,skc->sk", parts, self.differences, parts))

    @property
    def differences(self) -> FloatArray:
        """Divided differences of the round map, (s, b, b), by which it multiplies an error of the covariance."""
        return self.divided(self.image, self.slope)

    def divided(self, image: FloatArray, slope: FloatArray) -> FloatArray:
        """Return divided differences (s, b, b) of a function of the variances with these values and slopes (s, b)."""
        w = self.variances
        apart = w[:, :, None] - w[:, None, :]
        near = np.abs(apart) <= _NEAR * (w[:, :, None] + w[:, None, :])
        rise = image[:, :, None] - image[:, None, :]
        return np.where(
            near, 0.5 * (slope[:, :, None] + slope[:, None, :]), rise / np.where(near, 1.0, apart)
        )


@dataclass(frozen=True)
class MatrixRounds:
    """The rounds of a mechanism as maps of mean and covariance."""

    mechanism: Mechanism
    interpolant: Interpolant

    @cached_property
    def _gains(self) -> FloatArray:
        """The mean gain at `_GRID`."""
        return np.asarray(self.mechanism.gain(_GRID))

    @cached_property
    def _gain_slopes(self) -> FloatArray:
        """Its derivative by log w there."""
        return np.asarray(np.gradient(self._gains, _LOG_GRID))

    def scatter(self, alpha: FloatArray, law: Law, measured: Measured | None) -> Scatter | None:
        """Return errors of training laws before round 0, None where nothing is known of training sets."""
        sets = FiniteSets.of(measured)
        return None if sets is None else Scatter.before(sets, alpha, law.mean.shape[1])

    def trained(self, alpha: FloatArray, law: Law, model: Law, scatter: Scatter | None = None) -> Trained:
        """Return what a round trains on and makes of it, of fresh fractions (s, 1); errors are carried on."""
        old, drift = 1.0 - alpha, law.mean - model.mean
        between = (alpha * old)[:, :, None] * drift[:, :, None] * drift[:, None, :]
        mixed = alpha[:, :, None] * law.covariance + old[:, :, None] * model.covariance + between
        values, axes = np.linalg.eigh(mixed)
        variances = np.where(values > _ROUNDING * values[:, -1:], values, 0.0)
        image, slope = self.interpolant.with_slope(variances)
        gain = np.interp(np.log(np.maximum(variances, _GRID[0])), _LOG_GRID, self._gains)
        mean = np.einsum("sbj,sb->sj", axes, alpha * law.mean + old * model.mean)
        bias = np.zeros_like(image)
        if scatter is not None:
            of_model, of_data = (np.sum(axes * (one.covariance @ axes), axis=1) for one in (model, law))
            added = scatter.bias(self.interpolant, variances, (image, slope), of_model, of_data)
            bias = np.where(variances > 0.0, added, 0.0)
        return Trained(variances, axes, mean, image, slope, gain, bias)

    def gain_differences(self, trained: Trained) -> FloatArray:
        """Return divided differences of the gain, (s, b, b)."""
        w = np.maximum(trained.variances, _GRID[0])
        slope = np.interp(np.log(w), _LOG_GRID, self._gain_slopes) / w
        return trained.divided(trained.gain, slope)
