"""Curves that are combinations of others in what a single sample does to them, so that they have no error of their own.

Fourth moments of images are those of few directions: a degree, or the powers of all bands together, may follow from
other curves.  A matrix of correlations with such curves is singular, and whatever keeps it invertible makes an error
that no sample has: each of these would count as a degree of freedom without a square to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.types import FloatArray, IntArray
from .measured import FACTOR, POWER, VARIANCE
from .sampling_noise import LEAST_SHRINKAGE

COMBINED = 3.0 * LEAST_SHRINKAGE
"""Smallest eigenvalue of the correlations of curves of which one is a combination of others."""
_LEAVES_FIRST = (POWER, FACTOR, VARIANCE)
_INVOLVED = 0.1  # part of the eigenvector's largest square from which a curve is part of the combination


def independent_curves(scatter: FloatArray, kinds: Sequence[str]) -> IntArray:
    """Return the positions of curves none of which follows from the others; bands leave first, then degrees.

    Parameters
    ----------
    scatter : array, shape (c, c)
        Covariance of the curves for a single sample of the data, shrunk by `LEAST_SHRINKAGE`.
    kinds : sequence of str, length c
    """
    remaining = np.arange(len(kinds))
    order = np.array([_LEAVES_FIRST.index(kind) for kind in kinds])
    while len(remaining) > 1:
        part = scatter[np.ix_(remaining, remaining)]
        size = np.sqrt(np.maximum(np.diagonal(part), 1e-300))
        values, vectors = np.linalg.eigh(part / np.outer(size, size))
        if values[0] > COMBINED:
            break
        squares = np.square(vectors[:, 0])
        involved = np.flatnonzero(squares >= _INVOLVED * squares.max())
        remaining = np.delete(remaining, involved[np.lexsort((-involved, order[remaining[involved]]))[0]])
    return remaining
