"""Means of runs whose number nobody says: errors that seem exact, and samples of refits that rest on it."""

from __future__ import annotations

import re

import numpy as np
import pytest

import hermite_collapse as hc
from tests.diagnosis.own_samples import models

TIME, WIDTHS = 0.1, np.array([0.1, 0.6])
SLOPE = float(np.exp(-TIME))


def means(runs, samples, rounds, seed, *, slope=SLOPE, added=1.0 - SLOPE, widths=WIDTHS):
    """Means of runs without fresh data, with the errors that their scatter gives."""
    rng = np.random.default_rng([seed, samples, runs, rounds])
    told = {"fresh": 0.0, "rounds": rounds, "slope": slope, "added": added}
    values = models(rng, samples, starts=np.tile(widths, (runs, 1)), **told)
    errors = values.std(axis=0, ddof=1) / np.sqrt(runs)
    errors[0] = 0.0
    return values.mean(axis=0), errors


def diagnosed(values, errors, **told):
    return hc.diagnose(values, kind="variances", standard_errors=errors, fresh_fraction=0.0, **told)


def test_true_truncations_in_means_of_twenty_runs_are_not_rejected():
    """By errors taken as exact 9 of 40 are, and deviations are 2.0 errors, up to 6; with the number said 0 and 0.9.

    What one noise rejects and another does not stands apart from what is rejected by all.
    """
    deviations, missed, apart = [], 0, 0
    for seed in range(6, 18):
        result = diagnosed(*means(20, 50, 20, seed))
        missed += "truncation" not in result.accepted
        time = result.fits_by_mechanism["truncation"].parameters["truncation_time"]
        deviations.append(0.0 if time is None else (time.value - TIME) / time.error)
        assert "shrinks from round to round" not in result.text or "truncation" not in result.accepted
        titles = [result.fits_by_mechanism[name].title for name in result.accepted]
        for rejected in re.findall(r"Rejected: (.*?)\.(?: |$)", result.text):
            assert not any(f"{title} (" in rejected for title in titles)
        apart += "but not if errors are the scatter of about 16 runs that pass their noise on" in result.text
    assert missed <= 1 and np.sqrt(np.mean(np.square(deviations))) < 1.4 and apart > 0


@pytest.mark.parametrize(("samples", "runs", "rounds"), [(50, 20, 30), (20, 10, 20)])
def test_samples_of_refits_rest_on_the_number_of_runs(samples, runs, rounds):
    """Nobody says it: none are printed, and what a round loses is known; up to 4.7 errors off (mean square) before."""
    deviations = []
    for seed in range(8):
        values, errors = means(
            runs, samples, rounds, seed, slope=1.0 - 1.0 / samples, added=0.0, widths=[0.5]
        )
        unsaid = diagnosed(values, errors).fits_by_mechanism["refit"]
        assert unsaid.is_accepted and unsaid.parameters["samples"] is None and not unsaid.limits
        loss, error = unsaid.fitted["samples"]
        deviations.append((loss - 1.0 / samples) / error)
    assert np.sqrt(np.mean(np.square(deviations))) < 1.8


def test_samples_that_are_known_roughly_are_an_interval():
    """Even errors are those of 1/n: 1.96 of them to either side."""
    values, errors = means(20, 50, 30, 1, slope=0.98, added=0.0, widths=[0.5])
    result = diagnosed(values, errors, runs=20, mechanism="refit")
    loss, error = result.leading.fitted["samples"]
    low, high = (1.0 / (loss + way * 1.96 * error) for way in (1.0, -1.0))
    told = re.search(r"samples between ([0-9.]+) and ([0-9.]+)", result.text)
    assert told is not None and result.leading.parameters["samples"].error > 0.1 / loss
    assert [float(end) for end in told.groups()] == pytest.approx([low, high], rel=0.01)


def test_errors_of_what_refits_lose_are_those_of_their_own_rounds():
    """Said or not: by the common factor of a round 7 and 9 of 40 tables were off by more than two errors."""
    for told in ({}, {"noise": "between_runs"}):
        deviations = []
        for seed in range(16):
            values, errors = means(3, 200, 10, seed, slope=1.0 - 1.0 / 200, added=0.0, widths=[0.5])
            result = diagnosed(values, errors, runs=3, mechanism="refit", **told)
            loss, error = result.leading.fitted["samples"]
            deviations.append((loss - 1.0 / 200) / error)
        assert np.sqrt(np.mean(np.square(deviations))) < 1.3
