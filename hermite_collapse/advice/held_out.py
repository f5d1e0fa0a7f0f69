r"""Variances along principal directions without the bias of directions that were found in the same samples.

Samples are split into folds.  Those of one fold are looked at along the principal directions of all others, about the
means of the others: with n_c samples in the mean of a class,

    E ((x - m_c) . u_j)^2 = (1 + 1/n_c) u_j^T Sigma u_j

for directions u_j that do not know x.  Averaged over all samples, by the rank j of the direction.  Folds follow from
the samples themselves, not from their order.
"""

from __future__ import annotations

import zlib

import numpy as np

from ..core.types import FloatArray, IntArray
from ..diagnosis.measuring.principal import principal_axes

FOLDS, FEW_FOLDS = 5, 2
LARGE = 512  # size of a matrix from which there are few folds


def held_out_variances(samples: FloatArray, classes: IntArray) -> tuple[FloatArray, float]:
    """Return variances (m,) by the rank of the direction, and the share of the variance in directions without one.

    Parameters
    ----------
    samples : array, shape (n, d)
    classes : array of int, shape (n,)
        Numbers of classes, from 0 on; variances are within them.
    """
    folds = _folds(samples, classes, FOLDS if min(samples.shape) <= LARGE else FEW_FOLDS)
    squares: list[FloatArray] = []
    total, used = 0.0, 0
    for fold in np.unique(folds):
        out = folds == fold
        training, own = samples[~out], classes[~out]
        sizes = np.bincount(own, minlength=int(classes.max()) + 1)
        means = np.zeros((len(sizes), samples.shape[1]))
        np.add.at(means, own, training)
        means /= np.maximum(sizes, 1)[:, np.newaxis]
        freedom = len(own) - int(np.count_nonzero(sizes))
        known = out & (sizes[classes] > 0)
        if freedom < 1 or not known.any():
            continue
        _, axes = principal_axes(training - means[own], freedom)
        weights = 1.0 / (1.0 + 1.0 / sizes[classes[known]])
        deviations = samples[known] - means[classes[known]]
        squares.append(weights @ (deviations @ axes.T) ** 2)
        total += float(weights @ np.sum(deviations**2, axis=1))
        used += int(np.count_nonzero(known))
    if not squares or total == 0.0:
        return np.empty(0), 1.0
    shown = min(map(len, squares))
    sums = np.sum([one[:shown] for one in squares], axis=0)
    return sums / used, max(1.0 - float(sums.sum()) / total, 0.0)


def _folds(samples: FloatArray, classes: IntArray, number: int) -> IntArray:
    """Return the fold of every sample: every fifth of a class, by the distance from its mean.

    So folds follow neither units nor order; samples equally far away are ordered by a checksum of their numbers.
    """
    sizes = np.bincount(classes)
    means = np.zeros((len(sizes), samples.shape[1]))
    np.add.at(means, classes, samples)
    means /= np.maximum(sizes, 1)[:, np.newaxis]
    distances = np.sum((samples - means[classes]) ** 2, axis=1)
    marks = np.array([zlib.crc32(np.ascontiguousarray(row).tobytes()) for row in samples], dtype=np.int64)
    order = np.lexsort((marks, distances, classes))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.empty(len(classes), dtype=np.int64)
    rank[order] = np.arange(len(classes)) - starts[classes[order]]
    return (rank + classes) % number
