r"""Products of polynomials on one axis each: how they grow, and how they split into two halves.

    h_k(x) = h_parent(k)(x) h_e(x_j),                 j the last axis of k that is not zero, e = k_j
    h_k(x) = h_p(x_1, ..., x_s) h_q(x_{s+1}, ..., x_d),     s = d // 2,   abs(p) + abs(q) = abs(k)

A sum over all multi-indices up to degree N is then one matrix product for each degree n of the left half, whose rows
meet the right ones up to degree N - n, a leading part of their list: as many products as there are multi-indices.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..core.types import IntArray
from .indices import index_count, last_axes, positions, total_degree_indices


class Growth(NamedTuple):
    """How the products over some axes are made, each from one before it.

    Attributes
    ----------
    parent : array of int, shape (m,)
        Position of the index with its last nonzero entry put to zero; 0 for the constant itself.
    axis : array of int, shape (m,)
        The axis of that entry; -1 for the constant.
    exponent : array of int, shape (m,)
        That entry; 0 for the constant.
    """

    parent: IntArray
    axis: IntArray
    exponent: IntArray


class Halves(NamedTuple):
    """All multi-indices up to a degree as pairs of multi-indices of the first and of the last axes.

    Attributes
    ----------
    split : int
        Number of axes on the left, d // 2; with none the left half is the constant alone.
    left, right : Growth
        The products of each half up to the degree, in the order of `total_degree_indices`.
    starts : array of int, shape (N + 2,)
        The left products of degree n are starts[n] to starts[n + 1].
    widths : array of int, shape (N + 1,)
        Number of right products that those of degree n meet: all of degree at most N - n.
    row, column : array of int, shape (m,)
        Positions of the left and of the right half of each multi-index.
    """

    split: int
    left: Growth
    right: Growth
    starts: IntArray
    widths: IntArray
    row: IntArray
    column: IntArray


@lru_cache(maxsize=32)
def growth(dimension: int, degree: int) -> Growth:
    """Return how all products up to a degree grow, in the order of `total_degree_indices`; read-only arrays."""
    if dimension == 0:
        return Growth(_read_only([0]), _read_only([-1]), _read_only([0]))
    indices = total_degree_indices(dimension, degree)
    axis = last_axes(dimension, degree)
    rows = np.arange(len(indices))
    smaller = indices.copy()
    smaller[rows, axis] = 0
    exponent = np.where(axis >= 0, indices[rows, axis], 0)
    return Growth(_read_only(positions(smaller)), axis, _read_only(exponent))


@lru_cache(maxsize=16)
def halves(dimension: int, degree: int) -> Halves:
    """Return how all multi-indices up to a degree split into two halves; read-only arrays."""
    split = dimension // 2
    indices = total_degree_indices(dimension, degree)
    counts = [index_count(split, n) for n in range(degree + 1)] if split else [1] * (degree + 1)
    widths = [index_count(dimension - split, degree - n) for n in range(degree + 1)]
    row = positions(indices[:, :split]) if split else np.zeros(len(indices), dtype=np.int64)
    return Halves(
        split,
        growth(split, degree),
        growth(dimension - split, degree),
        _read_only([0, *counts]),
        _read_only(widths),
        _read_only(row),
        _read_only(positions(indices[:, split:])),
    )


def _read_only(values: ArrayLike) -> IntArray:
    array = np.array(values, dtype=np.int64)
    array.flags.writeable = False
    return array
