r"""Compiled sums over degrees: a Hermite series on one axis at many points.

The recurrence of `_kernels_samples` (g_k = s_k h_k, one constant per degree), points taken SWEEP at a time; one sweep
advances the two running rows in place by four degrees and adds four terms of the series.
"""

# mypy: allow-untyped-defs
from __future__ import annotations

import numpy as np
from numba import prange

from ._jit import jit

SWEEP = 1024


@jit
def _four_terms(x, u, v, total, a0, a1, a2, a3, c0, c1, c2, c3):
    for i in range(x.size):
        xi = x[i]
        ui = a0 * xi * v[i] - u[i]
        vi = a1 * xi * ui - v[i]
        term = c0 * ui + c1 * vi
        ui = a2 * xi * vi - ui
        vi = a3 * xi * ui - vi
        total[i] += term + (c2 * ui + c3 * vi)
        u[i] = ui
        v[i] = vi


@jit(parallel=True)
def line_series(x, steps, terms, out):
    """out = sum_k terms_k g_k(x); steps and terms (m,), m - 2 a multiple of 4."""
    sweeps = (x.size + SWEEP - 1) // SWEEP
    for sweep in prange(sweeps):
        u = np.empty(SWEEP)
        v = np.empty(SWEEP)
        start = sweep * SWEEP
        stop = min(start + SWEEP, x.size)
        part = x[start:stop]
        total = out[start:stop]
        for i in range(part.size):
            u[i] = 1.0
            v[i] = part[i]
            total[i] = terms[0] + terms[1] * part[i]
        for k in range(1, steps.size - 1, 4):
            _four_terms(
                part,
                u,
                v,
                total,
                steps[k],
                steps[k + 1],
                steps[k + 2],
                steps[k + 3],
                terms[k + 1],
                terms[k + 2],
                terms[k + 3],
                terms[k + 4],
            )
