r"""One-dimensional Wasserstein distances that involve samples.

Between samples both quantile functions are steps: a finite sum.  Between a sample and a mixture with distribution
function G, the i-th order statistic owns the quantiles u in [(i-1)/n, i/n], that is y between two quantiles of G:

    W2^2 = sum_i int (x_i - y)^2 g(y) dy,      W1 = sum_i int abs(x_i - y) g(y) dy,

partial moments of Gaussians, in closed form.
"""

from __future__ import annotations

import numpy as np

from ..core.estimates import Estimate
from ..core.types import FloatArray
from ._divergences_line import root_of
from ._kernels import partial_moments, quantiles
from .line import LineMixture

_EPS = float(np.finfo(float).eps)


def between_samples(x: FloatArray, y: FloatArray, order: int) -> Estimate:
    """Distance of two empirical laws, of any sizes."""
    a, b = np.sort(x), np.sort(y)
    levels = np.concatenate([np.arange(1, len(a)) / len(a), np.arange(1, len(b)) / len(b)])
    ends = np.unique(np.concatenate([[0.0], levels, [1.0]]))
    middle = 0.5 * (ends[:-1] + ends[1:])
    left = a[np.minimum((middle * len(a)).astype(np.int64), len(a) - 1)]
    right = b[np.minimum((middle * len(b)).astype(np.int64), len(b) - 1)]
    total = float(np.diff(ends) @ np.abs(left - right) ** order)
    rounding = (
        4.0 * _EPS * (total + float(np.abs(np.concatenate([a[[0, -1]], b[[0, -1]]])).max()) * total**0.5)
    )
    if order == 1:
        return Estimate(total, 4.0 * _EPS * float(np.abs(a).max() + np.abs(b).max()), "bound", "closed_form")
    return root_of(total, rounding, "closed_form")


def to_law(x: FloatArray, law: LineMixture, order: int) -> Estimate:
    """Distance between the empirical law of a sample and a mixture."""
    centre = law.mean
    points = np.sort(x) - centre
    moved = law.moved(-centre)
    count = len(points)
    low, high = moved.window(40.0)
    lower = np.arange(1, count) / count
    inner = quantiles(lower, np.ascontiguousarray(lower[::-1]), *moved.arrays, low, high)
    ends = np.concatenate([[low], inner, [high]])
    if order == 2:
        zeroth, first, second = (np.diff(column) for column in partial_moments(ends, *moved.arrays))
        terms = points**2 * zeroth - 2.0 * points * first + second
        square = float(terms.sum())
        size = float((points**2).mean() + moved.weights @ (moved.means**2 + moved.scales**2))
        return root_of(max(square, 0.0), 16.0 * _EPS * size, "closed_form")
    # On each cell the integrand changes sign where y passes the sample point.
    split = np.clip(points, ends[:-1], ends[1:])
    total = 0.0
    for left, right, sign in ((ends[:-1], split, 1.0), (split, ends[1:], -1.0)):
        a, b = partial_moments(left, *moved.arrays), partial_moments(right, *moved.arrays)
        total += sign * float((points * (b[0] - a[0]) - (b[1] - a[1])).sum())
    size = float(np.abs(points).mean() + moved.weights @ (np.abs(moved.means) + moved.scales))
    return Estimate(max(total, 0.0), 16.0 * _EPS * size, "bound", "closed_form")
