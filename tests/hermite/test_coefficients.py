"""Hermite coefficients of mixtures, samples and densities: routes against each other and against mpmath."""

from __future__ import annotations

import pickle

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermite_collapse import GaussianMixture
from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite.basis import hermite_values
from hermite_collapse.hermite.coefficients import (
    HermiteCoefficients,
    mixture_coefficients,
)
from hermite_collapse.hermite.gauss import gauss_rule
from hermite_collapse.hermite.indices import total_degree_indices
from hermite_collapse.hermite.sums import sample_coefficients


def oracle(mean: float, variance: float, degree: int, digits: int, slip: float = 0.0) -> list[mpmath.mpf]:
    """c_k of N(mean, variance) from the explicit sum; `slip` moves the constant 1 of variance - 1."""
    with mpmath.workdps(digits):
        m, excess = mpmath.mpf(mean), mpmath.mpf(variance) - 1 - mpmath.mpf(slip)
        coefficients = []
        for k in range(degree + 1):
            terms = (
                m ** (k - 2 * j)
                * excess**j
                / (mpmath.factorial(j) * mpmath.factorial(k - 2 * j) * mpmath.mpf(2) ** j)
                for j in range(k // 2 + 1)
            )
            coefficients.append(mpmath.sqrt(mpmath.factorial(k)) * mpmath.fsum(terms))
        return coefficients


def relative_error(values: np.ndarray, truth: list[mpmath.mpf]) -> float:
    """Relative to the largest of the coefficients of neighbouring degree: c_k alone may pass through zero."""
    worst = 0.0
    for k, exact in enumerate(truth[:-1]):
        size = max(abs(t) for t in truth[max(k - 1, 0) : k + 2])
        if size:
            worst = max(worst, float(abs(mpmath.mpf(float(values[k])) - exact) / size))
    return worst


@pytest.mark.parametrize("mean", [0.0, 0.7, -6.0, 6.0])
@pytest.mark.parametrize("variance", [0.0, 0.25, 0.36, 1.0, 1.9, 3.0])
def test_one_component_to_degree_200(mean: float, variance: float) -> None:
    degree = 200
    truth, finer = (oracle(mean, variance, degree + 1, digits) for digits in (150, 180))
    assert all(
        abs(a - b) <= abs(b) * mpmath.mpf(10) ** -60 + mpmath.mpf(10) ** -90 for a, b in zip(truth, finer)
    )
    values = mixture_coefficients(GaussianMixture([1.0], [mean], [variance]), degree).values
    assert relative_error(values, truth) < 2e-13


def test_the_oracle_tells_a_wrong_constant() -> None:
    values = mixture_coefficients(GaussianMixture([1.0], [0.7], [0.36]), 20).values
    assert relative_error(values, oracle(0.7, 0.36, 21, 60)) < 1e-14
    assert relative_error(values, oracle(0.7, 0.36, 21, 60, slip=1e-6)) > 1e-7


def expectation(weights, means, covariances, degree: int) -> np.ndarray:
    """E h_k(m + S^{1/2} Z) by a tensor Gauss rule that is exact for these degrees: no recurrence in it."""
    rule = gauss_rule(degree // 2 + 1)
    means = np.asarray(means, dtype=float)
    dimension = means.shape[1]
    grid = np.stack(np.meshgrid(*[rule.nodes] * dimension, indexing="ij"), -1).reshape(-1, dimension)
    mass = np.prod(
        np.stack(np.meshgrid(*[np.exp(rule.log_weights)] * dimension, indexing="ij"), -1).reshape(
            -1, dimension
        ),
        axis=1,
    )
    indices = total_degree_indices(dimension, degree)
    total = np.zeros(len(indices))
    for weight, mean, covariance in zip(weights, means, covariances):
        eigenvalues, frame = np.linalg.eigh(covariance)
        table = hermite_values(mean + (grid * np.sqrt(np.maximum(eigenvalues, 0.0))) @ frame.T, degree)
        product = np.prod([table[:, j][:, indices[:, j]] for j in range(dimension)], axis=0)
        total += weight * (mass @ product)
    return total


def random_mixture(rng: np.random.Generator, components: int, dimension: int):
    weights = rng.dirichlet(np.ones(components))
    means = rng.normal(size=(components, dimension))
    factors = rng.normal(size=(components, dimension, dimension)) / np.sqrt(2 * dimension)
    return weights, means, factors @ factors.transpose(0, 2, 1) + 0.1 * np.eye(dimension)


@pytest.mark.parametrize(("dimension", "degree"), [(1, 12), (2, 12), (3, 9), (4, 6)])
@pytest.mark.parametrize("diagonal", [True, False])
def test_mixtures_against_exact_quadrature(dimension: int, degree: int, diagonal: bool) -> None:
    weights, means, covariances = random_mixture(np.random.default_rng(dimension), 3, dimension)
    if diagonal:
        covariances = covariances * np.eye(dimension)
        variances = np.diagonal(covariances, axis1=1, axis2=2)
        law = GaussianMixture(weights, means, variances, covariance_type="diagonal")
    else:
        law = GaussianMixture(weights, means, covariances)
    found = mixture_coefficients(law, degree)
    expected = expectation(weights, means, covariances, degree)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=2e-13 * np.abs(expected).max())
    wrong = expectation(weights, means, covariances * (1 + 1e-6), degree)
    assert np.abs(found.values - wrong).max() > 1e-8


def test_full_matrices_that_are_diagonal_agree_with_variances() -> None:
    variances = np.array([[0.3, 1.2, 0.0], [0.9, 0.1, 1.7]])
    full = variances[:, :, None] * np.eye(3)
    args = ([0.4, 0.6], [[1.0, 0, -1], [0.2, 2, 0]])
    np.testing.assert_array_equal(
        mixture_coefficients(GaussianMixture(*args, full), 6).values,
        mixture_coefficients(GaussianMixture(*args, variances), 6).values,
    )
    # the coupled recurrence itself, on a mixture with one coupled component
    full[0, 0, 1] = full[0, 1, 0] = 1e-300
    np.testing.assert_allclose(
        mixture_coefficients(GaussianMixture(*args, full), 6).values,
        mixture_coefficients(GaussianMixture(*args, variances), 6).values,
        rtol=1e-13,
        atol=1e-15,
    )


@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_degree_energies_do_not_depend_on_the_axes(seed: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    weights, means, covariances = random_mixture(rng, 2, dimension)
    turn, _ = np.linalg.qr(rng.normal(size=(dimension, dimension)))
    energy = mixture_coefficients(GaussianMixture(weights, means, covariances), 6).degree_energy()
    turned = mixture_coefficients(
        GaussianMixture(weights, means @ turn.T, turn @ covariances @ turn.T), 6
    ).degree_energy()
    np.testing.assert_allclose(turned, energy, rtol=1e-11, atol=1e-13)


@given(st.floats(0.01, 3.0), st.floats(0.05, 1.95), st.floats(-3, 3))
def test_ornstein_uhlenbeck_flow_multiplies_each_degree(time: float, variance: float, mean: float) -> None:
    a = np.exp(-time / 2)
    before = mixture_coefficients(GaussianMixture([1.0], [mean], [variance]), 30)
    after = mixture_coefficients(GaussianMixture([1.0], [a * mean], [a * a * variance - np.expm1(-time)]), 30)
    np.testing.assert_allclose(after.values, a**before.degrees * before.values, rtol=1e-10, atol=1e-13)


def test_the_standard_normal_law_has_no_other_mode() -> None:
    np.testing.assert_array_equal(
        mixture_coefficients(GaussianMixture([1.0], [0.0], [1.0]), 500).values, np.eye(501)[0]
    )


@pytest.mark.parametrize(
    ("covariances", "expected"),
    [
        ([[0.5, 1.9]], True),
        ([[0.5, 2.0]], False),
        ([[[1.2, 0.9], [0.9, 1.2]]], False),
        ([[[1.2, 0.7], [0.7, 1.2]]], True),
    ],
)
def test_square_integrability(covariances: list, expected: bool) -> None:
    found = mixture_coefficients(GaussianMixture([1.0], [[0.0, 0.0]], covariances), 2)
    assert found.square_integrable is expected
    if not expected:
        with pytest.raises(InputError, match=r"exact density of the law \(GaussianMixture.log_density\)"):
            found.series()


def test_a_component_of_no_weight_does_not_matter() -> None:
    found = mixture_coefficients(GaussianMixture([1.0, 0.0], [0.3, 5.0], [0.5, 9.0]), 8)
    assert found.square_integrable is True
    np.testing.assert_array_equal(
        found.values, mixture_coefficients(GaussianMixture([1.0], [0.3], [0.5]), 8).values
    )


def test_coefficients_that_overflow() -> None:
    with pytest.raises(InputError, match="they overflow from degree"):
        mixture_coefficients(GaussianMixture([1.0], [0.0], [50.0]), 1000)


# The record.


def test_the_record_describes_itself() -> None:
    found = mixture_coefficients(GaussianMixture([1.0], [[0.5, 1.0]], [[0.5, 0.7]]), 3)
    assert (found.dimension, found.degree, len(found)) == (2, 3, 10)
    np.testing.assert_array_equal(found.degrees, [0, 1, 1, 2, 2, 2, 3, 3, 3, 3])
    by_hand = [sum(found.values[found.degrees == n] ** 2) for n in range(4)]
    np.testing.assert_allclose(found.degree_energy(), by_hand, rtol=1e-15)


def test_a_record_needs_matching_shapes() -> None:
    with pytest.raises(InputError, match=r"values must have shape \(2,\), got \(3,\)"):
        HermiteCoefficients(np.array([[0], [1]]), np.zeros(3))
    with pytest.raises(InputError, match=r"indices must have shape \(m, d\)"):
        HermiteCoefficients(np.array([0, 1]), np.zeros(2))


def test_samples_agree_with_the_closed_form_within_their_errors() -> None:
    rng = np.random.default_rng(5)
    samples = 0.3 + 0.6 * rng.standard_normal((200, 2000))
    exact = mixture_coefficients(GaussianMixture([1.0], [0.3], [0.36]), 6).values
    scores = np.array(
        [
            (c.values[1:] - exact[1:]) / c.standard_error[1:]
            for c in (sample_coefficients(row, 6) for row in samples)
        ]
    )
    # mean of z^2 over 200 independent runs is 1 with standard error sqrt((kurtosis - 1) / 200), about 0.1
    assert np.abs((scores**2).mean(axis=0) - 1).max() < 0.45
    assert np.abs(((1.25 * scores) ** 2).mean(axis=0) - 1).max() > 0.45


def test_coefficients_and_their_series_are_values() -> None:
    law = mixture_coefficients(GaussianMixture([1.0], [[0.5, 1.0]], [[0.5, 0.7]]), 3)
    for value in (law, law.series()):
        again = pickle.loads(pickle.dumps(value))
        assert again == value and hash(again) == hash(value)
        assert value.replace(values=2.0 * value.values) != value
        with pytest.raises(ValueError, match="read-only"):
            value.values[0] = 5.0
