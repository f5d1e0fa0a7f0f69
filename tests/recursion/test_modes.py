"""The mode calculus against mpmath, the recursion it comes from, and its own inverses."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.hermite.coefficients import HermiteCoefficients
from hermite_collapse.recursion import modes
from hermite_collapse.recursion.constant_rounds import ConstantRounds

fractions = st.floats(1e-6, 1.0)
times = st.floats(1e-8, 20.0)
degree_lists = np.array([0, 1, 2, 3, 8, 32, 200])


def high_precision_limit(degree, alpha, time, rate=0.5, digits=50):
    """Fixed point of f = a^n (alpha + (1 - alpha) f), solved in many digits."""
    with mpmath.workdps(digits):
        damping = mpmath.exp(-mpmath.mpf(degree) * mpmath.mpf(rate) * mpmath.mpf(time))
        return damping * alpha / (1 - damping * (1 - mpmath.mpf(alpha)))


@given(fractions, times, st.integers(0, 400))
def test_attenuation_and_its_loss_are_accurate_to_a_few_ulp(alpha, time, degree):
    share = high_precision_limit(degree, alpha, time)
    assert (
        share == high_precision_limit(degree, alpha, time, digits=80)
        or abs(share - high_precision_limit(degree, alpha, time, digits=80)) < mpmath.mpf(10) ** -45
    )
    ulp = 2.3e-16 * (6 + degree * 0.5 * time)
    value = hc.attenuation(degree, fresh_fraction=alpha, truncation_time=time)
    assert abs(value - share) <= ulp * share + 1e-300
    with mpmath.workdps(60):
        lost = 1 - high_precision_limit(degree, alpha, time, digits=60)
    loss = ConstantRounds.of(alpha, time, 0.5).loss(degree)
    assert abs(loss - lost) <= ulp * lost + 1e-50


def test_the_accuracy_oracle_notices_a_changed_constant():
    wrong = high_precision_limit(5, 0.3 * (1 + 1e-12), 0.1)
    assert abs(hc.attenuation(5, fresh_fraction=0.3, truncation_time=0.1) - wrong) > 1e-13 * wrong


@given(fractions, times, st.floats(0.1, 3.0))
def test_attenuation_is_monotone(alpha, time, rate):
    values = hc.attenuation(degree_lists, fresh_fraction=alpha, truncation_time=time, rate=rate)
    assert values[0] == 1.0 and np.all(np.diff(values) <= 0.0)
    later = hc.attenuation(degree_lists, fresh_fraction=alpha, truncation_time=1.1 * time, rate=rate)
    fresher = hc.attenuation(
        degree_lists, fresh_fraction=min(1.0, 1.1 * alpha), truncation_time=time, rate=rate
    )
    slack = 1.0 + 1e-13
    assert np.all(later <= values * slack) and np.all(fresher * slack >= values)


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("time", [0.0, 0.05, 2.0])
def test_trajectory_agrees_with_the_round_by_round_recursion(alpha, time):
    factors = hc.mode_factors(degree_lists, fresh_fraction=alpha, truncation_time=time, rounds=40)
    damping = np.exp(-0.5 * degree_lists * time)
    expected = np.ones(len(degree_lists))
    operator = hc.AttenuationOperator(fresh_fraction=alpha, truncation_time=time)
    for i in range(41):
        np.testing.assert_allclose(factors[i], expected, rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(
            operator.power(i).eigenvalues(degree_lists), expected, rtol=1e-12, atol=1e-290
        )
        expected = damping * (alpha + (1 - alpha) * expected)


def test_long_trajectories_reach_the_limit():
    factors = hc.mode_factors(degree_lists, fresh_fraction=0.2, truncation_time=0.1, rounds=400)
    np.testing.assert_allclose(
        factors[-1], hc.attenuation(degree_lists, fresh_fraction=0.2, truncation_time=0.1), rtol=1e-13
    )


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=6), st.floats(0.0, 1.0, allow_subnormal=False))
def test_residuals_complete_the_factors(truncation, alpha):
    arguments = {"fresh_fraction": alpha, "truncation_time": truncation, "rounds": 8}
    total = modes.mode_residuals(degree_lists, **arguments) + hc.mode_factors(degree_lists, **arguments)
    np.testing.assert_allclose(total, 1.0, rtol=1e-14)


def test_small_residuals_keep_their_digits():
    residual = modes.mode_residuals(3, fresh_fraction=0.5, truncation_time=1e-14, rounds=1)[1]
    assert residual == pytest.approx(1.5e-14, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.25])
def test_accumulation_in_closed_form(alpha):
    """Gamma-function formulas of the accumulating regimes, in mpmath.

    Without fresh data f(i+1) = r (1 + f(1) + ... + f(i)) / (i + 1); with it the deviation from the limit obeys
    e(i+1) = kappa (e(1) + ... + e(i)) / i from e(1) = kappa e(0).  Partial sums telescope into Gamma functions.
    """
    time, degree, rounds = 0.3, 4, 30
    regime = "accumulate" if alpha == 0.0 else "accumulate_with_fresh"
    factors = hc.mode_factors(
        degree, fresh_fraction=alpha, truncation_time=time, rounds=rounds, regime=regime
    )
    with mpmath.workdps(30):
        r = mpmath.exp(-degree * mpmath.mpf(0.5) * mpmath.mpf(time))
        kappa = r * (1 - mpmath.mpf(alpha))
        limit = alpha * r / (1 - kappa)
        for i in range(1, rounds):
            if alpha == 0.0:
                closed = r * mpmath.gamma(i + 1 + r) / (mpmath.gamma(1 + r) * mpmath.gamma(i + 2))
            else:
                growth = mpmath.gamma(i + kappa) / (mpmath.gamma(1 + kappa) * mpmath.gamma(i + 1))
                closed = limit + kappa**2 * (1 - limit) * growth
            assert factors[i + 1] == pytest.approx(float(closed), rel=1e-12)


@given(fractions, st.floats(1e-6, 5.0), st.floats(0.05, 1.0), st.integers(1, 50))
def test_design_rules_invert_the_attenuation(alpha, time, fidelity, degree):
    assert modes.degree_at_fidelity(0.5, fresh_fraction=alpha, truncation_time=time) == hc.half_degree(
        fresh_fraction=alpha, truncation_time=time
    )
    largest = hc.largest_truncation(degree, fidelity=fidelity, fresh_fraction=alpha)
    kept = hc.attenuation(degree, fresh_fraction=alpha, truncation_time=largest)
    assert kept == pytest.approx(fidelity, rel=1e-9)
    alpha_bar = hc.alpha_bar_from_time(largest)
    assert alpha_bar == pytest.approx((1 + alpha * (1 / fidelity - 1)) ** (-2 / degree), rel=1e-12)


@given(fractions, st.floats(1e-6, 2.0))
def test_continuum_filter_bounds_the_attenuation_from_above(alpha, time):
    level = alpha / (0.5 * time)
    smooth = modes.continuum_attenuation(degree_lists, filter_degree=level)
    kept = hc.attenuation(degree_lists, fresh_fraction=alpha, truncation_time=time)
    gap = smooth - kept
    allowed = 0.5 * alpha * (1 - kept) * (1 - smooth)
    assert np.all(gap >= -1e-14) and np.all(gap <= allowed * (1 + 1e-9) + 1e-15)


def test_operator_on_coefficients_and_back():
    operator = hc.AttenuationOperator(fresh_fraction=0.3, truncation_time=0.1)
    data = hc.presets.load("three_modes_1d").hermite_coefficients(12)
    limit = operator.apply(data)
    assert isinstance(limit, HermiteCoefficients)
    np.testing.assert_allclose(limit.values, operator.apply(data.values), rtol=1e-15)
    np.testing.assert_allclose(operator.inverse(limit).values, data.values, rtol=1e-14)
    np.testing.assert_allclose(
        operator.compose(operator).eigenvalues(degree_lists),
        operator.eigenvalues(degree_lists) ** 2,
        rtol=1e-15,
    )
    one_round = operator.contraction.apply(data.values - limit.values) + limit.values
    np.testing.assert_allclose(one_round, operator.power(1).apply(data.values), rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("total_variation", 0.7),
        ("kl", 0.7),
        ("chi_square", 0.7),
        ("wasserstein1", 0.7 * np.exp(-0.05)),
        ("wasserstein2", np.sqrt(0.7) * np.exp(-0.05)),
        ("l2_gamma", 0.7 * np.exp(-0.05)),
    ],
)
def test_contraction_rates(metric, expected):
    assert hc.contraction_rate(fresh_fraction=0.3, truncation_time=0.1, metric=metric) == pytest.approx(
        expected, rel=1e-15
    )


def test_edges_of_the_parameters():
    n = np.array([0, 1, 5])
    assert hc.attenuation(n, fresh_fraction=0.0, truncation_time=0.1).tolist() == [1.0, 0.0, 0.0]
    assert hc.attenuation(n, fresh_fraction=0.0, truncation_time=0.0).tolist() == [1.0, 1.0, 1.0]
    np.testing.assert_allclose(
        hc.attenuation(n, fresh_fraction=1.0, truncation_time=0.1), np.exp(-0.05 * n), rtol=1e-15
    )
    assert hc.attenuation(10**9, fresh_fraction=0.5, truncation_time=1.0) == 0.0
    assert ConstantRounds.of(0.5, 1.0, 0.5).loss(10**9) == 1.0
    assert hc.half_degree(fresh_fraction=0.3, truncation_time=0.0) == np.inf
    assert isinstance(hc.attenuation(3, fresh_fraction=0.5, truncation_time=1.0), float)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (
            lambda: hc.attenuation(1, fresh_fraction=1.2, truncation_time=0.1),
            "fresh_fraction must lie in [0, 1], got 1.2",
        ),
        (
            lambda: hc.attenuation(-1, fresh_fraction=0.2, truncation_time=0.1),
            "degree must hold integers >= 0, got -1",
        ),
        (
            lambda: hc.attenuation(1.5, fresh_fraction=0.2, truncation_time=0.1),
            "degree must hold integers >= 0, got 1.5",
        ),
        (
            lambda: hc.attenuation(1, fresh_fraction=0.2, truncation_time=np.nan),
            "truncation_time must be finite, got nan",
        ),
        (
            lambda: hc.contraction_rate(fresh_fraction=0.2, truncation_time=0.1, metric="wasserstein"),
            "metric must be one of",
        ),
        (lambda: hc.largest_truncation(0, fidelity=0.5, fresh_fraction=0.2), "degree must be >= 1 here"),
        (
            lambda: hc.largest_truncation(2, fidelity=1.5, fresh_fraction=0.2),
            "fidelity must lie in (0, 1], got 1.5",
        ),
        (
            lambda: hc.mode_factors(
                2, fresh_fraction=0.1, truncation_time=0.1, rounds=3, regime="accumulate"
            ),
            "fresh_fraction must be 0 in the regime 'accumulate'",
        ),
        (
            lambda: hc.AttenuationOperator(fresh_fraction=0.1, truncation_time=5.0).inverse(np.ones(20)),
            "coefficients must stop below degree",
        ),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(hc.InputError) as problem:
        build()
    assert words in str(problem.value)
