r"""How the coefficients of several axes are split into a left and a right factor.

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
from numpy.typing import NDArray

from .indices import ancestry, positions, total_degree_indices

IntArray = NDArray[np.int64]

_ROWS_IN_CACHE = 1024  # of 128 doubles: a second-level cache
_NONE = np.zeros(0, dtype=np.int64)


class Plan(NamedTuple):
    """Arguments of the kernel `plane_sums`, and where each coefficient lies in its output.

    Attributes
    ----------
    left_parent, left_factor, right_parent, right_factor : how rows grow, row = parent row * factor row.
    tiles : (t, 4) first left row, first right row, number of right rows, place in the output.
    size : length of the output.
    place : (m,) place of each coefficient in the output.
    """

    left_parent: IntArray
    left_factor: IntArray
    right_parent: IntArray
    right_factor: IntArray
    tiles: IntArray
    size: int
    place: IntArray


@lru_cache(maxsize=16)
def plan(dimension: int, degree: int) -> Plan:
    """The cheaper plan for all multi-indices up to a degree; dimension >= 2, degree >= 1."""
    split = dimension // 2
    half_rows = math.comb(split + degree, degree) + math.comb(dimension - split + degree, degree)
    last_rows = math.comb(dimension + degree - 2, degree - 1) + dimension * degree
    if half_rows <= max(_ROWS_IN_CACHE, last_rows):
        return _halves(dimension, degree, split)
    return _last_axis(dimension, degree)


def _halves(dimension: int, degree: int, split: int) -> Plan:
    left_parent, left_factor = growth(split, degree, 0, dimension, multiple=4)
    right_parent, right_factor = growth(dimension - split, degree, split, dimension, multiple=2)
    left = total_degree_indices(split, degree).sum(axis=1)
    firsts = np.arange(0, len(left), 4)
    reach = np.array([math.comb(dimension - split + degree - n, degree - n) for n in range(degree + 1)])
    counts = reach[left[firsts]]
    counts += counts % 2
    places = np.concatenate([[0], np.cumsum(4 * counts)])
    tiles = np.stack([firsts, np.zeros_like(firsts), counts, places[:-1]], axis=1)
    indices = total_degree_indices(dimension, degree)
    p, q = positions(indices[:, :split]), positions(indices[:, split:])
    place = places[p // 4] + 4 * q + p % 4
    return Plan(left_parent, left_factor, right_parent, right_factor, tiles, int(places[-1]), place)


def growth(
    axes: int, degree: int, offset: int, dimension: int, multiple: int = 1
) -> tuple[IntArray, IntArray]:
    """Parent and factor of each index over some axes; the factor is the whole power of the last axis."""
    indices = total_degree_indices(axes, degree)
    last = ancestry(axes, degree).axis
    rows = np.arange(len(indices))
    exponent = np.where(last >= 0, indices[rows, last], 0)
    smaller = indices.copy()
    smaller[rows, last] = 0
    parent = positions(smaller)
    factor = np.where(last >= 0, (exponent - 1) * dimension + offset + last, 0)
    pad = -len(parent) % multiple
    # a padding row repeats the last row's product; its results are dropped
    return np.pad(parent, (0, pad), mode="edge"), np.pad(factor, (0, pad), mode="edge")


def _last_axis(dimension: int, degree: int) -> Plan:
    prefixes = total_degree_indices(dimension - 1, degree - 1)
    last = ancestry(dimension - 1, degree - 1).axis
    size = prefixes.sum(axis=1)
    order = np.lexsort((last, size))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    parent, factor = growth(dimension - 1, degree - 1, 0, dimension, multiple=1)
    parent, factor = rank[parent[order]], factor[order]
    pad = -len(parent) % 4
    parent, factor = np.pad(parent, (0, pad), mode="edge"), np.pad(factor, (0, pad), mode="edge")
    size, last = size[order], last[order]
    tiles, base, at = [], {}, 0
    for first in range(0, len(size), 4):
        lowest = int(size[first])
        after = int(last[first : first + 4].min()) + 1
        for exponent in range(1, degree - lowest + 1):
            count = dimension - after
            start = (exponent - 1) * dimension + after
            base[first // 4, exponent] = at - 4 * after
            tiles.append((first, start, count + count % 2, at))
            at += 4 * (count + count % 2)
    indices = total_degree_indices(dimension, degree)
    final = ancestry(dimension, degree).axis
    rows = np.arange(len(indices))
    exponents = indices[rows, final]
    prefix = indices.copy()
    prefix[rows, final] = 0
    row = rank[positions(prefix[:, :-1])]
    lookup = np.zeros((len(parent) // 4, degree + 1), dtype=np.int64)
    for (tile, exponent), value in base.items():
        lookup[tile, exponent] = value
    place = lookup[row // 4, exponents] + 4 * final + row % 4
    place[0] = at  # the constant is no product of this plan: its slot stays zero and the count replaces it
    return Plan(parent, factor, _NONE, _NONE, np.array(tiles, dtype=np.int64), at + 4, place)
