"""Compiled log-sum-exp over Gaussian components with diagonal covariances, for blocks of points.

The points of a block lie side by side, so that every inner loop runs over points and vectorises.  `math.exp` would
keep such a loop scalar; `exp_nonpositive` is a polynomial.  A lane takes every lanes-th block; small tasks run as
one lane without starting threads.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ..hermite._exponential import exp_nonpositive
from ..hermite._jit import jit
from ..hermite._kernels_degree import on_a_cache_line

POINTS = 64  # points of a block: eight registers of eight
COMPONENTS = 32  # components between two rescalings: a tile of 16 kB

NEGLIGIBLE = 1e-30  # summed share of a block, against the highest component, below which a slope is left out


@jit
def log_density_line_lane(lane, lanes, x, heights, means, roots, peaks, sums):
    """One dimension: peaks[n] = max_k l_k, sums[n] = sum_k exp(l_k - peak), l_k = heights[k] - (x - mean)^2 / (2 v).

    roots[k] = 1 / sqrt(2 v).  The exponents are cheap in one dimension: two passes recompute them.
    """
    count = x.shape[0]
    blocks = (count + POINTS - 1) // POINTS
    here = on_a_cache_line(POINTS)
    peak = on_a_cache_line(POINTS)
    total = on_a_cache_line(POINTS)
    for block in range(lane, blocks, lanes):
        start = block * POINTS
        size = min(POINTS, count - start)
        for i in range(POINTS):
            here[i] = x[start + min(i, size - 1)]
            peak[i] = -np.inf
            total[i] = 0.0
        for k in range(heights.shape[0]):
            height, mean, root = heights[k], means[k], roots[k]
            for i in range(POINTS):
                offset = (here[i] - mean) * root
                exponent = height - offset * offset
                peak[i] = exponent if exponent > peak[i] else peak[i]
        for k in range(heights.shape[0]):
            height, mean, root = heights[k], means[k], roots[k]
            for i in range(POINTS):
                offset = (here[i] - mean) * root
                total[i] += exp_nonpositive(height - offset * offset - peak[i])
        for i in range(size):
            peaks[start + i] = peak[i]
            sums[start + i] = total[i]


@jit(parallel=True)
def log_density_line(lanes, x, heights, means, roots, peaks, sums):
    """All lanes on several threads."""
    for lane in prange(lanes):
        log_density_line_lane(lane, lanes, x, heights, means, roots, peaks, sums)


@jit
def log_density_axes_lane(lane, lanes, y, heights, means, roots, with_slope, peaks, sums, slopes):
    """Any dimension, y (d, n) in the components' own axes, roots[k, j] = 1 / sqrt(2 v_kj).

    peaks[n] = max_k l_k, sums[n] = sum_k exp(l_k - peak), slopes[j, n] = sum_k exp(l_k - peak) (y_j - m_kj) / v_kj,
    l_k = heights[k] - sum_j (y_j - m_kj)^2 / (2 v_kj).

    One pass over the components, in tiles: after each the sums are rescaled to the highest peak so far.
    """
    dimension, count = y.shape
    components = heights.shape[0]
    blocks = (count + POINTS - 1) // POINTS
    here = on_a_cache_line(dimension * POINTS).reshape(dimension, POINTS)
    slope = on_a_cache_line(dimension * POINTS).reshape(dimension, POINTS)
    tile = on_a_cache_line(COMPONENTS * POINTS).reshape(COMPONENTS, POINTS)
    peak = on_a_cache_line(POINTS)
    higher = on_a_cache_line(POINTS)
    total = on_a_cache_line(POINTS)
    for block in range(lane, blocks, lanes):
        start = block * POINTS
        size = min(POINTS, count - start)
        for j in range(dimension):
            for i in range(POINTS):
                here[j, i] = y[j, start + min(i, size - 1)]
                slope[j, i] = 0.0
        for i in range(POINTS):
            peak[i] = -np.inf
            total[i] = 0.0
        for first in range(0, components, COMPONENTS):
            width = min(COMPONENTS, components - first)
            for i in range(POINTS):
                higher[i] = peak[i]
            for k in range(width):
                for i in range(POINTS):
                    tile[k, i] = heights[first + k]
                for j in range(dimension):
                    mean, root = means[first + k, j], roots[first + k, j]
                    for i in range(POINTS):
                        offset = (here[j, i] - mean) * root
                        tile[k, i] -= offset * offset
                for i in range(POINTS):
                    higher[i] = tile[k, i] if tile[k, i] > higher[i] else higher[i]
            raised = 0
            for i in range(POINTS):
                raised += 1 if higher[i] > peak[i] else 0
            if raised > 0:
                for i in range(POINTS):
                    peak[i] = exp_nonpositive(peak[i] - higher[i])
                    total[i] *= peak[i]
                if with_slope and first > 0:
                    for j in range(dimension):
                        for i in range(POINTS):
                            slope[j, i] *= peak[i]
                for i in range(POINTS):
                    peak[i] = higher[i]
            for k in range(width):
                share = 0.0
                for i in range(POINTS):
                    power = exp_nonpositive(tile[k, i] - peak[i])
                    tile[k, i] = power
                    total[i] += power
                    share += power
                if with_slope and share > NEGLIGIBLE:
                    for j in range(dimension):
                        mean = means[first + k, j]
                        precision = 2.0 * roots[first + k, j] * roots[first + k, j]
                        for i in range(POINTS):
                            slope[j, i] += tile[k, i] * ((here[j, i] - mean) * precision)
        for i in range(size):
            peaks[start + i] = peak[i]
            sums[start + i] = total[i]
        if with_slope:
            for j in range(dimension):
                for i in range(size):
                    slopes[j, start + i] = slope[j, i]


@jit(parallel=True)
def log_density_axes(lanes, y, heights, means, roots, with_slope, peaks, sums, slopes):
    """All lanes on several threads."""
    for lane in prange(lanes):
        log_density_axes_lane(lane, lanes, y, heights, means, roots, with_slope, peaks, sums, slopes)
