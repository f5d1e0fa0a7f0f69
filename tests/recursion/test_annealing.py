"""Asymptotic laws of annealed truncation against the exact recursion, far out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.recursion.annealing import annealing_law
from hermite_collapse.recursion.modes import mode_residuals

S = hc.schedules


@pytest.mark.parametrize(
    ("schedule", "alpha", "regime", "rounds", "tolerance"),
    [
        (S.Constant(0.2), 0.3, "plateau", 200, 1e-12),
        (S.Geometric(0.2, 0.5, floor=0.01), 0.3, "plateau", 200, 1e-12),
        (S.Polynomial(0.2, 2.0), 0.3, "polynomial", 4000, 3e-3),
        (S.Polynomial(0.2, 0.5), 0.3, "polynomial", 400_000, 2e-3),
        (S.Geometric(0.2, 0.9), 0.3, "geometric", 300, 1e-9),
        (S.Geometric(0.2, 0.7), 0.3, "resonance", 900, 1e-9),
        (S.Geometric(0.5, 0.4), 0.3, "fresh_data", 80, 1e-12),
        (S.Geometric(0.5, 0.4), 1.0, "immediate", 60, 1e-9),
    ],
)
def test_the_exact_residual_approaches_its_law(schedule, alpha, regime, rounds, tolerance):
    law = annealing_law(3, fresh_fraction=alpha, truncation_time=schedule, rounds=rounds)
    exact = residual(3, alpha, schedule.times(rounds))
    assert law.regime == regime
    assert exact / law.residual[-1] == pytest.approx(1.0, abs=tolerance)


def residual(degree, alpha, times):
    value = 0.0
    for t in times:
        lost = -np.expm1(-0.5 * degree * t)
        value = lost + (1 - lost) * (1 - alpha) * value
    return value


def test_a_wrong_constant_is_noticed():
    schedule = S.Geometric(0.2, 0.9)
    exact = residual(3, 0.3, schedule.times(300))
    wrong = annealing_law(3, fresh_fraction=0.31, truncation_time=schedule, rounds=300).residual[-1]
    assert abs(exact / wrong - 1) > 0.01


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.integers(1, 8))
def test_small_times_make_the_geometric_laws_exact_from_the_start(alpha, ratio, degree):
    """With rate t tiny the recursion is linear: the sum of two geometric sequences."""
    keep, time, rounds = 1 - alpha, 1e-9, 60
    exact = mode_residuals(
        degree, fresh_fraction=alpha, truncation_time=S.Geometric(time, ratio), rounds=rounds
    )[rounds]
    assume(abs(ratio - keep) > 1e-3)
    linear = 0.5 * degree * time * (keep**rounds - ratio**rounds) / (keep - ratio)
    assert exact == pytest.approx(linear, rel=1e-6)


@pytest.mark.parametrize("gap", [0.0, 1e-13, 1e-11, 1e-6, 1e-3, 0.01, 0.3999, 0.4, 0.41])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_near_resonances_are_finite_and_right_far_out(gap, sign):
    """q = (1 - alpha)(1 -+ gap): the law holds after tens of rounds, whichever sequence is the slower one."""
    keep, time, degree = 0.51, 0.5, 2
    schedule = S.Geometric(time, keep * (1.0 - sign * gap))
    law = annealing_law(degree, fresh_fraction=1.0 - keep, truncation_time=schedule, rounds=2000)
    exact = mode_residuals(degree, fresh_fraction=1.0 - keep, truncation_time=schedule, rounds=900)
    assert np.isfinite(law.residual).all()
    for rounds, tolerance in ((5, 0.5), (40, 1e-4), (900, 1e-8)):
        assert law.residual[rounds] == pytest.approx(exact[rounds], rel=tolerance)


@given(st.floats(1e-6, 1.0), st.floats(1e-12, 0.999999), st.floats(0.0, 1e4), st.integers(1, 60))
def test_no_law_is_nan_or_infinite(alpha, ratio, time, degree):
    law = annealing_law(degree, fresh_fraction=alpha, truncation_time=S.Geometric(time, ratio), rounds=30)
    assert np.isfinite(law.residual).all()


def test_bad_input_is_named():
    with pytest.raises(hc.InputError, match="fresh_fraction must be > 0"):
        annealing_law(2, fresh_fraction=0.0, truncation_time=0.1, rounds=3)
    with pytest.raises(hc.InputError, match="Constant, Polynomial or Geometric schedule here, got Explicit"):
        annealing_law(2, fresh_fraction=0.1, truncation_time=[0.1, 0.2], rounds=3)
