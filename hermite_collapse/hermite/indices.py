r"""Multi-indices of total degree: which Hermite coefficients there are, and in what order.

By degree, then ascending lexicographic: for d = 2 they are 00, 01, 10, 02, 11, 20, 03, ...  Position p of an index
k of degree n is found by counting,

    p = binom(d - 1 + n, d) + #{ indices of degree n before k }.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import IntArray

MODES_ONE_BY_ONE = 2500
"""Number of modes up to which results are tested and combined mode by mode unless a degree is asked for."""

HIGHEST_DEFAULT = 8
"""Highest degree that is used unless one is asked for."""

_LARGEST_COUNT = 1 << 28  # 2 GB


def index_count(dimension: int, degree: int) -> int:
    """Return the number of multi-indices up to a total degree, binom(dimension + degree, dimension)."""
    dimension = checks.integer(dimension, "dimension", 1)
    degree = checks.integer(degree, "degree")
    return math.comb(dimension + degree, dimension)


def default_degree(dimension: int) -> int:
    """Return the degree to use in a dimension where none is asked for: few enough modes to treat one by one.

        max { n <= 8 : binom(d + n, n) <= 2500 },  at least 1

    Parameters
    ----------
    dimension : int
        d >= 1.

    Returns
    -------
    int
        8 up to d = 5, 4 at d = 10, 2 at d = 64, 1 from d = 70 on.
    """
    degree = HIGHEST_DEFAULT
    while degree > 1 and index_count(dimension, degree) > MODES_ONE_BY_ONE:
        degree -= 1
    return degree


def total_degree_indices(dimension: int, degree: int) -> IntArray:
    """Return all multi-indices up to a total degree, by degree, then ascending lexicographic.

    Parameters
    ----------
    dimension : int
        d >= 1.
    degree : int
        n >= 0.

    Returns
    -------
    array of int, shape (m, d)
        m = index_count(dimension, degree); read-only.

    Raises
    ------
    InputError
        If the table would hold more than 2^28 numbers.
    """
    count = index_count(dimension, degree)
    if count * dimension > _LARGEST_COUNT:
        raise InputError(
            f"degree {degree} in dimension {dimension} has {count} multi-indices, more than a table can hold: "
            f"lower the degree, or use degree_spectrum, whose cost does not grow with their number."
        )
    return _table(int(dimension), int(degree))


@lru_cache(maxsize=16)
def _table(dimension: int, degree: int) -> IntArray:
    """Build the table one degree after the other.

    The indices of degree n whose first nonzero axis is f are those of degree n - 1 without an entry before f, the
    first binom(d - 1 - f + n - 1, n - 1) of them, raised by one on axis f.
    """
    table = np.zeros((math.comb(dimension + degree, dimension), dimension), dtype=np.int64)
    axes = np.arange(dimension - 1, -1, -1)
    level, start = table[:1], 1
    for n in range(1, degree + 1):
        counts = [math.comb(dimension - 1 - axis + n - 1, n - 1) for axis in axes.tolist()]
        stop = start + sum(counts)
        level = np.concatenate([level[:count] for count in counts], out=table[start:stop])
        level[np.arange(len(level)), np.repeat(axes, counts)] += 1
        start = stop
    table.setflags(write=False)
    return table


def as_indices(indices: ArrayLike, dimension: int) -> IntArray:
    """Return multi-indices that a user gave as an array (m, d); in one dimension (m,) will do."""
    rows = checks.degrees(indices, "indices")
    if rows.ndim == 1 and dimension == 1:
        rows = rows[:, None]
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise InputError(f"indices must have shape (m, {dimension}), got {rows.shape}.")
    return rows


def positions(indices: ArrayLike) -> IntArray:
    r"""Return the positions of multi-indices in the order of `total_degree_indices`.

        p(k) = binom(d - 1 + n, d) + sum_j sum_{i < k_j} binom(r_j - i + d - 2 - j, d - 2 - j),
        r_j = k_j + ... + k_d

    Parameters
    ----------
    indices : array of int, shape (m, d)
        Entries >= 0.

    Returns
    -------
    array of int, shape (m,)
    """
    indices = np.atleast_2d(checks.degrees(indices, "indices"))
    dimension = indices.shape[1]
    degree = int(indices.sum(axis=1).max(initial=0))
    remaining = indices.sum(axis=1)
    # binom(r + left, r), indexed by the number that stays small, r <= degree + 1
    table = _binomials(dimension + degree, degree)
    position = np.where(remaining > 0, table[dimension + remaining - 1, np.maximum(remaining - 1, 0)], 0)
    for axis in range(dimension - 1):
        left = dimension - 1 - axis  # axes after this one
        # sum_{i<k} C(r-i+left-1, left-1) telescopes to C(r+left, left) - C(r-k+left, left)
        after = remaining - indices[:, axis]
        position += table[remaining + left, remaining] - table[after + left, after]
        remaining = after
    return position


@lru_cache(maxsize=8)
def _binomials(largest: int, smaller: int) -> IntArray:
    table = np.zeros((largest + 1, smaller + 1), dtype=np.int64)
    table[:, 0] = 1
    for row in range(1, largest + 1):
        table[row, 1:] = table[row - 1, 1:] + table[row - 1, :-1]
    return table


@lru_cache(maxsize=32)
def last_axes(dimension: int, degree: int) -> IntArray:
    """Return the last nonzero axis of each multi-index up to a degree, -1 for k = 0; read-only."""
    table = total_degree_indices(dimension, degree)
    axes = dimension - 1 - np.argmax(table[:, ::-1] > 0, axis=1)
    axes[0] = -1
    axes.setflags(write=False)
    return axes


@lru_cache(maxsize=16)
def lowered(dimension: int, degree: int) -> IntArray:
    """Return the position of k - e_j for each multi-index k up to a degree and axis j, -1 for k_j = 0; read-only."""
    table = total_degree_indices(dimension, degree)
    result = np.full(table.shape, -1, dtype=np.int64)
    for axis in range(dimension):
        raised = np.flatnonzero(table[:, axis])
        if len(raised):
            smaller = table[raised].copy()
            smaller[:, axis] -= 1
            result[raised, axis] = positions(smaller)
    result.setflags(write=False)
    return result


WRITTEN_OUT = 6
"""Dimension up to which multi-indices are written out."""


def mode_label(index: Sequence[int]) -> str:
    """Return a short name of a multi-index: "2,1" in few dimensions, the axes that count, from 1, in many.

    Examples
    --------
    >>> mode_label([2, 1]), mode_label([0] * 4 + [1] + [0] * 13 + [2]), mode_label([0] * 64)
    ('2,1', 'x5 x19^2', '1')
    """
    if len(index) <= WRITTEN_OUT:
        return ",".join(map(str, index))
    axes = (
        f"x{axis}" + (f"^{power}" if power > 1 else "") for axis, power in enumerate(index, start=1) if power
    )
    return " ".join(axes) or "1"
