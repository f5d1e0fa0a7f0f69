"""Means of runs of small training sets, held against the round before: their law, and the level of true refits."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.diagnosis.observed.few_runs import with_runs
from hermite_collapse.diagnosis.observed.innovations import against_the_last, are_followed, given_the_last
from tests.diagnosis.observed_arrays import observed

FRESH, WIDTHS = 0.25, np.array([0.8, 0.1])


def means(values, errors, runs, rounds=None):
    return with_runs(observed(values, errors, rounds=rounds), np.array(float(runs)))


def refits(samples, runs, seed, *, rounds=10, fresh=FRESH, widths=WIDTHS):
    """Means and errors over runs of the variances of Gaussians refitted to pools of fresh and generated samples."""
    rng = np.random.default_rng(seed)
    new = round(fresh * samples)
    last = np.tile(widths, (runs, 1))
    curves = [last, last * rng.chisquare(samples - 1, last.shape) / samples]
    for _ in range(rounds - 1):
        drawn = widths * rng.chisquare(new, last.shape) if new else 0.0
        curves.append((drawn + curves[-1] * rng.chisquare(samples - new - 1, last.shape)) / samples)
    values = np.array(curves)
    errors = values.std(axis=1, ddof=1) / np.sqrt(runs)
    errors[0] = 0.0
    return values.mean(axis=1), errors


@pytest.mark.parametrize("start", [[0.05, 0.4, 2.0], [0.3, 0.4, 0.5, 1.2, 0.1]])
def test_what_a_round_adds_is_known_from_mean_and_error_of_the_last(start):
    samples, slope, added, fresh = 20, 0.9, 0.03, 0.3
    runs, last = len(start), np.array(start)
    mean, error = last.mean(), last.std(ddof=1) / np.sqrt(runs)
    values = np.array([[1.0], [mean], [mean]])
    curves = means(values, np.array([[0.0], [error], [error]]), runs)
    kappa = (1.0 - fresh) * slope
    expected = slope * (fresh + (1.0 - fresh) * mean) + added
    at = np.array([[1.0], [mean], [expected]])  # about which round 1 lies as it does
    followed = given_the_last(curves.variances, np.array([kappa]), at, curves, samples=samples)
    rng = np.random.default_rng(3)
    trained = slope * (fresh + (1.0 - fresh) * last) + added
    draws = trained * (1.0 + np.sqrt(2.0 / samples) * rng.standard_normal((400_000, runs)))
    deviations = draws.mean(axis=1) - expected
    squares = draws.var(axis=1, ddof=1) / runs
    told = followed.innovations[-1]
    assert told == pytest.approx(np.mean(deviations**2), rel=0.01)
    assert told + (kappa * error) ** 2 == pytest.approx(squares.mean(), rel=0.01)
    assert told > 1.05 * (2.0 / samples / runs) * expected**2  # what it is if runs were alike


def test_residuals_are_those_of_the_covariance_at_the_same_rates():
    values, errors = refits(20, 4, 1)
    values[4, 0] = values[7, 1] = values[8, 1] = np.nan
    curves = means(values, errors, 4)
    assert are_followed(curves)
    kappa = np.array([0.7, 0.6])
    at = np.where(np.isnan(values), 0.1, values) * 1.1
    followed = given_the_last(curves.variances, kappa, at, curves)
    deviations = np.random.default_rng(0).standard_normal((3, followed.count))
    residuals = against_the_last(deviations, np.tile(kappa, (3, 1)), followed)
    whitened = followed.whiten(deviations)
    np.testing.assert_allclose((residuals**2).sum(axis=1), (whitened**2).sum(axis=1), rtol=1e-9)
    by_round = np.tile(kappa, (3, followed.last, 1))
    np.testing.assert_allclose(against_the_last(deviations, by_round, followed), residuals)


def test_errors_say_how_large_training_sets_are():
    for samples in (12, 40):
        ratios = []
        for seed in range(12):
            curves = means(*refits(samples, 5, seed), 5)
            at = WIDTHS * np.array([[1.0], *[[0.8]] * 10])
            kappa = np.full(2, 0.75 * (1.0 - 1.0 / samples))
            told, known = (
                given_the_last(curves.variances, kappa, at, curves, samples=one) for one in (None, samples)
            )
            ratios.append(np.log(told.innovations / known.innovations).mean())
        assert abs(np.mean(ratios)) < 0.25
        assert (
            8.0 < np.mean(told.error_freedom) < 4.0 * 10.0
        )  # of four in a round, less what correlations take


def test_where_runs_hardly_scatter_errors_are_shared_as_before():
    values, errors = refits(2000, 5, 0)
    assert not are_followed(means(values, errors, 5))
    small = refits(20, 5, 0)
    assert are_followed(means(*small, 5)) and not are_followed(means(*small, 1))


def calibration(samples, runs, fresh, count, rounds, **told):
    """Number of tables that reject true refits, and pulls of the share that these lose."""
    rejected, pulls = 0, []
    for seed in range(count):
        values, errors = refits(samples, runs, seed, rounds=rounds, fresh=fresh)
        given = {"kind": "variances", "standard_errors": errors, "runs": runs, "fresh_fraction": fresh}
        one = hc.diagnose(values, **given, **told).fits_by_mechanism["refit"]
        rejected += one.is_rejected
        loss, error = one.fitted["samples"]
        pulls.append((loss - 1.0 / samples) / error)
    return rejected, np.array(pulls)


def test_few_runs_without_fresh_data_are_not_taken_for_smaller_sets():
    rejected, pulls = calibration(15, 3, 0.0, 8, 10, mechanism="refit", noise="between_runs")
    assert rejected <= 1 and np.sqrt(np.mean(pulls**2)) < 1.7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("samples", "runs", "fresh", "rounds"), [(12, 3, 0.25, 20), (30, 5, 0.0, 10), (20, 10, 0.3, 10)]
)
def test_the_level_of_true_refits(samples, runs, fresh, rounds):
    rejected, pulls = calibration(samples, runs, fresh, 100, rounds)
    assert rejected <= 11  # 5 per cent, and 2.7 standard deviations
    assert 0.75 < np.sqrt(np.mean(pulls**2)) < 1.25
