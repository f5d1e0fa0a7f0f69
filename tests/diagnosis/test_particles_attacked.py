"""Numbers of particles under attack: levels, powers and effects that ask for infinitely many."""

from __future__ import annotations

import warnings

import pytest

import hermite_collapse as hc

RECURSION = hc.Recursion(hc.presets.load("off_centre_1d"), fresh_fraction=0.3, truncation_time=0.1)


@pytest.mark.parametrize(("level", "power"), [(0.0, 0.9), (0.01, 1.0), (0.0, 0.0)])
def test_certainty_is_refused(level, power):
    with pytest.raises(hc.InputError, match="level must be > 0 and power < 1 for a finite number, got"):
        hc.required_particles(1, 0.1, recursion=RECURSION, rounds=3, level=level, power=power)


def test_an_effect_too_small_for_a_number():
    with pytest.raises(
        hc.InputError, match="effect must be large enough for a number of particles, got 1e-200"
    ):
        hc.required_particles(1, 1e-200, recursion=RECURSION, rounds=3)


def test_a_power_below_the_level_asks_for_no_more_than_normality():
    few = hc.required_particles(1, 0.1, recursion=RECURSION, rounds=3, level=0.1, power=0.05)
    assert few == hc.required_particles(1, 0.1, recursion=RECURSION, rounds=3, level=0.1, power=1e-6)


@pytest.mark.parametrize(
    ("variance", "degree", "rule"),
    [
        (1.0, 1000, r"degree must be <= 300 for its fourth moments to be doubles, got 1000\."),
        (1.0, 300, r"degree must have energy in the data for its factor to be measured, got 300\."),
        (1.9, 300, r"degree must be low enough for its moments to be doubles, got 300\."),
    ],
)
def test_degrees_that_no_number_of_particles_shows_are_refused_at_once(variance, degree, rule):
    recursion = hc.Recursion(
        hc.GaussianMixture([1.0], [0.0], variance), fresh_fraction=0.3, truncation_time=0.1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(hc.InputError, match=rule):
            hc.required_particles(degree, 0.1, recursion=recursion, rounds=2)
