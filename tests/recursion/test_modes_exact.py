"""Formulas of one mode against fifty digits, at rates other than one half."""

from __future__ import annotations

import mpmath
import pytest

import hermite_collapse as hc

POINTS = [(0.3, 0.1, 0.5), (0.3, 0.1, 2.0), (0.05, 0.7, 0.2), (0.9, 1e-6, 3.0)]


@pytest.mark.parametrize(("alpha", "time", "rate"), POINTS)
@pytest.mark.parametrize("degree", [1, 2, 7])
def test_contraction_knows_the_rate(alpha, time, rate, degree):
    with mpmath.workdps(50):
        exact = (1 - mpmath.mpf(alpha)) * mpmath.exp(-degree * mpmath.mpf(rate) * mpmath.mpf(time))
    found = hc.mode_contraction(degree, fresh_fraction=alpha, truncation_time=time, rate=rate)
    assert found == pytest.approx(float(exact), rel=2e-15)
    assert hc.mode_contraction(
        degree, fresh_fraction=alpha, truncation_time=2 * time, rate=rate / 2
    ) == pytest.approx(float(exact), rel=2e-15)


@pytest.mark.parametrize(("alpha", "time", "rate"), POINTS)
def test_half_degree_to_rounding(alpha, time, rate):
    with mpmath.workdps(50):
        exact = mpmath.log1p(mpmath.mpf(alpha)) / (mpmath.mpf(rate) * mpmath.mpf(time))
    found = hc.half_degree(fresh_fraction=alpha, truncation_time=time, rate=rate)
    assert found == pytest.approx(float(exact), rel=2e-15)


@pytest.mark.parametrize(("alpha", "time", "rate"), POINTS)
@pytest.mark.parametrize("metric", ["wasserstein1", "wasserstein2", "l2_gamma", "total_variation", "kl"])
def test_proved_rates_know_the_rate(alpha, time, rate, metric):
    keep, scale = 1 - mpmath.mpf(alpha), mpmath.exp(-mpmath.mpf(rate) * mpmath.mpf(time))
    exact = {"wasserstein2": mpmath.sqrt(keep) * scale, "total_variation": keep, "kl": keep}
    found = hc.contraction_rate(fresh_fraction=alpha, truncation_time=time, metric=metric, rate=rate)
    assert found == pytest.approx(float(exact.get(metric, keep * scale)), rel=2e-15)
