"""The age rules against the sums they replace."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.laws.aged import AgedLaw
from hermite_collapse.laws.ages import compress, geometric_ages, ornstein_uhlenbeck_ages


def plain_limit(target, alpha, exponent, tolerance=1e-19):
    """The limit law as the plain sum over all ages of visible weight."""
    ages = np.arange(1.0, np.ceil(np.log(tolerance) / np.log1p(-alpha)) + 1)
    weights = alpha * (1 - alpha) ** (ages - 1)
    variances = -np.expm1(-2 * exponent * ages)
    return AgedLaw(
        (target,), weights, np.exp(-exponent * ages), variances, np.zeros(len(ages), dtype=np.int64)
    )


@pytest.mark.parametrize("alpha", [0.3, 0.01, 0.001])
@pytest.mark.parametrize("name", ["three_modes_1d", "tilted_2d", "five_modes_10d"])
def test_density_by_32_ages_equals_the_sum_over_all(alpha, name):
    target = hc.presets.load(name)
    limit = hc.Recursion(target, fresh_fraction=alpha, truncation_time=0.1).limit()
    assert limit.age_count <= 32
    exact = plain_limit(target, alpha, 0.05)
    points = np.concatenate([target.sample(12, 0), 4.0 * target.sample(3, 1)])
    np.testing.assert_allclose(limit.log_density(points), exact.log_density(points), rtol=0, atol=1e-12)
    assert limit.error_bound < 1e-12


def test_the_sum_notices_a_changed_weight():
    target = hc.presets.load("three_modes_1d")
    limit = hc.Recursion(target, fresh_fraction=0.01 * (1 + 1e-9), truncation_time=0.1).limit()
    exact = plain_limit(target, 0.01, 0.05)
    x = np.linspace(-3, 3, 9)
    assert np.max(np.abs(limit.log_density(x) - exact.log_density(x))) > 1e-12


@given(st.floats(1e-5, 1.0), st.floats(1e-4, 5.0))
def test_moments_of_the_ou_rule_are_the_attenuations(alpha, exponent):
    weights, scales, _ = ornstein_uhlenbeck_ages(alpha, exponent, 32)
    assert np.all(weights > 0.0) and np.all((scales >= 0.0) & (scales <= 1.0))
    n = np.arange(64)
    moments = np.sum(weights * scales ** n[:, None], axis=1)
    np.testing.assert_allclose(
        moments,
        hc.attenuation(n, fresh_fraction=alpha, truncation_time=exponent, rate=1.0),
        rtol=0,
        atol=2e-14,
    )


def test_a_rule_of_few_ages_is_exact_up_to_its_degree_and_not_beyond():
    weights, scales, _ = ornstein_uhlenbeck_ages(0.2, 0.3, 4)
    n = np.arange(12)
    error = np.abs(
        weights @ scales[:, None] ** n - hc.attenuation(n, fresh_fraction=0.2, truncation_time=0.3, rate=1.0)
    )
    assert np.all(error[:8] < 1e-15) and error[8] > 1e-9


def test_all_fresh_data_leave_one_age():
    weights, scales, _ = ornstein_uhlenbeck_ages(1.0, 0.3, 16)
    np.testing.assert_allclose(weights, [1.0])
    np.testing.assert_allclose(scales, np.exp(-0.3), rtol=1e-15)


@pytest.mark.parametrize("alpha", [0.5, 0.02, 1e-3, 1e-5])
@pytest.mark.parametrize("decay", [1e-7, 1e-4, 0.03, 2.0])
def test_dyadic_rule_sums_geometric_series(alpha, decay):
    """sum alpha (1-alpha)^{k-1} F(k) for exponentials and reciprocals, in mpmath."""
    ages, weights = geometric_ages(alpha)
    with mpmath.workdps(40):
        keep, q = 1 - mpmath.mpf(alpha), mpmath.exp(-mpmath.mpf(decay))
        exponential = float(alpha * q / (1 - keep * q))
        reciprocal = float(alpha * mpmath.lerchphi(keep, 1, 1 + 1 / mpmath.mpf(decay)) / decay)
    assert weights.sum() == pytest.approx(1.0, abs=4e-15)
    assert weights @ np.exp(-decay * ages) == pytest.approx(exponential, rel=4e-15)
    assert weights @ (1.0 / (1.0 + decay * ages)) == pytest.approx(reciprocal, rel=1e-13)
    assert len(ages) < 16 + 14 * np.log2(300 / alpha)


@pytest.mark.parametrize("last", [1, 5, 16, 17, 100, 1000, 12345])
def test_truncated_dyadic_rule(last):
    alpha, decay = 0.003, 0.01
    ages, weights = geometric_ages(alpha, last)
    k = np.arange(1.0, last + 1)
    plain = np.sum(alpha * (1 - alpha) ** (k - 1) * np.exp(-decay * k) / (1 + k))
    assert weights @ (np.exp(-decay * ages) / (1 + ages)) == pytest.approx(plain, rel=1e-13)


@given(st.integers(3, 40), st.integers(1, 12))
def test_compression_keeps_the_moments(points, count):
    rng = np.random.default_rng(points * 100 + count)
    nodes, weights = np.sort(rng.uniform(-1, 1, points)), rng.uniform(0.1, 1, points)
    small_nodes, small_weights = compress(nodes, weights, count)
    for power in range(2 * min(count, points)):
        assert small_weights @ small_nodes**power == pytest.approx(weights @ nodes**power, abs=1e-12)


@pytest.mark.parametrize(
    ("alpha", "exponent"), [(0.5, 5e-13), (0.01, 5e-11), (1e-5, 1e-4), (1e-10, 5e-11), (0.3, 0.05)]
)
def test_young_ages_keep_the_digits_of_their_noise(alpha, exponent):
    """Variances 1 - scale^2 of the rule, at 50 digits by eigenvalues of the Jacobi matrix itself."""
    count = 12
    weights, _, variances = ornstein_uhlenbeck_ages(alpha, exponent, count)
    with mpmath.workdps(60):
        keep, a = 1 - mpmath.mpf(alpha), mpmath.exp(-mpmath.mpf(exponent))

        def d(j):
            return 1 - keep * a**j

        up = [a**n * d(n) ** 2 / (d(2 * n) * d(2 * n + 1)) for n in range(count)]
        down = [
            keep * a ** (n - 1) * (1 - a**n) ** 2 / (d(2 * n - 1) * d(2 * n)) if n else 0
            for n in range(count)
        ]
        jacobi = mpmath.diag([u + w for u, w in zip(up, down, strict=True)])
        for n in range(count - 1):
            jacobi[n, n + 1] = jacobi[n + 1, n] = mpmath.sqrt(up[n] * down[n + 1])
        nodes, vectors = mpmath.eigsy(jacobi)
        exact = sorted((1 - (a * s) ** 2, vectors[0, m] ** 2) for m, s in enumerate(nodes))
        np.testing.assert_allclose(variances, [float(v) for v, _ in exact], rtol=2e-14)
        np.testing.assert_allclose(weights, [float(w) for _, w in exact], rtol=0, atol=2e-14)


def test_the_limit_of_a_narrow_law_at_a_tiny_time():
    """N(0, v) stays N(0, a^2 v + 1 - a^2) at alpha = 1; at alpha = 1/2 its ages add multiples of the time."""
    narrow = hc.GaussianMixture([1.0], [0.0], 1e-10)
    one = hc.Recursion(narrow, fresh_fraction=1.0, truncation_time=1e-10).limit()
    assert one.variances[0] == pytest.approx(9.9999999995e-11, rel=1e-15)
    assert one.covariance[0, 0] == pytest.approx(1.99999999985e-10, rel=1e-15)
    assert one.mixture.variances[0, 0] == pytest.approx(1.99999999985e-10, rel=1e-15)
    half = hc.Recursion(
        hc.GaussianMixture([1.0], [0.0], 1e-12), fresh_fraction=0.5, truncation_time=1e-12
    ).limit()
    x = np.linspace(-4e-6, 4e-6, 9)
    with mpmath.workdps(40):
        exact = []
        for point in x:
            total = mpmath.mpf(0)
            for k in range(1, 160):
                scale = mpmath.exp(-k * mpmath.mpf(1e-12) / 2)
                v = scale**2 * mpmath.mpf(1e-12) + 1 - scale**2
                total += mpmath.mpf(0.5) ** k * mpmath.npdf(mpmath.mpf(point), 0, mpmath.sqrt(v))
            exact.append(total)
    error = np.abs(half.density(x) / np.array([float(e) for e in exact]) - 1.0)
    assert error.max() < 1e-13 and error.max() <= half.error_bound < 1e-10


def test_many_rounds_at_a_tiny_time():
    """Without fresh data a million rounds of 1e-10 are one of 1e-4: powers come from rate times time."""
    law = hc.Recursion(
        hc.GaussianMixture([1.0], [0.0], 1e-10), fresh_fraction=0.0, truncation_time=1e-10
    ).law(10**6)
    lost = -np.expm1(-1e-4)
    assert law.covariance[0, 0] == pytest.approx(lost + (1 - lost) * 1e-10, rel=1e-14)


def test_the_ou_rule_at_the_end_of_the_doubles():
    for one, other in zip(ornstein_uhlenbeck_ages(0.3, 1e308, 32), ornstein_uhlenbeck_ages(0.3, 2e4, 32)):
        np.testing.assert_array_equal(one, other)
