"""Sums of the degree kernels over all pairs of samples: panels of scalar products, then the recurrence in cache."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from ..core.errors import InputError
from ..core.threads import parallel_region
from ..core.types import FloatArray
from .pair_sums import OneSampleSums, TwoSampleSums

Sums = TypeVar("Sums", OneSampleSums, TwoSampleSums)

_PANEL_ROWS = 512
_PANEL_COLUMNS = 4096  # a panel of 16 MB stays in the last-level cache between the product and the recurrence
_LANES = 4
_SMALL_TASK = 1 << 17  # pairs x degrees: below, starting threads costs more than the sums
TOO_LARGE = (
    "degree must be low enough for squared kernels to stay below 1.8e308: lower it or rescale the data."
)


def one_sample_sums(x: FloatArray, degree: int) -> OneSampleSums:
    """Return the sums of K_0 .. K_degree over the pairs i != j: panels of scalar products, upper triangle only."""
    count = len(x)
    rows = np.zeros((count, _width(degree)))
    squares = np.zeros(_width(degree))
    norms = np.square(x).sum(axis=1)
    memory = _memory(count, count)
    for top in range(0, count, _PANEL_ROWS):
        bottom = min(top + _PANEL_ROWS, count)
        for left in range(top, count, _PANEL_COLUMNS):
            right = min(left + _PANEL_COLUMNS, count)
            part = _panel(
                memory,
                x[top:bottom],
                x[left:right],
                norms[top:bottom],
                norms[left:right],
                degree,
                top - left + 1,
            )
            rows[top:bottom] += part[0]
            rows[left:right] += part[1]
            squares += 2.0 * part[2]
    rows = _with_degree_zero(rows, degree, count - 1.0)
    squares = _with_degree_zero(squares, degree, count * (count - 1.0))
    return usable(OneSampleSums(rows, squares))


def two_sample_sums(x: FloatArray, y: FloatArray, degree: int) -> TwoSampleSums:
    """Return the sums of K_0 .. K_degree over all pairs of two samples."""
    rows = np.zeros((len(x), _width(degree)))
    columns = np.zeros((len(y), _width(degree)))
    squares = np.zeros(_width(degree))
    norms, other_norms = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    memory = _memory(len(x), len(y))
    for top in range(0, len(x), _PANEL_ROWS):
        bottom = min(top + _PANEL_ROWS, len(x))
        for left in range(0, len(y), _PANEL_COLUMNS):
            right = min(left + _PANEL_COLUMNS, len(y))
            part = _panel(
                memory,
                x[top:bottom],
                y[left:right],
                norms[top:bottom],
                other_norms[left:right],
                degree,
                top - bottom,
            )
            rows[top:bottom] += part[0]
            columns[left:right] += part[1]
            squares += part[2]
    rows = _with_degree_zero(rows, degree, float(len(y)))
    columns = _with_degree_zero(columns, degree, float(len(x)))
    squares = _with_degree_zero(squares, degree, float(len(x)) * len(y))
    return usable(TwoSampleSums(rows, columns, squares))


def _memory(rows: int, columns: int) -> FloatArray:
    """Return the memory of one panel, reused by all: it stays in cache, and starts on a cache line."""
    size = min(rows, _PANEL_ROWS) * min(columns, _PANEL_COLUMNS)
    memory = np.empty(size + 8)
    start = -(memory.ctypes.data // 8) % 8
    return memory[start : start + size]


def _panel(
    memory: FloatArray,
    x: FloatArray,
    y: FloatArray,
    norms: FloatArray,
    other_norms: FloatArray,
    degree: int,
    first: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return row sums, column sums and sums of squares of K_1, K_2, ... over one panel."""
    from ._kernels_degree import degree_panel_lane, degree_panel_sums

    width = _width(degree)
    rows = np.zeros((_LANES, len(x), width))
    columns = np.zeros((len(y), width))
    squares = np.zeros((_LANES, width))
    gram = np.matmul(x, y.T, out=memory[: len(x) * len(y)].reshape(len(x), len(y)))
    inverse = 1.0 / np.maximum(1, np.arange(width + 1))
    arguments = (inverse, gram, norms, other_norms, float(x.shape[1]), first, rows, columns, squares)
    if gram.size * width < _SMALL_TASK:
        for lane in range(_LANES):
            degree_panel_lane(lane, *arguments)
    else:
        with parallel_region:
            degree_panel_sums(*arguments)
    return rows.sum(axis=0), columns, squares.sum(axis=0)


def _width(degree: int) -> int:
    """Return the number of degrees computed: the kernel works on four degrees at a time."""
    return 4 * max(1, -(-degree // 4))


def _with_degree_zero(sums: FloatArray, degree: int, constant: float) -> FloatArray:
    """Return the sums of the degrees asked for, with K_0 = 1 in front."""
    return np.concatenate([np.full((*sums.shape[:-1], 1), constant), sums[..., :degree]], axis=-1)


def usable(sums: Sums) -> Sums:
    """Return the sums themselves; InputError if they or their squares overflow."""
    if not sums.finite:
        raise InputError(TOO_LARGE)
    return sums
