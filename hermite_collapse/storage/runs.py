r"""Means over a few runs, with errors that know on how many runs they rest.

    s^2     scatter of the k runs of one round, of k - 1 degrees of freedom, over its trend, a power of the round
    pooled  sum (k - 1) s^2 / sum (k - 1)      where the scatter of all rounds of a curve is the same (Bartlett's test)
    else    (d s^2 + d_0 s_0^2) / (d + d_0)    with the common scatter s_0 and the d_0 that the rounds themselves show

The trend is the likeliest power of 1 + i in the i-th round, less what its own error lets one expect by chance.
Scatters of two or three runs are too rough to be told apart round by round: they are always pooled.
A deviation in units of a pooled error follows Student's law of all degrees of freedom together, the same error in every
round; in the other case that of d + d_0 in each round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..core.significance import chi_square_p_value
from ..core.types import BoolArray, FloatArray
from ..core.value import Value

LEAST_ERROR = 1e-15
"""Of the largest value of a column, below which an error is rounding."""
_HOMOGENEOUS = 0.01
"""p-value of Bartlett's test from which rounds have one scatter."""
_NEWTON_STEPS = 20
_LEAST_FREEDOM = 3
"""Degrees of freedom of a round from which its own scatter counts."""
_LEAST_ROUNDS = 4
_ENOUGH_FOR_TREND = 25
"""Rounds, and degrees of freedom of a curve, from which a trend of the scatter is looked for."""


@dataclass(frozen=True, eq=False)
class ErrorFreedom(Value):
    """On how much errors rest that were estimated from runs.

    Attributes
    ----------
    values : array, shape (r, m)
        Degrees of freedom; infinite where an error is exact.
    is_pooled : array of bool, shape (m,)
        Whether all rounds of a curve share one scatter.
    """

    values: FloatArray
    is_pooled: BoolArray


class RunErrors(NamedTuple):
    """Errors of means over runs of one curve, by round.

    Attributes
    ----------
    errors : array, shape (r,)
        NaN where no scatter is known; 0 in a round whose runs agree but for rounding, if it is the first.
    freedom : array, shape (r,)
        Degrees of freedom behind each; infinite where an error is exact.
    is_pooled : bool
        Whether all rounds share one scatter.
    """

    errors: FloatArray
    freedom: FloatArray
    is_pooled: bool


def errors_of_runs(groups: Sequence[FloatArray]) -> RunErrors:
    """Return errors of the means of runs.

    Parameters
    ----------
    groups : sequence of array
        Values of the runs in each round, in order of rounds.

    References
    ----------
    G. K. Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004), for d_0.
    """
    count = np.array([len(group) for group in groups], dtype=np.float64)
    freedom = np.maximum(count - 1.0, 0.0)
    squares = np.array([float(((g - g.mean()) ** 2).sum()) if len(g) and np.ptp(g) else 0.0 for g in groups])
    exact = np.zeros(len(groups), dtype=bool)
    if len(groups) and freedom[0] > 0 and np.ptp(groups[0]) <= LEAST_ERROR * np.abs(groups[0]).max():
        exact[0] = True
    if not freedom[~exact].any():
        return RunErrors(np.where(exact, 0.0, np.nan), np.where(exact, np.inf, 0.0), True)
    variance, known, pooled = moderated(squares, freedom, exact)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.where(exact, 0.0, np.sqrt(variance / count))
    return RunErrors(np.where(count > 0, errors, np.nan), np.where(exact, np.inf, known), pooled)


def moderated(
    squares: FloatArray, freedom: FloatArray, exact: BoolArray
) -> tuple[FloatArray, FloatArray, bool]:
    """Return variances of the runs of each round, on how many degrees of freedom each rests, and if all share one.

    Parameters
    ----------
    squares, freedom : array, shape (r,)
        Sums of squares in each round and their degrees of freedom, > 0 in some round.
    exact : array of bool, shape (r,)
        Rounds that say nothing of the others.
    """
    counted = (freedom > 0) & ~exact
    together = float(freedom[counted].sum())
    trend = _trend(squares, freedom, counted) if squares.any() else np.ones(len(squares))
    squares = squares / trend
    variance = np.full(len(squares), squares[counted].sum() / together)
    known = np.full(len(squares), together)
    pooled = together < _LEAST_FREEDOM * counted.sum() or _are_homogeneous(
        squares, freedom, counted & (squares > 0.0)
    )
    if not pooled:
        own = counted & (squares > 0.0)
        prior, common = _prior(squares[own] / freedom[own], freedom[own])
        if np.isfinite(prior):
            variance = (squares + prior * common) / (freedom + prior)
            known = np.minimum(freedom + prior, together)
    return trend * variance, known, pooled


def without_rounding(values: FloatArray, errors: FloatArray) -> FloatArray:
    """Return errors, 0 where they are no more than rounding beside the largest value of a column, unless all are.

    As of seeds that agree, whose standard deviation is a few units of their last digit.
    """
    sizes = np.max(np.abs(np.where(np.isfinite(values), values, 0.0)), axis=0, initial=0.0)
    is_rounding = errors < LEAST_ERROR * sizes
    return np.where(is_rounding, 0.0, errors) if np.any(errors[~is_rounding] > 0.0) else errors


def mean_of_runs(measured: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the mean of runs, whose error is not that of any one; a single value with its own."""
    values = np.array([value for value, _ in measured if math.isfinite(value)])
    if len(measured) == 1 or len(values) == 0:
        return measured[0]
    return float(values.mean()), math.nan


def errors_of_means(
    entries: Mapping[tuple[str, float], list[tuple[float, float]]],
    index: list[float],
    names: tuple[str, ...],
    stated: FloatArray,
) -> tuple[FloatArray, ErrorFreedom | None]:
    """Return errors of means over runs and what they rest on; stated ones of curves without two runs in any round."""
    errors, freedom = np.empty_like(stated), np.empty_like(stated)
    pooled, has_runs = np.ones(len(names), dtype=bool), False
    for j, name in enumerate(names):
        groups = [np.array([v for v, _ in entries.get((name, i), []) if math.isfinite(v)]) for i in index]
        if max(map(len, groups)) < 2:
            errors[:, j], freedom[:, j] = stated[:, j], np.inf
            continue
        has_runs = True
        errors[:, j], freedom[:, j], pooled[j] = errors_of_runs(groups)
    return errors, ErrorFreedom(freedom, pooled) if has_runs else None


def inverse_trigamma(value: float) -> float:
    """Return x > 0 of which trigamma(x) is a value > 0."""
    from scipy.special import polygamma

    x = 0.5 + 1.0 / value  # Newton's steps converge from here
    for _ in range(_NEWTON_STEPS):
        now = float(polygamma(1, x))
        x += now * (1.0 - now / value) / float(polygamma(2, x))
    return x


def _trend(squares: FloatArray, freedom: FloatArray, own: BoolArray) -> FloatArray:
    """Return the power of the round that scatters follow, shape (r,): the likeliest, shrunk by its own error."""
    position = np.log1p(np.arange(len(squares)))
    if own.sum() < _LEAST_ROUNDS or freedom[own].sum() < _ENOUGH_FOR_TREND:
        return np.ones(len(squares))
    weights, variance = freedom[own] / 2.0, squares[own] / freedom[own]
    x = position[own] - np.average(position[own], weights=weights)
    information = float((weights * x) @ x)
    power = 0.0
    for _ in range(_NEWTON_STEPS):  # of Fisher's scoring
        relative = variance / np.exp(power * x)
        step = float((weights * x) @ relative) / float(np.average(relative, weights=weights)) / information
        power += float(np.clip(step, -1.0, 1.0))
    shrunk = power * max(0.0, 1.0 - 1.0 / (information * power**2)) if power != 0.0 else 0.0
    return np.asarray(np.exp(shrunk * (position - np.average(position[own], weights=weights))))


def _are_homogeneous(squares: FloatArray, freedom: FloatArray, own: BoolArray) -> bool:
    """Return whether rounds do not contradict one scatter, by Bartlett's test."""
    rounds = int(own.sum())
    if rounds < 2:
        return True
    d, variance = freedom[own], squares[own] / freedom[own]
    total = d.sum()
    statistic = total * np.log(squares[own].sum() / total) - float(d @ np.log(variance))
    correction = 1.0 + (float((1.0 / d).sum()) - 1.0 / total) / (3.0 * (rounds - 1))
    return chi_square_p_value(statistic / correction, rounds - 1) >= _HOMOGENEOUS


def _prior(variance: FloatArray, freedom: FloatArray) -> tuple[float, float]:
    """Return d_0 and s_0^2 of a scaled F law of scatters, from mean and variance of their logarithms."""
    from scipy.special import digamma, polygamma

    shifted = np.log(variance) - digamma(freedom / 2.0) + np.log(freedom / 2.0)
    spread = float(shifted.var(ddof=1)) - float(polygamma(1, freedom / 2.0).mean())
    if spread <= 0.0:
        return np.inf, float(variance.mean())
    half = inverse_trigamma(spread)
    return 2.0 * half, float(np.exp(shifted.mean() + digamma(half) - np.log(half)))
