"""Density series: against exact densities, mpmath, and in the far tail."""

from __future__ import annotations

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
from hermite_collapse.hermite.indices import total_degree_indices
from hermite_collapse.hermite.sums import sample_coefficients


def normal_density(x: np.ndarray, mean: float, variance: float) -> np.ndarray:
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def oracle(coefficients: HermiteCoefficients, x: float, digits: int) -> mpmath.mpf:
    """The truncated series on one axis, term by term."""
    with mpmath.workdps(digits):
        point, behind, here, total = mpmath.mpf(x), mpmath.mpf(0), mpmath.mpf(1), mpmath.mpf(0)
        for k, value in enumerate(coefficients.values):
            total += mpmath.mpf(float(value)) * here
            behind, here = here, (point * here - mpmath.sqrt(k) * behind) / mpmath.sqrt(k + 1)
        return total * mpmath.exp(-(point**2) / 2) / mpmath.sqrt(2 * mpmath.pi)


def twin(coefficients: HermiteCoefficients, x: np.ndarray) -> np.ndarray:
    """The definition in NumPy, any dimension."""
    table = hermite_values(x, coefficients.degree)
    product = np.prod(
        [table[:, j][:, coefficients.indices[:, j]] for j in range(coefficients.dimension)], axis=0
    )
    return product @ coefficients.values * np.exp(-0.5 * (x**2).sum(axis=1)) / (2 * np.pi) ** (x.shape[1] / 2)


@pytest.mark.parametrize(("mean", "variance"), [(0.5, 0.4), (-1.0, 1.6), (2.0, 0.9)])
def test_the_series_converges_to_the_density(mean: float, variance: float) -> None:
    x = np.linspace(-5, 5, 201)
    exact = normal_density(x, mean, variance)
    gaps = []
    for degree in (5, 20, 80, 300):
        series = mixture_coefficients(GaussianMixture([1.0], [mean], [variance]), degree).series()
        assert (series.degree, series.dimension) == (degree, 1)
        gaps.append(np.abs(series.density(x) - exact).max())
    assert (np.diff(gaps[:3]) < 0).all()
    assert gaps[-1] < 1e-13


def test_rounding_stays_within_its_bound() -> None:
    coefficients = mixture_coefficients(GaussianMixture([0.3, 0.7], [1.0, -2.0], [0.5, 1.4]), 300)
    series = coefficients.series()
    x = np.array([-47.0, -20.0, -3.3, 0.0, 0.1, 2.0, 7.5, 30.0, 55.0])
    truth = [oracle(coefficients, t, 60) for t in x]
    assert all(
        abs(a - oracle(coefficients, t, 90)) <= abs(a) * mpmath.mpf(10) ** -40 for a, t in zip(truth, x)
    )
    error = np.array([float(abs(mpmath.mpf(float(v)) - t)) for v, t in zip(series.density(x), truth)])
    bound = np.exp(series.log_rounding_bound(x))
    # in the far tail the logarithm's own rounding (an ulp of x^2 / 2) is added by exp
    ulp = np.abs(series.density(x)) * np.spacing(x**2)
    assert (error <= bound + ulp).all()
    middle = np.abs(x) < 10
    assert bound[middle].max() < 1e-11
    assert (bound[middle] < 1e6 * np.maximum(error[middle], 1e-18)).all()


def test_the_bound_tells_a_wrong_coefficient() -> None:
    coefficients = mixture_coefficients(GaussianMixture([1.0], [0.5], [0.5]), 40)
    values = coefficients.values.copy()
    values[7] += 1e-10
    wrong = HermiteCoefficients(coefficients.indices, values).series()
    x = np.linspace(-2, 2, 9)
    assert (
        np.abs(wrong.density(x) - coefficients.series().density(x)) > np.exp(wrong.log_rounding_bound(x))
    ).any()


@pytest.mark.parametrize("x", [38.0, -52.0, 60.0, 200.0])
@pytest.mark.parametrize("degree", [3, 64, 1000])
def test_far_tail_against_mpmath(x: float, degree: int) -> None:
    coefficients = mixture_coefficients(GaussianMixture([0.4, 0.6], [0.7, 0.2], [0.5, 1.3]), degree)
    series, exact = coefficients.series(), oracle(coefficients, x, 150)
    size, sign = series.log_absolute(x)
    bound = float(series.log_rounding_bound(x))
    with mpmath.workdps(40):
        error = mpmath.log(abs(float(sign) * mpmath.exp(float(size)) - exact))
        assert error <= bound
        lost = bound - float(mpmath.log(abs(exact)))
    # at degree 1000 the terms cancel to nothing inside the turning point 63, and the bound says so
    assert lost > -5 if degree == 1000 and abs(x) < 63 else lost < -20


def test_polynomials_that_dwarf_the_sum_do_not_hide_it() -> None:
    # h_1000(60) is about 1e387 and has coefficient 0: the law is the standard normal itself
    series = mixture_coefficients(GaussianMixture([1.0], [0.0], [1.0]), 1000).series()
    x = np.array([0.0, 37.0, 49.5, 60.0, 500.0])
    np.testing.assert_allclose(series.log_density(x), -0.5 * x**2 - 0.5 * np.log(2 * np.pi), rtol=1e-15)


def test_a_negative_series_is_reported() -> None:
    series = mixture_coefficients(GaussianMixture([1.0], [0.0], [0.2]), 2).series()
    x = np.linspace(-4, 4, 401)
    density, log_density = series.density(x), series.log_density(x)
    size, sign = series.log_absolute(x)
    assert (density < 0).any() and (density > 0).any()
    assert not np.isnan(log_density).any()
    np.testing.assert_array_equal(log_density == -np.inf, density <= 0)
    np.testing.assert_allclose(sign * np.exp(size), density, rtol=1e-13)
    np.testing.assert_allclose(log_density[density > 0], np.log(density[density > 0]), rtol=1e-12)


@pytest.mark.parametrize(
    ("dimension", "degree"), [(1, 0), (1, 1), (1, 6), (2, 0), (2, 1), (2, 9), (3, 6), (5, 3), (7, 2)]
)
def test_any_dimension_against_the_definition(dimension: int, degree: int) -> None:
    rng = np.random.default_rng(degree)
    indices = total_degree_indices(dimension, degree)
    coefficients = HermiteCoefficients(indices, rng.standard_normal(len(indices)))
    x = 2 * rng.standard_normal((2500, dimension))
    series = coefficients.series()
    found, expected = series.density(x), twin(coefficients, x)
    assert (np.abs(found - expected) <= 2 * np.exp(series.log_rounding_bound(x))).all()
    assert np.median(np.exp(series.log_rounding_bound(x)) / np.abs(expected)) < 1e-11


def test_coefficients_need_not_be_complete() -> None:
    part = HermiteCoefficients(np.array([[0, 0], [2, 1], [0, 3]]), np.array([1.0, 0.1, -0.2]))
    x = np.random.default_rng(0).standard_normal((50, 2))
    np.testing.assert_allclose(part.series().density(x), twin(part, x), rtol=1e-12, atol=1e-16)


def test_two_dimensional_mixture() -> None:
    mean, covariance = np.array([0.4, -0.3]), np.array([[0.9, 0.4], [0.4, 1.1]])
    series = mixture_coefficients(GaussianMixture([1.0], [mean], [covariance]), 60).series()
    x = np.random.default_rng(0).normal(size=(300, 2))
    y = x - mean
    exponent = -0.5 * np.einsum("ni,ij,nj->n", y, np.linalg.inv(covariance), y)
    exact = np.exp(exponent) / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))
    np.testing.assert_allclose(series.density(x), exact, rtol=0, atol=1e-12)


@given(st.floats(-70, 70), st.integers(0, 2**31 - 1), st.integers(1, 12))
def test_logarithms_are_never_nan(x: float, seed: int, degree: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(degree + 1) * 10.0 ** rng.integers(-200, 200, degree + 1)
    series = HermiteCoefficients(np.arange(degree + 1)[:, None], values).series()
    size, sign = series.log_absolute(x)
    assert not np.isnan(size) and sign in (-1.0, 0.0, 1.0)
    assert not np.isnan(series.log_density(x))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (4, 1)])
def test_shapes_on_one_axis(shape: tuple[int, ...]) -> None:
    series = mixture_coefficients(GaussianMixture([1.0], [0.1], [0.8]), 5).series()
    expected = shape[:-1] if shape == (4, 1) else shape
    assert np.shape(series.density(np.zeros(shape))) == expected
    assert np.shape(series.log_rounding_bound(np.zeros(shape))) == expected


def test_samples_may_form_a_series() -> None:
    # whether the law of samples lies in L2(gamma) is not known: the caller vouches for it
    coefficients = sample_coefficients(0.8 * np.random.default_rng(0).standard_normal(4000), 6)
    assert coefficients.square_integrable is None
    assert coefficients.series().density(0.0) == pytest.approx(normal_density(0.0, 0.0, 0.64), rel=0.1)


def test_bad_input() -> None:
    series = mixture_coefficients(GaussianMixture([1.0], [[0.0, 0.0]], [[1.0, 0.5]]), 3).series()
    with pytest.raises(InputError, match=r"x must have shape \(\.\.\., 2\), got \(3,\)"):
        series.density([1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="x must be finite, got 1 infinite"):
        series.density([1.0, np.inf])
    with pytest.raises(InputError, match="x must hold no NaN"):
        series.density([1.0, np.nan])
