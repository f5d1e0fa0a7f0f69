"""Values of the polynomials: against mpmath at two precisions, to degree 1000 and abs(x) = 60."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite.basis import hermite_values, hermite_values_scaled

DEGREE = 1000
POINTS = [0.0, 1e-9, 0.3, -1.7, 6.0, 17.3, 31.1, 37.6, -44.0, 52.9, 60.0]


def oracle(x: float, degree: int, digits: int, slip: int = 0) -> list[mpmath.mpf]:
    """h_0(x), ..., h_degree(x) from the integer recurrence; `slip` changes one constant of it."""
    with mpmath.workdps(digits):
        point = mpmath.mpf(x)
        monic = [mpmath.mpf(1), point]
        for k in range(1, degree):
            monic.append(point * monic[k] - (k + slip) * monic[k - 1])
        return [monic[k] / mpmath.sqrt(mpmath.factorial(k)) for k in range(degree + 1)]


def error(values: np.ndarray, log_scale: np.ndarray, truth: list[mpmath.mpf]) -> float:
    """Largest error relative to the neighbouring degrees' size (h_k itself has zeros)."""
    worst = 0.0
    with mpmath.workdps(40):
        for k, exact in enumerate(truth[:-1]):
            size = max(abs(t) for t in truth[max(k - 1, 0) : k + 2])
            power = round(float(log_scale[k]) / float(np.log(2.0)))
            worst = max(worst, float(abs(mpmath.ldexp(mpmath.mpf(float(values[k])), power) - exact) / size))
    return worst


@pytest.mark.parametrize("x", POINTS)
def test_scaled_values_to_degree_1000(x: float) -> None:
    truth, finer = oracle(x, DEGREE + 1, 400), oracle(x, DEGREE + 1, 430)
    with mpmath.workdps(430):
        size = max(abs(t) for t in finer)
        assert all(abs(a - b) <= size * mpmath.mpf(10) ** -60 for a, b in zip(truth, finer))
    values, log_scale = hermite_values_scaled(x, DEGREE)
    assert values.shape == log_scale.shape == (DEGREE + 1,)
    assert error(values, log_scale, truth) < 1e-13
    if abs(x) <= 53:
        assert error(hermite_values(x, DEGREE), np.zeros(DEGREE + 1), truth) < 1e-13


def test_the_oracle_tells_a_wrong_constant() -> None:
    values, log_scale = hermite_values_scaled(6.0, 40)
    assert error(values, log_scale, oracle(6.0, 41, 60)) < 1e-14
    assert error(values, log_scale, oracle(6.0, 41, 60, slip=1)) > 1e-3


@given(st.floats(-30, 30), st.integers(2, 120))
def test_derivative_and_parity(x: float, degree: int) -> None:
    # h_k' = sqrt(k) h_{k-1}, so the Hermite equation h'' - x h' + k h = 0 ties three degrees together
    h = hermite_values(x, degree)
    k = np.arange(2, degree + 1)
    terms = [np.sqrt(k * (k - 1.0)) * h[:-2], -x * np.sqrt(k) * h[1:-1], k * h[2:]]
    assert (np.abs(sum(terms)) <= 1e-14 * degree * sum(np.abs(t) for t in terms)).all()
    np.testing.assert_array_equal(hermite_values(-x, degree), h * (-1.0) ** np.arange(degree + 1))


@given(st.floats(-37, 37))
def test_scaled_and_plain_values_agree_where_both_exist(x: float) -> None:
    values, log_scale = hermite_values_scaled(x, 300)
    plain = hermite_values(x, 300)
    np.testing.assert_allclose(
        np.ldexp(values, np.rint(log_scale / np.log(2)).astype(int)), plain, rtol=1e-11
    )
    assert (log_scale[np.abs(plain) < 1e70] == 0.0).mean() > 0.3


@given(st.floats(-53, 53), st.integers(0, 400))
def test_bound_of_the_basis(x: float, degree: int) -> None:
    assert (np.abs(hermite_values(x, degree)) <= np.exp(x * x / 4) * (1 + 1e-10)).all()


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (4, 1), (0,), (2, 0, 3)])
@pytest.mark.parametrize("degree", [0, 1, 5])
def test_shapes(shape: tuple[int, ...], degree: int) -> None:
    assert hermite_values(np.zeros(shape), degree).shape == (*shape, degree + 1)
    values, log_scale = hermite_values_scaled(np.zeros(shape), degree)
    assert values.shape == log_scale.shape == (*shape, degree + 1)


def test_a_point_of_any_size_has_scaled_values() -> None:
    values, log_scale = hermite_values_scaled([1e100, -1e300], 5)
    expected = 5 * np.log([1e100, 1e300]) - 0.5 * np.log(120.0)
    np.testing.assert_allclose(np.log(np.abs(values[:, 5])) + log_scale[:, 5], expected, rtol=1e-15)
    assert values[1, 5] < 0 < values[0, 5]


@pytest.mark.parametrize(
    ("x", "degree", "words"),
    [
        ([0.0, np.nan, np.inf], 3, "x must be finite, got 2 NaN or infinite entries, the first at"),
        (0.0, -1, "degree must be an integer >= 0, got -1"),
        (0.0, 2.0, "degree must be an integer, got 2.0"),
        (["a"], 2, "x must hold real numbers"),
        ([[1.0], [1.0, 2.0]], 2, "x must hold real numbers in a rectangular array"),
        ([1.0, 60.0], 1000, r"got 60\.0: use hermite_values_scaled"),
    ],
)
def test_bad_input(x: object, degree: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        hermite_values(x, degree)
