"""Moments of Hermite polynomials under mixtures: generating function, quadrature, asymptotics."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermite_collapse import GaussianMixture
from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite.basis import hermite_values
from hermite_collapse.hermite.coefficients import mixture_coefficients
from hermite_collapse.hermite.gauss import gauss_rule
from hermite_collapse.hermite.indices import total_degree_indices
from hermite_collapse.hermite.joint import JointExpansion
from hermite_collapse.hermite.moments import second_moments


def generating_function(mean, variance, degree, digits, q=None):
    """E h_n^2 for n = 0 .. degree from (n+1) G_{n+1} = sum s_j G_{n-j}, in mpmath."""
    with mpmath.workdps(digits):
        m, q = mpmath.mpf(mean), 2 * mpmath.mpf(variance) - 1 if q is None else mpmath.mpf(q)
        s = [mpmath.mpf(1) / 2 + q ** (j + 1) / 2 + m**2 * (j + 1) * q**j for j in range(degree)]
        g = [mpmath.mpf(1)]
        for n in range(degree):
            g.append(mpmath.fsum(s[j] * g[n - j] for j in range(n + 1)) / (n + 1))
        return np.array([float(value) for value in g])


def twin(mean, variance, degree):
    """sum_l binom(n, l) v^l c_{n-l}^2 as it stands."""
    c = [1.0, mean]
    for n in range(1, degree):
        c.append((mean * c[n] + (variance - 1.0) * math.sqrt(n) * c[n - 1]) / math.sqrt(n + 1))
    return np.array(
        [sum(math.comb(n, l) * variance**l * c[n - l] ** 2 for l in range(n + 1)) for n in range(degree + 1)]
    )


def quadrature(law, indices, count=12):
    """Matrix of E h_j h_k by a tensor Gauss rule, for full covariances."""
    rule = gauss_rule(count)
    dimension = law.dimension
    grid = np.stack(np.meshgrid(*[rule.nodes] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    logs = np.stack(np.meshgrid(*[rule.log_weights] * dimension, indexing="ij"), axis=-1).sum(axis=-1)
    matrix = np.zeros((len(indices), len(indices)))
    for w, m, s in zip(law.weights, law.means, law.covariances, strict=True):
        values = hermite_values(m + grid @ np.linalg.cholesky(s).T, int(indices.max()))
        product = np.stack([np.prod(values[:, np.arange(dimension), k], axis=1) for k in indices], axis=1)
        matrix += w * (product * np.exp(logs).reshape(-1, 1)).T @ product
    return matrix


@pytest.mark.parametrize("variance", [0.0, 1e-6, 0.01, 0.3, 0.5, 0.9, 1.0, 1.7, 4.0])
@pytest.mark.parametrize("mean", [0.0, 1.3, -6.0])
def test_second_moments_to_degree_200_far_from_the_origin(mean, variance):
    reference = generating_function(mean, variance, 200, 60)
    # The series cancels by many digits for v < 1/2: more digits confirm that 60 are enough.
    assert np.allclose(reference, generating_function(mean, variance, 200, 120), rtol=1e-15, atol=1e-300)
    value = second_moments(GaussianMixture([1.0], [mean], variance), np.arange(201)[:, None])
    neighbours = np.array([reference[max(0, n - 1) : n + 2].max() for n in range(201)])
    bound = 2.2e-16 * (10 + np.arange(201)) * neighbours
    assert np.all(np.abs(value - reference) <= bound)
    wrong = generating_function(mean, variance, 200, 120, q=2 * variance - 1 + 1e-9)
    assert np.any(np.abs(value - wrong) > bound)


@given(st.integers(1, 200), st.integers(1, 3), st.integers(0, 8), st.integers(0, 10**6))
def test_second_moments_of_many_components(count, dimension, degree, seed):
    rng = np.random.default_rng(seed)
    weights, means = rng.dirichlet(np.ones(count)), rng.normal(0, 1.5, (count, dimension))
    variances = rng.uniform(0.0, 2.0, (count, dimension))
    indices = total_degree_indices(dimension, degree)
    tables = [
        [twin(means[k, j], variances[k, j], max(degree, 1)) for j in range(dimension)] for k in range(count)
    ]
    reference = sum(
        weights[k] * np.prod([tables[k][j][indices[:, j]] for j in range(dimension)], axis=0)
        for k in range(count)
    )
    assert np.allclose(
        second_moments(GaussianMixture(weights, means, variances, covariance_type="diagonal"), indices),
        reference,
        rtol=1e-12,
        atol=0,
    )


def random_law(dimension, components=2, seed=0):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((components, dimension, dimension))
    covariances = 0.4 * root @ root.transpose(0, 2, 1) + 0.1 * np.eye(dimension)
    weights = rng.dirichlet(np.ones(components))
    return GaussianMixture(weights, rng.standard_normal((components, dimension)), covariances)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_full_covariances_against_quadrature(dimension):
    law, indices = random_law(dimension), total_degree_indices(dimension, 5)
    matrix = quadrature(law, indices)
    second = np.diagonal(matrix)
    assert np.allclose(second_moments(law, indices), second, rtol=1e-12, atol=0)
    joint = JointExpansion(indices)
    parts = [joint(*component) for component in zip(law.means, law.covariances, strict=True)]
    products = sum(w * part @ part.T for w, part in zip(law.weights, parts, strict=True))
    assert np.all(np.abs(products - matrix) <= 1e-12 * np.sqrt(np.outer(second, second)))
    coefficients = sum(w * part[:, 0] for w, part in zip(law.weights, parts, strict=True))
    size = np.sqrt(second.max())
    assert np.allclose(coefficients, mixture_coefficients(law, 5).values, rtol=1e-10, atol=1e-12 * size)
    wrong = np.diagonal(quadrature(law.replace(means=law.means * (1 + 1e-8)), indices))
    assert not np.allclose(second_moments(law, indices), wrong, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_diagonal_and_full_routes_agree(dimension):
    rng = np.random.default_rng(dimension)
    weights, means = rng.dirichlet(np.ones(70)), rng.standard_normal((70, dimension))
    variances = rng.uniform(0.05, 2.0, (70, dimension))
    indices = total_degree_indices(dimension, 6)[::-1]  # any order of rows
    full = variances[:, :, None] * np.eye(dimension)
    if dimension > 1:
        full[:, 0, 1] = full[:, 1, 0] = 1e-17
    second = second_moments(GaussianMixture(weights, means, full), indices)
    assert np.allclose(
        second_moments(GaussianMixture(weights, means, variances), indices), second, rtol=1e-12, atol=0
    )


def test_the_normal_law_expands_into_itself():
    indices = total_degree_indices(2, 6)
    assert np.allclose(JointExpansion(indices)(np.zeros(2), np.eye(2)), np.eye(len(indices)), atol=1e-15)


@pytest.mark.parametrize(
    ("mixture", "indices", "message"),
    [
        (GaussianMixture([1.0], [0.0], 9.0), np.array([[900]]), "below 1.8e308"),
        (
            GaussianMixture([1.0], [np.zeros(12)], [np.ones((12, 12))]),
            np.array([[9] + [0] * 11]),
            "lower the degree",
        ),
    ],
)
def test_moments_that_cannot_be_held(mixture, indices, message):
    with pytest.raises(InputError, match=message):
        second_moments(mixture, indices)
