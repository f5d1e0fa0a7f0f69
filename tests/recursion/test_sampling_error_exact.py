"""Predicted sampling errors for few particles, where every 1/N counts, by the recursion written out here."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss

import hermite_collapse as hc
from hermite_collapse.recursion.sampling_error import predict_sampling_error

ALPHA, TIME, ROUNDS, PARTICLES, DEGREE = 0.2, 0.4, 6, 20, 4
LAW = hc.GaussianMixture([0.4, 0.6], [-1.3, 0.9], [0.3, 0.5])


def moments(law, degree):
    """E h_n and E h_n^2 of a mixture on the line for n up to the degree, by a Gauss rule in every component."""
    nodes, mass = hermegauss(60)
    mass = mass / mass.sum()
    means, variances = law.means[:, 0], law.variances[:, 0]
    x = means[:, None] + np.sqrt(variances)[:, None] * nodes
    table = [np.ones_like(x), x]
    for n in range(1, degree):
        table.append((x * table[n] - np.sqrt(n) * table[n - 1]) / np.sqrt(n + 1))
    weights = law.weights[:, None] * mass
    return (np.array([(weights * h**power).sum() for h in table]) for power in (1, 2))


def mixed(fresh, law):
    """alpha p* + (1 - alpha) p, as one mixture."""
    return hc.GaussianMixture(
        np.concatenate([fresh * LAW.weights, (1 - fresh) * law.weights]),
        np.concatenate([LAW.means, law.means]),
        np.concatenate([LAW.variances, law.variances])[:, 0],
    )


@pytest.mark.parametrize("generator", ["channel", "exact", "kernel"])
def test_variances_of_twenty_particles(generator):
    run = hc.Recursion(LAW, fresh_fraction=ALPHA, truncation_time=TIME)
    found = predict_sampling_error(
        run, DEGREE, rounds=ROUNDS, particles=PARTICLES, generator=generator
    ).standard_error
    channel = hc.OrnsteinUhlenbeck().channel(TIME)
    degree = np.arange(DEGREE + 1)
    decay = np.exp(-0.5 * TIME * degree)
    law, keep = LAW, 1 - 1 / PARTICLES
    first, second = moments(law, DEGREE)
    variance = (second - first**2) / PARTICLES
    for i in range(ROUNDS + 1):
        np.testing.assert_allclose(found[i, 1:], np.sqrt(variance[1:]), rtol=1e-11)
        training = mixed(ALPHA, law)
        law = training.through(channel)
        first, second = moments(law, DEGREE)
        own = (second - first**2) / PARTICLES
        carried = decay**2 * (1 - ALPHA) ** 2 * variance
        if generator == "channel":
            variance = keep * carried + own
        elif generator == "exact":
            variance = own
        else:
            first, second = moments(training, DEGREE)
            variance = keep * (keep * carried + decay**2 * (second - first**2) / PARTICLES) + own


def test_the_kurtosis_of_a_standard_normal_law():
    run = hc.Recursion(hc.GaussianMixture([1.0], [0.0], [1.0]), fresh_fraction=0.4, truncation_time=0.4)
    kurtosis = predict_sampling_error(run, 5, rounds=1, particles=50).kurtosis
    exact = [sum(comb(n, j) ** 2 * comb(2 * j, j) for j in range(n + 1)) for n in range(1, 6)]
    assert exact[:2] == [3, 15]
    np.testing.assert_allclose(kurtosis[:, 1:], [exact, exact], rtol=1e-11)


def test_z_scores_are_trusted_from_a_twentieth_on():
    """Degree one of a normal law has kurtosis 3 and degree two 15: 60 and 300 particles, in one run or in several."""
    run = hc.Recursion(hc.GaussianMixture([1.0], [0.0], [1.0]), fresh_fraction=0.4, truncation_time=0.4)
    for particles, runs, expected in ((59, 1, (False, False)), (61, 1, (True, False)), (301, 1, (True, True)),
                                      (30, 2, (False, False)), (31, 2, (True, False))):  # fmt: skip
        error = predict_sampling_error(run, 2, rounds=0, particles=particles)
        assert tuple(error.is_testable(runs)[0, 1:]) == expected, (particles, runs)
