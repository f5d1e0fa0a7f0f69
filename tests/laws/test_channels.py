"""Channels: composition, powers and units, against brute force and mpmath."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.laws.channels import channel_powers

# Zero, or large enough that no product of three of them loses digits to underflow.
scales = st.just(0.0) | st.floats(1e-30, 1.0)
variances = st.just(0.0) | st.floats(1e-30, 4.0)


@given(scales, variances, scales, variances, scales, variances)
def test_composition_is_associative(a, v, b, w, c, u):
    first, second, third = hc.GaussianChannel(a, v), hc.GaussianChannel(b, w), hc.GaussianChannel(c, u)
    left, right = third.after(second).after(first), third.after(second.after(first))
    assert left.scale == pytest.approx(right.scale, rel=1e-14)
    assert left.variance == pytest.approx(right.variance, rel=1e-14)


@given(st.floats(0.01, 1.0), st.floats(1e-3, 4.0), st.integers(0, 40))
def test_integer_powers_are_repeated_composition(a, v, k):
    channel = hc.GaussianChannel(a, v)
    repeated = hc.GaussianChannel.identity()
    for _ in range(k):
        repeated = channel.after(repeated)
    assert channel.power(k).scale == pytest.approx(repeated.scale, rel=1e-12, abs=1e-300)
    assert channel.power(k).variance == pytest.approx(repeated.variance, rel=1e-12)


@given(st.floats(1e-6, 3.0), st.floats(0.0, 30.0), st.floats(0.0, 30.0))
def test_real_powers_form_a_semigroup(t, r, s):
    channel = hc.OrnsteinUhlenbeck().channel(t)
    both, sum_ = channel.power(r).after(channel.power(s)), channel.power(r + s)
    assert both.scale == pytest.approx(sum_.scale, rel=1e-12)
    assert both.variance == pytest.approx(sum_.variance, rel=1e-12, abs=1e-15)


def test_small_times_keep_their_variance():
    with mpmath.workdps(40):
        exact = float(1 - mpmath.exp(-2 * mpmath.mpf(3) / 7 * mpmath.mpf(1e-9)))
    assert hc.OrnsteinUhlenbeck(3 / 7).channel(1e-9).variance == pytest.approx(exact, rel=4e-16)


def test_powers_of_scale_one_add_variance():
    scale, variance = channel_powers(hc.VarianceExploding().channel(0.3), np.array([0.0, 1.0, 2.5]))
    np.testing.assert_array_equal(scale, 1.0)
    np.testing.assert_allclose(variance, [0.0, 0.3, 0.75], rtol=1e-15)


@given(st.floats(1e-8, 1.0))
def test_units_invert_each_other(level):
    assert hc.alpha_bar_from_time(hc.time_from_alpha_bar(level)) == pytest.approx(level, rel=1e-13)
    assert hc.sigma_from_time(hc.time_from_sigma(level, rate=2.0), rate=2.0) == pytest.approx(
        level, rel=1e-13
    )


def test_a_variance_exploding_round_is_an_ou_round_after_rescaling():
    sigma = 0.7
    channel = hc.OrnsteinUhlenbeck().channel(hc.time_from_sigma(sigma))
    assert channel.variance / channel.scale**2 == pytest.approx(sigma**2, rel=1e-14)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: hc.GaussianChannel(1.5, 0.0), "scale must lie in [0, 1], got 1.5"),
        (lambda: hc.GaussianChannel(0.5, -1.0), "variance must be >= 0, got -1.0"),
        (
            lambda: hc.GaussianChannel(0.0, 1.0).power(0.5),
            "exponent must be 0 or >= 1 for a channel of scale 0",
        ),
        (lambda: hc.OrnsteinUhlenbeck(0.0), "rate must be > 0, got 0.0"),
        (lambda: hc.OrnsteinUhlenbeck().channel(-0.1), "truncation_time must be >= 0, got -0.1"),
        (lambda: hc.time_from_alpha_bar(0.0), "alpha_bar must lie in (0, 1], got 0.0"),
        (lambda: hc.time_from_sigma(-1.0), "sigma must be >= 0, got -1.0"),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(hc.InputError) as problem:
        build()
    assert words in str(problem.value)
