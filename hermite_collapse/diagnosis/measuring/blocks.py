"""Samples a block of rows at a time: files larger than the memory are mapped, and no copy of all of them is made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...core.types import FloatArray

BLOCK = 1 << 26
"""Bytes of one block."""


def blocks(samples: FloatArray) -> Iterator[FloatArray]:
    """Yield successive rows of samples (n, d) of at most 64 MB."""
    rows = max(1, BLOCK // (8 * max(1, samples.shape[1])))
    for start in range(0, len(samples), rows):
        yield samples[start : start + rows]


def without(samples: FloatArray, mean: FloatArray, direction: FloatArray) -> FloatArray:
    """Return deviations from a mean (n, d), without their part along a direction; one of length 0 takes nothing."""
    deviations = samples - mean
    square = float(direction @ direction)
    if square > 0.0:
        deviations -= np.outer(deviations @ (direction / square), direction)
    return np.asarray(deviations)


def scatter_of(samples: FloatArray, mean: FloatArray, direction: FloatArray) -> FloatArray:
    """Return the sums of products of these deviations, (d, d)."""
    total = np.zeros((samples.shape[1],) * 2)
    for rows in blocks(samples):
        deviations = without(rows, mean, direction)
        total += deviations.T @ deviations
    return total
