"""Rates under attack: a start that is the limit, and rates that round to 1."""

from __future__ import annotations

import pytest

import hermite_collapse as hc


def test_a_start_that_is_the_limit_respects_every_rate():
    law = hc.GaussianMixture([1.0], [0.0], [0.5])
    found = hc.bounds.observed_rates(
        hc.Recursion(law, fresh_fraction=1.0, truncation_time=0.0), metric="kl", rounds=3
    )
    assert found.respects_bound


def test_the_standard_normal_against_its_own_limit():
    """Weights of ages sum to 1 within an ulp: the bound on Wasserstein-1 covers what that leaves."""
    recursion = hc.Recursion(hc.GaussianMixture([1.0], [0.0], [1.0]), fresh_fraction=0.3, truncation_time=0.1)
    first = hc.distances.wasserstein(recursion.limit(), recursion.target, order=1)
    assert first.value <= first.error < 1e-13
    assert hc.bounds.collapse_bounds(recursion).distance.value < 1e-14


def test_rounds_without_end_are_refused():
    recursion = hc.Recursion(
        hc.GaussianMixture([1.0], [0.0], [0.5]), fresh_fraction=1e-300, truncation_time=1e-300
    )
    with pytest.raises(hc.InputError, match=r"distance must be reached within 1e\+12 rounds, got 0\.01"):
        hc.bounds.rounds_to_distance(recursion, 0.01, metric="total_variation")
