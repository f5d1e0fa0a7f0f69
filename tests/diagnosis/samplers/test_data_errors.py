"""What errors of the data's moments do to curves, against differences and scatter of whole histories of matrices."""

from __future__ import annotations

import numpy as np

import hermite_collapse as hc
from hermite_collapse.diagnosis.samplers.data_errors import BackStep, errors_of, forms_of_data
from hermite_collapse.diagnosis.samplers.matrix_rounds import Law, MatrixRounds
from hermite_collapse.diagnosis.samplers.sampler_model import interpolant_of

SAMPLER = hc.mechanisms.SamplerSteps.ddim(steps=4)
FRESH, ROUNDS, COUNT = 0.3, 5, 2
MEAN = np.array([0.0, 0.0, 1.4, 0.3])
TURN = np.linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))[0]
DATA = (TURN * [1.4, 0.5, 0.3, 0.05]) @ TURN.T


def curves(covariance):
    """Return q^T S_j q along the first axes, (ROUNDS + 1, COUNT), by functions of whole matrices."""
    model, centre, out = covariance, MEAN, [covariance]
    for _ in range(ROUNDS):
        drift = MEAN - centre
        mixed = FRESH * covariance + (1 - FRESH) * model + FRESH * (1 - FRESH) * np.outer(drift, drift)
        values, axes = np.linalg.eigh(mixed)
        centre = axes @ (SAMPLER.gain(values) * (axes.T @ (FRESH * MEAN + (1 - FRESH) * centre)))
        model = (axes * SAMPLER.variance(values)) @ axes.T
        out.append(model)
    return np.diagonal(np.array(out), axis1=1, axis2=2)[:, :COUNT]


def forms(*, with_gain=True):
    maps = MatrixRounds(SAMPLER, interpolant_of(SAMPLER))
    law = model = Law(DATA[None], MEAN[None])
    steps = []
    for _ in range(ROUNDS):
        trained = maps.trained(np.array([[FRESH]]), law, model)
        steps.append(
            BackStep(
                trained.axes[0],
                trained.differences[0],
                maps.gain_differences(trained)[0] * with_gain,
                trained.gain[0],
                trained.mean[0],
                (law.mean - model.mean)[0],
            )
        )
        model = trained.model
    return forms_of_data(steps, FRESH, COUNT)


def test_forms_are_derivatives_by_the_covariance_of_the_data():
    rng = np.random.default_rng(0)
    found, without = forms(), forms(with_gain=False)
    for _ in range(3):
        error = rng.normal(size=(4, 4))
        error = 1e-5 * (error + error.T)
        expected = 0.5 * (curves(DATA + error) - curves(DATA - error))
        np.testing.assert_allclose(np.einsum("rcab,ab->rc", found, error), expected, rtol=5e-5, atol=1e-10)
        assert np.abs(np.einsum("rcab,ab->rc", without, error) / expected - 1.0).max() > 5e-4


def scaled(covariance, variances):
    """Return the covariance with other variances of the first axes."""
    ratio = np.ones(4)
    ratio[:COUNT] = np.sqrt(variances / np.diagonal(covariance)[:COUNT])
    return covariance * np.outer(ratio, ratio)


def test_curves_follow_the_variances_of_the_data():
    by_starts = errors_of(forms(), DATA).by_starts
    own = np.diagonal(DATA)[:COUNT]
    for k in range(COUNT):
        step = 1e-5 * own[k] * np.eye(COUNT)[k]
        expected = (curves(scaled(DATA, own + step)) - curves(scaled(DATA, own - step))) / (2e-5 * own[k])
        np.testing.assert_allclose(by_starts[..., k], expected, rtol=1e-3, atol=1e-6)


def test_errors_of_correlations_are_those_of_many_draws():
    """Scatter of curves over 500 covariances of 20 000 samples, brought to the same variances."""
    rng = np.random.default_rng(1)
    own, root, samples = np.diagonal(DATA)[:COUNT], np.linalg.cholesky(DATA), 20_000
    found, variances = [], []
    for _ in range(500):
        factor = np.tril(rng.standard_normal((4, 4)), -1)
        factor[np.arange(4), np.arange(4)] = np.sqrt(rng.chisquare(samples - np.arange(4)))
        drawn = root @ factor @ factor.T @ root.T / samples
        found.append(curves(scaled(drawn, own))[1:].ravel())
        variances.append(np.diagonal(drawn)[:COUNT])
    errors = errors_of(forms(), DATA)
    joint = errors.joint[1:, :, 1:].reshape(ROUNDS * COUNT, -1)
    both = samples * np.cov(np.concatenate([found, variances], axis=1).T)
    sizes = np.sqrt(np.diagonal(both))
    size = len(joint)
    spread = 4.5 * np.outer(sizes, sizes) * np.sqrt(2.0 / len(found))
    assert np.all(np.abs(both[:size, :size] - joint) < spread[:size, :size])
    with_starts = errors.with_starts[1:].reshape(size, COUNT)
    assert np.all(np.abs(both[:size, size:] - with_starts) < spread[:size, size:])
    assert np.abs(with_starts).max() > 0.5 * np.abs(joint).max()
    assert not errors.joint[0].any() and not errors.with_starts[0].any()
