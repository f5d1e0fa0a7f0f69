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


MEANS = np.array(
    [
        [0.73028, 0.4532, 0.327, 0.23536, 0.2799, 0.15589, 0.11071, 0.08784, 0.07732, 0.10264, 0.09449],
        [0.0954865, 0.06645, 0.05403, 0.02969, 0.0462, 0.0365, 0.02545, 0.03178, 0.04314, 0.04614, 0.03432],
    ]
).T
MEAN_ERRORS = np.array(
    [
        [0.0, 0.1484, 0.1026, 0.0898, 0.1275, 0.0472, 0.03807, 0.02938, 0.03029, 0.05015, 0.04056],
        [0.0, 0.01893, 0.02174, 0.01349, 0.02436, 0.02404, 0.01386, 0.02161, 0.03232, 0.03551, 0.02654],
    ]
).T
"""Means and standard errors of some runs of refits to 8 samples."""


def test_refits_are_not_named_where_nobody_says_of_how_many_runs():
    told = {"kind": "variances", "standard_errors": MEAN_ERRORS, "fresh_fraction": 0.0}
    result = hc.diagnose(MEANS, **told)
    assert result.verdict != "identified" and "refit" in result.accepted
    assert "depends on the number of runs whose mean each value is: give it" in result.text
    said = hc.diagnose(MEANS, runs=3, **told)
    assert "depends on the number of runs" not in said.text
