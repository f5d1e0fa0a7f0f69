r"""Errors that directions pass to each other where a round map acts on matrices: directions are no eigenvectors.

An error E of the covariance of round i becomes, with the axes u and variances w of its training law, U = (u_j),

    T_i(E) = (1 - alpha) U (V[w, w] * U^T E U) U^T,       V[w_j, w_k] divided differences, * by entries.

The variance of direction q in round j is moved by the errors of all rounds before, tr(G_ij E_i) with G_jj = q q^T and
G_ij = T_i(G_{i+1, j}), since T_i is symmetric.  For N Gaussian samples of a law S

    Cov(tr(G E), tr(H E)) = 2 tr(G S H S) / N.

Curves alone, each with its own contraction, have G_ij = Lambda q q^T.  The difference of the covariances that these two
give is what the directions pass to each other; what the measured samples say of their own errors stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..core.types import FloatArray, IntArray
from .measured import Measured

_AtRound = Callable[[FloatArray, int], FloatArray]


class Step(NamedTuple):
    """One round: covariance of the law before it (b, b), axes of its training law, and divided differences of V."""

    law: FloatArray
    axes: FloatArray
    differences: FloatArray

    def back(self, forms: FloatArray) -> FloatArray:
        """Return U (V[w, w] * U^T G U) U^T of forms G (c, b, b)."""
        inside = self.differences * (self.axes.T @ forms @ self.axes)
        return np.asarray(self.axes @ inside @ self.axes.T)


class _Sizes(NamedTuple):
    """Samples that are passed on in each round, fresh ones, and the share of the passed ones that were measured."""

    passed: FloatArray
    fresh: FloatArray
    shares: FloatArray
    measured: FloatArray


def passed_between(
    measured: Measured, steps: Sequence[Step], last: FloatArray, old: float, slopes: FloatArray
) -> FloatArray:
    """Return what the errors that directions pass to each other add to the joint covariance of the curves, (r c, r c).

    Parameters
    ----------
    measured : Measured
        Of c directions, the first axes of the matrices.
    steps : sequence of Step
        From round 0 to 1, 1 to 2, ...
    last : array, shape (b, b)
        Covariance of the last law.
    old : float
        1 - alpha.
    slopes : array, shape (k, c)
        By which an error along a direction comes back along it.
    """
    laws = np.stack([*(step.law for step in steps), last])
    count, size = slopes.shape[1], laws.shape[1]
    values, axes = np.linalg.eigh(laws)
    roots = (axes * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ axes.swapaxes(1, 2)
    own = np.zeros((count, size, size))
    own[np.arange(count), np.arange(count), np.arange(count)] = 1.0
    squares = np.square(laws[:, :count, :count])

    def rooted(forms: FloatArray, i: int) -> FloatArray:
        rows = (roots[i] @ forms @ roots[i]).reshape(-1, size * size)
        return np.asarray((rows @ rows.T).reshape(len(forms), count, -1, count))

    def by_direction(factors: FloatArray, i: int) -> FloatArray:
        return factors[:, :, None, None] * factors * squares[i][:, None, :]

    sizes, rounds = _sizes(measured, old), measured.rounds.astype(np.int64)
    full = _joint(own, lambda forms, i: steps[i].back(forms), rooted, rounds, sizes, old)
    alone = _joint(np.ones(count), lambda factors, i: slopes[i] * factors, by_direction, rounds, sizes, old)
    return full - alone


def _sizes(measured: Measured, old: float) -> _Sizes:
    """Return numbers of samples of rounds 0, 1, ..., as in `history`."""
    rounds, samples = measured.rounds, measured.samples.astype(np.float64)
    last, trained = int(rounds[-1]), measured.training_samples
    of_round = np.array([samples[np.searchsorted(rounds, i)] for i in range(last + 1)])
    if trained is None:
        passed = of_round.copy()
        if measured.data_are_exact and rounds[0] > 0:
            passed[0] = np.inf
        return _Sizes(passed, np.full(last + 1, np.inf), np.ones(last + 1), of_round)
    passed = np.full(last + 1, max(old * trained, 1.0))
    passed[0] = trained
    fresh = np.full(last + 1, trained / max(1.0 - old, 1e-12))
    fresh[0] = np.inf
    shares = np.zeros(last + 1) if measured.apart else np.minimum(1.0, of_round / passed)
    return _Sizes(passed, fresh, shares, of_round)


def _joint(
    own: FloatArray, back: _AtRound, products: _AtRound, rounds: IntArray, sizes: _Sizes, old: float
) -> FloatArray:
    """Return the covariance of tr(q q^T S_j) over Gaussian samples.

    Parameters
    ----------
    own : array, shape (c, ...)
        Forms q q^T.
    back : callable
        Of forms (n, c, ...) and i: what they are before the map from round i to i + 1.
    products : callable
        Of forms (n, c, ...) and i: tr(G S_i H S_i) of all pairs, shape (n, c, n, c).
    """
    count = len(own)
    result = np.zeros((len(rounds), count, len(rounds), count))
    forms = np.broadcast_to(own, (len(rounds), *own.shape)).copy()  # G_ij at the present i
    for i in range(int(rounds[-1]), -1, -1):
        first, after = int(np.searchsorted(rounds, i)), int(np.searchsorted(rounds, i, side="right"))
        if after < len(rounds):
            plain = back(forms[after:], i)
            forms[after:] = plain * (old if i > 0 else 1.0)
            if np.isfinite(sizes.fresh[i]):
                result[after:, :, after:] += 2.0 / sizes.fresh[i] * products(plain, 0)
        later = np.arange(first, len(rounds)) >= after
        both, one = later[:, None] & later, later[:, None] ^ later
        measured = np.where(one, sizes.shares[i], 1.0) / sizes.measured[i]
        weight = 2.0 * np.where(both, 1.0 / sizes.passed[i], measured)
        result[first:, :, first:] += weight[:, None, :, None] * products(forms[first:], i)
    return result.reshape(len(rounds) * count, -1)
