"""What directions that are no eigenvectors pass to each other, against the scatter of whole histories of matrices."""

from __future__ import annotations

import numpy as np

import hermite_collapse as hc
from hermite_collapse.diagnosis.measuring.moments import Moments
from hermite_collapse.diagnosis.observed.gathering import from_measured
from hermite_collapse.diagnosis.samplers.sampler_model import SamplerModel

SAMPLER = hc.mechanisms.SamplerSteps.ddim(steps=5)
OLD, COUNT, ROUNDS, DRAWS = 0.9, 3000, 5, 6000
TURN = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
DATA = (TURN * [1.4, 0.3, 0.05]) @ TURN.T


def image(covariance):
    """Return the round map of matrices (s, b, b), by their eigenvalues."""
    values, axes = np.linalg.eigh(covariance)
    return (axes * SAMPLER.variance(values)[:, None, :]) @ axes.swapaxes(1, 2)


def drawn(covariance, rng, count=COUNT):
    """Return the covariance of Gaussian samples of each law, by Bartlett's triangular factor."""
    size = covariance.shape[-1]
    factor = np.tril(rng.standard_normal(covariance.shape), -1)
    for k in range(size):
        factor[:, k, k] = np.sqrt(rng.chisquare(count - k, size=len(covariance)))
    root = np.linalg.cholesky(covariance) @ factor
    return root @ root.swapaxes(1, 2) / count


def histories(rng):
    """Return the variances along the axes in each round, (DRAWS, ROUNDS, 3), and mean covariances (ROUNDS, 3, 3)."""
    law = np.broadcast_to(DATA, (DRAWS, 3, 3))
    trained, curves, means = law, [], []
    for _ in range(ROUNDS):
        made = drawn(image(trained), rng)
        curves.append(np.einsum("saa->sa", made))
        means.append(made.mean(axis=0))
        trained = (1.0 - OLD) * law + OLD * made
    return np.stack(curves, axis=1), np.array(means)


def histories_apart(rng, trained):
    """Return the same of samples that trained nothing, beside training sets of their own."""
    law = np.broadcast_to(DATA, (DRAWS, 3, 3))
    fresh = round((1.0 - OLD) * trained)
    mixed, curves, means = drawn(law, rng, trained), [], []
    for _ in range(ROUNDS):
        model = image(mixed)
        made = drawn(model, rng)
        curves.append(np.einsum("saa->sa", made))
        means.append(made.mean(axis=0))
        mixed = (1.0 - OLD) * drawn(law, rng, fresh) + OLD * drawn(model, rng, trained - fresh)
    return np.stack(curves, axis=1), np.array(means)


def measured_of(laws, rng):
    """Return measured generations with these covariances, of three directions."""
    samples = rng.standard_normal((40, 3))
    measured = hc.measure(samples, [samples * (1.0 - 0.1 * i) for i in range(1, ROUNDS + 1)], degrees=0)
    return measured.replace(
        names=("direction 1", "direction 2", "direction 3"),
        kinds=("variance",) * 3,
        numbers=np.arange(1.0, 4.0),
        values=np.einsum("iaa->ia", laws),
        samples=np.full(ROUNDS, COUNT),
        data=np.diagonal(DATA).copy(),
        data_covariance=np.zeros((3, 3)),
        data_scatter=2.0 * np.square(DATA),
        noise=2.0 * np.square(laws) / COUNT,
        clipping=measured.clipping.replace(bias=np.zeros((ROUNDS, 3))),
        moments=Moments(np.zeros(3), DATA),
    )


def predicted(measured):
    observations = from_measured(measured, OLD, 1.0)
    return SamplerModel.of(SAMPLER).observed(observations, 1.0 - OLD).covariance


def slopes_of(measured):
    """Return the slope of the round map at the variance of each direction by itself."""
    values_of = np.concatenate([np.diagonal(DATA)[None], measured.values])
    at = (1.0 - OLD) * values_of[0] + OLD * values_of[:-1]
    return (SAMPLER.variance(at * 1.001) - SAMPLER.variance(at * 0.999)) / (0.002 * at)


def misses(covariance, exact):
    """Return the difference of entries in units of what draws leave, and a fiftieth of the variances."""
    sizes = np.sqrt(np.diagonal(exact))
    return np.abs(covariance - exact) / np.outer(sizes, sizes) / (4.0 * np.sqrt(2.0 / DRAWS) + 0.02)


def test_errors_of_curves_are_those_of_whole_histories():
    rng = np.random.default_rng(4)
    curves, laws = histories(rng)
    exact = np.cov(curves.reshape(DRAWS, -1).T)
    measured = measured_of(laws, rng)
    assert misses(predicted(measured), exact).max() < 1.0
    alone = np.diagonal(measured.covariance(OLD * slopes_of(measured), measured.values))
    assert np.abs(alone / np.diagonal(exact) - 1.0).max() > 0.2


def test_errors_of_samples_that_trained_nothing_are_those_of_whole_histories():
    """Training sets half as large as what is measured, whose errors reach later rounds by the models alone."""
    rng, trained = np.random.default_rng(5), COUNT // 2
    curves, laws = histories_apart(rng, trained)
    exact = np.cov(curves.reshape(DRAWS, -1).T)
    apart = measured_of(laws, rng).replace(training_samples=trained, apart=True)
    assert misses(predicted(apart), exact).max() < 1.0
    assert misses(predicted(apart.replace(apart=False)), exact).max() > 2.0
    assert misses(predicted(apart.replace(training_samples=round(1.2 * trained))), exact).max() > 1.2
    slopes = slopes_of(apart)
    alone = np.diagonal(apart.covariance(OLD * slopes, apart.values, slope=slopes))
    assert np.abs(alone / np.diagonal(exact) - 1.0).max() > 0.2
