r"""Means of runs of small training sets, each round given the one before: what later rounds add by themselves.

With w what a round trains on, p = A w + B and M, e^2 the mean of S runs and its squared error, sets of T samples make

    M' = p(M) + eta,     Var(eta | M, e) = D = c (p(M)^2 + kappa^2 (S - 1) e^2),     c = 2 / (T S)

exactly, since the mean of squares p_s^2 over runs is p^2 + kappa^2 (S - 1) e^2: runs that drifted apart scatter their
mean more.  What rounds add is uncorrelated, however skew the law of M itself is after many rounds, whereas a mean of
few such runs lies below its expectation in most tables.  Curves p_i of a mechanism thus enter through

    (r_i - kappa r_{i-1}) / sqrt(D_i),     r_i = p_i - y_i,

with the mechanism's own kappa.  Errors say c: with nu = S - 1,

    E(e'^2 | M, e) = D + kappa^2 e^2,     Var(e'^2 | M, e) = 2 D (D + 2 h kappa^2 e^2) / nu,

a law of gamma of these moments.  It is that of a non-central chi-square where runs are alike, h = 1.  Where one is far
above the others it alone scatters, h = nu; in between, with q = S kappa^2 e^2 / p^2, h = (1 + q)^2 / (1 + q nu / S).
The curvature of the likelihood of log c is half the number of its degrees of freedom (`estimated_errors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...core.types import BoolArray, FloatArray, IntArray
from ...core.value import Value, writable
from ...recursion.accumulated import REPLACE
from . import _kernels_filters as kernels
from .filters import Filter, of_innovations
from .observations import VARIANCE, Observations

_RELATIVE = 0.15
"""Scatter of runs about their mean, in the mean, from which its law is not that of small deviations.

Sets of samples for an evaluation are seldom so small, so that all of it is what runs pass on."""
_FINE, _COARSE = np.linspace(-14.0, 0.0, 281), np.linspace(-14.0, 0.0, 57)
"""Logarithms of c."""
_LEAST_CURVATURE = 0.5
_SMALLEST, _LARGEST = 1e-300, 1e100


def are_followed(observations: Observations) -> bool:
    """Return whether curves are variances, means of a number of runs that scatter too much for other laws."""
    scatter = observations.scatter
    if scatter is None or observations.regime != REPLACE:
        return False
    runs = scatter.runs
    if np.any(observations.degrees != VARIANCE) or not np.all((runs > 1.0) & np.isfinite(runs)):
        return False
    rows, columns = np.nonzero(observations.used)
    later, values = observations.rounds[rows] > 0.0, observations.values[observations.used]
    if not later.any() or np.any(values[later] <= 0.0) or np.any(scatter.squares[later] <= 0.0):
        return False
    relative = np.sqrt(runs[columns] * scatter.squares)[later] / values[later]
    return bool(np.median(relative) >= _RELATIVE)


def given_the_last(
    stated: FloatArray,
    kappa: FloatArray,
    predicted: FloatArray,
    observations: Observations,
    samples: float | None = None,
) -> Observations:
    """Return curves whose rounds are held against the one before.

    Parameters
    ----------
    stated : array, shape (N,)
        Variances of the entries, of which those of round 0 are taken.
    kappa : array, shape (m,) or (last, m)
        Factors of a round.
    predicted : array, shape (r, m)
        Curves of a fit, about which a deviation is passed on.
    observations : Observations
        With the scatter of runs.
    samples : float, optional
        T of a single run, by which c is known; what errors say if None.
    """
    rows, columns = np.nonzero(observations.used)
    rounds = observations.rounds[rows].astype(np.int64)
    curves = _Rounds.of(kappa, predicted, observations)
    if samples is None:
        logarithm, freedom = _likeliest(curves, _FINE)
        estimated: FloatArray | None = np.where(rounds > 0, freedom[columns], _of_first(observations))
        groups: IntArray | None = np.unique(columns + len(freedom) * (rounds == 0), return_inverse=True)[1]
    else:
        logarithm, estimated, groups = np.log(2.0 / (samples * curves.runs)), None, None
    added = _followed(curves, logarithm[None])[0][0]
    innovations = np.where(rounds > 0, added[rounds, columns], stated)
    covariance = np.diag(innovations)
    for j in range(len(observations.names)):
        inside = observations.rows_in_order(j)
        own = observations.entries[inside[observations.rounds[inside] > 0.0], j]
        steps = curves.kappa[:, j : j + 1]
        covariance[np.ix_(own, own)] = of_innovations(
            rounds[own], steps, innovations[None, own]
        ).covariance()[0]
    return observations.replace(
        covariance=covariance,
        innovations=innovations,
        error_freedom=estimated,
        error_groups=None if groups is None else groups.reshape(-1).astype(np.int64),
    )


def of_single_curve(
    rounds: IntArray, steps: FloatArray, predicted: FloatArray, observations: Observations, column: int
) -> Filter:
    """Return the filter of a single curve at factors of a round (last, g).

    Parameters
    ----------
    rounds : int array, shape (n,)
        Of its values, in their order, from 1 on.
    steps : array
    predicted : array, shape (r,)
    observations : Observations
        With the scatter of runs.
    column : int
    """
    own = observations.only(np.array([column]))
    single, many = _Rounds.of(np.zeros(1), predicted[:, None], own), steps.shape[1]
    curves = single.replace(kappa=steps, runs=np.tile(single.runs, many))
    added = _followed(curves, _likeliest_roughly(curves)[None])[0][0]
    return of_innovations(rounds, steps, np.ascontiguousarray(added.T[:, rounds]))


def against_the_last(deviations: FloatArray, kappa: FloatArray, observations: Observations) -> FloatArray:
    """Return residuals (s, N) of deviations (s, N) of curves whose rounds have factors (s, m) or (s, k, m).

    Of what values so far say of the round before: its value, or an estimate where values have errors of their own.
    """
    assert observations.innovations is not None
    rows, columns = np.nonzero(observations.used)
    rounds = observations.rounds[rows].astype(np.int64)
    many, curves = len(kappa), kappa.shape[-1]
    steps = np.where(np.isfinite(kappa), kappa, 0.0)
    steps = steps if steps.ndim > 2 else steps[:, None]
    return kernels.against_the_last(
        np.array(deviations),
        np.array(np.broadcast_to(steps, (many, max(observations.last, steps.shape[1]), curves))),
        rounds,
        columns,
        writable(observations.previous),
        np.argsort(rounds, kind="stable"),
        np.ones(len(rounds)) if observations.gains is None else writable(observations.gains),
        np.sqrt(observations.innovations),
    )


def _of_first(observations: Observations) -> FloatArray:
    """Return degrees of freedom of errors as rounds share them, of which those of round 0 stay, shape (N,)."""
    assert observations.scatter is not None
    known = observations.scatter.freedom
    return np.full(observations.count, np.inf) if known is None else known


@dataclass(frozen=True, eq=False)
class _Rounds(Value):
    """Curves of means of runs in all rounds 0, ..., last, shape (last + 1, m) each.

    Attributes
    ----------
    kappa : array, shape (last, m)
    predicted, values, squares : array
    used : array of bool
    runs : array, shape (m,)
    """

    kappa: FloatArray
    predicted: FloatArray
    values: FloatArray
    squares: FloatArray
    used: BoolArray
    runs: FloatArray

    @classmethod
    def of(cls, kappa: FloatArray, predicted: FloatArray, observations: Observations) -> _Rounds:
        assert observations.scatter is not None
        last = observations.last
        rows, columns = np.nonzero(observations.used)
        rounds, shape = observations.rounds[rows].astype(np.int64), (last + 1, len(observations.names))
        values, squares, used = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
        values[rounds, columns] = observations.values[observations.used]
        squares[rounds, columns] = observations.scatter.squares
        used[rounds, columns] = rounds > 0
        passed = np.clip(kappa, 0.0, 1.0)  # what grows passes on as what stays
        steps = np.broadcast_to(passed, (last, shape[1])) if kappa.ndim < 2 else passed[:last]
        curves = observations.in_all_rounds(predicted)
        return cls(steps, curves, values, squares, used, observations.scatter.runs)


@lru_cache(maxsize=1024)  # searches ask for the same rates again and again
def _likeliest_roughly(curves: _Rounds) -> FloatArray:
    return _likeliest(curves, _COARSE)[0]


def _likeliest(curves: _Rounds, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the likeliest log c of each curve, near a grid, and its degrees of freedom, shape (m,)."""
    step, many = grid[1] - grid[0], len(curves.runs)
    likelihood = _followed(curves, np.broadcast_to(grid[:, None], (len(grid), many)))[1]
    best = np.clip(likelihood.argmax(axis=0), 1, len(grid) - 2)
    below, here, above = (likelihood[best + k, np.arange(many)] for k in (-1, 0, 1))
    curvature = np.maximum((2.0 * here - below - above) / step**2, _LEAST_CURVATURE)
    shift = np.clip((above - below) / (2.0 * step * curvature), -step, step)
    return grid[best] + shift, 2.0 * curvature


def _followed(curves: _Rounds, logarithm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return D (g, last + 1, m) of log c (g, m), and log likelihoods of the errors (g, m)."""
    from scipy.special import gammaln

    c, more = np.exp(logarithm), curves.runs - 1.0
    deviation = np.zeros_like(curves.runs)
    remaining, added = (
        np.zeros_like(c),
        np.zeros_like(c),
    )  # of e^2: what was there in the last round, and since
    variances, likelihood = np.zeros((len(c), len(curves.values), c.shape[1])), np.zeros_like(c)
    for i in range(1, len(curves.values)):
        square, used = curves.kappa[i - 1] ** 2, curves.used[i]
        mean = curves.predicted[i] + curves.kappa[i - 1] * deviation
        added = np.minimum(square * added + c * (mean**2 + more * square * (remaining + added)), _LARGEST)
        remaining = square * remaining
        variances[:, i] = added
        if used.any():
            excess = np.minimum(curves.runs * remaining / np.maximum(mean**2, 1.0 / _LARGEST), _LARGEST)
            alone = np.minimum(
                (1.0 + excess) ** 2 / (1.0 + excess * more / curves.runs), np.maximum(more, 1.0)
            )
            expected = remaining + added
            shape = (
                expected**2 * more / np.maximum(2.0 * added * (added + 2.0 * alone * remaining), _SMALLEST)
            )
            ratio = np.where(used, curves.squares[i], 1.0) / np.maximum(expected, _SMALLEST)
            of_round = shape * np.log(shape * ratio) - shape * ratio - gammaln(shape)
            likelihood = likelihood + np.where(used, of_round, 0.0)
        deviation = np.where(used, curves.values[i] - curves.predicted[i], curves.kappa[i - 1] * deviation)
        remaining = np.where(used, curves.squares[i], remaining)
        added = np.where(used, 0.0, added)
    return variances, likelihood
