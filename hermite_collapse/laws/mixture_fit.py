"""Maximum likelihood of Gaussian mixtures, in units of the samples' own spread.

Samples x are written as x = centre + F z, with z of unit covariance and F of as many columns as x has directions of any
spread.  EM runs on z with nothing added to its covariances, so that the fit of c x is c times that of x, whatever the
unit c, and directions however small count as much as large ones.  A direction without spread keeps the variance 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray, IntArray

SMALLEST_SPREAD, LARGEST_SPREAD = 1e-150, 1e150  # of a coordinate: its square is a number of double precision
ROUNDING = 32.0 * np.finfo(float).eps
LARGEST_CONDITION = 1e13  # of a component's covariance, in units of the spread of all samples
START_VARIANCE = 1e-6  # added where EM starts, in the same units; nothing is added on the way

Spectra = tuple[FloatArray, FloatArray, FloatArray, FloatArray | None, IntArray | None]


class Standardised(NamedTuple):
    """Samples as centre + factor @ z: `values` (n, r) are the z, `common` (n, d) the samples in one common unit."""

    values: FloatArray
    centre: FloatArray
    factor: FloatArray
    rounding: float
    common: FloatArray

    @classmethod
    def of(cls, samples: FloatArray) -> Standardised:
        """Return samples (n, d) in units of their own spread."""
        count, dimension = samples.shape
        low, size = samples.min(axis=0), np.abs(samples).max(axis=0)
        with np.errstate(over="ignore"):
            width = samples.max(axis=0) - low
        varying = width > 4.0 * np.finfo(float).eps * size
        centre, scale = low.copy(), np.zeros(dimension)
        unit = width[varying]
        if np.any(~np.isfinite(unit)) or (len(unit) and unit.max() > LARGEST_SPREAD):
            raise InputError(f"samples must spread by at most {LARGEST_SPREAD:g}, got {float(unit.max()):g}.")
        relative = (samples[:, varying] - low[varying]) / unit
        middle = relative.mean(axis=0)
        relative = relative - middle
        share = np.sqrt(np.mean(relative**2, axis=0))
        centre[varying] = low[varying] + middle * unit
        scale[varying] = share * unit
        if len(unit) and scale[varying].min() < SMALLEST_SPREAD:
            smallest = float(scale[varying].min())
            raise InputError(
                f"samples must be constant or spread by at least {SMALLEST_SPREAD:g} in every coordinate, "
                f"got {smallest:g}."
            )
        common = relative * (unit / unit.max(initial=SMALLEST_SPREAD))
        basis, triangle = np.linalg.qr(relative / share)
        left, singular, right = np.linalg.svd(triangle / np.sqrt(count), full_matrices=False)
        rounding = ROUNDING * (1.0 + float(np.max(size[varying] / scale[varying], initial=0.0)))
        resolved = singular > rounding * np.sqrt(max(1, len(unit)))
        factor = np.zeros((dimension, int(resolved.sum())))
        factor[varying] = scale[varying, None] * (right[resolved].T * singular[resolved])
        return cls(np.sqrt(count) * (basis @ left[:, resolved]), centre, factor, rounding, common)


class _Fit(NamedTuple):
    weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    criterion: float


def fitted_spectra(samples: FloatArray, counts: Sequence[int], state: int) -> Spectra:
    """Return weights, means, eigenvalues, frames and frame index of the fit that the BIC prefers."""
    data = Standardised.of(samples)
    fits = [fit for count in counts if (fit := _fit(data, count, state)) is not None]
    if not fits:
        shown = counts[0] if len(counts) == 1 else f"{min(counts)} at least"
        raise InputError(
            f"components must be so few that each spreads in every direction in which the samples do, got {shown} "
            "with one that collapses onto fewer directions, where the likelihood has no maximum: take fewer, or add "
            "noise as large as the samples' own resolution."
        )
    best = min(fits, key=lambda fit: fit.criterion)
    means = data.centre + best.means @ data.factor.T
    factors = data.factor @ np.linalg.cholesky(best.covariances)
    count, (dimension, rank) = len(means), data.factor.shape
    variances = np.zeros((count, dimension))
    if dimension == 1:
        variances[:, :rank] = factors[:, 0] ** 2
        return best.weights, means, variances, None, None
    frames = np.empty((count, dimension, dimension))
    for k, factor in enumerate(factors):
        axes, roots, _ = np.linalg.svd(factor)
        variances[k, :rank] = roots**2
        frames[k] = axes
    ascending = np.ascontiguousarray(frames[:, :, ::-1])
    return best.weights, means, np.ascontiguousarray(variances[:, ::-1]), ascending, np.arange(count)


def _fit(data: Standardised, count: int, state: int) -> _Fit | None:
    """Return the likeliest fit from every start, None where each of them has a component that collapses."""
    samples, rank = data.values.shape
    parameters = count * (rank + rank * (rank + 1) / 2.0) + count - 1.0
    penalty = parameters * np.log(samples)
    if count == 1:
        deviance = samples * rank * (np.log(2.0 * np.pi) + 1.0)
        return _Fit(np.ones(1), np.zeros((1, rank)), np.eye(rank)[None], deviance + penalty)
    if len(np.unique(data.values, axis=0)) < count:
        return None
    fits = [_from_start(data, labels, count, state) for labels in _starts(data, count, state)]
    return min((fit for fit in fits if fit is not None), key=lambda fit: fit.criterion, default=None)


def _starts(data: Standardised, count: int, state: int) -> Iterator[IntArray]:
    """Yield clusters of k-means in one common unit of all coordinates, and in each direction's own."""
    from sklearn.cluster import KMeans

    alike = data.common.shape[1] == 1
    for values in (data.common,) if alike else (data.common, data.values):
        yield KMeans(count, n_init=1, random_state=state).fit(values).labels_


def _from_start(data: Standardised, labels: IntArray, count: int, state: int) -> _Fit | None:
    """Return where EM leads from clusters, None where a component collapses."""
    from sklearn.mixture import GaussianMixture as Estimator

    values = data.values
    rank = values.shape[1]
    sizes = np.bincount(labels, minlength=count)
    if sizes.min() == 0:
        return None
    groups = [values[labels == k] for k in range(count)]
    means = np.array([group.mean(axis=0) for group in groups])
    spreads = [
        (group - mean).T @ (group - mean) / len(group) for group, mean in zip(groups, means, strict=True)
    ]
    start = {
        "weights_init": sizes / len(values),
        "means_init": means,
        "precisions_init": np.linalg.inv(np.array(spreads) + START_VARIANCE * np.eye(rank)),
    }
    estimator = Estimator(count, reg_covar=0.0, random_state=state, **start)
    try:
        estimator.fit(values)
    except ValueError:  # of a covariance that is singular
        return None
    covariances = np.asarray(estimator.covariances_)
    eigenvalues = np.linalg.eigvalsh(covariances)
    smallest, largest = eigenvalues[:, 0], eigenvalues[:, -1]
    if np.any(smallest <= np.maximum(largest / LARGEST_CONDITION, data.rounding**2)):
        return None
    weights = np.asarray(estimator.weights_)
    return _Fit(
        weights / weights.sum(), np.asarray(estimator.means_), covariances, float(estimator.bic(values))
    )
