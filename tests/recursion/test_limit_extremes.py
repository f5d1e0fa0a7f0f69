"""The limit law with almost no and with all fresh data, with hardly any and with full truncation.

p_inf = sum_j alpha (1 - alpha)^j T^(j+1) p*
"""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest

import hermite_collapse as hc

WEIGHTS, MEANS, VARIANCES = (np.array(values) for values in ([0.25, 0.75], [-1.0, 0.5], [0.3, 0.1]))
RATE = 0.5
SHARES = [1e-9, 1e-6, 1e-3, 0.3, 1.0 - 1e-9, 1.0]
TIMES = [1e-12, 1e-6, 1e-3, 0.1, 1.0, 50.0]
POINTS = np.array([-3.0, -1.1, 0.0, 0.45, 2.0])
CASES = list(itertools.product(SHARES, TIMES))


def limit(share, time):
    law = hc.GaussianMixture(WEIGHTS, MEANS, VARIANCES)
    return hc.Recursion(law, fresh_fraction=share, truncation_time=time).limit()


def moments(share, time):
    """Mean and variance from the fixed point of one round, in 60 digits."""
    with mpmath.workdps(60):
        alpha, scale = mpmath.mpf(share), mpmath.exp(-mpmath.mpf(RATE) * mpmath.mpf(time))
        weights, means, variances = ([mpmath.mpf(float(x)) for x in xs] for xs in (WEIGHTS, MEANS, VARIANCES))
        first = sum(w * m for w, m in zip(weights, means, strict=True))
        second = sum(w * (v + m**2) for w, m, v in zip(weights, means, variances, strict=True))
        mean = alpha * scale * first / (1 - (1 - alpha) * scale)
        square = (alpha * scale**2 * second + 1 - scale**2) / (1 - (1 - alpha) * scale**2)
        return mean, square - mean**2


def aged(age):
    """Densities at POINTS after times `age` (n,), (n, points)."""
    scale = np.exp(-RATE * age)[:, None, None]
    variance = scale**2 * VARIANCES - np.expm1(-2.0 * RATE * age)[:, None, None]
    offset = POINTS[:, None] - scale * MEANS
    return (np.exp(-0.5 * offset**2 / variance) / np.sqrt(2.0 * np.pi * variance)) @ WEIGHTS


def densities(share, time):
    """The sum over ages: term by term until nothing is left of the data or of the weights, or Euler-Maclaurin."""
    decay = -np.log1p(-share) if share < 1.0 else np.inf
    terms = int(np.ceil(min(80.0 / time, 45.0 / decay) if share < 1.0 else 1)) + 1
    if terms < 200_000:
        j = np.arange(terms)
        weights = share * np.exp(-decay * j) if share < 1.0 else np.array([1.0, 0.0])
        rest = np.exp(-decay * terms) if share < 1.0 else 0.0
        return weights @ aged((j + 1.0) * time) + rest * aged(np.array([1e4]))[0]
    # sum_j g(j) = int_0^inf g + g(0) / 2 + O(g'), g = share (1 - share)^j f((j + 1) time)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    edges = np.concatenate([[0.0], np.geomspace(1e-9, 60.0, 200)])
    half = 0.5 * np.diff(edges)
    u = (0.5 * (edges[1:] + edges[:-1])[:, None] + half[:, None] * nodes).ravel()
    integral = ((half[:, None] * weights).ravel() * np.exp(-u)) @ aged((u / decay + 1.0) * time)
    return share / decay * integral + 0.5 * share * aged(np.array([time]))[0]


@pytest.mark.parametrize(("share", "time"), CASES)
def test_mean_and_variance(share, time):
    law = limit(share, time)
    mean, variance = moments(share, time)
    assert abs(float(law.mean[0]) - mean) <= 2e-15
    assert abs(float(law.covariance[0, 0]) - variance) <= 2e-15 * variance


@pytest.mark.parametrize(("share", "time"), CASES)
def test_density(share, time):
    right = densities(share, time)
    np.testing.assert_allclose(np.exp(limit(share, time).log_density(POINTS)), right, rtol=2e-11)


def test_the_reference_itself():
    """Both sums where both hold, and a round that leaves the reference as it is."""
    share, time = 0.02, 1e-3
    law = hc.Recursion(
        hc.GaussianMixture(WEIGHTS, MEANS, VARIANCES), fresh_fraction=share, truncation_time=time
    )
    limiting = law.limit()
    again = law.channel(0)
    mixed = share * np.exp(law.target.through(again).log_density(POINTS)) + (1.0 - share) * np.exp(
        limiting.as_mixture().through(again).log_density(POINTS)
    )
    np.testing.assert_allclose(mixed, densities(share, time), rtol=1e-10)
    assert not np.allclose(densities(share, time), densities(share * (1.0 + 1e-6), time), rtol=1e-10)
