"""The promise of the fits: true mechanisms rejected in five per cent, errors of one standard error, p uniform."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hermite_collapse as hc
from validation.experiment import Settings
from validation.experiments import diagnosis as experiment

RECORD = Path(experiment.__file__).parent.parent / "records" / "cpu" / "diagnosis.calibration.json"


@pytest.mark.parametrize("name", experiment.CASES)
def test_a_hundred_data_sets_of_each_mechanism(name):
    found = experiment.calibrate(name, 100, seed=12, others=())
    assert found.rejected[name] <= 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / 100)
    assert found.uniformity > 0.002
    for values in found.z.values():
        assert len(values) > 90
        assert np.sqrt(np.mean(values**2)) == pytest.approx(1.0, abs=3.3 / np.sqrt(200))


def test_wrong_mechanisms_are_rejected_and_a_wrong_error_is_noticed():
    found = experiment.calibrate("truncation", 12, seed=3)
    assert (
        found.rejected["refit"] == 1.0 and found.rejected["sampler"] == 1.0 and found.rejected["blur"] == 1.0
    )
    # p-values of a chi-square that is 1.5 times too large are not uniform.
    uniform = experiment.Calibration({}, {}, np.linspace(0.005, 0.995, 100))
    assert uniform.uniformity > 0.99
    assert experiment.Calibration({}, {}, np.linspace(0.005, 0.995, 100) ** 2).uniformity < 1e-4


def test_the_power_that_is_predicted_is_the_power_that_is_found():
    """With so few images that blur is rejected in about half of the data sets."""
    images, count = 800, 120
    found = experiment.calibrate("truncation", count, seed=4, images=images, others=("blur",))
    predicted = hc.detection_power(
        experiment.CASES["truncation"].mechanism,
        experiment.VARIANCES,
        fresh_fraction=experiment.FRESH_FRACTION,
        images=images,
        rounds=experiment.ROUNDS,
    )
    assert 0.2 < predicted.rejection["blur"] < 0.8
    assert found.rejected["blur"] == pytest.approx(
        predicted.rejection["blur"], abs=3.3 * 0.5 / np.sqrt(count)
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_data_sets_of_each_mechanism():
    assert experiment.run(Settings("small", "cpu")).passed


def test_the_record_is_that_of_a_thousand():
    record = json.loads(RECORD.read_text())
    assert record["passed"] and experiment.DATA_SETS == 1000
    for name in experiment.CASES:
        numbers = record[name]
        assert abs(numbers["rejected"][name] - 0.05) <= 0.0215
        assert all(0.9 <= value <= 1.1 for value in numbers["z"].values())
        for other, power in numbers["predicted"].items():
            assert numbers["rejected"][other] == pytest.approx(power, abs=0.06)


def test_refits_to_few_samples_are_recorded_at_the_level_that_is_promised():
    record = json.loads(RECORD.with_name("diagnosis.training_sets.json").read_text())
    assert record["passed"]
    for training, samples in experiment.TRAINING_SETS:
        numbers = record[f"{training}, {samples}"]
        assert numbers["held"] <= 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / experiment.HISTORIES)
        assert numbers["fitted"] <= 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / experiment.FITTED_HISTORIES)
