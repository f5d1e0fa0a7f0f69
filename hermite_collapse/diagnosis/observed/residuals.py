"""Whether residuals of curves are those of white normal noise: by their size, the largest, and how they follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...core.significance import chi_square_p_value
from ...core.types import FloatArray

_TAIL = 0.01
"""p-value of the chi-square of all curves, in either tail, of the largest residual, and of how residuals follow those
before them, below which noise is not so."""


class Residuals(NamedTuple):
    """Of one curve.

    Attributes
    ----------
    values : array, shape (n,)
        In errors.
    basis : array, shape (n, p)
        Orthonormal, of what the fit follows.
    freedom : int
    """

    values: FloatArray
    basis: FloatArray
    freedom: int


def are_normal(curves: Sequence[Residuals]) -> bool:
    """Return whether residuals are as large as normal ones are: all, those of each curve, and the largest."""
    squares = [one.values**2 for one in curves]
    sums = [(float(own.sum()), one.freedom) for own, one in zip(squares, curves, strict=True)]
    tails = [chi_square_p_value(*own) for own in sums if own[1] > 0]
    if not tails:
        return False
    limit = _TAIL / len(tails)
    every = np.concatenate(squares)
    together = chi_square_p_value(sum(total for total, _ in sums), sum(max(free, 0) for _, free in sums))
    return (
        _TAIL <= together <= 1.0 - _TAIL
        and all(limit <= tail <= 1.0 - limit for tail in tails)
        and len(every) * chi_square_p_value(float(every.max()), 1) >= _TAIL
        and _are_shared(curves)
        and _are_apart(curves)
    )


def _are_shared(curves: Sequence[Residuals]) -> bool:
    """Return whether the largest residuals are no larger parts of their curves' sums than among normal ones.

    A part of one of n squares with f degrees of freedom together follows a Beta law of (1/2, (f - 1)/2); p-values of
    curves are put together by Fisher's sum.
    """
    from scipy.special import betainc

    logarithms = []
    for one in curves:
        squares = one.values**2
        if one.freedom > 1 and squares.sum() > 0.0:
            largest = min(float(squares.max() / squares.sum()), 1.0)
            tail = betainc(0.5 * (one.freedom - 1), 0.5, 1.0 - largest)
            logarithms.append(np.log(np.clip(len(squares) * tail, 1e-300, 1.0)))
    return not logarithms or chi_square_p_value(-2.0 * float(sum(logarithms)), 2 * len(logarithms)) >= _TAIL


def _are_apart(curves: Sequence[Residuals]) -> bool:
    """Return whether residuals do not go with those before them, as those of slow changes do and noise does not.

    With Q = 1 - U U^T, z = Q x of n white numbers x, f = n - p, and W of halves beside the diagonal,

        f sum z_i z_{i+1} / sum z_i^2 = f z^T W z / z^T z

    has the mean m = tr(Q W) and the variance 2 (f tr(Q W Q W) - m^2) / (f + 2).
    """
    from scipy.special import ndtri

    together, variance = 0.0, 0.0
    for one in curves:
        squares, count = float(one.values @ one.values), len(one.values)
        if one.freedom > 1 and squares > 0.0:
            beside = 0.5 * (np.eye(count, k=1) + np.eye(count, k=-1))
            left = beside - one.basis @ (one.basis.T @ beside)
            mean = float(np.trace(left))
            together += float(one.values @ beside @ one.values) * one.freedom / squares - mean
            variance += 2.0 * (one.freedom * float(np.sum(left * left.T)) - mean**2) / (one.freedom + 2.0)
    return together <= -ndtri(_TAIL) * variance**0.5


def normal_scores(residuals: FloatArray, spreads: FloatArray, values: FloatArray) -> FloatArray:
    r"""Return residuals of values that follow laws of gamma as normal ones (Wilson and Hilferty).

    A variance of few samples is skew: y of mean m and variance s^2 is as likely as a normal number

        z = 3 sqrt(k) ((y / m)^(1/3) - 1 + 1 / (9 k)),     k = m^2 / s^2.

    Parameters
    ----------
    residuals : array, shape (..., N)
        (y - m) / s.
    spreads : array, shape (N,) or (..., N)
        s.
    values : array, shape (N,)
        y > 0; others stay as they are, as do those of means below 0.
    """
    means = values - residuals * spreads
    follow = (values > 0.0) & (means > 0.0)
    means = np.where(follow, means, 1.0)
    shape = np.square(means / spreads)
    scores = (
        3.0 * np.sqrt(shape) * (np.cbrt(np.where(follow, values, 1.0) / means) - 1.0 + 1.0 / (9.0 * shape))
    )
    return np.where(follow, scores, residuals)
