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
from hermite_collapse.hermite.moments import (
    _hypercontractive,
    fourth_moment_bound,
    fourth_moments,
    product_moments,
    second_moments,
)


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


def quadrature(weights, means, covariances, indices, power, count=40):
    """E prod h_k^power by a tensor Gauss rule, for full covariances (K, d, d)."""
    rule = gauss_rule(count)
    dimension = means.shape[1]
    grid = np.stack(np.meshgrid(*[rule.nodes] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    mass = np.prod(
        np.stack(np.meshgrid(*[np.exp(rule.log_weights)] * dimension, indexing="ij"), axis=-1), axis=-1
    ).ravel()
    matrix, total = np.zeros((len(indices), len(indices))), np.zeros(len(indices))
    for w, m, s in zip(weights, means, covariances):
        values = hermite_values(m + grid @ np.linalg.cholesky(s).T, int(indices.max()))
        product = np.stack([np.prod(values[:, np.arange(dimension), k], axis=1) for k in indices], axis=1)
        matrix += w * (product * mass[:, None]).T @ product
        total += w * mass @ product**power
    return total, matrix


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


def law(dimension, components=2, seed=0):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((components, dimension, dimension))
    covariances = 0.4 * root @ root.transpose(0, 2, 1) + 0.1 * np.eye(dimension)
    return rng.dirichlet(np.ones(components)), rng.standard_normal((components, dimension)), covariances


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_full_covariances_against_quadrature(dimension):
    weights, means, covariances = law(dimension)
    indices = total_degree_indices(dimension, 5)
    second, matrix = quadrature(weights, means, covariances, indices, 2, 12)
    fourth, _ = quadrature(weights, means, covariances, indices, 4, 12)
    assert np.allclose(
        second_moments(GaussianMixture(weights, means, covariances), indices), second, rtol=1e-12, atol=0
    )
    value = product_moments(GaussianMixture(weights, means, covariances), indices)
    scale = np.sqrt(np.outer(second, second))
    assert np.all(np.abs(value - matrix) <= 1e-12 * scale)
    assert np.allclose(
        fourth_moments(GaussianMixture(weights, means, covariances), indices), fourth, rtol=1e-12, atol=0
    )
    wrong, _ = quadrature(weights, means * (1 + 1e-8), covariances, indices, 2, 12)
    assert not np.allclose(
        second_moments(GaussianMixture(weights, means, covariances), indices), wrong, rtol=1e-12, atol=0
    )


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
    scale = np.sqrt(np.outer(second, second))
    matrix = product_moments(GaussianMixture(weights, means, variances), indices)
    assert np.all(
        np.abs(matrix - product_moments(GaussianMixture(weights, means, full), indices)) <= 1e-12 * scale
    )
    assert np.allclose(np.diag(matrix), second, rtol=1e-12, atol=0)
    assert np.linalg.eigvalsh(matrix).min() >= -1e-12 * np.linalg.eigvalsh(matrix).max()
    coefficients = mixture_coefficients(GaussianMixture(weights, means, variances), 6)
    zero = int(np.flatnonzero(indices.sum(axis=1) == 0)[0])
    assert np.allclose(
        matrix[zero][::-1], coefficients.values, rtol=1e-10, atol=1e-12 * np.sqrt(second.max())
    )
    fourth = fourth_moments(GaussianMixture(weights, means, variances), indices)
    assert np.allclose(
        fourth, fourth_moments(GaussianMixture(weights, means, full), indices), rtol=1e-11, atol=0
    )


@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (6.0, 0.2), (-2.0, 3.0), (1.0, 0.0)])
def test_fourth_moments_against_mpmath(mean, variance):
    degrees = [0, 1, 2, 7, 25]

    def exact(n, digits, shift=0.0):
        with mpmath.workdps(digits):
            # He_n(m + s z) as a polynomial in z, its fourth power against Gaussian moments
            s, m = mpmath.sqrt(mpmath.mpf(variance)), mpmath.mpf(mean) + shift
            below, here = [mpmath.mpf(0)], [mpmath.mpf(1)]
            for k in range(n):
                new = [m * c for c in here] + [mpmath.mpf(0)]
                for i, c in enumerate(here):
                    new[i + 1] += s * c
                for i, c in enumerate(below):
                    new[i] -= k * c
                below, here = here, new
            square = [mpmath.mpf(0)] * (2 * len(here) - 1)
            for i, c in enumerate(here):
                for j, e in enumerate(here):
                    square[i + j] += c * e
            moments = [mpmath.fac2(2 * k - 1) for k in range(len(square))]
            total = mpmath.fsum(
                c * e * moments[(i + j) // 2]
                for i, c in enumerate(square)
                for j, e in enumerate(square)
                if (i + j) % 2 == 0
            )
            return float(total / mpmath.factorial(n) ** 2)

    value = fourth_moments(GaussianMixture([1.0], [mean], variance), np.array(degrees)[:, None])
    reference = np.array([exact(n, 120) for n in degrees])
    assert np.array_equal(reference, [exact(n, 160) for n in degrees])
    assert np.allclose(value, reference, rtol=2e-14, atol=0)
    if variance > 0:
        assert not np.allclose(value, [exact(n, 120, 1e-6) for n in degrees], rtol=2e-14, atol=0)


def test_fourth_moments_of_the_normal_law_grow_like_nine_to_the_n():
    degrees = np.array([50, 100, 200, 300])
    ratio = fourth_moments(GaussianMixture([1.0], [0.0], 1.0), degrees[:, None]) / np.exp(
        degrees * math.log(9.0) - np.log(4.0 * np.pi * degrees / (3.0 * math.sqrt(3.0)))
    )
    # 1 + O(1/n): the distance from 1 shrinks like 1/n
    assert np.all(np.abs(ratio - 1.0) < 1.0 / degrees)
    assert np.allclose((ratio - 1.0)[1:] * degrees[1:], (ratio - 1.0)[:-1] * degrees[:-1], rtol=0.05, atol=0)


def test_the_hypercontractive_bound_holds():
    weights, means, covariances = law(2, 3, seed=4)
    indices = total_degree_indices(2, 8)
    exact = fourth_moments(GaussianMixture(weights, means, covariances), indices)
    ratio = _hypercontractive(GaussianMixture(weights, means, covariances), indices) / exact
    print(f"hypercontractive bound / fourth moment: {ratio.min():.3g} to {ratio.max():.3g}")
    assert np.all(ratio >= 1.0 - 1e-12)
    # One variable, N(0, 1): 9^n against 3 sqrt(3) 9^n / (4 pi n)
    degrees = np.array([[10], [40]])
    one = _hypercontractive(
        GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1))), degrees
    ) / fourth_moments(GaussianMixture([1.0], [0.0], 1.0), degrees)
    assert np.allclose(one, 4.0 * np.pi * degrees[:, 0] / (3.0 * math.sqrt(3.0)), rtol=0.1, atol=0)


def test_the_bound_takes_the_best_route():
    weights, means, covariances = law(2, 3, seed=4)
    indices = total_degree_indices(2, 8)
    exact = fourth_moments(GaussianMixture(weights, means, covariances), indices)
    assert np.array_equal(fourth_moment_bound(GaussianMixture(weights, means, covariances), indices), exact)
    diagonal = np.full((3, 2), 0.5)
    same = fourth_moment_bound(GaussianMixture(weights, means, diagonal), indices)
    assert np.array_equal(same, fourth_moments(GaussianMixture(weights, means, diagonal), indices))
    weights, means, covariances = law(8, 1)
    indices = np.array([[2, 1, 0, 0, 0, 0, 1, 0]])
    samples = (
        means[0] + np.random.default_rng(0).standard_normal((20000, 8)) @ np.linalg.cholesky(covariances[0]).T
    )
    values = np.prod(hermite_values(samples, 2)[:, np.arange(8), indices[0]], axis=1) ** 4
    assert fourth_moment_bound(GaussianMixture(weights, means, covariances), indices)[0] > values.mean()


def test_a_component_of_the_normal_law_gives_the_identity():
    indices = total_degree_indices(2, 6)
    assert np.allclose(
        product_moments(GaussianMixture([1.0], [[0.0, 0.0]], 1.0), indices), np.eye(len(indices)), atol=1e-15
    )


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


def test_fourth_moments_of_high_degree_in_two_dimensions():
    # The normal law, but for a correlation of 1e-17 that sends it the way of full covariances.
    covariance = np.array([[[1.0, 1e-17], [1e-17, 1.0]]])
    indices = np.array([[100, 3], [40, 60], [0, 110]])
    one = fourth_moments(GaussianMixture([1.0], [0.0], 1.0), np.arange(111)[:, None])
    value = fourth_moments(GaussianMixture([1.0], [[0.0, 0.0]], covariance), indices)
    assert np.allclose(value, one[indices].prod(axis=1), rtol=1e-11, atol=0)


def test_too_many_nodes():
    with pytest.raises(InputError, match="use fourth_moment_bound"):
        fourth_moments(
            GaussianMixture([1.0], [np.zeros(6)], [np.eye(6) + 0.1]), np.array([[9, 0, 0, 0, 0, 0]])
        )
