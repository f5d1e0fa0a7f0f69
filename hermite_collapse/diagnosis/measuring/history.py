r"""The joint covariance of curves over one history, in which the samples of each round train the next.

A curve y_i measured on N_i samples of round i has an error of its own, with covariance M_i between curves.  Besides,
samples of that round trained round i + 1: the law of that round inherits their error, times the contraction of the
curve, Lambda = (1 - alpha) s with the slope s of the round map.  No resampling of one history can see this part.

Where the measured samples are passed on, beside the whole of the data as fresh ones,

    Var(y_i)      = L_i + M_i
    Cov(y_i, y_j) = Lambda^(j - i) (L_i + M_i),              i < j
    L_{i+1}       = Lambda (L_i + M_i) Lambda

which for V_i = L_i + M_i is V_{i+1} = Lambda V_i Lambda + M_{i+1}.  It starts with L_0 = 0, and M_0 that of N_1 samples
of the data: 0 where these are the law from which the models started.

Training sets of T samples hold q T of the last generation, q = 1 - alpha, and alpha T drawn anew from the data; the
first one T of the data.  With S_i = N_i M_i and S_0 the covariances of a single sample of a generation and of the data,

    L_1           = s S_0 s / T
    L_{i+1}       = Lambda L_i Lambda + s (q S_i + alpha S_0) s / T
    Cov(y_i, y_j) = Lambda^(j - i) (L_i + min(1, N_i / (q T)) M_i)

where the measured samples are among those that trained, or the other way round, as far as the smaller number goes, and
Lambda^(j - i) L_i where they are apart: others of the same models, which trained nothing.

Noise of variances goes with the square of the law's own value, whose mean is that of (v_i)_a (v_i)_b + (L_i)_ab: under
expected values v the noise of round i is

    M_i (1 + L_i / v_i v_i^T),     entry by entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...core.types import FloatArray, IntArray


def passed_on_covariance(
    noise: FloatArray,
    *,
    rounds: IntArray,
    steps: FloatArray,
    first: FloatArray,
    relative: FloatArray | None = None,
) -> FloatArray:
    """Return the covariance of the measured values of all rounds where the measured samples are passed on, (r c, r c).

    Parameters
    ----------
    noise : array, shape (r, c, c)
        M_i of the measured rounds; a round in between has that of the next one.
    rounds : int array, shape (r,)
        Increasing.
    steps : array, shape (k, c)
        Diagonals of Lambda from round 0 to 1, 1 to 2, ...; k is at least the last round.
    first : array, shape (c, c)
        M_0 where round 0 is not measured; 0 where the law of the data is known.
    relative : array, shape (r, c), optional
        1 / v_i of the measured rounds, 0 where noise does not go with the value; 0 unless given.
    """
    sources = [first if i == 0 and rounds[0] > 0 else noise[_row(rounds, i)] for i in range(int(rounds[-1]))]
    added = [step[:, None] * source * step for step, source in zip(steps, sources, strict=False)]
    nothing = [np.zeros_like(one) for one in added]
    history = _History(noise, rounds, steps, added, nothing, [1.0] * len(rounds))
    return history.covariance(np.zeros(noise.shape[:2]) if relative is None else relative)


def trained_covariance(
    noise: FloatArray,
    *,
    rounds: IntArray,
    samples: IntArray,
    contractions: FloatArray,
    slopes: FloatArray,
    training_samples: int,
    data_scatter: FloatArray,
    relative: FloatArray | None = None,
    apart: bool = False,
) -> FloatArray:
    """Return the covariance of the measured values of all rounds for training sets of T samples, (r c, r c).

    Parameters
    ----------
    noise, rounds, relative
        As for `passed_on_covariance`.
    samples : int array, shape (r,)
        N_i.
    contractions, slopes : array, shape (k, c)
        Diagonals of Lambda and s from round 0 to 1, 1 to 2, ...
    training_samples : int
        T.
    data_scatter : array, shape (c, c)
        S_0.
    apart : bool
        Whether the measured samples trained nothing.
    """
    old = np.divide(contractions, slopes, out=np.zeros_like(slopes), where=slopes > 0.0).clip(0.0, 1.0)
    old[0] = 1.0  # the first training set is drawn from one law, that of the data
    steps = np.concatenate([slopes[:1], contractions[1:]])
    number = np.maximum(old.mean(axis=1) * training_samples, 1.0)  # q T
    measured = {int(i): row for row, i in enumerate(rounds)}
    added, drawn_anew, shares = [], [], [1.0] * len(rounds)
    for i in range(int(rounds[-1])):
        row = _row(rounds, i)
        share = min(1.0, float(samples[row] / number[i])) if i in measured and not apart else 0.0
        if i in measured:
            shares[row] = share
        source = data_scatter if i == 0 else samples[row] * noise[row]
        # What the measured samples say of those that trained is their own error; the rest is apart from it.
        rest = source * (1.0 / number[i] - share**2 / samples[row]) + share**2 * noise[row]
        fresh = slopes[i] * np.sqrt((1.0 - old[i]) / training_samples)
        added.append(steps[i][:, None] * rest * steps[i])
        drawn_anew.append(fresh[:, None] * data_scatter * fresh)
    history = _History(noise, rounds, steps, added, drawn_anew, shares)
    return history.covariance(np.zeros(noise.shape[:2]) if relative is None else relative)


def _row(rounds: IntArray, i: int) -> int:
    """Return the row of a round, or of the next one that was measured."""
    return int(np.searchsorted(rounds, i))


class _History(NamedTuple):
    """What the rounds do: round i adds `added` and `drawn_anew` to the next law, and passes on `shares` of its M_i."""

    noise: FloatArray
    rounds: IntArray
    steps: FloatArray
    added: Sequence[FloatArray]
    drawn_anew: Sequence[FloatArray]
    shares: Sequence[float]

    def covariance(self, relative: FloatArray) -> FloatArray:
        """Return the joint covariance of the measured values, (r c, r c)."""
        rounds, steps = self.rounds, self.steps
        count, last = self.noise.shape[1], int(rounds[-1])
        measured = {int(i): row for row, i in enumerate(rounds)}
        covariance = np.zeros((len(rounds), count, len(rounds), count))
        law = np.zeros((count, count))
        for i in range(last + 1):
            size = relative[_row(rounds, i)]
            wider = 1.0 + size[:, None] * law * size
            if i in measured:
                row = measured[i]
                noise = wider * self.noise[row]
                covariance[row, :, row] = law + noise
                shared = law + self.shares[row] * noise
                for later in range(row + 1, len(rounds)):
                    passed = np.prod(steps[i : rounds[later]], axis=0)
                    covariance[later, :, row] = passed[:, None] * shared
                    covariance[row, :, later] = covariance[later, :, row].T
            if i < last:
                law = steps[i][:, None] * law * steps[i] + wider * self.added[i] + self.drawn_anew[i]
        return covariance.reshape(len(rounds) * count, -1)
