r"""Covariances of means from the influences of samples, each generation's drawn towards what all of them share.

A generation of n samples with the scatter A_i of its influences, n_i S_i = A_i, says little of many curves.  With
P = sum A_i / sum n_i and D the diagonal of a matrix, the covariance of one of its samples is taken as

    c ((1 - shrinkage) M_i + shrinkage D(M_i)),     M_i = P + own (S_i - P),

in units of the values of variances and powers.  The three numbers are those under which samples that had no part in
the scatters, a tenth at a time, are likeliest as Gaussian ones.  For the scale that means

    c = mean of x^T S^{-1} x / number of curves      over the samples left out, so that chi-square is unbiased:

the inverse of an estimated covariance is too large, (n - 1) / (n - p - 2) times of p curves where nothing is shrunk.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...core.types import BoolArray, FloatArray, IntArray

FOLDS = 10
LEAST_SHRINKAGE = 0.002
SHRINKAGES = (LEAST_SHRINKAGE, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""The least keeps the matrix invertible where one curve is a combination of others, as in few dimensions."""
OWN_SHARES = (0.0, 0.1, 0.3, 0.6, 1.0)
_FIRST = 0.01  # shrinkage at which the share is chosen
_FLOOR = 1e-18  # variance of a sample, of its curve's squared value, where rounding is all there is


def scatters(influences: FloatArray) -> FloatArray:
    """Return the sums of products of influences (n, c), every tenth sample together, (10, c, c)."""
    return np.stack([influences[k::FOLDS].T @ influences[k::FOLDS] for k in range(FOLDS)])


def sizes(count: int) -> IntArray:
    """Return how many of so many samples stand in each of `scatters`, (10,)."""
    return np.array([len(range(k, count, FOLDS)) for k in range(FOLDS)])


def covariances_of_means(
    parts: FloatArray,
    values: FloatArray,
    samples: IntArray,
    is_scale: BoolArray,
    *,
    independent: IntArray | None = None,
) -> FloatArray:
    """Return the covariance of the values of each generation, (r, c, c); 0 of a curve that is 0 in every sample.

    Parameters
    ----------
    parts : array, shape (r, 10, c, c)
        Their `scatters`.
    values : array, shape (r, c)
    samples : int array, shape (r,)
    is_scale : array of bool, shape (c,)
        Curves whose noise is proportional to their value.
    independent : int array, optional
        Curves that decide on the three numbers, of which none follows from the others; all unless given.
    """
    deciding = np.arange(values.shape[1]) if independent is None else independent
    result = np.empty_like(parts[:, 0])
    known = np.all(~is_scale | (values > 0.0), axis=1)  # a variance of 0 is no unit for its noise
    groups = [np.flatnonzero(known), *np.flatnonzero(~known)[:, None]]
    for group in groups:
        if len(group):
            units = np.where(is_scale & (values[group] > 0.0), values[group], 1.0)
            frames = units[:, :, None] * units[:, None, :]
            one = _of_one_sample(
                parts[group] / frames[:, None], values[group] / units, samples[group], deciding
            )
            result[group] = frames * one / samples[group][:, None, None]
    return result


def scatter_of_one_sample(influences: FloatArray) -> FloatArray:
    """Return the covariance of one sample's influences (n, c), shrunk as little as keeps it invertible, (c, c)."""
    scatter = (influences.T @ influences)[None, None]
    return np.asarray(_shrunk(scatter, np.array([[len(influences) - 1]]), 1.0, LEAST_SHRINKAGE)[0, 0])


def _of_one_sample(
    parts: FloatArray, values: FloatArray, samples: IntArray, deciding: IntArray
) -> FloatArray:
    """Return the covariance of one sample of each generation, (r, c, c)."""
    least = np.square(values) * _FLOOR
    silent = np.all((np.einsum("ikcc->ic", parts) == 0.0) & (least == 0.0), axis=0)
    curves = np.flatnonzero(~silent)
    result = np.zeros_like(parts[:, 0])
    if len(curves):
        within = np.ix_(np.arange(len(parts)), np.arange(FOLDS), curves, curves)
        result[np.ix_(np.arange(len(parts)), curves, curves)] = _mixed(
            parts[within], least[:, curves], samples, np.flatnonzero(np.isin(curves, deciding))
        )
    return result


def _mixed(parts: FloatArray, least: FloatArray, samples: IntArray, deciding: IntArray) -> FloatArray:
    """Return c ((1 - shrinkage) M_i + shrinkage D(M_i)) with the likeliest three numbers."""
    whole = parts.sum(axis=1)
    diagonal = np.eye(parts.shape[-1]) * np.maximum(least, 1e-300)[:, None, :]
    if len(deciding) == 0:
        deciding = np.arange(parts.shape[-1])
    block = deciding[:, None], deciding
    left_out = _LeftOut(parts[:, :, *block], diagonal[:, *block], samples)
    shares = OWN_SHARES if len(parts) > 1 else (1.0,)
    own = min(shares, key=lambda share: left_out.misfit(share, _FIRST)[0])
    shrinkage = min(SHRINKAGES, key=lambda share: left_out.misfit(own, share)[0])
    scale = left_out.misfit(own, shrinkage)[1]
    # All samples leave less to correct than nine tenths of them.
    correction = 1.0 + (scale - 1.0) * (1.0 - 1.0 / FOLDS)
    model = _shrunk(whole[:, None], samples[:, None], own, shrinkage)[:, 0]
    unbiased = samples / np.maximum(samples - 1.0, 1.0)
    return np.asarray(correction * unbiased[:, None, None] * model + diagonal)


class _LeftOut(NamedTuple):
    """Scatters (r, 10, c, c) of a tenth of the samples of each generation, and the smallest variances (r, c, c)."""

    parts: FloatArray
    least: FloatArray
    samples: IntArray

    def misfit(self, own: float, shrinkage: float) -> tuple[float, float]:
        """Return -2 log likelihood, less a constant, of each tenth by the other nine, and the likeliest scale."""
        held = np.array([sizes(int(count)) for count in self.samples])
        rest = self.parts.sum(axis=1)[:, None] - self.parts
        model = _shrunk(rest, self.samples[:, None] - held, own, shrinkage) + self.least[:, None]
        number = float(self.samples.sum()) * self.parts.shape[-1]
        scale = float(np.einsum("ikab,ikba->", np.linalg.inv(model), self.parts)) / number
        volume = float(np.sum(held * np.linalg.slogdet(model)[1]))
        return number * float(np.log(max(scale, 1e-300))) + volume, scale


def _shrunk(scatter: FloatArray, count: IntArray, own: float, shrinkage: float) -> FloatArray:
    """Return mixed and shrunk covariances of one sample of scatters (r, k, c, c) of so many samples (r, k)."""
    together = scatter.sum(axis=0) / count.sum(axis=0)[:, None, None]
    mixed = together + own * (scatter / count[:, :, None, None] - together)
    diagonal = np.einsum("ikcc->ikc", mixed)[..., None] * np.eye(mixed.shape[-1])
    return np.asarray((1.0 - shrinkage) * mixed + shrinkage * diagonal)
