"""What directions that are no eigenvectors pass to each other, against the scatter of whole histories of matrices."""

from __future__ import annotations

import numpy as np

import hermite_collapse as hc
from hermite_collapse.diagnosis.gathering import from_measured
from hermite_collapse.diagnosis.moments import Moments
from hermite_collapse.diagnosis.sampler_model import SamplerModel

SAMPLER = hc.mechanisms.SamplerSteps.ddim(steps=5)
OLD, COUNT, ROUNDS, DRAWS = 0.9, 3000, 5, 6000


def image(covariance):
    """Return the round map of matrices (s, b, b), by their eigenvalues."""
    values, axes = np.linalg.eigh(covariance)
    return (axes * SAMPLER.variance(values)[:, None, :]) @ axes.swapaxes(1, 2)


def drawn(covariance, rng):
    """Return the covariance of COUNT Gaussian samples of each law, by Bartlett's triangular factor."""
    size = covariance.shape[-1]
    factor = np.tril(rng.standard_normal(covariance.shape), -1)
    for k in range(size):
        factor[:, k, k] = np.sqrt(rng.chisquare(COUNT - k, size=len(covariance)))
    root = np.linalg.cholesky(covariance) @ factor
    return root @ root.swapaxes(1, 2) / COUNT


def histories(data, rng):
    """Return the variances along the axes in each round, (DRAWS, ROUNDS, 3), and mean covariances (ROUNDS, 3, 3)."""
    law = np.broadcast_to(data, (DRAWS, 3, 3))
    trained, curves, means = law, [], []
    for _ in range(ROUNDS):
        made = drawn(image(trained), rng)
        curves.append(np.einsum("saa->sa", made))
        means.append(made.mean(axis=0))
        trained = (1.0 - OLD) * law + OLD * made
    return np.stack(curves, axis=1), np.array(means)


def test_errors_of_curves_are_those_of_whole_histories():
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    data = (turn * [1.4, 0.3, 0.05]) @ turn.T
    rng = np.random.default_rng(4)
    curves, laws = histories(data, rng)
    exact = np.cov(curves.reshape(DRAWS, -1).T)
    values = np.einsum("iaa->ia", laws)
    noise = 2.0 * np.square(data) / COUNT
    samples = rng.standard_normal((40, 3))
    measured = hc.measure(samples, [samples * (1.0 - 0.1 * i) for i in range(1, ROUNDS + 1)], degrees=0)
    measured = measured.replace(
        names=("direction 1", "direction 2", "direction 3"),
        kinds=("variance",) * 3,
        numbers=np.arange(1.0, 4.0),
        values=values,
        samples=np.full(ROUNDS, COUNT),
        data=np.diagonal(data).copy(),
        data_covariance=np.zeros((3, 3)),
        data_scatter=noise * COUNT,
        noise=2.0 * np.square(laws) / COUNT,
        clipping=measured.clipping.replace(bias=np.zeros((ROUNDS, 3))),
        moments=Moments(np.zeros(3), data),
    )
    model = SamplerModel.of(SAMPLER)
    observations = model.observed(from_measured(measured, OLD, 1.0), 1.0 - OLD)
    own = np.diagonal(exact)
    predicted = np.diagonal(observations.covariance)
    spread = np.sqrt(2.0 / DRAWS)
    assert np.all(np.abs(predicted / own - 1.0) < 4.0 * spread + 0.02)
    # Each direction by itself, with the slope of the round map at its own variance.
    values_of = np.concatenate([np.diagonal(data)[None], values])
    at = (1.0 - OLD) * values_of[0] + OLD * values_of[:-1]
    slope = (SAMPLER.variance(at * 1.001) - SAMPLER.variance(at * 0.999)) / (0.002 * at)
    alone = np.diagonal(measured.covariance(OLD * slope, values))
    assert np.abs(alone / own - 1.0).max() > 0.2
