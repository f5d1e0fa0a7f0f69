"""Hermite coefficients of mixtures in one, two and ten dimensions: recurrence, samples and mpmath agree."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.hermite.sums import sample_coefficients


def mixture(dimension, seed=4):
    """Three components with full covariances."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(3, dimension, dimension)) / np.sqrt(dimension)
    covariances = 0.4 * roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(dimension)
    return hc.GaussianMixture([0.2, 0.5, 0.3], rng.normal(scale=0.6, size=(3, dimension)), covariances)


def coefficient(law, index, digits):
    """c_k from the power series of E exp(t.X - |t|^2 / 2), restricted to the axes that k touches."""
    axes = np.flatnonzero(index)
    with mpmath.workdps(digits):
        total = mpmath.mpf(0)
        for weight, mean, covariance in zip(law.weights, law.means, law.covariances):
            exponent = {}
            for a, i in enumerate(axes):
                unit = tuple(int(b == a) for b in range(len(axes)))
                exponent[unit] = mpmath.mpf(mean[i])
                for b, j in enumerate(axes):
                    pair = tuple(int(c == a) + int(c == b) for c in range(len(axes)))
                    value = (mpmath.mpf(covariance[i, j]) - (i == j)) / 2
                    exponent[pair] = exponent.get(pair, mpmath.mpf(0)) + value
            total += mpmath.mpf(weight) * exponential(exponent, tuple(index[axes]))
        scale = mpmath.sqrt(mpmath.fprod(mpmath.factorial(int(k)) for k in index))
        return total * scale


def exponential(exponent, power):
    """Coefficient of t^power in exp(sum_e exponent[e] t^e), by the products themselves."""
    series = {tuple([0] * len(power)): mpmath.mpf(1)}
    term = dict(series)
    for r in range(1, sum(power) + 1):
        product = {}
        for (left, a), (right, b) in itertools.product(term.items(), exponent.items()):
            key = tuple(x + y for x, y in zip(left, right))
            if all(x <= y for x, y in zip(key, power)):
                product[key] = product.get(key, mpmath.mpf(0)) + a * b / r
        term = product
        for key, value in term.items():
            series[key] = series.get(key, mpmath.mpf(0)) + value
    return series.get(power, mpmath.mpf(0))


@pytest.mark.parametrize(("dimension", "degree"), [(1, 12), (2, 7), (10, 4)])
def test_recurrence_agrees_with_the_series_in_many_digits(dimension, degree):
    law = mixture(dimension)
    known = law.hermite_coefficients(degree)
    chosen = np.random.default_rng(0).choice(len(known), size=min(25, len(known)), replace=False)
    for j in chosen:
        exact = coefficient(law, known.indices[j], 30)
        assert abs(exact - coefficient(law, known.indices[j], 60)) < mpmath.mpf(10) ** -25
        assert known.values[j] == pytest.approx(float(exact), rel=1e-12, abs=1e-14)


def test_the_series_notices_a_changed_covariance():
    law = mixture(2)
    change = np.ones_like(law.variances)
    change[0, 0] += 1e-8
    other = hc.GaussianMixture.from_spectra(
        law.weights, law.means, law.variances * change, law.frames, law.frame_of
    )
    index = np.array([2, 1])
    assert abs(coefficient(law, index, 30) - coefficient(other, index, 30)) > 1e-12


@pytest.mark.parametrize(("dimension", "degree"), [(1, 4), (2, 4), (10, 3)])
def test_samples_agree_within_their_standard_errors(dimension, degree):
    """Over replications each mode deviates like a standard normal: by the right size, not only by little."""
    law, replications = mixture(dimension), 200
    exact = law.hermite_coefficients(degree).values
    rng = np.random.default_rng(9)
    z = []
    for _ in range(replications):
        sampled = sample_coefficients(law.sample(4000, rng), degree)
        z.append((sampled.values - exact)[1:] / sampled.standard_error[1:])
    assert np.abs(np.mean(z, axis=0)).max() * np.sqrt(replications) < 4.8
    assert np.abs(np.std(z, axis=0) - 1.0).max() < 5.0 * np.sqrt(0.5 / replications)
