"""Enclosures: they contain the truth, exclude what is off by a few ulp, and certify the double results."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

pytest.importorskip("flint")

from hypothesis import given
from hypothesis import strategies as st

from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite import certified
from hermite_collapse.hermite.coefficients import mixture_coefficients
from hermite_collapse.laws.aged import AgedLaw
from hermite_collapse.laws.mixture import GaussianMixture
from hermite_collapse.recursion.modes import attenuation
from hermite_collapse.recursion.recursion import Recursion


@given(st.integers(0, 400), st.floats(1e-6, 1.0), st.floats(0.0, 0.5))
def test_attenuation_keeps_its_promised_accuracy(degree: int, alpha: float, time: float) -> None:
    enclosure = certified.attenuation(degree, fresh_fraction=alpha, truncation_time=time)
    value = float(attenuation(degree, fresh_fraction=alpha, truncation_time=time))
    exponent = degree * time / 2
    allowed = 2.0 if exponent <= 1.0 else 4.0 + exponent
    assert enclosure.ulps_of(value) <= allowed
    assert enclosure.ulps_of(value * (1 + 64 * (1 + exponent) * 2.0**-52)) > allowed
    assert enclosure.upper - enclosure.lower <= 4 * math.ulp(value)
    with mpmath.workdps(60):
        growth = mpmath.expm1(mpmath.mpf(degree) * mpmath.mpf(0.5) * mpmath.mpf(time))
        truth = mpmath.mpf(alpha) / (mpmath.mpf(alpha) + growth)
        assert mpmath.mpf(enclosure.lower) <= truth <= mpmath.mpf(enclosure.upper)


def test_an_enclosure_says_what_it_contains() -> None:
    enclosure = certified.attenuation(2, fresh_fraction=1.0, truncation_time=0.0)
    assert float(enclosure) == 1.0 and 1.0 in enclosure and 1.0 + 2.0**-52 not in enclosure
    assert enclosure.lower <= 1.0 <= enclosure.upper
    assert enclosure.ulps_of(1.0 + 2.0**-52) >= 1.0


@pytest.mark.parametrize(
    ("means", "covariances", "degree"),
    [
        ([0.7, -6.0], [0.36, 1.9], 200),
        ([0.0, 0.0], [1.0, 1.0], 12),
        ([[0.4, -1.0], [2.0, 0.3]], [[0.5, 1.5], [1.0, 0.2]], 10),
        (
            [[0.4, -1.0, 0.0], [2.0, 0.3, 1.0]],
            np.array([[[0.9, 0.4, 0.1], [0.4, 1.1, -0.2], [0.1, -0.2, 0.6]]] * 2),
            7,
        ),
    ],
)
def test_mixture_coefficients_lie_where_they_should(means: list, covariances: list, degree: int) -> None:
    weights = [0.25, 0.75]
    enclosures = certified.mixture_coefficients(weights, means, covariances, degree)
    found = mixture_coefficients(weights, means, covariances, degree)
    # the size of one component's coefficients at the neighbouring degrees: what the accuracy is relative to
    parts = [mixture_coefficients([1.0], [m], [c], degree) for m, c in zip(means, covariances)]
    size = np.zeros(degree + 1)
    for part in parts:
        np.maximum.at(size, part.degrees, np.abs(part.values))
    size = np.maximum(size, np.maximum(np.append(size[1:], 0.0), np.insert(size[:-1], 0, 0.0)))
    for enclosure, value, n in zip(enclosures, found.values, found.degrees, strict=True):
        assert enclosure.error_of(value) <= (4 + 2 * n) * 2.0**-52 * size[n]
        if abs(value) > 1e-8 * size[n]:
            assert value * (1 + 1e-6) not in enclosure
    assert 1.0 in enclosures[0]


TARGET = {"weights": [0.3, 0.7], "means": [1.0, -2.0], "covariances": [0.5, 0.8]}


@pytest.mark.parametrize(("alpha", "time"), [(1.0, 0.1), (0.5, 0.02), (0.05, 0.1), (0.01, 0.02)])
@pytest.mark.parametrize("x", [-2.0, 0.4, 5.0])
def test_limit_density_and_the_error_of_the_age_rule(alpha: float, time: float, x: float) -> None:
    options = {"fresh_fraction": alpha, "truncation_time": time}
    truth = certified.limit_density(x, **TARGET, **options)
    law = Recursion(GaussianMixture(**TARGET), fresh_fraction=alpha, truncation=time).limit()
    assert isinstance(law, AgedLaw)
    value = float(law.density(x))
    assert truth.error_of(value) <= 2e-14 * value
    assert value * (1 + 1e-12) not in truth
    rule = certified.aged_density(x, **TARGET, age_weights=law.weights, scales=law.scales)
    gap = truth - rule
    # scales are good to 1e-15, and d log p / d scale is about ((x - m) / v)^2 in the tail of a component N(m, v)
    sensitivity = max(((x - m) / v) ** 2 for m, v in zip(TARGET["means"], TARGET["covariances"]))
    assert max(abs(gap.lower), abs(gap.upper)) <= 1e-15 * (4 + sensitivity) * value
    # a rule of three ages is visibly wrong, and is certified to be
    if alpha == 0.01:
        short = Recursion(GaussianMixture(**TARGET), fresh_fraction=alpha, truncation=time).limit(ages=3)
        gap = truth - certified.aged_density(x, **TARGET, age_weights=short.weights, scales=short.scales)
        assert min(abs(gap.lower), abs(gap.upper)) > 1e-9 * value and gap.lower * gap.upper > 0


def test_limit_density_with_coupled_axes() -> None:
    target = {
        "weights": [0.5, 0.5],
        "means": [[0.5, -0.2], [-1.0, 1.0]],
        "covariances": np.array([[[0.8, 0.3], [0.3, 0.6]], [[0.5, -0.2], [-0.2, 0.9]]]),
    }
    truth = certified.limit_density([0.1, 0.3], **target, fresh_fraction=0.3, truncation_time=0.05)
    law = Recursion(GaussianMixture(**target), fresh_fraction=0.3, truncation=0.05).limit()
    assert truth.error_of(float(law.density(np.array([0.1, 0.3])))) < 1e-14


def test_the_ages_left_out_are_enclosed() -> None:
    options = {**TARGET, "fresh_fraction": 0.2, "truncation_time": 0.1}
    rough, fine = (certified.limit_density(0.4, **options, tail=tail) for tail in (1e-3, 1e-25))
    assert rough.upper - rough.lower > 1e-4
    assert rough.lower <= fine.lower and fine.upper <= rough.upper


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: certified.attenuation(-1, fresh_fraction=0.5, truncation_time=0.1),
            "degree must be an integer >= 0",
        ),
        (
            lambda: certified.attenuation(1, fresh_fraction=0.0, truncation_time=0.1),
            "fresh_fraction must be > 0",
        ),
        (
            lambda: certified.limit_density(0.0, **TARGET, fresh_fraction=1e-5, truncation_time=0.1),
            "at most 200000 ages",
        ),
        (
            lambda: certified.limit_density([0.0, 1.0], **TARGET, fresh_fraction=0.5, truncation_time=0.1),
            "x must be one point of dimension 1, got 2",
        ),
        (
            lambda: certified.limit_density(
                0.0, weights=[1.0], means=[0.0], covariances=[0.0], fresh_fraction=0.5, truncation_time=0.1
            ),
            "covariances must be positive definite",
        ),
        (
            lambda: certified.aged_density(0.0, **TARGET, age_weights=[1.0], scales=[1.5]),
            r"scales must lie in \[0, 1\]",
        ),
    ],
)
def test_bad_input(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
