r"""Central moments of Hermite polynomials, and of sums of them, under mixtures of Gaussians.

For a statistic f = sum_k c_k h_k and a component X = m + L Z,

    f(X) = b + W,     b = sum_k c_k a_{k,0},     W = sum_{l > 0} sum_k c_k a_{k,l} h_l(Z)         (`expansions`)

and moments about the mean of the mixture, E b, are averages over the components of moments of (b - E b) + W:

    Var f = sum_i w_i (delta_i^2 + E W_i^2),      E (f - E f)^4 = sum_i w_i E (delta_i + W_i)^4,     delta = b - E b.

Nothing is a moment minus a square, so that a component may be as narrow or as far from the origin as it likes.

Moments of W are exact, or bounded where that would cost too much: see `fluctuations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.types import FloatArray, IntArray
from ..core.value import Value
from .expansions import Pairs, axis_coefficients, pair_coefficients, pairs_below
from .fluctuations import Components, Entries, Sums, Support, moments_of_products
from .joint import JointExpansion
from .mixture import Mixture, spread

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BLOCK = 1 << 21  # numbers held at once: 16 MB an array


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
    return _averaged(weights, Components(*map(np.stack, columns)), within)


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


def _averaged(weights: FloatArray, components: Components, within: FloatArray | None) -> CentralMoments:
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


def _of_diagonal(
    mixture: Mixture,
    variances: FloatArray,
    indices: IntArray,
    combinations: FloatArray | None,
    joint: bool,
) -> CentralMoments:
    """Return the moments where every covariance is diagonal, a block of components at a time."""
    highest, dimension = int(indices.max(initial=0)), indices.shape[1]
    entries = Entries.of(indices)
    # The polynomials by themselves need no pairs: their moments are products over the axes.
    pairs = pairs_below(indices if joint or combinations is not None else indices[:0])
    sums = None
    if combinations is not None:
        sums = Sums(indices, combinations, pairs.lower, len(mixture.weights))
    widths = [(highest + 1) ** 2 * dimension * 3, len(indices), len(pairs.row)]
    widths += [] if sums is None else [len(sums.combinations) * max(len(pairs.lower), sums.nodes)]
    block = max(1, BLOCK // max(widths))
    masses, parts = [], []
    for start in range(0, len(mixture.weights), block):
        part = slice(start, start + block)
        weights = mixture.weights[part]
        if not weights.any():
            continue
        table = axis_coefficients(mixture.means[part], variances[part], highest)
        components = moments_of_products(table, entries, None if sums is None else sums.needed)
        within = None
        if len(pairs.row):
            sparse = _fluctuations(pair_coefficients(pairs, table), pairs, len(indices), combinations)
            if sums is not None:
                dense = sparse.toarray().reshape(len(sums.combinations), len(pairs.lower), len(weights))
                components = sums.moments(components, dense.transpose(2, 0, 1))
            if joint:
                share = np.tile(weights / weights.sum(), len(pairs.lower))
                within = (sparse.multiply(share) @ sparse.T).toarray()
        elif sums is not None:
            components = sums.moments(components, np.zeros((len(weights), len(sums.combinations), 0)))
        if joint and within is None:
            within = np.zeros((components.mean.shape[1],) * 2)
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
    supports = [Support(indices, axes, len(mixture.weights)) for axes in np.unique(indices > 0, axis=0)]
    sums = None
    if combinations is not None:
        sums = Sums(indices, combinations, expansion.table[1:], len(mixture.weights))
    collected, within = [], np.zeros(())
    for weight, mean, covariance in zip(mixture.weights, mixture.means, covariances, strict=True):
        coefficients = expansion(mean, covariance)
        variance = np.sum(coefficients[:, 1:] ** 2, axis=1)
        third, error, fourth = np.zeros((3, len(indices)))
        for support in supports:
            support.fill(mean, covariance, variance, third, error, fourth)
        components = Components(*(c[None] for c in (coefficients[:, 0], variance, third, error, fourth)))
        fluctuating = coefficients[:, 1:]
        if sums is not None:
            fluctuating = sums.combinations @ fluctuating
            components = sums.moments(components, fluctuating[None])
        collected.append(components)
        if joint:
            within = within + weight * fluctuating @ fluctuating.T
    stacked = Components(*(np.concatenate(columns) for columns in zip(*collected, strict=True)))
    return _averaged(mixture.weights, stacked, within / mixture.weights.sum() if joint else None)
