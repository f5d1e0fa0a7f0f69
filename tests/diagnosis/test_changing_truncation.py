"""Truncation times that change from round to round: given, known up to a factor, and not given."""

from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.diagnosis.fits.changing_truncation import DriftingTruncation
from hermite_collapse.diagnosis.fits.minimum import Problem
from tests.diagnosis.observed_arrays import observed

EXAMPLES = files("hermite_collapse.diagnosis") / "examples"
GROWING = 0.05 * 1.25 ** np.arange(8)
SHRINKING = 0.3 * 0.7 ** np.arange(8)
FRESH, WIDTHS = 0.2, np.geomspace(1.5, 0.25, 4)


def table(times, seed, *, errors=0.02, starts=(1.5, 0.3, 0.05)):
    """Variances by round through the channels of these times, by a loop, with independent errors."""
    rng, start = np.random.default_rng(seed), np.array(starts)
    rows = [start]
    for time in times:
        trained = FRESH * start + (1 - FRESH) * rows[-1]
        rows.append(np.exp(-time) * trained + 1 - np.exp(-time))
    values = np.array(rows)
    sigma = errors * values
    sigma[0] = 0.0
    return values + sigma * rng.standard_normal(values.shape), sigma


def folders(times, seed, samples=500):
    """Generations of samples that train the next, with fresh data drawn anew, measured."""
    rng = np.random.default_rng([seed, 5])
    data = rng.standard_normal((4000, 4)) * WIDTHS
    generations, last = [], data
    for time in times:
        fresh = rng.binomial(samples, FRESH) if generations else samples
        old = last[rng.permutation(len(last))[: samples - fresh]]
        drawn = np.concatenate([data[rng.integers(len(data), size=fresh)], old])
        last = np.exp(-time / 2) * drawn[rng.integers(samples, size=samples)]
        last = last + np.sqrt(-np.expm1(-time)) * rng.standard_normal(drawn.shape)
        generations.append(last)
    return hc.measure(data, generations, degrees=0, training_samples=samples, apart=False)


@pytest.mark.parametrize("times", [GROWING, SHRINKING])
def test_a_given_schedule_is_held_or_fitted_up_to_a_factor(times):
    curve, errors = table(times, 1)
    said = {"kind": "variances", "standard_errors": errors}
    held = hc.diagnose(curve, truncation_time=times, **said)
    assert held.verdict == "identified" and held.truncation_time is None
    assert abs(held.fresh_fraction.value - FRESH) < 4 * held.fresh_fraction.error < 0.1
    scaled = hc.diagnose(curve, truncation_time=2 * times, fit_factor=True, **said)
    factor = scaled.fits_by_mechanism["truncation"].parameters["time_factor"]
    assert scaled.verdict == "identified" and abs(factor.value - 0.5) < 4 * factor.error < 0.2
    assert "factor of the truncation times 0." in scaled.text
    wrong = hc.diagnose(curve, truncation_time=2 * times, fresh_fraction=FRESH, **said)
    assert wrong.fits_by_mechanism["truncation"].is_rejected


def test_a_schedule_is_the_object_that_recursions_take():
    curve, errors = table(SHRINKING, 2)
    said = {"kind": "variances", "standard_errors": errors, "fresh_fraction": FRESH}
    listed = hc.diagnose(curve, truncation_time=SHRINKING, **said).fits_by_mechanism["truncation"]
    schedule = hc.schedules.Geometric(0.3, 0.7)
    given = hc.diagnose(curve, truncation_time=schedule, **said).fits_by_mechanism["truncation"]
    assert given.chi_square == pytest.approx(listed.chi_square, rel=1e-9)
    # Times that go to zero lead back to the data, a list whose last time holds on does not.
    np.testing.assert_allclose(given.plateau, given.start, rtol=1e-12)
    assert np.all(np.abs(listed.plateau - listed.start) > 0.001)
    constant = hc.diagnose(curve, truncation_time=hc.schedules.Constant(0.1), **said)
    direct = hc.diagnose(curve, truncation_time=0.1, **said)
    assert constant.text == direct.text


@pytest.mark.parametrize(("times", "way"), [(GROWING, "grows"), (SHRINKING, "shrinks")])
def test_a_schedule_that_nobody_gave_is_said_to_be_what_is_missing(times, way):
    curve, errors = table(times, 3)
    result = hc.diagnose(curve, kind="variances", standard_errors=errors, fresh_fraction=FRESH)
    assert result.fits_by_mechanism["truncation"].is_rejected
    assert result.fresh_fraction is None and result.truncation_time is None
    assert f"{way} from round to round, from about" in result.text
    assert "if truncation times were scheduled, give them as truncation_time" in result.text


def test_training_sets_are_not_what_is_missing_of_a_schedule():
    measured = folders(SHRINKING, 2).replace(training_samples=None, apart=None)
    result = hc.diagnose(measured, fresh_fraction=FRESH)
    assert result.verdict == "undetermined" and result.fits_by_mechanism["truncation"].is_rejected
    assert "if truncation times were scheduled" in result.text
    assert "raining sets" not in result.text and "--training-samples" not in result.text
    known = hc.diagnose(measured, fresh_fraction=FRESH, truncation_time=SHRINKING)
    assert not known.fits_by_mechanism["truncation"].is_rejected and "scheduled" not in known.text


def test_a_fresh_fraction_that_stands_in_for_a_schedule_is_not_identified():
    """A constant time with another fresh fraction is not rejected by these curves."""
    curve, errors = table(SHRINKING, 1, errors=0.08, starts=(1.5, 0.2))
    result = hc.diagnose(curve, kind="variances", standard_errors=errors)
    constant = result.fits_by_mechanism["truncation"]
    assert constant.is_accepted and constant.parameters["fresh_fraction"].value > 2 * FRESH
    assert result.verdict == "undetermined" and result.fresh_fraction is None
    assert "truncation at one time is not rejected by itself" in result.text.lower()
    assert "describes the curves clearly better" in result.text


@pytest.mark.parametrize(("rise", "is_said"), [(9.5, False), (12.0, True)])
def test_a_trend_is_said_where_a_constant_time_is_worse_by_what_one_in_a_thousand_has(rise, is_said):
    """Chi-square of the best constant time, by sums of squares: 10.83 is the quantile at 0.001."""
    exact, _ = table(0.05 * 1.1 ** np.arange(8), 0, errors=0.0)

    def misfit(time):
        constant, _ = table(np.full(8, time), 0, errors=0.0)
        return float(((1.0 - constant[1:] / exact[1:]) ** 2).sum())

    best = minimize_scalar(misfit, bounds=(0.01, 0.5), method="bounded", options={"xatol": 1e-9}).fun
    errors = np.sqrt(best / rise) * exact
    errors[0] = 0.0
    result = hc.diagnose(exact, kind="variances", standard_errors=errors, fresh_fraction=FRESH, runs=np.inf)
    assert result.fits_by_mechanism["truncation"].chi_square == pytest.approx(rise, rel=1e-4)
    assert ("if truncation times were scheduled" in result.text) is is_said


def test_constant_mechanisms_have_no_trend():
    mechanisms = hc.mechanisms
    others = (
        mechanisms.Truncation(0.05),
        mechanisms.ScoreError(0.05, 0.02),
        mechanisms.SamplerSteps.ddim(steps=10),
    )
    for seed, mechanism in enumerate(others):
        curve = hc.Pipeline([mechanism], fresh_fraction=FRESH).trajectory([1.5, 0.3, 0.05], 8)
        errors = 0.03 * curve
        errors[0] = 0.0
        noisy = curve + errors * np.random.default_rng(seed).standard_normal(curve.shape)
        assert "scheduled" not in hc.diagnose(noisy, kind="variances", standard_errors=errors).text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fit_factor": True}, "truncation_time must be given where fit_factor is, got none"),
        (
            {"fit_factor": True, "truncation_time": [0.0, 0.0]},
            "truncation_time must hold a time > 0 where fit_factor is given, got zeros only",
        ),
    ],
)
def test_factors_of_nothing_are_refused(given, words):
    with pytest.raises(hc.InputError) as problem:
        hc.diagnose(np.ones(6), **given)
    assert words in str(problem.value)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("times", [GROWING, SHRINKING])
def test_given_schedules_are_rejected_in_five_per_cent_and_their_factor_is_off_by_one_error(times):
    """100 histories: counts within 3.1 deviations, pulls of one error within 3.3 of theirs."""
    rejected, pulls = 0, []
    for seed in range(100):
        measured = folders(times, 100 + seed)
        held = hc.diagnose(measured, truncation_time=times, mechanism="truncation")
        rejected += held.fits_by_mechanism["truncation"].is_rejected
        scaled = hc.diagnose(measured, truncation_time=2 * times, fit_factor=True, mechanism="truncation")
        value, error = scaled.fits_by_mechanism["truncation"].fitted["time_factor"]
        pulls.append((value - 0.5) / error)
    assert rejected <= 5 + 3.1 * np.sqrt(0.05 * 0.95 * 100)
    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1.0, abs=3.3 / np.sqrt(200))


def test_times_are_given_once_and_where_they_are_used():
    ring = hc.read_curve(EXAMPLES / "ring.csv")
    with pytest.raises(
        InputError, match=r"^truncation_time must be left out where mechanism is another, got 'blur'"
    ):
        hc.diagnose(ring, truncation_time=0.1, mechanism="blur")
    with pytest.raises(InputError, match="must hold a time > 0 where fit_factor is given, got zeros only"):
        hc.diagnose(ring, truncation_time=0.0, fit_factor=True)
    times = (0.1,) * 15
    with pytest.raises(
        InputError, match="^truncation_time must be left out with a table that has a column of it"
    ):
        hc.diagnose(ring.replace(truncation_times=times), truncation_time=0.05)


def test_everything_is_not_rejected_where_a_trend_describes_the_curves():
    """One verdict, whether the fresh fraction is held or not, and no word of something else."""
    curve, errors = table(0.3 * 0.75 ** np.arange(12.0), 3, starts=(1.5, 0.2))
    for fresh in (FRESH, None):
        result = hc.diagnose(curve, kind="variances", standard_errors=errors, fresh_fraction=fresh)
        assert result.verdict == "undetermined" and result.fits is None
        assert "shrinks from round to round" in result.text and "Something else" not in result.text


def test_a_fresh_fraction_that_rests_on_one_time_says_so():
    """With times that grow by a fifth 0.2 is true, and less is identified; what a fifth makes of it is said."""
    curve, errors = table(0.1 * np.linspace(0.9, 1.08, 10), 0, errors=0.01)
    result = hc.diagnose(curve, kind="variances", standard_errors=errors)
    value = result.fresh_fraction
    growing, shrinking = map(
        float, re.search(r"it would be ([\d.]+) .*? rounds, ([\d.]+) ", result.text).groups()
    )
    assert result.verdict == "identified" and FRESH - value.value > 2.0 * value.error
    assert growing == pytest.approx(FRESH, abs=0.02) and shrinking < value.value
    assert "and undetermined with ones that may grow or shrink steadily" in result.text
    known = hc.diagnose(curve, kind="variances", standard_errors=errors, truncation_time=0.1)
    assert "rests on one truncation time" not in known.text


def test_derivatives_stay_within_the_range_of_a_parameter():
    errors = np.full((21, 1), 0.01)
    values = 0.5 + 0.1 * np.exp(-np.arange(21.0))[:, None]
    curves = observed(values, errors)
    problem = Problem(DriftingTruncation(0.5), curves, 0.5, {})
    at = np.array([1e-17, 2.9999999, 0.5])  # times grow by e^40 in the end, and are none below 0
    assert np.all(np.isfinite(problem.jacobian(at))) and np.abs(problem.jacobian(at)).max() < 1e25
