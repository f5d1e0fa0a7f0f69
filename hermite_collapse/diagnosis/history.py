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

where the measured samples are among those that trained, or the other way round, as far as the smaller number goes.
"""

from __future__ import annotations

import numpy as np

from ..core.types import FloatArray, IntArray


def passed_on_covariance(
    noise: FloatArray, *, rounds: IntArray, steps: FloatArray, first: FloatArray
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
    """
    sources = [first if i == 0 and rounds[0] > 0 else noise[_row(rounds, i)] for i in range(int(rounds[-1]))]
    added = [step[:, None] * source * step for step, source in zip(steps, sources, strict=False)]
    return _joint(noise, rounds, steps, added, [1.0] * len(rounds))


def trained_covariance(
    noise: FloatArray,
    *,
    rounds: IntArray,
    samples: IntArray,
    contractions: FloatArray,
    slopes: FloatArray,
    training_samples: int,
    data_scatter: FloatArray,
) -> FloatArray:
    """Return the covariance of the measured values of all rounds for training sets of T samples, (r c, r c).

    Parameters
    ----------
    noise, rounds
        As for `passed_on_covariance`.
    samples : int array, shape (r,)
        N_i.
    contractions, slopes : array, shape (k, c)
        Diagonals of Lambda and s from round 0 to 1, 1 to 2, ...
    training_samples : int
        T.
    data_scatter : array, shape (c, c)
        S_0.
    """
    old = np.divide(contractions, slopes, out=np.zeros_like(slopes), where=slopes > 0.0).clip(0.0, 1.0)
    old[0] = 1.0  # the first training set is drawn from one law, that of the data
    steps = np.concatenate([slopes[:1], contractions[1:]])
    number = np.maximum(old.mean(axis=1) * training_samples, 1.0)  # q T
    measured = {int(i): row for row, i in enumerate(rounds)}
    added, shares = [], [1.0] * len(rounds)
    for i in range(int(rounds[-1])):
        row = _row(rounds, i)
        share = min(1.0, float(samples[row] / number[i])) if i in measured else 0.0
        if i in measured:
            shares[row] = share
        source = data_scatter if i == 0 else samples[row] * noise[row]
        # What the measured samples say of those that trained is their own error; the rest is apart from it.
        rest = source * (1.0 / number[i] - share**2 / samples[row]) + share**2 * noise[row]
        fresh = slopes[i] * np.sqrt((1.0 - old[i]) / training_samples)
        added.append(steps[i][:, None] * rest * steps[i] + fresh[:, None] * data_scatter * fresh)
    return _joint(noise, rounds, steps, added, shares)


def _row(rounds: IntArray, i: int) -> int:
    """Return the row of a round, or of the next one that was measured."""
    return int(np.searchsorted(rounds, i))


def _joint(
    noise: FloatArray,
    rounds: IntArray,
    steps: FloatArray,
    added: list[FloatArray],
    shares: list[float],
) -> FloatArray:
    """Return the joint covariance; a round adds `added` to the next law, and passes on `shares` of its own M_i."""
    count, last = noise.shape[1], int(rounds[-1])
    measured = {int(i): row for row, i in enumerate(rounds)}
    covariance = np.zeros((len(rounds), count, len(rounds), count))
    law = np.zeros((count, count))
    for i in range(last + 1):
        if i in measured:
            row = measured[i]
            covariance[row, :, row] = law + noise[row]
            shared = law + shares[row] * noise[row]
            for later in range(row + 1, len(rounds)):
                passed = np.prod(steps[i : rounds[later]], axis=0)
                covariance[later, :, row] = passed[:, None] * shared
                covariance[row, :, later] = covariance[later, :, row].T
        if i < last:
            law = steps[i][:, None] * law * steps[i] + added[i]
    return covariance.reshape(len(rounds) * count, -1)
