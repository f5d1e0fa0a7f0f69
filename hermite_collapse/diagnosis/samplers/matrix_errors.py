r"""Errors that directions pass to each other where a round map acts on matrices: directions are no eigenvectors.

An error E of the covariance of round i becomes, with the axes u and variances w of its training law, U = (u_j),

    T_i(E) = (1 - alpha) U (V[w, w] * U^T E U) U^T,       V[w_j, w_k] divided differences, * by entries.

The variance of direction q in round j is moved by the errors of all rounds before, tr(G_ij E_i) with G_jj = q q^T and
G_ij = T_i(G_{i+1, j}), since T_i is symmetric.  The law S_{i+1} is diagonal in the axes U of round i, in which forms of
round i + 1 are kept.  For N Gaussian samples of a law S

    Cov(tr(G E), tr(H E)) = 2 tr(G S H S) / N.

Curves alone, each with its own contraction, have G_ij = Lambda q q^T.  The difference of the covariances that these two
give is what the directions pass to each other; what the measured samples say of their own errors stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ...core.types import FloatArray, IntArray
from ..measuring.measured import Measured
from .data_errors import turned


class Step(NamedTuple):
    """One round: axes of its training law (b, b), divided differences of V, the model's variances along the axes."""

    axes: FloatArray
    differences: FloatArray
    made: FloatArray


class _Forms(Protocol):
    """Forms G_ij (n, c, ...) of later rounds j in the frame of round i, and how they run backwards."""

    def own(self, i: int) -> FloatArray:
        """Return q q^T of all directions, (c, ...)."""

    def back(self, forms: FloatArray, i: int) -> FloatArray:
        """Return what forms of round i + 1 are before the map from round i."""

    def products(self, forms: FloatArray, i: int) -> FloatArray:
        """Return tr(G S_i H S_i) of all pairs, (n, c, n, c)."""

    def products_of_data(self, forms: FloatArray, i: int) -> FloatArray:
        """Return tr(G S_0 H S_0) of all pairs of forms of round i, (n, c, n, c)."""


@dataclass(frozen=True)
class _Matrices:
    """Forms of matrices: in round i along the axes in which its law is diagonal, those of the training law before."""

    steps: Sequence[Step]
    frames: Sequence[FloatArray]
    roots: Sequence[FloatArray]
    count: int

    @classmethod
    def of(cls, data: FloatArray, steps: Sequence[Step], count: int) -> _Matrices:
        values, axes = np.linalg.eigh(data)
        variances = [values, *(step.made for step in steps)]
        frames = [axes, *(step.axes for step in steps)]
        return cls(steps, frames, [np.sqrt(np.maximum(one, 0.0)) for one in variances], count)

    def own(self, i: int) -> FloatArray:
        rows = self.frames[i][: self.count]
        return np.asarray(rows[:, :, None] * rows[:, None, :])

    def back(self, forms: FloatArray, i: int) -> FloatArray:
        step = self.steps[i]
        return turned(step.differences * forms, step.axes.T @ self.frames[i])

    def products(self, forms: FloatArray, i: int) -> FloatArray:
        return _traces(forms * (self.roots[i][:, None] * self.roots[i]))

    def products_of_data(self, forms: FloatArray, i: int) -> FloatArray:
        return _traces(turned(forms, self.frames[i].T @ (self.frames[0] * self.roots[0])))


@dataclass(frozen=True)
class _Alone:
    """Numbers g of forms g q q^T: each direction by itself."""

    slopes: FloatArray
    squares: Sequence[FloatArray]

    def own(self, i: int) -> FloatArray:
        return np.ones(self.slopes.shape[1])

    def back(self, forms: FloatArray, i: int) -> FloatArray:
        return self.slopes[i] * forms

    def products(self, forms: FloatArray, i: int) -> FloatArray:
        return np.asarray(forms[:, :, None, None] * forms * self.squares[i][:, None, :])

    def products_of_data(self, forms: FloatArray, i: int) -> FloatArray:
        return self.products(forms, 0)


def _traces(forms: FloatArray) -> FloatArray:
    """Return tr(G H) of all pairs of symmetric forms (n, c, b, b), (n, c, n, c)."""
    rows = forms.reshape(-1, forms.shape[-1] ** 2)
    return np.asarray((rows @ rows.T).reshape(forms.shape[:2] * 2))


class _Sizes(NamedTuple):
    """Samples that are passed on in each round, fresh ones, and the share of the passed ones that were measured."""

    passed: FloatArray
    fresh: FloatArray
    shares: FloatArray
    measured: FloatArray


def passed_between(
    measured: Measured, data: FloatArray, steps: Sequence[Step], old: float, slopes: FloatArray
) -> FloatArray:
    """Return what the errors that directions pass to each other add to the joint covariance of the curves, (r c, r c).

    Parameters
    ----------
    measured : Measured
        Of c directions, the first axes of the matrices.
    data : array, shape (b, b)
        Covariance of the data.
    steps : sequence of Step
        From round 0 to 1, 1 to 2, ...
    old : float
        1 - alpha.
    slopes : array, shape (k, c)
        By which an error along a direction comes back along it.
    """
    count = slopes.shape[1]
    parts = [(step.axes[:count] * step.made) @ step.axes[:count].T for step in steps]
    squares = [np.square(law) for law in (data[:count, :count], *parts)]
    sizes, rounds = _sizes(measured, old), measured.rounds.astype(np.int64)
    full = _joint(_Matrices.of(data, steps, count), count, rounds, sizes, old)
    return full - _joint(_Alone(slopes, squares), count, rounds, sizes, old)


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


def _joint(kind: _Forms, count: int, rounds: IntArray, sizes: _Sizes, old: float) -> FloatArray:
    """Return the covariance of tr(q q^T S_j) over Gaussian samples of c directions, (r c, r c)."""
    result = np.zeros((len(rounds), count, len(rounds), count))
    forms = np.empty((0, *kind.own(0).shape))  # G_ij at the present i
    for i in range(int(rounds[-1]), -1, -1):
        first, after = int(np.searchsorted(rounds, i)), int(np.searchsorted(rounds, i, side="right"))
        if after < len(rounds):
            plain = kind.back(forms, i)
            if np.isfinite(sizes.fresh[i]):
                result[after:, :, after:] += 2.0 / sizes.fresh[i] * kind.products_of_data(plain, i)
            forms = plain * (old if i > 0 else 1.0)
        if first < after:
            forms = np.concatenate([kind.own(i)[None], forms])
        later = np.arange(first, len(rounds)) >= after
        both, one = later[:, None] & later, later[:, None] ^ later
        measured = np.where(one, sizes.shares[i], 1.0) / sizes.measured[i]
        weight = 2.0 * np.where(both, 1.0 / sizes.passed[i], measured)
        result[first:, :, first:] += weight[:, None, :, None] * kind.products(forms, i)
    return result.reshape(len(rounds) * count, -1)
