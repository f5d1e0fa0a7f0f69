"""Data and generations that are all kept: their curves, and that nobody reads them as a constant fresh fraction."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.diagnosis.catalogue import models_to_try
from hermite_collapse.diagnosis.fits.fitting import fit
from hermite_collapse.recursion.accumulated import accumulated_sums

STARTS, ROUNDS, FRESH = np.array([0.6, 0.05]), 10, 0.25
LOSS = 1.0 - np.exp(-0.05)
LAWS = {
    "truncation": (1.0 - LOSS, LOSS, "truncation_time", 0.05),
    "blur": (1.0, 0.0225, "bandwidth", 0.15),
    "refit": (0.95, 0.0, "samples", 20.0),
}
KEPT = ("accumulate", "accumulate_with_fresh")


def history(slope, added, regime, fresh=FRESH, rounds=ROUNDS, starts=STARTS):
    """Variances by round, with the weights of each round as `hc.Recursion` has them."""
    recursion = hc.Recursion(
        hc.GaussianMixture([1.0], [0.0], [1.0]),
        fresh_fraction=0.0 if regime == "accumulate" else fresh,
        truncation_time=0.1,
        regime=regime,
    )
    values = [starts]
    for i in range(rounds):
        share, earlier = recursion.regime.mixing(i)
        training = share * starts + sum(w * v for w, v in zip(earlier, values, strict=True))
        values.append(slope * training + added)
    return np.array(values)


def observed(slope, added, regime, seed, error=0.02):
    exact = history(slope, added, regime)
    errors = error * exact
    return exact + errors * np.random.default_rng(seed).standard_normal(exact.shape), errors


def diagnosed(values, errors, **keywords):
    return hc.diagnose(values, kind="variances", standard_errors=errors, runs=np.inf, **keywords)


@pytest.mark.parametrize("regime", KEPT)
@pytest.mark.parametrize("slope", [0.3, 0.95, 1.0, 1.0 + 1e-6, 1.0 + 2e-5, 1.2])
def test_sums_are_those_of_the_recursion(regime, slope):
    added = 0.02
    exact = history(slope, added, regime)
    kappa = slope if regime == "accumulate" else (1.0 - FRESH) * slope
    sums = accumulated_sums(np.full((1, 2), kappa), np.arange(ROUNDS + 1.0), regime)[0]
    assert STARTS + ((slope - 1.0) * STARTS + added) * sums == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("regime", KEPT)
@pytest.mark.parametrize("name", LAWS)
def test_mechanisms_follow_the_kept_history(name, regime):
    slope, added, parameter, truth = LAWS[name]
    exact = history(slope, added, regime)
    observations = diagnosed(exact, 0.001 * exact, regime=regime).observations
    held = 0.0 if regime == "accumulate" else FRESH
    for model in models_to_try():
        if model.name == name:
            one = fit(model, observations, fresh_fraction=held)
            assert one.chi_square < 1e-6
            assert one.parameters[parameter].value == pytest.approx(truth, rel=1e-3)


@pytest.mark.parametrize("name", LAWS)
def test_what_is_kept_is_not_read_as_a_constant_fresh_fraction(name):
    slope, added, parameter, truth = LAWS[name]
    for seed in (0, 3):
        values, errors = observed(slope, added, "accumulate", seed)
        result = diagnosed(values, errors)
        assert result.verdict == "undetermined" and result.fits is None
        assert result.fresh_fraction is None and result.truncation_time is None
        assert np.all(np.isnan(result.plateau)) and np.all(np.isnan(result.rounds))
        assert "were the data and all generations kept (regime 'accumulate')" in result.text
        told = diagnosed(values, errors, regime="accumulate")
        one = told.fits_by_mechanism[name]
        assert one.p_value > 1e-3 and "fall by powers of the round" in told.text
        assert abs(one.parameters[parameter].value - truth) < 4.0 * one.parameters[parameter].error
        if told.verdict == "identified":
            assert told.leading.name == name and np.all(np.isnan(told.plateau))


def test_a_constant_fresh_fraction_is_told_from_what_is_kept():
    """Truncations with errors of half a per cent, and whatever is said of the history."""
    for seed in range(3):
        values, errors = observed(1.0 - LOSS, LOSS, "replace", seed, error=0.005)
        result = diagnosed(values, errors)
        assert (result.verdict, result.leading.name) == ("identified", "truncation")
        assert abs(result.fresh_fraction.value - FRESH) < 4.0 * result.fresh_fraction.error
        assert diagnosed(values, errors, regime="accumulate").verdict == "rejected"
    values, errors = observed(0.95, 0.0, "replace", 0)
    assert diagnosed(values, errors).verdict == "undetermined"
    for said in ({"regime": "replace"}, {"fresh_fraction": FRESH}):
        assert diagnosed(values, errors, **said).leading.name == "refit"


def test_schedules_of_times_go_with_what_is_kept():
    times = np.linspace(0.02, 0.1, ROUNDS)
    for regime in KEPT:
        values = [STARTS]
        for i, time in enumerate(times):
            kept = values if regime == "accumulate" else values[1:]
            share = 0.0 if regime == "accumulate" else FRESH
            training = STARTS if i == 0 else share * STARTS + (1.0 - share) * np.mean(kept, axis=0)
            values.append(np.exp(-time) * training + 1.0 - np.exp(-time))
        exact = np.array(values)
        held = {} if regime == "accumulate" else {"fresh_fraction": FRESH}
        result = diagnosed(exact, 0.001 * exact, regime=regime, truncation_time=times.tolist(), **held)
        assert result.fits_by_mechanism["truncation"].chi_square < 1e-9


def refits(runs, seed):
    """Means of runs of refits to 20 samples of the data and all generations."""
    rng = np.random.default_rng(seed)
    values = [np.tile(STARTS, (runs, 1))]
    for _ in range(ROUNDS):
        training = np.mean(values, axis=0)
        values.append(training * rng.chisquare(19, size=training.shape) / 20.0)
    curves = np.array(values)
    errors = curves.std(axis=1, ddof=1) / np.sqrt(runs)
    errors[0] = 0.0
    return curves.mean(axis=1), errors


def test_refits_to_all_that_is_kept_are_held_to_their_scatter():
    values, errors = observed(0.95, 0.0, "accumulate", 1)
    told = {"kind": "variances", "standard_errors": errors, "regime": "accumulate"}
    assert hc.diagnose(values, **told, runs=1).fits_by_mechanism["refit"].scatters_too_little
    for seed in range(4):
        values, errors = refits(30, seed)
        told = {"kind": "variances", "standard_errors": errors, "regime": "accumulate"}
        assert not hc.diagnose(values, runs=30, **told).fits_by_mechanism["refit"].scatters_too_little


CURVE = {"curve": np.ones((5, 1)), "kind": "variances", "standard_errors": np.full((5, 1), 0.1)}


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"regime": "keep"}, "regime must be"),
        (
            {"regime": "accumulate", "fresh_fraction": 0.2},
            "fresh_fraction must be 0 in the regime 'accumulate'",
        ),
        (
            {"regime": "accumulate", "sampler": hc.mechanisms.SamplerSteps.ddim(steps=5)},
            "sampler must be left out where regime is not 'replace'",
        ),
        (
            {"regime": "accumulate", "rounds": [0, 1, 2, 3, 20_000]},
            "regime must be 'replace' beyond round 10000",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(keywords, words):
    with pytest.raises(hc.InputError, match=words):
        hc.diagnose(**(CURVE | keywords))


REPLACED = np.array(
    [
        [0.1, 0.17895, 0.25517, 0.30786, 0.32169, 0.3446, 0.35102, 0.37387, 0.36705, 0.37806, 0.3681, 0.39968, 0.3828],
        [0.6, 0.63058, 0.64358, 0.67737, 0.69992, 0.69012, 0.70085, 0.65963, 0.64226, 0.63737, 0.67138, 0.62949, 0.66],
    ]
).T  # fmt: skip
"""A truncation whose generations replace each other, by 1000 samples in each."""


def test_mechanisms_that_are_all_rejected_are_said_to_be():
    told = {"kind": "variances", "training_samples": 1000}
    result = hc.diagnose(REPLACED, regime="accumulate", **told)
    assert result.verdict == "undetermined" and result.accepted == ("affine",)
    assert "no mechanism describes the curves. Rejected: truncation (p = " in result.text
    assert "truncation" in hc.diagnose(REPLACED, fresh_fraction=0.2, **told).accepted


def test_a_change_that_one_number_tells_is_one():
    """Truncation of one number gains clearly on curves that stay, where rates and plateaus of many do not."""
    rng, start = np.random.default_rng(12), np.array([0.9, 0.8, 1.1, 0.7, 1.2, 0.85])
    curves = 1.0 + (start - 1.0) * 0.975 ** np.arange(9.0)[:, None]
    errors = 0.05 * curves
    errors[0] = 0.0
    values = curves + errors * rng.standard_normal(curves.shape)
    result = hc.diagnose(
        values, kind="variances", standard_errors=errors, fresh_fraction=0.0, noise="independent"
    )
    time = result.fits_by_mechanism["truncation"].parameters["truncation_time"]
    assert time is not None and time.value > 3.0 * time.error
    assert "nothing changes" not in result.text
