r"""Compiled sums of Hermite polynomials and of their squares over samples, block by block.

One block of samples fills one row of the output and is handled by one thread, so the numbers depend on neither the
number of threads nor on how many blocks a call receives.

One axis.  With g_k = s_k h_k and s_{k+1} = s_{k-1} sqrt((k + 1)/k) the recurrence has a single constant,

    g_{k+1} = a_k x g_k - g_{k-1},     a_k = s_{k+1} / (s_k sqrt(k + 1)),

s_k grows like k^{1/4} only.  Samples are taken SWEEP at a time, small enough for the first-level cache; one sweep
advances two running rows in place by four degrees and adds up four sums and four sums of squares on the way, 24 flops
for three loads and two stores.

Several axes.  Every polynomial is a product of a left and a right one (see `_plan`), so the sums are an outer product
of left and right rows, summed over samples: tiles of four left and two right rows keep eight sums and eight sums of
squares in registers.
"""

# mypy: allow-untyped-defs
from __future__ import annotations

import numpy as np
from numba import prange

from ._jit import jit

BLOCK = 8192
SWEEP = 1024
STRIP = 128


@jit
def _four_degrees(x, u, v, a0, a1, a2, a3):
    s0 = s1 = s2 = s3 = 0.0
    q0 = q1 = q2 = q3 = 0.0
    for i in range(x.size):
        xi = x[i]
        ui = a0 * xi * v[i] - u[i]
        vi = a1 * xi * ui - v[i]
        s0 += ui
        q0 += ui * ui
        s1 += vi
        q1 += vi * vi
        ui = a2 * xi * vi - ui
        vi = a3 * xi * ui - vi
        s2 += ui
        q2 += ui * ui
        s3 += vi
        q3 += vi * vi
        u[i] = ui
        v[i] = vi
    return s0, s1, s2, s3, q0, q1, q2, q3


@jit
def _first_degree(x, u, v):
    s = 0.0
    q = 0.0
    for i in range(x.size):
        u[i] = 1.0
        v[i] = x[i]
        s += x[i]
        q += x[i] * x[i]
    return s, q


@jit
def line_block(x, steps, sums, squares):
    """Write the sums of g_k and g_k^2 over one block of samples x (n,); steps (m,) as for `line_sums`."""
    u = np.empty(SWEEP)
    v = np.empty(SWEEP)
    sums[:] = 0.0
    squares[:] = 0.0
    for start in range(0, x.size, SWEEP):
        part = x[start : min(start + SWEEP, x.size)]
        sums[0] += part.size
        squares[0] += part.size
        s0, q0 = _first_degree(part, u, v)
        sums[1] += s0
        squares[1] += q0
        for k in range(1, steps.size - 1, 4):
            s0, s1, s2, s3, q0, q1, q2, q3 = _four_degrees(
                part, u, v, steps[k], steps[k + 1], steps[k + 2], steps[k + 3]
            )
            sums[k + 1] += s0
            sums[k + 2] += s1
            sums[k + 3] += s2
            sums[k + 4] += s3
            squares[k + 1] += q0
            squares[k + 2] += q1
            squares[k + 3] += q2
            squares[k + 4] += q3


@jit(parallel=True)
def line_sums(x, steps, out):
    """Sums of g_k and g_k^2 for each block of BLOCK samples.

    x (n,); steps (m,) the a_k, m - 2 a multiple of 4; out (blocks, 2, m), written for k = 0, ..., m - 1.
    """
    for block in prange(out.shape[0]):
        stop = min((block + 1) * BLOCK, x.size)
        line_block(x[block * BLOCK : stop], steps, out[block, 0], out[block, 1])


@jit
def _axis_rows(x, start, count, degree, rows):
    """h_k(x_j) for k = 1, ..., degree: row (k - 1) d + j, over one strip of samples."""
    dimension = x.shape[1]
    for j in range(dimension):
        row = rows[j]
        for i in range(count):
            row[i] = x[start + i, j]
        for i in range(count, STRIP):
            row[i] = 0.0
    for k in range(1, degree):
        step = 1.0 / np.sqrt(k + 1.0)
        back = np.sqrt(k / (k + 1.0))
        for j in range(dimension):
            value = rows[j]
            here = rows[(k - 1) * dimension + j]
            ahead = rows[k * dimension + j]
            if k == 1:
                for i in range(STRIP):
                    ahead[i] = step * value[i] * here[i] - back
            else:
                behind = rows[(k - 2) * dimension + j]
                for i in range(STRIP):
                    ahead[i] = step * value[i] * here[i] - back * behind[i]


@jit
def _product_rows(factors, parent, factor, count, rows):
    """rows[0] = 1 on the samples and 0 past them; rows[r] = rows[parent[r]] * factors[factor[r]]."""
    first = rows[0]
    for i in range(count):
        first[i] = 1.0
    for i in range(count, STRIP):
        first[i] = 0.0
    for r in range(1, parent.size):
        a = rows[parent[r]]
        b = factors[factor[r]]
        c = rows[r]
        for i in range(STRIP):
            c[i] = a[i] * b[i]


@jit
def _tile(left, p, right, q, sums, squares, at):
    l0 = left[p]
    l1 = left[p + 1]
    l2 = left[p + 2]
    l3 = left[p + 3]
    r0 = right[q]
    r1 = right[q + 1]
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = 0.0
    q00 = q01 = q02 = q03 = q10 = q11 = q12 = q13 = 0.0
    for i in range(STRIP):
        x0 = l0[i]
        x1 = l1[i]
        x2 = l2[i]
        x3 = l3[i]
        y0 = r0[i]
        y1 = r1[i]
        z = x0 * y0
        s00 += z
        q00 += z * z
        z = x1 * y0
        s01 += z
        q01 += z * z
        z = x2 * y0
        s02 += z
        q02 += z * z
        z = x3 * y0
        s03 += z
        q03 += z * z
        z = x0 * y1
        s10 += z
        q10 += z * z
        z = x1 * y1
        s11 += z
        q11 += z * z
        z = x2 * y1
        s12 += z
        q12 += z * z
        z = x3 * y1
        s13 += z
        q13 += z * z
    sums[at] += s00
    sums[at + 1] += s01
    sums[at + 2] += s02
    sums[at + 3] += s03
    sums[at + 4] += s10
    sums[at + 5] += s11
    sums[at + 6] += s12
    sums[at + 7] += s13
    squares[at] += q00
    squares[at + 1] += q01
    squares[at + 2] += q02
    squares[at + 3] += q03
    squares[at + 4] += q10
    squares[at + 5] += q11
    squares[at + 6] += q12
    squares[at + 7] += q13


@jit
def plane_block(x, degree, left_parent, left_factor, right_parent, right_factor, tiles, sums, squares):
    """Write the sums of left-times-right products and of their squares over one block of samples x (n, d)."""
    dimension = x.shape[1]
    own_right = right_parent.size > 0
    # one row more than used: the last pair of right rows may reach past an odd end
    factors = np.empty((degree * dimension + 1, STRIP))
    factors[degree * dimension] = 0.0
    left = np.empty((left_parent.size, STRIP))
    right = np.empty((right_parent.size, STRIP)) if own_right else factors
    sums[:] = 0.0
    squares[:] = 0.0
    for start in range(0, x.shape[0], STRIP):
        count = min(STRIP, x.shape[0] - start)
        _axis_rows(x, start, count, degree, factors)
        _product_rows(factors, left_parent, left_factor, count, left)
        if own_right:
            _product_rows(factors, right_parent, right_factor, STRIP, right)
        for t in range(tiles.shape[0]):
            p = tiles[t, 0]
            q = tiles[t, 1]
            at = tiles[t, 3]
            for pair in range(0, tiles[t, 2], 2):
                _tile(left, p, right, q + pair, sums, squares, at + 4 * pair)


@jit(parallel=True)
def plane_sums(x, degree, left_parent, left_factor, right_parent, right_factor, tiles, out):
    """Sums of left-times-right products and of their squares for each block of BLOCK samples.

    x (n, d); left and right rows as parent and factor lists, lengths multiples of 4 and 2; tiles (t, 4): first left
    row, first right row, number of right rows (even), place in the output; out (blocks, 2, size).
    Without right lists the factors themselves are the right rows.
    """
    for block in prange(out.shape[0]):
        stop = min((block + 1) * BLOCK, x.shape[0])
        plane_block(
            x[block * BLOCK : stop],
            degree,
            left_parent,
            left_factor,
            right_parent,
            right_factor,
            tiles,
            out[block, 0],
            out[block, 1],
        )
