r"""The joint covariance of curves over one history, in which the samples of each round train the next.

A curve y_i measured on N_i samples of round i has an error of its own, with covariance M_i between curves.  Besides,
those samples trained round i + 1: the law of that round inherits their error, times the contraction of the curve,
Lambda = (1 - alpha) times the slope of the round map.  No resampling of one history can see this part.  With T samples
in each training set, of which N_i were measured,

    Var(y_i)      = L_i + M_i
    Cov(y_i, y_j) = Lambda^(j - i) (L_i + min(1, N_i / T) M_i),              i < j
    L_{i+1}       = Lambda (L_i + M_i N_i / T) Lambda

which for T = N_i is V_{i+1} = Lambda V_i Lambda + M_{i+1}: that of particles passed on from round to round.  It starts
with L_0 = 0, and M_0 that of T samples of the data: 0 where these are the law from which the models started.
"""

from __future__ import annotations

import numpy as np

from ..core.types import FloatArray, IntArray


def history_covariance(
    noise: FloatArray,
    *,
    rounds: IntArray,
    samples: IntArray,
    steps: FloatArray,
    training_samples: int | None,
    data: FloatArray,
) -> FloatArray:
    """Return the covariance of the measured values of all rounds, (r c, r c).

    Parameters
    ----------
    noise : array, shape (r, c, c)
        M_i of the measured rounds; a round in between has that of the next one.
    rounds : int array, shape (r,)
        Increasing.
    samples : int array, shape (r,)
        N_i.
    steps : array, shape (k, c)
        Diagonals of Lambda from round 0 to 1, 1 to 2, ...; k is at least the last round.
    training_samples : int or None
        T; N_i if None.
    data : array, shape (c, c)
        Covariance of the curves for a single sample of the data; 0 where their law is known.
    """
    count, last = noise.shape[1], int(rounds[-1])
    training = samples if training_samples is None else np.full(len(samples), training_samples)
    measured = {int(i): row for row, i in enumerate(rounds)}
    covariance = np.zeros((len(rounds), count, len(rounds), count))
    law = np.zeros((count, count))
    if rounds[0] > 0:
        law = steps[0][:, None] * (data / training[0]) * steps[0]
    for i in range(min(1, int(rounds[0])), last + 1):
        row = measured.get(i, int(np.searchsorted(rounds, i)))
        ratio = float(samples[row] / training[row])
        if i in measured:
            covariance[row, :, row] = law + noise[row]
            shared = law + min(1.0, ratio) * noise[row]
            for later in range(row + 1, len(rounds)):
                passed = np.prod(steps[i : rounds[later]], axis=0)
                covariance[later, :, row] = passed[:, None] * shared
                covariance[row, :, later] = covariance[later, :, row].T
        if i < last:
            law = steps[i][:, None] * (law + ratio * noise[row]) * steps[i]
    return covariance.reshape(len(rounds) * count, -1)
