"""Autoencoders in several dimensions: limit against iteration, stability, the regression of decoded samples."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.pipeline.matrix_autoencoder import MatrixAutoencoder, fit_autoencoder

REGRESSION = np.array([[0.9, 0.15, -0.05], [-0.1, 0.7, 0.2], [0.05, -0.1, 0.6]])
RESIDUAL = np.array([[0.02, 0.005, 0.0], [0.005, 0.03, 0.0], [0.0, 0.0, 0.01]])
DATA = np.array([[1.0, 0.2, 0.0], [0.2, 0.5, 0.1], [0.0, 0.1, 0.2]])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_limit_is_where_rounds_lead(share):
    autoencoder, model = MatrixAutoencoder(REGRESSION, RESIDUAL), DATA
    for _ in range(600):
        model = autoencoder.step(DATA, model, share)
    np.testing.assert_allclose(autoencoder.limit(DATA, fresh_fraction=share), model, rtol=1e-12, atol=1e-14)


def test_a_diagonal_autoencoder_is_one_direction_after_another():
    autoencoder = MatrixAutoencoder(np.diag([0.9, 0.5]), np.diag([0.1, 0.02]))
    limit = autoencoder.limit(np.diag([1.0, 0.3]), fresh_fraction=0.2)
    for j, v in enumerate((1.0, 0.3)):
        alone = hc.Pipeline([autoencoder.along(j)], fresh_fraction=0.2).limit(v)
        assert limit[j, j] == pytest.approx(alone, rel=1e-9)
    assert limit[0, 1] == 0.0


def test_a_shear_adds_variance_that_the_direction_alone_does_not_see():
    a, b, c, share = 0.9, 0.6, 0.3, 0.1
    autoencoder = MatrixAutoencoder([[a, c], [0.0, b]], 0.02 * np.eye(2))
    limit, kept = autoencoder.limit(np.eye(2), fresh_fraction=share), 1.0 - share
    alone = (share * a**2 + 0.02) / (1.0 - kept * a**2)
    training = share + kept * limit[1, 1]
    missed = c**2 * training * (1 + kept * a * b) / ((1 - kept * a * b) * (1 - kept * a**2))
    assert limit[0, 0] - alone == pytest.approx(missed, rel=1e-12)


def test_stable_above_the_critical_share():
    rotation = 1.3 * np.array([[0.6, -0.8], [0.8, 0.6]])
    autoencoder = MatrixAutoencoder(rotation, np.eye(2))
    assert autoencoder.critical_share == pytest.approx(1 - 1 / 1.69, rel=1e-12)
    assert autoencoder.is_stable(0.42)
    assert not autoencoder.is_stable(0.40)
    with pytest.raises(hc.InputError, match="fresh_fraction must be above"):
        autoencoder.limit(np.eye(2), fresh_fraction=0.40)


def test_the_regression_of_decoded_samples():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((20_000, 3)) @ np.linalg.cholesky(DATA).T + 2.0
    noise = rng.standard_normal(x.shape) @ np.linalg.cholesky(RESIDUAL).T
    fit = fit_autoencoder(x, x @ REGRESSION.T + noise - 1.0)
    # Standard errors sqrt(N_ii (Sigma^-1)_jj / n); fifteen numbers within four of them.
    error = np.sqrt(np.outer(np.diag(RESIDUAL), np.diag(np.linalg.inv(DATA))) / len(x))
    assert np.all(np.abs(fit.autoencoder.regression - REGRESSION) < 4.0 * error)
    spread = np.sqrt((RESIDUAL**2 + np.outer(np.diag(RESIDUAL), np.diag(RESIDUAL))) / len(x))
    assert np.all(np.abs(fit.autoencoder.residual - RESIDUAL) < 4.0 * spread)
    assert fit.curvature < 0.001
    curved = fit_autoencoder(x, x @ REGRESSION.T + noise + 0.1 * (x - 2.0) ** 2)
    assert curved.curvature > 0.05


def test_a_curved_autoencoder_is_noticed_and_refitted():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20_000, 2))
    once = np.tanh(x)
    fit = fit_autoencoder(x, once, np.tanh(once))
    assert fit.curvature > 0.5 and fit.change > 0.1
    # E[tanh'(x)] under each law, by Stein's lemma for the first.
    assert fit.autoencoder.regression[0, 0] == pytest.approx(np.mean(1 - once[:, 0] ** 2), abs=0.01)
    assert fit.settled.regression[0, 0] == pytest.approx(
        np.mean(once[:, 0] * np.tanh(once[:, 0])) / np.mean(once[:, 0] ** 2), abs=0.01
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MatrixAutoencoder([[1.0, 0.0]], [[1.0]]), "regression must be a square matrix, got shape"),
        (lambda: MatrixAutoencoder([[1.0]], np.eye(2)), "residual must have the shape of regression"),
        (
            lambda: MatrixAutoencoder(np.eye(2), [[1.0, 0.5], [0.0, 1.0]]),
            "residual must be symmetric, got a matrix that is not",
        ),
        (lambda: MatrixAutoencoder([[1.0]], [[-1.0]]), "residual must be a covariance, .* got one with -1"),
        (
            lambda: MatrixAutoencoder([[0.5]], [[1.0]]).limit(np.eye(2), fresh_fraction=0.5),
            "covariance must have shape",
        ),
        (lambda: MatrixAutoencoder([[0.5]], [[1.0]]).along(1), "direction must be below 1, got 1"),
        (
            lambda: fit_autoencoder(np.ones((4, 2)), np.ones((4, 2))),
            "samples must be at least 5 in 2 dimensions",
        ),
        (
            lambda: fit_autoencoder(np.ones((9, 2)), np.ones((9, 2))),
            "samples must vary in all 2 directions, got 0 that do",
        ),
        (lambda: fit_autoencoder(np.ones((9, 2)), np.ones((9, 3))), "decoded must have the shape of samples"),
    ],
)
def test_bad_input_is_one_sentence(call, words):
    with pytest.raises(hc.InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
