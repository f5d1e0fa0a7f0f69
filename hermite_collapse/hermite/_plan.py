r"""What the kernels of sample sums are given: recurrences of one axis, and the factors of several axes.

One axis: the polynomials are scaled to g_k = s_k h_k, so that each step of the recurrence has a single constant.

Several axes: every polynomial is a product of a left and a right one,

    h_k(x) = left_p(x) right_q(x)

Two plans, data for one kernel; the cheaper one is taken.

- halves: left holds the polynomials of the first axes, right those of the others, both by degree.  A left polynomial
  of degree n meets the right ones up to degree N - n, a leading part of their list.
- last axis: right holds h_e(x_j), by e then j; left holds what comes before the last axis, by degree and then by
  its own last axis l.  A left one of degree n meets, for each e <= N - n, the axes j > l, a trailing part.

Few axes and high degree make the halves cheap; with many axes they would hold far too many rows.
Four left rows share a tile, whose range covers all four: a few products belong to no coefficient and are dropped.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..core.types import FloatArray, IntArray
from .halves import Growth, growth, halves
from .indices import last_axes, positions, total_degree_indices

_ROWS_IN_CACHE = 1024  # of 128 doubles: a second-level cache
_NONE = np.zeros(0, dtype=np.int64)


class Plan(NamedTuple):
    """Arguments of the kernel `plane_sums`, and where each coefficient lies in its output.

    Attributes
    ----------
    left_parent, left_factor, right_parent, right_factor : array of int
        How rows grow, row = parent row * factor row.
    tiles : array of int, shape (t, 4)
        First left row, first right row, number of right rows, position in the output.
    size : int
        Length of the output.
    position : array of int, shape (m,)
        Position of each coefficient in the output.
    """

    left_parent: IntArray
    left_factor: IntArray
    right_parent: IntArray
    right_factor: IntArray
    tiles: IntArray
    size: int
    position: IntArray


@lru_cache(maxsize=16)
def line_constants(degree: int) -> tuple[FloatArray, FloatArray]:
    """Return the a_k of the kernel's recurrence, padded to whole sweeps of four degrees, and s_k of g_k = s_k h_k."""
    width = 2 + 4 * -(-(max(degree, 1) - 1) // 4)
    scale = np.ones(width + 1)
    for k in range(1, width):
        scale[k + 1] = scale[k - 1] * np.sqrt((k + 1.0) / k)
    steps = scale[1:] / (scale[:-1] * np.sqrt(np.arange(1.0, width + 1)))
    return steps, scale


@lru_cache(maxsize=16)
def plan(dimension: int, degree: int) -> Plan:
    """Return the cheaper plan for all multi-indices up to a degree; dimension >= 2, degree >= 1."""
    split = dimension // 2
    half_rows = math.comb(split + degree, degree) + math.comb(dimension - split + degree, degree)
    last_rows = math.comb(dimension + degree - 2, degree - 1) + dimension * degree
    if half_rows <= max(_ROWS_IN_CACHE, last_rows):
        return _halves(dimension, degree)
    return _last_axis(dimension, degree)


def factor_rows(rule: Growth, first_axis: int, dimension: int) -> IntArray:
    """Return the row of each product's last factor in a table of h_e(x_j), by e >= 1 and then by axis."""
    return np.where(rule.axis >= 0, (rule.exponent - 1) * dimension + first_axis + rule.axis, 0)


def _halves(dimension: int, degree: int) -> Plan:
    parts = halves(dimension, degree)
    levels = np.repeat(np.arange(degree + 1), np.diff(parts.starts))
    firsts = np.arange(0, len(levels), 4)
    counts = parts.widths[levels[firsts]]
    counts += counts % 2
    bounds = np.concatenate([[0], np.cumsum(4 * counts)])
    tiles = np.stack([firsts, np.zeros_like(firsts), counts, bounds[:-1]], axis=1)
    return Plan(
        _padded(parts.left.parent, 4),
        _padded(factor_rows(parts.left, 0, dimension), 4),
        _padded(parts.right.parent, 2),
        _padded(factor_rows(parts.right, parts.split, dimension), 2),
        tiles,
        int(bounds[-1]),
        bounds[parts.row // 4] + 4 * parts.column + parts.row % 4,
    )


def _padded(rows: IntArray, multiple: int) -> IntArray:
    """Return the rows up to a multiple; a padding row repeats the last row's product, its results are dropped."""
    return np.pad(rows, (0, -len(rows) % multiple), mode="edge")


def _last_axis(dimension: int, degree: int) -> Plan:
    size = total_degree_indices(dimension - 1, degree - 1).sum(axis=1)
    rule = growth(dimension - 1, degree - 1)
    order = np.lexsort((rule.axis, size))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    parent = _padded(rank[rule.parent[order]], 4)
    factor = _padded(factor_rows(rule, 0, dimension)[order], 4)
    size, last = size[order], rule.axis[order]
    lookup = np.zeros((len(parent) // 4, degree + 1), dtype=np.int64)
    tiles, at = [], 0
    for first in range(0, len(size), 4):
        lowest = int(size[first])
        after = int(last[first : first + 4].min()) + 1
        for exponent in range(1, degree - lowest + 1):
            count = dimension - after
            start = (exponent - 1) * dimension + after
            lookup[first // 4, exponent] = at - 4 * after
            tiles.append((first, start, count + count % 2, at))
            at += 4 * (count + count % 2)
    indices = total_degree_indices(dimension, degree)
    final = last_axes(dimension, degree)
    rows = np.arange(len(indices))
    exponents = indices[rows, final]
    prefix = indices.copy()
    prefix[rows, final] = 0
    row = rank[positions(prefix[:, :-1])]
    position = lookup[row // 4, exponents] + 4 * final + row % 4
    position[0] = at  # the constant is no product of this plan: its slot stays zero and the count replaces it
    return Plan(parent, factor, _NONE, _NONE, np.array(tiles, dtype=np.int64), at + 4, position)
