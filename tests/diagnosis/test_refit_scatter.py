"""A refit scatters as its samples say; what only shrinks is none."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc

FRESH, ROUNDS, WIDTHS = 0.2, 6, np.array([1.0, 0.5, 0.25])


def history(seed, shrink, training):
    """Generations of 600 samples that train the next, of models that shrink, or that forget all but so many samples."""
    rng = np.random.default_rng(seed)
    real = rng.normal(size=(2400, 3)) * WIDTHS
    generations, last = [], None
    for _ in range(ROUNDS):
        size = training or 600
        fresh = size if last is None else round(FRESH * size)
        drawn = real[rng.integers(len(real), size=fresh)]
        if last is not None:
            drawn = np.concatenate([drawn, last[: size - fresh]])
        mean = drawn.mean(axis=0)
        if training:
            weights = rng.standard_normal((600, size)) / np.sqrt(size)
            last = mean + weights @ (drawn - mean)
        else:
            last = mean + shrink * (drawn - mean) + 0.002 * rng.normal(size=drawn.shape)
        generations.append(last)
    return hc.measure(real, generations, degrees=0, training_samples=size)


@pytest.mark.parametrize("seed", range(4))
def test_shrinking_without_scatter_is_no_refit(seed):
    result = hc.diagnose(history(seed, 0.95, None), fresh_fraction=FRESH)
    refit = result.fits_by_mechanism["refit"]
    assert refit.scatters_too_little and refit.is_rejected and result.leading.name != "refit"
    assert "would scatter it by" in result.text
    assert not result.fits_by_mechanism["autoencoder"].is_rejected  # gain .95


@pytest.mark.parametrize("seed", range(4))
def test_true_refits_scatter_enough(seed):
    result = hc.diagnose(history(seed, 1.0, 60), fresh_fraction=FRESH)
    assert not result.fits_by_mechanism["refit"].scatters_too_little
