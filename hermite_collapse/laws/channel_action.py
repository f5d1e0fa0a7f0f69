r"""Gaussian channels on Hermite coefficients.

From E exp(t.Y - |t|^2/2) with Y = A X + sqrt(v) Z, coefficient generating functions obey

    C'(t) = C(A t) exp(w |t|^2 / 2),      w = A^2 + v - 1,

that is c' = exp((w/2) T) A^{|k|} c with (T c)_k = sum_i sqrt(k_i (k_i - 1)) c_{k - 2 e_i}.  Ornstein-Uhlenbeck channels
have w = 0 and are diagonal; blur and variance-exploding channels feed degree n from n - 2, n - 4, ...
"""

from __future__ import annotations

import numpy as np

from ..core.types import FloatArray, IntArray
from .channels import GaussianChannel


def through_channel(values: FloatArray, indices: IntArray, channel: GaussianChannel) -> FloatArray:
    """Return the coefficients of the law after the channel.

    Parameters
    ----------
    values : array, shape (..., m)
        Coefficients; leading axes are carried along.
    indices : array of int, shape (m, d)
        Multi-indices, closed under k -> k - 2 e_i (all of total degree <= n, for example).
    channel : GaussianChannel

    Returns
    -------
    array, shape (..., m)
        Exact up to rounding of sums of n / 2 terms.

    Cost
    ----
    O(m d n) beyond the diagonal part.
    """
    degree = indices.sum(axis=1)
    result = values * channel.scale**degree
    excess = channel_excess(channel)
    if excess == 0.0:
        return result
    term, sources, factors = result, *_lowering(indices)
    for r in range(1, int(degree.max(initial=0)) // 2 + 1):
        padded = np.concatenate([term, np.zeros((*term.shape[:-1], 1))], axis=-1)
        term = (0.5 * excess / r) * np.sum(factors * padded[..., sources], axis=-1)
        result = result + term
    return result


def channel_matrix(indices: IntArray, channel: GaussianChannel) -> FloatArray:
    """Return the channel as a matrix (m, m) on coefficients; diagonal for Ornstein-Uhlenbeck channels."""
    return through_channel(np.eye(len(indices)), indices, channel).T


def channel_excess(channel: GaussianChannel) -> float:
    """Return w = scale^2 + variance - 1, exactly zero for Ornstein-Uhlenbeck channels."""
    if channel.is_ornstein_uhlenbeck:
        return 0.0
    return channel.variance - channel.loss


def _lowering(indices: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the position of k - 2 e_i for each index and axis (m where there is none), and sqrt(k_i (k_i - 1))."""
    position = {tuple(k): j for j, k in enumerate(indices.tolist())}
    count, dimension = indices.shape
    sources = np.full((count, dimension), count, dtype=np.int64)
    for j, i in np.argwhere(indices >= 2):
        lower = indices[j].copy()
        lower[i] -= 2
        sources[j, i] = position[tuple(lower.tolist())]
    return sources, np.sqrt(indices * (indices - 1.0))
