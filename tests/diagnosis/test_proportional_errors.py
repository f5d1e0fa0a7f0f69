"""Errors that were computed from the values themselves pull no fit down."""

from __future__ import annotations

import numpy as np

import hermite_collapse as hc
from hermite_collapse.diagnosis.fits.proportional_errors import with_errors_of_a_fit
from tests.diagnosis.observed_arrays import observed
from tests.diagnosis.own_samples import own_samples

STARTS, FRESH, ROUNDS = np.array([0.6, 0.05]), 0.25, 10


def history(seed, training):
    """Variances of training sets of single runs, whose errors anyone writes as sqrt(2 / T) times the value."""
    values = own_samples(np.random.default_rng(seed), training, starts=STARTS, fresh=FRESH, rounds=ROUNDS)
    errors = np.sqrt(2.0 / training) * values
    errors[0] = 0.0
    return values, errors


def test_small_training_sets_are_not_read_low():
    """By -0.95 standard errors on average with the errors as stated, of 60 histories."""
    deviations = []
    for seed in range(30):
        values, errors = history(seed, 100)
        result = hc.diagnose(
            values,
            kind="variances",
            standard_errors=errors,
            fresh_fraction=FRESH,
            noise="own_samples",
            mechanism="truncation",
        )
        time = result.fits_by_mechanism["truncation"].parameters["truncation_time"]
        deviations.append((time.value - 0.05) / time.error)
    assert abs(np.mean(deviations)) < 3.3 / np.sqrt(30)
    assert np.sqrt(np.mean(np.square(deviations))) < 1.0 + 3.3 / np.sqrt(60)


def test_errors_are_those_of_the_prediction():
    values, errors = history(1, 100)
    before, after = observed(values, errors), with_errors_of_a_fit(observed(values, errors))
    reference = after.reference[after.used]
    np.testing.assert_allclose(np.sqrt(after.covariance) / reference, np.sqrt(0.02), rtol=1e-12)
    # A rate and a plateau are smooth where values scatter.
    assert (
        np.ptp(np.diff(reference.reshape(ROUNDS, 2), axis=0), axis=0).max()
        < 0.5 * np.ptp(np.diff(values[1:], axis=0), axis=0).max()
    )
    assert np.all(before.values == after.values)


def test_other_errors_stay():
    values, errors = history(1, 100)
    rough = errors * np.linspace(0.8, 1.2, ROUNDS + 1)[:, None]
    for one in (
        observed(values, rough),
        observed(*history(1, 5000)),
        observed(values, np.full_like(values, 0.05)),
    ):
        assert with_errors_of_a_fit(one) is one
    factors = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=8)
    one = observed(factors, 0.1 * factors, kind="factors")
    assert with_errors_of_a_fit(one) is one
