r"""Errors of the data's moments as errors of the curves that a round map of matrices makes of them.

The variance of direction q in round j depends on the data's covariance C through all rounds,

    d(q^T S_j q) = tr(G_j dC),

by forms G_j that run backwards through the rounds (`matrix_rounds`): with H what a form of S_{i+1} and one, g, of the
mean n_{i+1} make of an error of the training law W_i,

    H   = U (V[w, w] * U^T G U + sym(gamma[w, w] * (U^T g)(U^T mu)^T)) U^T,
    G  <- (1 - alpha) H,     g <- (1 - alpha) gamma(W) g - 2 alpha (1 - alpha) H (m - n),     C gains alpha H.

Fits take the first variances of C as s_k, their correlations as they are, so that

    d(q^T S_j q) / ds_k = (C G_j)_kk / C_kk = e_jk,

and errors of correlations enter by G'_j = G_j - sum_k e_jk q_k q_k^T.  Moments of n samples
give Cov(tr(G' E), tr(H' E)) = 2 tr(G' C H' C) / n.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...core.types import FloatArray


def turned(forms: FloatArray, axes: FloatArray) -> FloatArray:
    """Return axes^T G axes of forms G (..., b, b)."""
    return np.asarray(axes.T @ forms @ axes)


class BackStep(NamedTuple):
    """One round: axes of its training law, divided differences of V and of the gain, gain, means."""

    axes: FloatArray
    differences: FloatArray
    gain_differences: FloatArray
    gain: FloatArray
    mean: FloatArray
    """Of the training law, along the axes."""
    drift: FloatArray
    """m - n before the round."""

    def back(self, forms: FloatArray, means: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return H and gamma(W) g of forms G (..., b, b) and g (..., b)."""
        along = means @ self.axes
        inside = self.differences * turned(forms, self.axes)
        if along.any():
            product = 0.5 * along[..., :, None] * self.mean
            inside += self.gain_differences * (product + product.swapaxes(-1, -2))
        return turned(inside, self.axes.T), (along * self.gain) @ self.axes.T


def forms_of_data(steps: list[BackStep], fresh_fraction: float, count: int) -> FloatArray:
    """Return G_j of the first directions in rounds 0, 1, ..., shape (k + 1, count, b, b).

    Parameters
    ----------
    steps : list of BackStep
        From round 0 to 1, 1 to 2, ...
    fresh_fraction : float
    count : int
    """
    size, old = len(steps[0].axes), 1.0 - fresh_fraction
    own = np.zeros((count, size, size))
    own[np.arange(count), np.arange(count), np.arange(count)] = 1.0
    forms = np.broadcast_to(own, (len(steps) + 1, *own.shape)).copy()
    means = np.zeros(forms.shape[:-1])
    of_data = np.zeros_like(forms)
    for i in range(len(steps) - 1, -1, -1):
        later = slice(i + 1, None)
        image, mean = steps[i].back(forms[later], means[later])
        of_data[later] += fresh_fraction * image
        means[later] = old * (mean - 2.0 * fresh_fraction * image @ steps[i].drift)
        forms[later] = old * image
    return of_data + forms


class DataErrors(NamedTuple):
    """What errors of the data do to curves.

    Attributes
    ----------
    by_starts : array, shape (r, c, c)
        Derivatives of curves by the first variances.
    joint : array, shape (r, c, r, c)
        Covariance of the curves' errors by those of correlations, for one sample.
    with_starts : array, shape (r, c, c)
        Covariance of these errors and of the first variances, for one sample.
    """

    by_starts: FloatArray
    joint: FloatArray
    with_starts: FloatArray


def errors_of(forms: FloatArray, covariance: FloatArray) -> DataErrors:
    """Return what errors of the data with this covariance (b, b) do to curves of forms (r, c, b, b)."""
    rounds, count, size, _ = forms.shape
    by_starts = np.einsum("ab,rcba->rca", covariance[:count], forms[..., :count])
    own = np.diagonal(covariance)[:count]
    by_starts = np.divide(by_starts, own, out=np.zeros_like(by_starts), where=own > 0.0)
    rest = forms.copy()
    first = np.arange(count)
    rest[..., first, first] -= by_starts
    values, axes = np.linalg.eigh(covariance)
    root = (axes * np.sqrt(np.maximum(values, 0.0))) @ axes.T
    rows = turned(rest, root).reshape(rounds * count, size * size)
    joint = 2.0 * (rows @ rows.T).reshape(rounds, count, rounds, count)
    moved = rows.reshape(rounds, count, size, size)
    with_starts = 2.0 * np.einsum("la,rcab,lb->rcl", root[:count], moved, root[:count], optimize=True)
    return DataErrors(by_starts, joint, with_starts)
