"""Covariances of small generations: unbiased chi-square, what generations share, curves that follow from others."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.diagnosis.fits.reweighting import without_combinations
from hermite_collapse.diagnosis.measuring.sampling_noise import covariances_of_means, scatters

CURVES, SAMPLES = 12, 60


def covariances(influences, values, scales):
    parts = np.stack([scatters(one - one.mean(axis=0)) for one in influences])
    return covariances_of_means(parts, values, np.array([len(one) for one in influences]), scales)


def test_chi_square_of_a_mean_is_its_degrees_of_freedom_on_average():
    """Of a plain inverse it would be (n - 1) / (n - p - 2) times as large: 28 % for 12 curves and 60 samples."""
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(0.5 * np.eye(CURVES) + 0.5) * np.geomspace(0.1, 10.0, CURVES)[:, None]
    own, plain = [], []
    for _ in range(250):
        samples = rng.standard_normal((1, SAMPLES, CURVES)) @ root.T
        covariance = covariances(samples, np.ones((1, CURVES)), np.zeros(CURVES, dtype=bool))[0]
        mean = samples[0].mean(axis=0)
        own.append(mean @ np.linalg.solve(covariance, mean) / CURVES)
        plain.append(mean @ np.linalg.solve(np.cov(samples[0].T) / SAMPLES, mean) / CURVES)
    error = np.std(own) / np.sqrt(len(own))
    assert np.mean(own) == pytest.approx(1.0, abs=3.0 * error) and 3.0 * error < 0.09
    assert np.mean(plain) > 1.15


def test_what_generations_share_is_averaged_and_differences_are_left():
    rng = np.random.default_rng(1)
    values, scales = rng.uniform(0.5, 2.0, size=(10, 3)), np.ones(3, dtype=bool)
    squares = np.square(rng.standard_normal((10, SAMPLES, 3))) * values[:, None]
    known = 2.0 * values**2 / SAMPLES
    own = squares.var(axis=1, ddof=1) / SAMPLES
    together = np.einsum("icc->ic", covariances(squares, values, scales))
    assert np.std(together / known) < 0.5 * np.std(own / known)
    different = np.sqrt(np.geomspace(1.0, 30.0, 10))[:, None, None] * rng.standard_normal((10, 2000, 3))
    ratio = np.einsum("icc->ic", covariances(different, np.ones((10, 3)), scales)) * 2000
    np.testing.assert_allclose(ratio, different.var(axis=1), rtol=0.02)


def test_curves_that_follow_from_others_are_no_degrees_of_freedom():
    """A band whose power is the sum of two variances, and one that has something of its own."""
    rng = np.random.default_rng(2)
    real = rng.standard_normal((400, 4, 4)) * np.geomspace(1.5, 0.3, 16).reshape(4, 4)
    curves = hc.measure(
        real, [0.9 * real[:200], 0.8 * real[200:]], directions=3, degrees=2, training_samples=400
    )
    assert without_combinations(curves) is curves
    band = len(curves.names) - 1
    assert curves.kinds[:2] == ("variance", "variance") and curves.kinds[band] == "power"
    for own, lost in ((0.0, [curves.names[-1]]), (0.2, [])):
        share = np.eye(len(curves.names))
        share[band] = 0.0
        share[band, [0, 1, band]] = 1.0, 1.0, own
        scatter = share @ share.T
        combined = curves.replace(data_scatter=0.998 * scatter + 0.002 * np.diag(np.diagonal(scatter)))
        remaining = without_combinations(combined).names
        assert [name for name in curves.names if name not in remaining] == lost
        text = hc.diagnose(combined, mechanism="truncation").text
        assert ("Left out, since they follow from the other curves: frequency" in text) == bool(lost)
