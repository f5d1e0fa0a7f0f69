"""Fisher and coupling bounds: by random mixtures, their cases of equality, and the sharp law for small times."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse import bounds, distances
from hermite_collapse.bounds.fisher import squared_age_gap
from hermite_collapse.recursion.constant_rounds import ConstantRounds
from tests.random_laws import line_mixtures, normal, random_mixture


def _second_moment(law):
    return float(law.mean @ law.mean + np.trace(law.covariance))


def _check_bounds(target, alpha, time):
    recursion = hc.Recursion(target, fresh_fraction=alpha, truncation_time=time)
    options = {"fresh_fraction": alpha, "truncation_time": time}
    exact = distances.wasserstein(recursion.limit(24), target)
    information = bounds.relative_fisher_information(target)
    slack = exact.error + 1e-10
    assert exact.value <= bounds.fisher_bound(information, **options) + slack
    assert exact.value <= bounds.coupling_bound(_second_moment(target), dimension=1, **options) + slack
    assert exact.value >= distances.bures(recursion.limit(24), target).value - slack - 1e-7
    one = distances.wasserstein(target.through(hc.OrnsteinUhlenbeck().channel(time)), target)
    alone = {"fresh_fraction": 1.0, "truncation_time": time}
    assert one.value <= bounds.fisher_bound(information, **alone) + one.error + 1e-10
    assert (
        one.value <= bounds.coupling_bound(_second_moment(target), dimension=1, **alone) + one.error + 1e-10
    )


@given(line_mixtures(), st.floats(0.02, 1.0), st.floats(1e-4, 2.0))
def test_cases_one_and_two_and_the_bures_bound(target, alpha, time):
    _check_bounds(target, alpha, time)


@pytest.mark.slow
def test_cases_one_and_two_for_hundreds_of_mixtures():
    rng = np.random.default_rng(1)
    for _ in range(500):
        _check_bounds(random_mixture(rng, 1, 5, 3.0), rng.uniform(0.01, 1.0), 10 ** rng.uniform(-4, 0.5))


def test_case_one_is_attained_by_shifted_normals():
    """N(m, 1): I = m^2 and C_t moves the mean by (1 - a) m, for every t; fresh fractions below 1 spread the ages."""
    target = normal(0.8, 1.0)
    information = bounds.relative_fisher_information(target)
    assert information.value == pytest.approx(0.64, rel=1e-14)
    for time in (0.01, 0.7, 5.0):
        moved = target.through(hc.OrnsteinUhlenbeck().channel(time))
        bound = bounds.fisher_bound(information, fresh_fraction=1.0, truncation_time=time)
        assert distances.wasserstein(moved, target).value == pytest.approx(bound, rel=1e-9)
    limit = hc.Recursion(target, fresh_fraction=0.97, truncation_time=0.05).limit()
    bound = bounds.fisher_bound(information, fresh_fraction=0.97, truncation_time=0.05)
    assert 0.98 * bound < distances.wasserstein(limit, target).value <= bound


def test_case_two_is_attained_by_point_masses():
    """For a point mass there is one coupling only: the bound is an equality for every t and alpha."""
    target = normal(0.7, 1e-8)
    for alpha, time in ((1.0, 0.3), (0.1, 0.05), (0.5, 2.0)):
        limit = hc.Recursion(target, fresh_fraction=alpha, truncation_time=time).limit()
        bound = bounds.coupling_bound(0.49, dimension=1, fresh_fraction=alpha, truncation_time=time)
        assert distances.wasserstein(limit, target).value == pytest.approx(bound, rel=1e-3)


def test_bures_is_attained_by_gaussians():
    target = normal(0.7, 0.3)
    moved = target.through(hc.OrnsteinUhlenbeck().channel(0.4))
    assert distances.bures(moved, target).value == pytest.approx(
        distances.wasserstein(moved, target).value, rel=1e-9
    )


@pytest.mark.parametrize("name", ["off_centre_1d", "three_modes_1d", "wide_1d", "two_modes_1d"])
@pytest.mark.parametrize("alpha", [0.1, 0.6, 1.0])
def test_the_small_time_law(name, alpha):
    """W2(p_inf, p*) = (rate t / alpha) sqrt(I) (1 + O(t)), for another rate too."""
    target = hc.presets.load(name)
    information = bounds.relative_fisher_information(target)
    gaps = []
    for time in (1e-4 * alpha, 1e-5 * alpha):
        recursion = hc.Recursion(
            target, fresh_fraction=alpha, truncation_time=time, process=hc.OrnsteinUhlenbeck(rate=2.0)
        )
        leading = bounds.small_time_distance(
            information, fresh_fraction=alpha, truncation_time=time, rate=2.0
        )
        gaps.append(distances.wasserstein(recursion.limit(), target).value / leading - 1.0)
    assert abs(gaps[1]) < 0.02
    assert abs(gaps[1]) == pytest.approx(0.1 * abs(gaps[0]), rel=0.5)


def test_the_small_time_law_in_the_plane():
    """A product of two lines: squared distances and informations add."""
    a, b = hc.presets.load("off_centre_1d"), normal(0.3, 0.6)
    product = hc.GaussianMixture(
        a.weights,
        np.stack([a.means[:, 0], np.full(2, 0.3)], axis=1),
        np.stack([a.variances[:, 0], np.full(2, 0.6)], axis=1),
        covariance_type="diagonal",
    )
    whole = bounds.relative_fisher_information(product, sample_count=200_000)
    parts = bounds.relative_fisher_information(a).value + bounds.relative_fisher_information(b).value
    assert abs(whole.value - parts) < 4.5 * whole.error < 0.1 * parts


@given(line_mixtures(3))
def test_information_by_three_routes(law):
    exact = bounds.relative_fisher_information(law, route="quadrature")
    sampled = bounds.relative_fisher_information(law, route="samples", sample_count=4000)
    assert abs(exact.value - sampled.value) < 7 * sampled.error + 1e-9
    # E norm(x + s)^2 = E x^2 - 2 d + E s^2, whose last term a plain sum gives.
    x = np.linspace(-20, 20, 20_001)
    plain = _second_moment(law) - 2.0 + np.sum(law.density(x) * law.score(x) ** 2) * (x[1] - x[0])
    assert exact.value == pytest.approx(plain, rel=1e-8, abs=1e-8)


def test_information_of_one_gaussian_in_several_dimensions():
    law = random_mixture(np.random.default_rng(2), 3, 1)
    closed = bounds.relative_fisher_information(law)
    sampled = bounds.relative_fisher_information(law, route="samples")
    assert closed.route == "closed_form"
    assert abs(closed.value - sampled.value) < 4.5 * sampled.error < 0.1 * closed.value
    with pytest.raises(hc.InputError, match="route must be"):
        bounds.relative_fisher_information(law, route="quadrature")


def test_age_gap_against_mpmath():
    for alpha in (1e-4, 0.3, 1.0):
        for x in (1e-12, 1e-5, 0.2, 3.0, 400.0):
            with mpmath.workdps(50):
                a = mpmath.exp(-mpmath.mpf(x))
                g = [mpmath.mpf(alpha) * a**n / (1 - (1 - mpmath.mpf(alpha)) * a**n) for n in (1, 2)]
                truth = float(1 - 2 * g[0] + g[1])
            assert squared_age_gap(ConstantRounds(alpha, x)) == pytest.approx(truth, rel=1e-13)
