"""Compiled sums of the degree kernels over all pairs of a panel of scalar products.

    (n+1) K_{n+1} = b (K_n + K_{n-2}) + (2 (n-1) + d - 2A) K_{n-1} - (n-3+d) K_{n-3}

A tile holds one row of the panel against TILE columns.  Four degrees are done in one sweep over the tile: the four
new values then stand where the four old ones stood, and nothing is copied.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ._jit import jit

TILE = 128
SWEEP = 4  # degrees in one sweep


# Unsigned offsets into one buffer: the compiler then knows how far apart the rows are, and that no index is negative.
_K0, _K1, _K2, _K3 = np.uintp(TILE), np.uintp(2 * TILE), np.uintp(3 * TILE), np.uintp(4 * TILE)


@jit
def on_a_cache_line(size):
    """Return memory for numbers in which no vector straddles two cache lines; a third faster than anywhere."""
    memory = np.empty(size + 8)
    start = (-(memory.ctypes.data // 8)) % 8
    return memory[start : start + size]


@jit
def _first_degrees(
    inverse, dimension, gram, row, norm, norms, left, start, stop, state, sums, row_sums, squares
):
    """Degrees 1 .. 4 from K_0 = 1; state becomes excess = d - 2A, then K_4, K_3, K_2, K_1.

    Whole arrays and offsets come in, no slices: making a slice counts references, on a counter all threads share.
    The reciprocals come in as an array, as the compiler would turn a reciprocal that it sees into divisions.
    """
    d2, d3, d4 = inverse[2], inverse[3], inverse[4]
    r1, r2, r3, r4 = 0.0, 0.0, 0.0, 0.0
    s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0
    shift = np.uintp(left)
    for j in range(start, stop):
        i = np.uintp(j)
        b = gram[row, i + shift]
        e = dimension - norm - norms[i + shift]
        q2 = (b * b + e) * d2
        q3 = (b * (q2 + 1.0) + (e + 2.0) * b) * d3
        q4 = (b * (q3 + b) + ((e + 4.0) * q2 - dimension)) * d4
        state[i] = e
        state[i + _K0] = q4
        state[i + _K1] = q3
        state[i + _K2] = q2
        state[i + _K3] = b
        sums[i] += b
        sums[i + _K0] += q2
        sums[i + _K1] += q3
        sums[i + _K2] += q4
        r1 += b
        r2 += q2
        r3 += q3
        r4 += q4
        s1 += b * b
        s2 += q2 * q2
        s3 += q3 * q3
        s4 += q4 * q4
    row_sums[row, 0] += r1
    row_sums[row, 1] += r2
    row_sums[row, 2] += r3
    row_sums[row, 3] += r4
    squares[0] += s1
    squares[1] += s2
    squares[2] += s3
    squares[3] += s4


@jit
def _four_degrees(n, inverse, dimension, gram, row, left, start, stop, state, sums, row_sums, squares):
    """Degrees n+1 .. n+4 from K_n, ..., K_{n-3} in place."""
    d1, d2, d3, d4 = inverse[n + 1], inverse[n + 2], inverse[n + 3], inverse[n + 4]
    a1, a2, a3, a4 = 2.0 * n - 2.0, 2.0 * n, 2.0 * n + 2.0, 2.0 * n + 4.0
    b1, b2, b3, b4 = n - 3.0 + dimension, n - 2.0 + dimension, n - 1.0 + dimension, n + dimension
    r1, r2, r3, r4 = 0.0, 0.0, 0.0, 0.0
    s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0
    shift = np.uintp(left)
    level = np.uintp(n * TILE)
    for j in range(start, stop):
        i = np.uintp(j)
        o = i + level
        b, e = gram[row, i + shift], state[i]
        p0, p1, p2, p3 = state[i + _K0], state[i + _K1], state[i + _K2], state[i + _K3]
        q1 = (b * (p0 + p2) + ((e + a1) * p1 - b1 * p3)) * d1
        q2 = (b * (q1 + p1) + ((e + a2) * p0 - b2 * p2)) * d2
        q3 = (b * (q2 + p0) + ((e + a3) * q1 - b3 * p1)) * d3
        q4 = (b * (q3 + q1) + ((e + a4) * q2 - b4 * p0)) * d4
        state[i + _K0] = q4
        state[i + _K1] = q3
        state[i + _K2] = q2
        state[i + _K3] = q1
        sums[o] += q1
        sums[o + _K0] += q2
        sums[o + _K1] += q3
        sums[o + _K2] += q4
        r1 += q1
        r2 += q2
        r3 += q3
        r4 += q4
        s1 += q1 * q1
        s2 += q2 * q2
        s3 += q3 * q3
        s4 += q4 * q4
    row_sums[row, n] += r1
    row_sums[row, n + 1] += r2
    row_sums[row, n + 2] += r3
    row_sums[row, n + 3] += r4
    squares[n] += s1
    squares[n + 1] += s2
    squares[n + 2] += s3
    squares[n + 3] += s4


@jit
def degree_panel_lane(
    lane, inverse, gram, row_norms, column_norms, dimension, first, row_sums, column_sums, squares
):
    """Add the sums of K_1 .. K_w over a panel, w a multiple of four.

    inverse[n] = 1 / n; gram (rows, columns) holds x_i . y_j, the norms hold |x_i|^2 and |y_j|^2.  Only columns
    j >= first + i count in row i: first = 1 is the strict upper triangle, first = -rows the whole panel.  Each lane
    owns every lanes-th tile, and adds to row_sums (lanes, rows, w), column_sums (columns, w) and squares (lanes, w).
    """
    rows, columns = gram.shape
    lanes, _, width = row_sums.shape
    tiles = (columns + TILE - 1) // TILE
    state = on_a_cache_line(5 * TILE)
    sums = on_a_cache_line(width * TILE)
    rows_here = row_sums[lane]
    squares_here = squares[lane]
    for tile in range(lane, tiles, lanes):
        left = tile * TILE
        stop = min(TILE, columns - left)
        for j in range(width * TILE):
            sums[j] = 0.0
        for i in range(rows):
            start = max(0, first + i - left)
            if start >= stop:
                break
            _first_degrees(
                inverse, dimension, gram, i, row_norms[i], column_norms, left, start, stop,
                state, sums, rows_here, squares_here,
            )  # fmt: skip
            for n in range(SWEEP, width, SWEEP):
                _four_degrees(
                    n, inverse, dimension, gram, i, left, start, stop, state, sums, rows_here, squares_here
                )  # fmt: skip
        for j in range(stop):
            for n in range(width):
                column_sums[left + j, n] += sums[n * TILE + j]


@jit(parallel=True)
def degree_panel_sums(
    inverse, gram, row_norms, column_norms, dimension, first, row_sums, column_sums, squares
):
    """All lanes on several threads: one parallel region, as starting one costs as much as a thousand tiles."""
    for lane in prange(row_sums.shape[0]):
        degree_panel_lane(
            lane, inverse, gram, row_norms, column_norms, dimension, first, row_sums, column_sums, squares
        )
