"""Compiled first and second moments of a block of particles about a centre."""

# mypy: allow-untyped-defs
from __future__ import annotations

import numpy as np

from ..hermite._jit import jit

STRIP = 256


@jit
def centred_block(x, centre, first, second):
    """Write the sums of y = x - centre, (d,), and of y y^T, (d, d), over particles x (n, d)."""
    n, dimension = x.shape
    columns = np.empty((dimension, STRIP))
    first[:] = 0.0
    second[:] = 0.0
    for start in range(0, n, STRIP):
        count = min(STRIP, n - start)
        for j in range(dimension):
            column = columns[j]
            c = centre[j]
            total = 0.0
            for i in range(count):
                y = x[start + i, j] - c
                column[i] = y
                total += y
            for i in range(count, STRIP):
                column[i] = 0.0
            first[j] += total
        for j in range(dimension):
            a = columns[j]
            for k in range(j + 1):
                b = columns[k]
                total = 0.0
                for i in range(STRIP):
                    total += a[i] * b[i]
                second[j, k] += total
    for j in range(dimension):
        for k in range(j):
            second[k, j] = second[j, k]
