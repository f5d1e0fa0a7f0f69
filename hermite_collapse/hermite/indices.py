r"""Multi-indices of total degree: which Hermite coefficients there are, and in what order.

By degree, then ascending lexicographic: for d = 2 they are 00, 01, 10, 02, 11, 20, 03, ...  Position p of an index
k of degree n is found by counting,

    p = binom(d - 1 + n, d) + #{ indices of degree n before k }.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _checks
from ..errors import InputError

IntArray = NDArray[np.int64]

_LARGEST_COUNT = 1 << 28


def index_count(dimension: int, degree: int) -> int:
    """Number of multi-indices up to a total degree.

        binom(dimension + degree, dimension)

    Parameters
    ----------
    dimension : d >= 1.
    degree : n >= 0.
    """
    dimension = _checks.integer(dimension, "dimension", 1)
    degree = _checks.integer(degree, "degree")
    return math.comb(dimension + degree, dimension)


def total_degree_indices(dimension: int, degree: int) -> IntArray:
    """All multi-indices up to a total degree, by degree, then ascending lexicographic.

    Parameters
    ----------
    dimension : d >= 1.
    degree : n >= 0.

    Returns
    -------
    (m, d) array of int64, m = index_count(dimension, degree); read-only.

    Raises
    ------
    InputError if the table would hold more than 2^28 numbers.
    """
    count = index_count(dimension, degree)
    if count * dimension > _LARGEST_COUNT:
        raise InputError(
            f"degree {degree} in dimension {dimension} has {count} multi-indices, more than a table can hold: "
            f"lower the degree, or use degree_spectrum, whose cost does not grow with their number."
        )
    return _table(int(dimension), int(degree))


@lru_cache(maxsize=32)
def _table(dimension: int, degree: int) -> IntArray:
    parts = [_of_degree(dimension, n) for n in range(degree + 1)]
    table = np.concatenate(parts)
    table.setflags(write=False)
    return table


def _of_degree(dimension: int, degree: int) -> IntArray:
    """Indices of one degree: the tails of ascending leading entries, one axis after the other.

    blocks[n] holds, for the last j axes, the indices of degree n in order; one more axis in front gives
    blocks'[n] = (0, blocks[n]), (1, blocks[n-1]), ..., (n, blocks[0]).
    """
    blocks = [np.full((1, 1), n, dtype=np.int64) for n in range(degree + 1)]
    for axis in range(1, dimension):
        last = axis == dimension - 1
        blocks = [
            np.concatenate([_with_front(first, blocks[n - first]) for first in range(n + 1)])
            if (n == degree or not last)
            else blocks[n]
            for n in range(degree + 1)
        ]
    return blocks[degree]


def _with_front(first: int, tail: IntArray) -> IntArray:
    out = np.empty((len(tail), tail.shape[1] + 1), dtype=np.int64)
    out[:, 0] = first
    out[:, 1:] = tail
    return out


def positions(indices: ArrayLike) -> IntArray:
    r"""Positions of multi-indices in the order of `total_degree_indices`.

        p(k) = binom(d - 1 + n, d) + sum_j sum_{i < k_j} binom(r_j - i + d - 2 - j, d - 2 - j),
        r_j = k_j + ... + k_d

    Parameters
    ----------
    indices : (m, d) integers >= 0.

    Returns
    -------
    (m,) int64.
    """
    indices = np.atleast_2d(_checks.degrees(indices, "indices"))
    dimension = indices.shape[1]
    degree = int(indices.sum(axis=1).max(initial=0))
    table = _binomials(dimension + degree)
    remaining = indices.sum(axis=1)
    place = np.where(remaining > 0, table[dimension - 1 + remaining, dimension], 0)
    for axis in range(dimension - 1):
        left = dimension - 1 - axis  # axes after this one
        # sum_{i<k} C(r-i+left-1, left-1) telescopes to C(r+left, left) - C(r-k+left, left)
        after = remaining - indices[:, axis]
        place += table[remaining + left, left] - table[after + left, left]
        remaining = after
    return place


@lru_cache(maxsize=8)
def _binomials(size: int) -> IntArray:
    table = np.zeros((size + 1, size + 1), dtype=np.int64)
    table[:, 0] = 1
    for row in range(1, size + 1):
        table[row, 1:] = table[row - 1, 1:] + table[row - 1, :-1]
    return table


class Ancestry(NamedTuple):
    """How each multi-index k != 0 grows from smaller ones: k = parent + e_axis.

    Attributes
    ----------
    axis : (m,) axis raised last; -1 for k = 0.
    parent : (m,) position of k - e_axis; -1 for k = 0.
    """

    axis: IntArray
    parent: IntArray


@lru_cache(maxsize=32)
def ancestry(dimension: int, degree: int) -> Ancestry:
    """Parents of all multi-indices up to a degree, raising the last axis that is not zero."""
    table = total_degree_indices(dimension, degree)
    axis = dimension - 1 - np.argmax(table[:, ::-1] > 0, axis=1)
    axis[0] = -1
    smaller = table[1:].copy()
    smaller[np.arange(len(smaller)), axis[1:]] -= 1
    parent = np.full(len(table), -1, dtype=np.int64)
    if len(smaller):
        parent[1:] = positions(smaller)
    axis.setflags(write=False)
    parent.setflags(write=False)
    return Ancestry(axis, parent)
