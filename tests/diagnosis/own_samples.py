"""Recursions whose values are variances: of the samples that train the next round, or of models evaluated apart."""

from __future__ import annotations

import numpy as np

SLOPE = float(np.exp(-0.05))
"""Of a truncation at 0.05."""


def own_samples(rng, training, *, starts, fresh, rounds, slope=SLOPE, added=1.0 - SLOPE):
    """Return variances (..., rounds + 1, m) of models that see so many samples, exact ones if None."""
    values = [np.asarray(starts)]
    for _ in range(rounds):
        mean = slope * (fresh * values[0] + (1.0 - fresh) * values[-1]) + added
        scatter = rng.chisquare(training - 1, mean.shape) / (training - 1) if training else 1.0
        values.append(mean * scatter)
    return np.stack(values, axis=-2)


def models(rng, training, *, starts, fresh, rounds, slope=SLOPE, added=1.0 - SLOPE):
    """Return exact variances (..., rounds + 1, m) of models that see so many samples, which scatter before a round."""
    values = [np.asarray(starts)]
    for _ in range(rounds):
        trained = fresh * values[0] + (1.0 - fresh) * values[-1]
        values.append(slope * trained * rng.chisquare(training - 1, trained.shape) / (training - 1) + added)
    return np.stack(values, axis=-2)
