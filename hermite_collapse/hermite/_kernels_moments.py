"""Compiled loops of the moments: blocks of components, vectorised across the block.

A lane takes every lanes-th block; small tasks run as one lane without starting threads.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ._jit import jit

BLOCK = 64


@jit
def _first_moments(mean, variance, roots, table):
    """table[n, b] = c_n(N(mean[b], variance[b])) by sqrt(n+1) c_{n+1} = m c_n + (v - 1) sqrt(n) c_{n-1}."""
    count = table.shape[0]
    for b in range(BLOCK):
        table[0, b] = 1.0
    if count > 1:
        for b in range(BLOCK):
            table[1, b] = mean[b]
    for n in range(1, count - 1):
        down = 1.0 / roots[n + 1]
        for b in range(BLOCK):
            table[n + 1, b] = (
                mean[b] * table[n, b] + (variance[b] - 1.0) * roots[n] * table[n - 1, b]
            ) * down


@jit
def _second_table(mean, variance, roots, work, table):
    """table[n, b] = sum_k binom(n, k) v^k c_{n-k}^2, by t_{n,j} = v t_{n-1,j} + t_{n-1,j+1}: every term >= 0."""
    count = table.shape[0]
    _first_moments(mean, variance, roots, work)
    for n in range(count):
        for b in range(BLOCK):
            work[n, b] *= work[n, b]
    for b in range(BLOCK):
        table[0, b] = 1.0
    for n in range(1, count):
        for j in range(count - n):
            for b in range(BLOCK):
                work[j, b] = variance[b] * work[j, b] + work[j + 1, b]
        for b in range(BLOCK):
            table[n, b] = work[0, b]


@jit
def _load(block, weights, means, variances, axis, mean, variance):
    """One axis of one block; lanes past the end hold N(0, 1), and get weight 0."""
    start = block * BLOCK
    for b in range(BLOCK):
        inside = start + b < weights.shape[0]
        mean[b] = means[start + b, axis] if inside else 0.0
        variance[b] = variances[start + b, axis] if inside else 1.0


@jit
def _add_products(block, weights, tables, starts, axes, powers, product, total):
    """total[r] += sum_b w_b prod_j tables[j, k_rj, b]; only axes with k_rj > 0 are listed, as h_0 = 1."""
    first = block * BLOCK
    for r in range(total.shape[0]):
        for b in range(BLOCK):
            product[b] = weights[first + b] if first + b < weights.shape[0] else 0.0
        for e in range(starts[r], starts[r + 1]):
            axis = axes[e]
            power = powers[e]
            for b in range(BLOCK):
                product[b] *= tables[axis, power, b]
        part = 0.0
        for b in range(BLOCK):
            part += product[b]
        total[r] += part


@jit
def diagonal_second_moments_lane(lane, lanes, weights, means, variances, starts, axes, powers, roots, total):
    """Add to total (m,) sum_k w_k prod_j E h_{k_j}(N(m_kj, v_kj))^2."""
    dimension = means.shape[1]
    count = roots.shape[0] - 1
    blocks = (weights.shape[0] + BLOCK - 1) // BLOCK
    mean = np.empty(BLOCK)
    variance = np.empty(BLOCK)
    product = np.empty(BLOCK)
    work = np.empty((count, BLOCK))
    tables = np.empty((dimension, count, BLOCK))
    for block in range(lane, blocks, lanes):
        for axis in range(dimension):
            _load(block, weights, means, variances, axis, mean, variance)
            _second_table(mean, variance, roots, work, tables[axis])
        _add_products(block, weights, tables, starts, axes, powers, product, total)


@jit(parallel=True)
def diagonal_second_moments(weights, means, variances, starts, axes, powers, roots, totals):
    """One total a lane, lanes on several threads."""
    for lane in prange(totals.shape[0]):
        diagonal_second_moments_lane(
            lane, totals.shape[0], weights, means, variances, starts, axes, powers, roots, totals[lane]
        )


@jit
def joint_coefficients(mean, covariance, factor, indices, parents, pivots):
    """(m, m) matrix of E[h_k(X) h_l(Z)], X = mean + factor Z, for a downward closed index set.

    The pair (X, Z) is Gaussian; its Hermite coefficients obey the one-component recurrence

        sqrt(k_i + 1) a_{k+e_i, l} = m_i a_{k,l} + sum_p (S - I)_{ip} sqrt(k_p) a_{k-e_p, l}
                                                 + sum_p L_{ip} sqrt(l_p) a_{k, l-e_p}.

    parents[k, p] is the row of k - e_p or -1; pivots[k] an axis with k_i > 0; rows are ordered by degree.
    """
    rows, dimension = indices.shape
    table = np.zeros((rows, rows))
    table[0, 0] = 1.0
    degree = indices.sum(axis=1)
    for k in range(1, rows):
        axis = pivots[k]
        below = parents[k, axis]
        for l in range(rows):
            if degree[l] > degree[k]:
                break
            value = mean[axis] * table[below, l]
            for p in range(dimension):
                if indices[below, p] > 0:
                    slope = covariance[axis, p] - (1.0 if p == axis else 0.0)
                    value += slope * np.sqrt(indices[below, p]) * table[parents[below, p], l]
                if indices[l, p] > 0:
                    value += factor[axis, p] * np.sqrt(indices[l, p]) * table[below, parents[l, p]]
            table[k, l] = value / np.sqrt(indices[k, axis])
    return table
