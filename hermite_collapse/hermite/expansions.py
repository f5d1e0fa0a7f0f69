r"""Hermite polynomials of a Gaussian vector, expanded in those of its own noise.

For X = m + L Z and standard normal Z,

    h_k(X) = sum_l a_{k,l} h_l(Z),     a_{k,l} = E h_k(X) h_l(Z),

so that a_{k,0} is the mean of h_k(X) and the other terms are what fluctuates: however narrow the component, a variance
is a sum of squares of a_{k,l}, l > 0, and nothing cancels.  For diagonal L = diag(s)

    a_{k,l} = prod_a sqrt(binom(k_a, l_a)) s_a^{l_a} g_{k_a - l_a}(m_a),      l <= k in every axis,
    sqrt(n + 1) g_{n+1} = m g_n - (1 - s^2) sqrt(n) g_{n-1}.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..core.types import FloatArray, IntArray
from .indices import positions


class Pairs(NamedTuple):
    """All pairs l <= k, l > 0, of a set of multi-indices k.

    Attributes
    ----------
    row : array of int, shape (e,)
        Which k the pair belongs to.
    column : array of int, shape (e,)
        Number of its l among the different ones.
    factors : array of int, shape (e, w)
        Entries (axis, k_a, l_a) of the table of one-dimensional coefficients, flattened, whose product is a_{k,l}; the
        last entry of the table is the factor 1.
    lower : array of int, shape (r, d)
        The different l.
    """

    row: IntArray
    column: IntArray
    factors: IntArray
    lower: IntArray


def axis_coefficients(means: FloatArray, variances: FloatArray, degree: int) -> FloatArray:
    """Return the coefficients of each axis, a[n, l, axis, component] for n, l <= degree; 0 for l > n.

    Parameters
    ----------
    means, variances : array, shape (K, d)
    degree : int
        Highest n.
    """
    mean, variance = means.T, variances.T
    shifted = np.ones((degree + 1, *mean.shape))
    if degree > 0:
        shifted[1] = mean
    for n in range(1, degree):
        shifted[n + 1] = (mean * shifted[n] - (1.0 - variance) * np.sqrt(n) * shifted[n - 1]) / np.sqrt(n + 1)
    powers = np.sqrt(variance) ** np.arange(degree + 1)[:, None, None]
    table = np.zeros((degree + 1, degree + 1, *mean.shape))
    for n in range(degree + 1):
        for l in range(n + 1):
            table[n, l] = math.sqrt(math.comb(n, l)) * powers[l] * shifted[n - l]
    return table


def pair_coefficients(pairs: Pairs, table: FloatArray) -> FloatArray:
    """Return a_{k,l} of each pair from the coefficients of each axis, shape (e, K)."""
    flat = np.concatenate(
        [np.moveaxis(table, 2, 0).reshape(-1, table.shape[-1]), np.ones((1, table.shape[-1]))]
    )
    products = flat[pairs.factors[:, 0]]
    for column in pairs.factors.T[1:]:
        products *= flat[column]
    return products


def pairs_below(indices: IntArray) -> Pairs:
    """Return all pairs l <= k, l > 0, of the multi-indices k (m, d)."""
    return _pairs(np.ascontiguousarray(indices).tobytes(), indices.shape)


@lru_cache(maxsize=8)
def _pairs(data: bytes, shape: tuple[int, int]) -> Pairs:
    """Return the pairs of multi-indices given as bytes, so that they can be remembered."""
    indices = np.frombuffer(data, dtype=np.int64).reshape(shape)
    side = int(indices.max(initial=0)) + 1
    one = shape[1] * side * side
    width = max(1, int((indices > 0).sum(axis=1).max(initial=0)))
    # Grow the pairs axis by axis of each index: (row, l so far), one more nonzero axis at a time.
    row = np.arange(len(indices))
    below = np.zeros_like(indices)
    factors = np.full((len(indices), width), one, dtype=np.int64)
    order = np.cumsum(indices > 0, axis=1) - 1  # number of each nonzero axis within its index
    for step in range(width):
        active = (indices > 0) & (order == step)
        axis, exists = np.argmax(active, axis=1)[row], active.any(axis=1)[row]
        k = np.where(exists, indices[row, axis], 0)
        repeats = k + 1
        l = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        row, axis, k, exists = (np.repeat(values, repeats) for values in (row, axis, k, exists))
        below, factors = (np.repeat(values, repeats, axis=0) for values in (below, factors))
        below[np.arange(len(row)), axis] += np.where(exists, l, 0)
        factors[:, step] = np.where(exists, (axis * side + k) * side + l, one)
    fluctuating = below.any(axis=1)
    below = below[fluctuating]
    _, first, column = np.unique(positions(below), return_index=True, return_inverse=True)
    return Pairs(row[fluctuating], column.reshape(-1), factors[fluctuating], below[first])
