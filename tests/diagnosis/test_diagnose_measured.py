"""Diagnoses of measured generations: the covariance of a history, clipped curves, files."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.app.cli.app import run
from tests.diagnosis.channel_histories import channel_history

SPREAD = np.sqrt([1.8, 0.9, 0.4, 0.1, 0.02])


def measured(seed, *, clip=None):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(10_000, 5)) * SPREAD
    generations = channel_history(data, fresh_fraction=0.2, time=0.05, rounds=8, samples=1500, rng=rng)
    if clip is not None:
        generations = [np.clip(generation, -clip, clip) for generation in generations]
        data = np.clip(data, -clip, clip)
    return hc.measure(data, generations, directions=5, degrees=2)


@pytest.mark.parametrize("verdicts", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_truth_comes_back_within_errors_that_know_the_history(verdicts):
    """Ten histories; the dear part, all mechanisms for a verdict, is of as many of them as is said."""
    pulls, rejected, identified = [], 0, 0
    for seed in range(10):
        result = hc.diagnose(measured(seed), mechanism=None if seed < verdicts else "truncation")
        one = result.fits_by_mechanism["truncation"]
        rejected += one.is_rejected
        identified += seed < verdicts and result.verdict == "identified"
        for name, truth in (("fresh_fraction", 0.2), ("truncation_time", 0.05)):
            value, error = one.fitted[name]
            pulls.append((value - truth) / error)
    assert rejected <= 3 and identified >= 0.6 * verdicts
    # 1.46 to 1.67 where what earlier rounds passed on is left out.
    assert 0.6 < np.sqrt(np.mean(np.square(pulls))) < 1.4


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_chi_square_is_its_degrees_of_freedom_over_sixty_histories():
    """2280 degrees of freedom in all: errors that are off by 4 % would be seen."""
    total, freedom, rejected = 0.0, 0, 0
    for seed in range(60):
        one = hc.diagnose(measured(seed), mechanism="truncation").fits_by_mechanism["truncation"]
        total, freedom = total + one.chi_square, freedom + one.freedom
        rejected += one.is_rejected
    assert abs(total / freedom - 1.0) < 2.6 * np.sqrt(2.0 / freedom)
    assert rejected <= 8


def test_clipped_curves_are_left_out_or_refused():
    some = measured(0, clip=1.3)
    result = hc.diagnose(some)
    used = np.isin(some.names, result.observations.names)
    worst = np.abs(some.clipping.bias).max(axis=0)
    assert 0 < np.sum(~used) < len(used) / 2 and worst[~used].min() > worst[used].max()
    assert "since clipping at the ends of the range moved them: direction 3, degree 2." in result.text
    with pytest.raises(hc.InputError, match="curve must hold curves that clipping left as they were"):
        hc.diagnose(measured(0, clip=0.8))
    # Biases below an error each, but of one sign in every round, move the parameters by more than theirs.
    together = np.full_like(some.clipping.bias, 0.9)
    with pytest.raises(hc.InputError, match="most of them moved, by up to 0.9 standard errors"):
        hc.diagnose(some.replace(clipping=some.clipping.replace(bias=together)))
    bias = np.full_like(some.clipping.bias, 5.0)
    with pytest.raises(hc.InputError, match="curve must hold curves that clipping left as they were"):
        hc.diagnose(some.replace(clipping=some.clipping.replace(bias=bias)))


def test_arguments_that_measured_generations_answer_are_refused():
    curves = measured(0)
    for name, value in (("rounds", [1, 2]), ("kind", "variances"), ("noise", "independent")):
        message = f"^{name} must be left out with measured generations, which say so themselves, got "
        with pytest.raises(hc.InputError, match=message):
            hc.diagnose(curves, **{name: value})


def test_a_file_of_measured_generations(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    curves = measured(1)
    curves.save("m.nc")
    assert run(["diagnose", "m.nc", "--fresh-fraction", "0.2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    direct = hc.diagnose(curves, fresh_fraction=0.2)
    assert found["verdict"] == direct.verdict
    assert found["truncation_time"]["value"] == pytest.approx(direct.truncation_time.value, rel=1e-9)
    assert run(["diagnose", "m.nc", "--columns", "a=round"]) == 2


def test_a_sampler_is_tried_on_variances_of_directions_alone():
    curves = measured(2)
    assert "factor" in curves.kinds
    result = hc.diagnose(curves, sampler=hc.mechanisms.SamplerSteps.ddim(steps=20), fresh_fraction=0.2)
    assert "sampler" in result.fits_by_mechanism
    assert result.observations.names == curves.part("variance").names
    with pytest.raises(hc.InputError, match="sampler must be left out for factors and distances"):
        hc.diagnose(np.ones((5, 1)), sampler=hc.mechanisms.SamplerSteps.ddim(steps=20))


@pytest.mark.parametrize("histories", [10, pytest.param(24, marks=pytest.mark.slow)])
def test_factors_of_unseen_data_carry_the_error_of_the_data(histories):
    """z of the parameters has rms 1 over seeds where only factors are fitted, in units of a noisy inner product."""
    pulls, without = [], []
    for seed in range(histories):
        rng = np.random.default_rng(100 + seed)
        law = rng.normal(size=(30_000, 2)) * 0.5 + [1.0, 0.0]
        generations = channel_history(law, fresh_fraction=0.2, time=0.05, rounds=8, samples=3000, rng=rng)
        unseen = rng.normal(size=(800, 2)) * 0.5 + [1.0, 0.0]
        curves = hc.measure(unseen, generations, directions=0, degrees=2, unseen=True).part("factor")
        assert np.all(np.diagonal(curves.data_covariance) > 0.0)
        for part, pull in (
            (curves, pulls),
            (curves.replace(data_covariance=0 * curves.data_covariance), without),
        ):
            value, error = (
                hc.diagnose(part, mechanism="truncation", fresh_fraction=0.2)
                .fits_by_mechanism["truncation"]
                .fitted["truncation_time"]
            )
            pull.append((value - 0.05) / error)
    assert 0.6 < np.sqrt(np.mean(np.square(pulls))) < 1.4 < np.sqrt(np.mean(np.square(without)))


def test_generations_that_are_copies_are_said_to_be():
    curves = measured(3)
    copied = np.concatenate([curves.values[:4], curves.values[3:4], curves.values[5:]])
    labels = curves.labels
    assert (
        f"{labels[3]} and {labels[4]}): copies are no rounds"
        in hc.diagnose(curves.replace(values=copied), mechanism="truncation").text
    )
    assert "copies" not in hc.diagnose(curves, mechanism="truncation").text


def test_one_generation_says_nothing_of_the_fresh_fraction():
    rng = np.random.default_rng(2)
    real = rng.normal(size=(800, 5)) * np.geomspace(1.2, 0.2, 5)
    later = np.exp(-0.05) * real + np.sqrt(-np.expm1(-0.1)) * rng.normal(size=real.shape)
    fits = hc.diagnose(hc.measure(real, [later], degrees=0)).fits_by_mechanism
    assert all(one.parameters.get("fresh_fraction") is None for one in fits.values())


def test_a_rejection_says_which_training_sets_its_errors_are_of():
    curves = measured(3)
    spoilt = curves.replace(values=curves.values * np.where(np.arange(8) % 2, 1.3, 0.7)[:, None])
    assert "taken as those that trained the next round" in hc.diagnose(spoilt, mechanism="truncation").text
    few = spoilt.replace(training_samples=1000)
    assert "Training sets were taken to hold 1000 samples" in hc.diagnose(few, mechanism="truncation").text
