"""Gaussian mixtures: covariance forms, moments, densities, projections, and every message."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc

WEIGHTS = np.array([0.2, 0.5, 0.3])
MEANS = np.array([[0.3, -0.8], [1.1, 0.2], [-0.6, 0.9]])


def full_covariances(seed=3):
    root = np.random.default_rng(seed).normal(size=(3, 2, 2))
    return 0.3 * root @ root.transpose(0, 2, 1) + 0.05 * np.eye(2)


def plain_density(x, weights, means, covariances):
    total = np.zeros(len(x))
    for w, m, s in zip(weights, means, covariances):
        d = x - m
        power = np.einsum("ni,ij,nj->n", d, np.linalg.inv(s), d)
        total += w * np.exp(-0.5 * power) / np.sqrt(np.linalg.det(2 * np.pi * s))
    return total


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.4, np.broadcast_to(0.4 * np.eye(2), (3, 2, 2))),
        ([0.1, 0.2, 0.3], np.array([0.1, 0.2, 0.3])[:, None, None] * np.eye(2)),
        (
            [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]],
            np.array([np.diag([0.1, 0.2]), np.diag([0.3, 0.4]), np.diag([0.5, 0.6])]),
        ),
        ([[0.1, 0.2]], np.broadcast_to(np.diag([0.1, 0.2]), (3, 2, 2))),
        (full_covariances(), full_covariances()),
        (full_covariances()[:1], np.broadcast_to(full_covariances()[0], (3, 2, 2))),
    ],
)
def test_every_form_of_covariance(given, expected):
    law = hc.GaussianMixture(WEIGHTS, MEANS, given)
    np.testing.assert_allclose(law.covariances, expected, rtol=1e-13, atol=1e-15)
    x = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_allclose(law.density(x), plain_density(x, WEIGHTS, MEANS, expected), rtol=1e-11)
    step = 1e-6
    gradient = [
        (law.log_density(x + step * e) - law.log_density(x - step * e)) / (2 * step) for e in np.eye(2)
    ]
    np.testing.assert_allclose(law.score(x), np.transpose(gradient), rtol=1e-6, atol=1e-6)
    sample = law.sample(200_000, 5)
    error = np.sqrt(np.diag(law.covariance) / len(sample))
    assert np.all(np.abs(sample.mean(axis=0) - law.mean) < 5 * error)
    np.testing.assert_allclose(np.cov(sample.T), law.covariance, atol=0.02)


def test_channels_and_projections_commute():
    law = hc.GaussianMixture(WEIGHTS, MEANS, full_covariances())
    channel = hc.OrnsteinUhlenbeck().channel(0.4)
    direction = np.array([2.0, -1.0])
    one, two = law.through(channel).project(direction), law.project(direction).through(channel)
    x = np.linspace(-3, 3, 21)
    np.testing.assert_allclose(one.log_density(x), two.log_density(x), rtol=1e-12)
    np.testing.assert_allclose(
        law.through(channel).covariances, channel.scale**2 * law.covariances + channel.variance * np.eye(2)
    )


def test_projection_on_a_plane_is_a_change_of_coordinates():
    law = hc.GaussianMixture(WEIGHTS, MEANS, full_covariances())
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(2, 2)))[0]
    x = np.random.default_rng(2).normal(size=(10, 2))
    np.testing.assert_allclose(law.project(turn).log_density(x @ turn), law.log_density(x), rtol=1e-12)


def test_shapes_of_points_in_one_dimension():
    law = hc.presets.load("three_modes_1d")
    x = np.linspace(-1, 1, 6)
    assert law.density(x).shape == (6,) and law.density(x.reshape(2, 3)).shape == (2, 3)
    assert law.density(0.3).shape == () and law.score(x[:, None]).shape == (6, 1)
    np.testing.assert_array_equal(law.density(x[:, None]), law.density(x))


def test_point_masses_have_moments_and_samples_but_no_density():
    law = hc.GaussianMixture([0.5, 0.5], [0.0, 1.0], [0.0, 0.2])
    assert law.sample(5, 0).shape == (5, 1) and not law.has_density
    with pytest.raises(hc.InputError, match="positive definite for a density"):
        law.density(0.0)


def test_mixtures_from_scikit_learn():
    truth = hc.GaussianMixture(
        [0.4, 0.6], [[-2.0, 0.0], [1.5, 0.5]], [[[0.3, 0.1], [0.1, 0.2]], [[0.2, 0.0], [0.0, 0.4]]]
    )
    sample = truth.sample(4000, 0)
    fitted = hc.GaussianMixture.fit(sample, components=range(1, 4))
    assert len(fitted.weights) == 2
    np.testing.assert_allclose(np.sort(fitted.weights), [0.4, 0.6], atol=0.03)
    for kind in ("full", "tied", "diag", "spherical"):
        from sklearn.mixture import GaussianMixture as Estimator

        estimator = Estimator(2, covariance_type=kind, random_state=0).fit(sample)
        law = hc.GaussianMixture.from_sklearn(estimator)
        np.testing.assert_allclose(
            law.log_density(sample[:50]), estimator.score_samples(sample[:50]), rtol=1e-10
        )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0.5, 0.4], [0.0, 1.0], 1.0), "weights must sum to 1, got a sum of 0.9"),
        (([1.5, -0.5], [0.0, 1.0], 1.0), "weights must be >= 0, got -0.5"),
        (([0.5, 0.5], [0.0, 1.0, 2.0], 1.0), "means must have one row a weight (2), got 3"),
        (([1.0], [np.nan], 1.0), "means must be finite, got 1 NaN or infinite entries, the first at (0, 0)"),
        (
            ([0.5, 0.5], [0.0, 1.0], -1.0),
            "covariances must be positive semi-definite, got a variance of -1.0",
        ),
        (
            ([1.0], [[0.0, 0.0]], [[[1.0, 2.0], [2.0, 1.0]]]),
            "covariances must be positive semi-definite, got an eigenvalue",
        ),
        (([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.2, 1.0]]]), "covariances must be symmetric"),
        (([1.0], [[0.0, 0.0]], np.ones((2, 3))), "covariances must be a scalar or have shape"),
        (([1.0], [[0.0, 0.0]], np.inf), "covariances must be finite"),
        (([1.0], "abc", 1.0), "means must hold real numbers"),
        (([1.0], [[0.0]], "abc"), "covariances must hold real numbers"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(hc.InputError) as problem:
        hc.GaussianMixture(*arguments)
    assert words in str(problem.value)


def test_bad_points_and_directions_are_named():
    law = hc.GaussianMixture(WEIGHTS, MEANS, 0.1)
    for build, words in (
        (lambda: law.density([1.0, 2.0, 3.0]), "x must have shape (..., 2), got (3,)"),
        (lambda: law.density([np.nan, 2.0]), "x must hold no NaN"),
        (lambda: law.project([0.0, 0.0]), "direction must be a non-zero vector of length 2"),
        (lambda: law.project(np.ones((2, 2))), "direction must have orthonormal columns"),
        (lambda: law.sample(-1), "n must be an integer >= 0, got -1"),
        (lambda: hc.presets.load("two_modes"), "did you mean 'two_modes_1d'?"),
        (lambda: hc.EmpiricalLaw([[1.0], [np.nan]]), "samples must be finite, got 1 NaN"),
        (lambda: hc.EmpiricalLaw([]), "samples must hold at least 1 sample"),
    ):
        with pytest.raises(hc.InputError) as problem:
            build()
        assert words in str(problem.value)
