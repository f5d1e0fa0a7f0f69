r"""One-dimensional Wasserstein distances that involve point masses: samples, and mixtures without a width.

Between point masses both quantile functions are steps: a finite sum.  Between points x_i, of cumulative weights u_i,
and a mixture with distribution function G, the i-th point owns the quantiles u in [u_{i-1}, u_i], that is y between
two quantiles of G:

    W2^2 = sum_i int (x_i - y)^2 g(y) dy,      W1 = sum_i int abs(x_i - y) g(y) dy,

partial moments of Gaussians, in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.estimates import Estimate
from ..core.types import FloatArray
from ..laws.empirical import EmpiricalLaw
from ..laws.mixture import Law
from ._divergences_line import root_of
from ._kernels import partial_moments, quantiles
from .line import LineMixture

_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Points:
    """Point masses in increasing order, (n,), and the levels between them from below and from above, (n - 1,)."""

    values: FloatArray
    lower: FloatArray
    upper: FloatArray

    @classmethod
    def of(cls, law: Law) -> Points | None:
        """Return a one-dimensional law of point masses; None for a law with a component of positive variance."""
        if isinstance(law, EmpiricalLaw):
            count = len(law.samples)
            lower = np.arange(1, count) / count
            return cls(np.sort(law.samples[:, 0]), lower, np.ascontiguousarray(lower[::-1]))
        mixture = law.as_mixture()
        used = mixture.weights > 0.0
        if np.any(mixture.variances[used] > 0.0):
            return None
        values, weights = mixture.means[used, 0], mixture.weights[used]
        by = np.argsort(values, kind="stable")
        upper = np.cumsum(weights[by][::-1])[::-1]
        return cls(values[by], np.cumsum(weights[by])[:-1], np.ascontiguousarray(upper[1:]))

    def at(self, levels: FloatArray) -> FloatArray:
        """Return the quantiles at levels in (0, 1)."""
        return self.values[np.searchsorted(self.lower, levels)]


def between_points(p: Points, q: Points, order: int) -> Estimate:
    """Return the distance of two laws of point masses."""
    ends = np.unique(np.concatenate([[0.0], p.lower, q.lower, [1.0]]))
    middle = 0.5 * (ends[:-1] + ends[1:])
    total = float(np.diff(ends) @ np.abs(p.at(middle) - q.at(middle)) ** order)
    sizes = [float(np.abs(law.values[[0, -1]]).max()) for law in (p, q)]
    if order == 1:
        return Estimate(total, 4.0 * _EPS * sum(sizes), "bound", "closed_form")
    return root_of(total, 4.0 * _EPS * (total + max(sizes) * total**0.5), "closed_form")


def to_mixture(points: Points, law: LineMixture, order: int) -> Estimate:
    """Return the distance between point masses and a mixture with a density."""
    centre = law.mean
    x, moved = points.values - centre, law.moved(-centre)
    low, high = moved.window(40.0)
    ends = np.concatenate([[low], quantiles(points.lower, points.upper, *moved.arrays, low, high), [high]])
    shares = np.diff(np.concatenate([[0.0], points.lower, [1.0]]))
    if order == 2:
        zeroth, first, second = (np.diff(column) for column in partial_moments(ends, *moved.arrays))
        square = float((x**2 * zeroth - 2.0 * x * first + second).sum())
        size = float(shares @ x**2 + moved.weights @ (moved.means**2 + moved.scales**2))
        return root_of(max(square, 0.0), 16.0 * _EPS * size, "closed_form")
    # On each cell the integrand changes sign where y passes the point.
    split = np.clip(x, ends[:-1], ends[1:])
    total = 0.0
    for left, right, sign in ((ends[:-1], split, 1.0), (split, ends[1:], -1.0)):
        a, b = partial_moments(left, *moved.arrays), partial_moments(right, *moved.arrays)
        total += sign * float((x * (b[0] - a[0]) - (b[1] - a[1])).sum())
    size = float(shares @ np.abs(x) + moved.weights @ (np.abs(moved.means) + moved.scales))
    return Estimate(max(total, 0.0), 16.0 * _EPS * size, "bound", "closed_form")
