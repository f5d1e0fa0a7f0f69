"""The experiment on planned schedules: its candidates, and (slow) its outcome at small size."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc

pytest.importorskip("torch")

from validation.experiment import Settings
from validation.experiments import planned_schedules


def test_the_plan_is_predicted_to_win():
    schedules, predicted = planned_schedules.candidates(hc.presets.load("three_modes_1d"))
    assert predicted["planned"] < 0.9 * min(predicted["constant"], predicted["polynomial"])
    times = schedules["planned"].times(planned_schedules.ROUNDS)
    assert np.all(times[:-1] < 1e-3) and times[-1] > 0.1


@pytest.mark.slow
def test_the_plan_wins_in_a_simulation():
    outcome = planned_schedules.run(Settings(size="small", device="cpu"))
    assert outcome.passed, outcome.verdict
