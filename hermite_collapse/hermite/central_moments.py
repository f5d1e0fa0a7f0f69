r"""Central moments of Hermite polynomials, and of sums of them, under mixtures of Gaussians.

For a statistic f = sum_k c_k h_k and a component X = m + L Z,

    f(X) = b + W,     b = sum_k c_k a_{k,0},     W = sum_{l > 0} sum_k c_k a_{k,l} h_l(Z)         (`expansions`)

and moments about the mean of the mixture, E b, are averages over the components of moments of (b - E b) + W:

    Var f = sum_i w_i (delta_i^2 + E W_i^2),      E (f - E f)^4 = sum_i w_i E (delta_i + W_i)^4,     delta = b - E b.

Nothing is a moment minus a square, so that a component may be as narrow or as far from the origin as it likes.

Moments of W are exact: for a product over axes, W' = B u + b W + W u from axis to axis, with the moments of each axis'
u by Gauss nodes; for full covariances, and for sums of modes, by the product rule with 2 n + 1 nodes an axis that the
mode depends on.  Where that rule would be too large, third and fourth moments are bounded by hypercontractivity,
E W^4 <= 9^n (E W^2)^2 for a polynomial of degree n, or by Minkowski's inequality over the modes if that is smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.types import BoolArray, FloatArray, IntArray
from ..core.value import Value
from .basis import hermite_values
from .expansions import Pairs, axis_coefficients, pair_coefficients, pairs_below
from .gauss import gauss_rule
from .joint import JointExpansion
from .mixture import Mixture, spread

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BLOCK = 1 << 21  # numbers held at once: 16 MB an array
LARGEST_RULE = 1 << 13  # nodes of a product rule
AFFORDABLE = 1 << 25  # nodes x statistics x components: about a second


@dataclass(frozen=True, eq=False)
class CentralMoments(Value):
    """Moments of s statistics about their means.

    Attributes
    ----------
    mean : array, shape (s,)
    covariance : array, shape (s,) or (s, s)
        The variances, or all covariances.
    third : array, shape (s,)
        E (f - E f)^3, up to `third_error`.
    third_error : array, shape (s,)
        Bound on the error of third; 0 where it is exact.
    fourth : array, shape (s,)
        E (f - E f)^4, or an upper bound of it where third_error is not 0.
    """

    mean: FloatArray
    covariance: FloatArray
    third: FloatArray
    third_error: FloatArray
    fourth: FloatArray

    @property
    def variance(self) -> FloatArray:
        """The variances, shape (s,)."""
        return self.covariance if self.covariance.ndim == 1 else np.diagonal(self.covariance)

    @property
    def kurtosis(self) -> FloatArray:
        """E (f - E f)^4 / Var(f)^2, or a bound of it, shape (s,); infinite for statistics that are not random."""
        variance = self.variance
        random = (variance > 0.0) & (self.fourth > 0.0)
        ratio = np.divide(self.fourth, variance, out=np.full_like(self.fourth, np.inf), where=random)
        return np.divide(ratio, variance, out=ratio, where=random)


def mixed_moments(weights: FloatArray, parts: Sequence[CentralMoments]) -> CentralMoments:
    """Return the moments of a mixture of laws from theirs; weights (K,) sum to 1."""
    columns = zip(*((p.mean, p.variance, p.third, p.third_error, p.fourth) for p in parts), strict=True)
    within = None
    if parts[0].covariance.ndim == 2:
        within = sum(w * part.covariance for w, part in zip(weights, parts, strict=True))
    return _averaged(weights, _Components(*map(np.stack, columns)), within)


def central_moments(
    mixture: Mixture, indices: IntArray, combinations: FloatArray | None = None, *, joint: bool = False
) -> CentralMoments:
    """Return the central moments of Hermite polynomials, or of sums of them, under a mixture of Gaussians.

    Parameters
    ----------
    mixture : Mixture
        Singular covariances, points among them, are allowed.
    indices : array of int, shape (m, d)
        The multi-indices k, all of total degree <= n where covariances are full.
    combinations : array, shape (s, m), optional
        Coefficients c of the sums; the polynomials themselves if None.
    joint : bool
        Whether covariances between the statistics are wanted too.

    Returns
    -------
    CentralMoments

    Accuracy
    --------
    Means and covariances to about 10 n units in the last place.  Third and fourth moments likewise at degrees n up to
    20 where they are exact: single polynomials with diagonal covariances always, others while the product rule has at
    most 2^13 nodes, degree 1 always.

    Cost
    ----
    One product for each pair l <= k and component with diagonal covariances; one matrix of all pairs for each full
    covariance.
    """
    variances, full = spread(mixture)
    if full is None:
        return _of_diagonal(mixture, variances, indices, combinations, joint)
    return _of_full(mixture, full, indices, combinations, joint)


def _averaged(weights: FloatArray, components: _Components, within: FloatArray | None) -> CentralMoments:
    """Return the moments of a mixture from those of its components, and from their average covariance if joint."""
    share = weights / weights.sum()
    means, variances, thirds, errors, fourths = components
    mean = means[0] + share @ (means - means[0])  # exact where all are equal
    delta = means - mean
    square = delta**2
    return CentralMoments(
        mean=mean,
        covariance=share @ (variances + square) if within is None else within + (delta.T * share) @ delta,
        third=share @ (thirds + delta * (3.0 * variances + square)),
        third_error=share @ errors,
        fourth=share
        @ (fourths + 4.0 * (delta * thirds + np.abs(delta) * errors) + square * (6.0 * variances + square)),
    )


class _Components(NamedTuple):
    """Moments of s statistics about their means under each of K components, arrays (K, s)."""

    mean: FloatArray
    variance: FloatArray
    third: FloatArray
    third_error: FloatArray
    fourth: FloatArray


class _Rule(NamedTuple):
    """A product rule: h_l at the nodes (r, q), times the fourth root of the weight, and that root (q,)."""

    values: FloatArray
    root: FloatArray

    def moments(self, coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return third and fourth moments of sums of h_l(Z) with coefficients (..., r)."""
        shape = coefficients.shape[:-1]
        sums = coefficients.reshape(-1, len(self.values)) @ self.values
        square = sums * sums
        return ((square * sums) @ self.root).reshape(shape), np.einsum("iq,iq->i", square, square).reshape(
            shape
        )


def _rule(lower: IntArray, degree: int) -> _Rule:
    """Return the product rule that is exact for fourth powers of polynomials of this degree, on the h_l given."""
    dimension = lower.shape[1]
    nodes, log_weights = gauss_rule(2 * degree + 1)
    roots = np.exp(0.25 * log_weights)
    # The root of the weight goes into the values before any power is taken: far nodes would overflow.
    axis = hermite_values(nodes, degree) * roots[:, None]
    values, root = np.ones((len(lower), 1)), np.ones(1)
    for j in range(dimension):
        values = (values[:, :, None] * axis.T[lower[:, j]][:, None, :]).reshape(len(lower), -1)
        root = np.multiply.outer(root, roots).reshape(-1)
    return _Rule(values, root)


def _is_affordable(degree: int, dimension: int, count: int) -> bool:
    """Whether a product rule may be used for so many statistics times components."""
    nodes = float(2 * degree + 1) ** dimension
    return nodes <= LARGEST_RULE and nodes * count <= AFFORDABLE


class _Entries(NamedTuple):
    """The nonzero entries of multi-indices, row by row: row starts (m + 1,), axes and powers."""

    starts: IntArray
    axes: IntArray
    powers: IntArray

    @classmethod
    def of(cls, indices: IntArray) -> _Entries:
        rows, axes = np.nonzero(indices)
        return cls(np.searchsorted(rows, np.arange(len(indices) + 1)), axes, indices[rows, axes])


def _product_moments(table: FloatArray, entries: _Entries, needed: BoolArray | None) -> _Components:
    """Return the moments of products over axes, from the coefficients of each axis (`axis_coefficients`).

    Where no mode is needed, all but the means are left at 0.
    """
    from ._kernels_central import product_moments

    highest = len(table) - 1
    second = np.einsum("nlaj,nlaj->naj", table[:, 1:], table[:, 1:])
    third = np.zeros_like(second)
    fourth = 3.0 * second**2  # normal: degree 1
    if highest > 1 and (needed is None or needed.any()):
        rule = _rule(np.arange(1, highest + 1)[:, None], highest)
        third, fourth = rule.moments(np.moveaxis(table[:, 1:], 1, -1))  # (n, axis, component, l > 0)
    moments = np.empty((4, len(entries.starts) - 1, table.shape[-1]))
    own = np.ascontiguousarray(table[:, 0])
    product_moments(own, second, third, fourth, *entries, moments)
    mean, second, third, fourth = (moment.T for moment in moments)
    return _Components(mean, second, third, np.zeros_like(third), fourth)


class _Sums:
    """Sums f_s = sum_k c_sk h_k, and the higher moments of their fluctuation under each component."""

    def __init__(self, indices: IntArray, combinations: FloatArray, lower: IntArray, count: int) -> None:
        used = combinations != 0.0
        self.combinations = combinations
        self.degree = np.where(used, indices.sum(axis=1), 0).max(axis=1, initial=0)
        self.single = used.sum(axis=1) <= 1
        highest = int(self.degree.max(initial=0))
        self.several = (self.degree > 1) & ~self.single
        others = int(self.several.sum())
        self.rule = None
        if others and _is_affordable(highest, indices.shape[1], others * count):
            self.rule = _rule(lower, highest)
        # Modes whose own higher moments enter: those that are a statistic alone, or all where sums are bounded.
        alone = self.single & (self.degree > 0)
        self.needed = used[alone if self.rule is not None or not others else slice(None)].any(axis=0)

    def moments(self, modes: _Components, coefficients: FloatArray) -> _Components:
        """Return the moments of the sums from those of the modes, and the coefficients of h_l(Z), (K, s, r)."""
        rows = self.combinations
        variance = np.sum(coefficients**2, axis=-1)
        third, error, fourth = np.zeros_like(variance), np.zeros_like(variance), 3.0 * variance**2
        single = self.single
        third[:, single] = modes.third @ (rows[single] ** 3).T
        error[:, single] = modes.third_error @ np.abs(rows[single] ** 3).T
        fourth[:, single] = modes.fourth @ (rows[single] ** 4).T
        several = self.several
        if several.any() and self.rule is not None:
            third[:, several], fourth[:, several] = self.rule.moments(coefficients[:, several])
        elif several.any():
            minkowski = (modes.fourth**0.25 @ np.abs(rows[several]).T) ** 4
            fourth[:, several] = np.minimum(
                9.0 ** self.degree[several] * variance[:, several] ** 2, minkowski
            )
            error[:, several] = np.sqrt(variance[:, several] * fourth[:, several])
        return _Components(modes.mean @ rows.T, variance, third, error, fourth)


def _of_diagonal(
    mixture: Mixture,
    variances: FloatArray,
    indices: IntArray,
    combinations: FloatArray | None,
    joint: bool,
) -> CentralMoments:
    """Return the moments where every covariance is diagonal, a block of components at a time."""
    highest, dimension = int(indices.max(initial=0)), indices.shape[1]
    size = len(indices) if combinations is None else len(combinations)
    pairs = pairs_below(indices) if joint or combinations is not None else None
    heaviest = max((highest + 1) ** 2 * dimension * 3, len(indices))
    sums, needed, entries = None, None, _Entries.of(indices)
    if pairs is not None:
        heaviest = max(heaviest, len(pairs.row))
        if combinations is not None:
            sums = _Sums(indices, combinations, pairs.lower, len(mixture.weights))
            needed = sums.needed
            nodes = 0 if sums.rule is None else len(sums.rule.root)
            heaviest = max(heaviest, size * max(len(pairs.lower), nodes))
    block = max(1, BLOCK // heaviest)
    masses, parts = [], []
    for start in range(0, len(mixture.weights), block):
        part = slice(start, start + block)
        weights = mixture.weights[part]
        if not weights.any():
            continue
        table = axis_coefficients(mixture.means[part], variances[part], highest)
        components = _product_moments(table, entries, needed)
        fluctuating = None
        if pairs is not None:
            fluctuating = _fluctuations(pair_coefficients(pairs, table), pairs, len(indices), combinations)
        if sums is not None and fluctuating is not None:
            dense = fluctuating.toarray().reshape(size, len(pairs.lower), len(weights))
            components = sums.moments(components, dense.transpose(2, 0, 1))
        within = None
        if joint:
            share = np.tile(weights / weights.sum(), len(pairs.lower))
            within = (fluctuating.multiply(share) @ fluctuating.T).toarray()
        masses.append(float(weights.sum()))
        parts.append(_averaged(weights, components, within))
    total = np.array(masses)
    return parts[0] if len(parts) == 1 else mixed_moments(total / total.sum(), parts)


def _fluctuations(
    coefficients: FloatArray, pairs: Pairs, count: int, combinations: FloatArray | None
) -> csr_array:
    """Return the coefficients of h_l(Z) as a sparse matrix (s, r K): statistics by pairs of l and component."""
    from scipy.sparse import csr_array

    components = coefficients.shape[1]
    rows = np.repeat(pairs.row, components)
    columns = (pairs.column[:, None] * components + np.arange(components)).reshape(-1)
    shape = (count, len(pairs.lower) * components)
    modes = csr_array((coefficients.reshape(-1), (rows, columns)), shape=shape)
    return modes if combinations is None else csr_array(combinations) @ modes


def _of_full(
    mixture: Mixture,
    covariances: FloatArray,
    indices: IntArray,
    combinations: FloatArray | None,
    joint: bool,
) -> CentralMoments:
    """Return the moments where covariances are full, one component at a time."""
    expansion = JointExpansion(indices)
    supports = [_Support(indices, axes, len(mixture.weights)) for axes in np.unique(indices > 0, axis=0)]
    sums = None
    if combinations is not None:
        sums = _Sums(indices, combinations, expansion.table[1:], len(mixture.weights))
    collected, within = [], np.zeros(())
    for weight, mean, covariance in zip(mixture.weights, mixture.means, covariances, strict=True):
        coefficients = expansion(mean, covariance)
        variance = np.sum(coefficients[:, 1:] ** 2, axis=1)
        third, error, fourth = np.zeros((3, len(indices)))
        for support in supports:
            support.fill(mean, covariance, variance, third, error, fourth)
        components = _Components(*(c[None] for c in (coefficients[:, 0], variance, third, error, fourth)))
        fluctuating = coefficients[:, 1:]
        if sums is not None:
            fluctuating = sums.combinations @ fluctuating
            components = sums.moments(components, fluctuating[None])
        collected.append(components)
        if joint:
            within = within + weight * fluctuating @ fluctuating.T
    stacked = _Components(*(np.concatenate(columns) for columns in zip(*collected, strict=True)))
    return _averaged(mixture.weights, stacked, within / mixture.weights.sum() if joint else None)


class _Support:
    """The modes that depend on the same axes, and the rule in these axes alone."""

    def __init__(self, indices: IntArray, axes: BoolArray, components: int) -> None:
        self.axes = np.flatnonzero(axes)
        self.rows = np.flatnonzero(np.all((indices > 0) == axes, axis=1))
        own = indices[np.ix_(self.rows, self.axes)]
        self.degree = own.sum(axis=1)
        highest = int(self.degree.max(initial=0))
        self.rule = None
        if len(self.axes) and _is_affordable(highest, len(self.axes), len(self.rows) * components):
            self.expansion = JointExpansion(own)
            self.rule = _rule(self.expansion.table[1:], highest)

    def fill(
        self,
        mean: FloatArray,
        covariance: FloatArray,
        variance: FloatArray,
        third: FloatArray,
        error: FloatArray,
        fourth: FloatArray,
    ) -> None:
        """Write the third and fourth moments of these modes under one component."""
        rows = self.rows
        if self.rule is not None:
            coefficients = self.expansion(mean[self.axes], covariance[np.ix_(self.axes, self.axes)])
            third[rows], fourth[rows] = self.rule.moments(coefficients[:, 1:])
        elif len(self.axes):
            fourth[rows] = 9.0**self.degree * variance[rows] ** 2
            error[rows] = np.sqrt(variance[rows] * fourth[rows])
