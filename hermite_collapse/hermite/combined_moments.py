r"""Second moments of a few sums of Hermite polynomials, without the moments of all their pairs.

With f_r = sum_k c_rk h_k and a Gaussian component m + L z of diagonal L = diag(s), each polynomial expands in the
component's own noise,

    h_k(m + L z) = sum_{l <= k} h_l(z) prod_a sqrt(binom(k_a, l_a)) s_a^{l_a} g_{k_a - l_a}(m_a),
    sqrt(n + 1) g_{n+1} = m g_n - (1 - s^2) sqrt(n) g_{n-1},

so that E f_r f_q = sum_i w_i sum_l b_irl b_iql with b_irl the coefficient of h_l(z).  The cost is one product for
each pair l <= k and component, not one for each pair of polynomials and each axis.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..core.types import FloatArray, IntArray
from .indices import positions
from .mixture import Mixture

_BLOCK = 1 << 21  # numbers held at once: 16 MB an array


class _Expansion(NamedTuple):
    """Pairs l <= k, sorted by l.

    Attributes
    ----------
    factor : array of int, shape (e, w)
        Rows of the table of one-dimensional coefficients whose product is the pair's, padded.
    row : array of int, shape (e,)
        Which h_k the pair belongs to.
    starts : array of int
        Where each l begins.
    binomial : array, shape (e,)
        Square root of the product of the binomials.
    table : array of int, shape (t, 3)
        Axis, k_a - l_a and l_a of each one-dimensional coefficient; the last row is the factor 1.
    """

    factor: IntArray
    row: IntArray
    starts: IntArray
    binomial: FloatArray
    table: IntArray


def combined_second_moments(mixture: Mixture, indices: IntArray, combinations: FloatArray) -> FloatArray:
    """Return the matrix E f_r(X) f_q(X) of the sums f_r = sum_k c_rk h_k under a mixture of diagonal Gaussians.

    Parameters
    ----------
    mixture : Mixture
        With diagonal covariances.
    indices : array of int, shape (m, d)
        The multi-indices k.
    combinations : array, shape (r, m)
        The coefficients c_rk.

    Returns
    -------
    array, shape (r, r)
    """
    weights, means, variances = mixture.weights, mixture.means, mixture.variances
    expansion = _expansion(indices.tobytes(), indices.shape)
    count, pairs = len(combinations), len(expansion.row)
    highest = int(indices.max(initial=0))
    scaled = combinations[:, expansion.row] * expansion.binomial
    # A sum is of few degrees, so that most of the coefficients of one sum are zero: only the others are visited.
    used = [np.flatnonzero(row) for row in scaled]
    block = max(1, _BLOCK // max(pairs, len(expansion.table), count * len(expansion.starts)))
    total = np.zeros((count, count))
    for start in range(0, len(weights), block):
        part = slice(start, start + block)
        products = _products(expansion, means[part], variances[part], highest)
        own = np.zeros((count, len(expansion.starts), products.shape[1]))
        for r, pair in enumerate(used):
            if len(pair):
                terms = products[pair] * scaled[r, pair, None]
                group = np.searchsorted(expansion.starts, pair, side="right") - 1
                first = np.flatnonzero(np.diff(group, prepend=-1))
                own[r, group[first]] = np.add.reduceat(terms, first, axis=0)
        weighted = (own * weights[part]).reshape(count, -1)
        total += weighted @ own.reshape(count, -1).T
    return 0.5 * (total + total.T)


def _products(expansion: _Expansion, means: FloatArray, variances: FloatArray, highest: int) -> FloatArray:
    """Return the product of the one-dimensional coefficients of each pair, shape (e, K)."""
    mean, deviation = means.T, np.sqrt(variances.T)
    shifted = np.ones((highest + 1, *mean.shape))  # g_n, by n, axis, component
    if highest > 0:
        shifted[1] = mean
    for n in range(1, highest):
        shifted[n + 1] = (mean * shifted[n] - (1.0 - variances.T) * np.sqrt(n) * shifted[n - 1]) / np.sqrt(
            n + 1
        )
    powers = deviation ** np.arange(highest + 1)[:, None, None]
    axis, lower, power = expansion.table[:-1].T
    table = np.concatenate([shifted[lower, axis] * powers[power, axis], np.ones((1, mean.shape[1]))])
    products = table[expansion.factor[:, 0]]
    for column in expansion.factor.T[1:]:
        products *= table[column]
    return products


@lru_cache(maxsize=8)
def _expansion(data: bytes, shape: tuple[int, int]) -> _Expansion:
    """Return all pairs l <= k of the multi-indices k, given as bytes so that they can be remembered."""
    indices = np.frombuffer(data, dtype=np.int64).reshape(shape)
    highest = int(indices.max(initial=0))
    lower_of, power_of = np.tril_indices(highest + 1)  # all pairs l <= k of one axis
    triangle = np.stack([lower_of - power_of, power_of], axis=1)
    dimension = shape[1]
    table = np.zeros((dimension * len(triangle) + 1, 3), dtype=np.int64)
    table[:-1, 0] = np.repeat(np.arange(dimension), len(triangle))
    table[:-1, 1:] = np.tile(triangle, (dimension, 1))
    one = len(table) - 1
    width = max(1, int((indices > 0).sum(axis=1).max(initial=0)))
    choose = np.array([[float(math.comb(n, l)) for l in range(highest + 1)] for n in range(highest + 1)])
    # Grow the pairs axis by axis of each index: (row, l so far), one more nonzero axis at a time.
    row = np.arange(len(indices))
    below = np.zeros_like(indices)
    factor = np.full((len(indices), width), one, dtype=np.int64)
    binomial = np.ones(len(indices))
    order = np.cumsum(indices > 0, axis=1) - 1  # number of each nonzero axis within its index
    for step in range(width):
        active = (indices > 0) & (order == step)
        axis = np.argmax(active, axis=1)[row]
        exists = active.any(axis=1)[row]
        k = np.where(exists, indices[row, axis], 0)
        repeats = k + 1
        first = np.cumsum(repeats) - repeats
        l = np.arange(repeats.sum()) - np.repeat(first, repeats)
        row, axis, k, exists = (np.repeat(values, repeats) for values in (row, axis, k, exists))
        below, factor, binomial = (np.repeat(values, repeats, axis=0) for values in (below, factor, binomial))
        below[np.arange(len(row)), axis] += np.where(exists, l, 0)
        entry = axis * len(triangle) + k * (k + 1) // 2 + l
        factor[:, step] = np.where(exists, entry, one)
        binomial *= np.where(exists, choose[k, l], 1.0)
    position = positions(below)
    sorting = np.lexsort((row, position))
    starts = np.flatnonzero(np.diff(position[sorting], prepend=-1))
    return _Expansion(factor[sorting], row[sorting], starts, np.sqrt(binomial[sorting]), table)
