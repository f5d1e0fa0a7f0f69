"""With fresh data alone every round is one step from the data: there is no rate, and that step is what is known."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc

ROUNDS, ERROR, TIME = 9, 0.002, 0.05


def one_step(starts, slope, offset, seed=0):
    """Return values (ROUNDS + 1, m) that stay at slope * start + offset, with their errors."""
    starts = np.asarray(starts)
    exact = np.concatenate([starts[None], np.tile(slope * starts + offset, (ROUNDS, 1))])
    noise = ERROR * np.random.default_rng(seed).standard_normal(exact.shape)
    noise[0] = 0.0
    return exact + noise, np.full(exact.shape, ERROR)


def diagnosed(values, errors, **options):
    return hc.diagnose(values, standard_errors=errors, kind="variances", fresh_fraction=1.0, **options)


def test_one_curve_has_a_level_and_no_rate():
    slope = np.exp(-TIME)
    values, errors = one_step([0.09], slope, 1.0 - slope)
    result = diagnosed(values, errors)
    assert result.verdict == "rate_and_plateau" and result.fits is True
    assert np.all(result.leading.contraction == 0.0) and np.all(result.rounds == 1)
    expected = values[1:].mean()
    assert result.plateau[0] == pytest.approx(expected, abs=1e-9)
    assert result.plateau_error[0] == pytest.approx(ERROR / ROUNDS**0.5, rel=1e-6)
    assert "With fresh data alone there is no rate: from round 1 on the values stay at 0.13" in result.text
    assert "by a factor of" not in result.text


def test_the_one_step_of_two_curves_identifies_what_makes_it():
    slope = np.exp(-TIME)
    result = diagnosed(*one_step([0.09, 0.9], slope, 1.0 - slope))
    assert result.verdict == "identified" and "affine" in result.accepted
    assert abs(result.truncation_time.value - TIME) < 3.0 * result.truncation_time.error
    assert "Truncation explains" in result.text and "by a factor of" not in result.text
    assert "blur" in diagnosed(*one_step([0.09, 0.9], 1.0, 0.05)).accepted


def test_values_that_go_on_changing_are_rejected():
    values, errors = one_step([0.09], 1.0, 0.0)
    moving = values + 0.02 * np.arange(ROUNDS + 1)[:, None]
    result = diagnosed(moving, errors)
    assert result.verdict == "rejected" and result.fits is False
    assert "not even one value of each curve from round 1 on" in result.text
    assert "With fresh data alone nothing may change after round 1." in result.text
    only = diagnosed(moving, errors, mechanism="affine")
    assert only.verdict == "rejected" and only.leading.freedom == ROUNDS - 1


def test_nothing_changes():
    assert "nothing changes beyond the errors" in diagnosed(*one_step([0.09], 1.0, 0.0)).text


def test_shares_of_rejection_are_nominal():
    """One value from round 1 on is rejected in one of twenty of its own histories."""
    rejected = [
        diagnosed(*one_step([0.09], 1.0, 0.04, seed), mechanism="affine", runs=np.inf).verdict == "rejected"
        for seed in range(60)
    ]
    assert 1 <= sum(rejected) <= 9  # 3 +- 1.7
