"""Advice on samplers: published noise levels, every final step, schedulers read from files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.advice.samplers import (
    KNOWN_SAMPLERS,
    SamplerTruncation,
    StepsEffect,
    advise_sampler,
    known_sampler,
)
from hermite_collapse.app.samplers import sampler_of
from hermite_collapse.pipeline.named_samplers import NAMES, named_sampler
from hermite_collapse.pipeline.sampler_steps import SamplerSteps
from hermite_collapse.recursion.final_steps import FINAL_STEPS


def test_known_samplers_have_their_published_noise_levels():
    assert known_sampler("ddpm").sigma == pytest.approx(0.01, rel=1e-3)
    assert known_sampler("stable_diffusion").sigma == pytest.approx(np.sqrt(0.00085), rel=1e-3)
    assert known_sampler("edm").sigma == pytest.approx(0.004, rel=1e-9)
    assert all(0 < sampler.truncation_time < 0.05 for sampler in KNOWN_SAMPLERS.values())


def test_advice_says_no_when_truncation_is_negligible_and_yes_when_not():
    edm = advise_sampler("edm", fresh_fraction=0.1)
    assert not edm.matters and "not your problem" in edm.text and edm.variance_drift < 0
    assert "but the sampler's steps are" in edm.text and "by 5.3574 in the long run" in edm.text
    assert edm.steps_effect.in_round == pytest.approx(1.11355103, rel=1e-8)
    assert edm.steps_effect.in_limit == pytest.approx(5.35743697, rel=1e-7)
    assert edm.steps_effect.dominant == "steps" and edm.steps_effect.last_step_in_round < 1.0
    papers = advise_sampler("papers", fresh_fraction=0.1)
    assert papers.matters and papers.variance_drift == pytest.approx(np.expm1(0.02) / (0.1 + np.expm1(0.02)))
    assert papers.loss == pytest.approx(1 - hc.attenuation(8, fresh_fraction=0.1, truncation_time=0.02))
    half = advise_sampler(SamplerTruncation("mine", 0.02, "half"), fresh_fraction=0.1)
    model = 1.0
    for _ in range(400):
        w = 0.1 + 0.9 * model
        model = w + half.truncation.sigma**4 / (4.0 * (w + half.truncation.sigma**2))
    assert half.variance_drift == pytest.approx(model - 1.0, rel=1e-9) and "half a step" in half.text.lower()
    assert half.drift_of_half_step == half.variance_drift
    assert advise_sampler(0.3, fresh_fraction=0.5).truncation.final_step == "noisy"


def test_every_final_step_has_advice_and_others_are_refused():
    advice = {
        step: advise_sampler(SamplerTruncation("mine", 0.02, step), fresh_fraction=0.1)
        for step in FINAL_STEPS
    }
    assert all(step in found.text for step, found in advice.items())
    # Rounds of (1, sigma^2): the limit has the variance of the data plus sigma^2 / alpha, exactly.
    target = hc.GaussianMixture([1.0], [0.0], 1.0)
    sigma = advice["rescaled"].truncation.sigma
    exploding = hc.Recursion(
        target, fresh_fraction=0.1, truncation_time=sigma**2, process=hc.VarianceExploding()
    ).limit()
    assert advice["rescaled"].variance_drift == pytest.approx(exploding.covariance[0, 0] - 1.0, rel=1e-9)
    # w -> w^2 / (w + sigma^2), by plain rounds.
    model = 1.0
    for _ in range(400):
        w = 0.1 + 0.9 * model
        model = w**2 / (w + sigma**2)
    assert advice["full"].variance_drift == pytest.approx(model - 1.0, rel=1e-9)
    assert advice["full"].variance_drift == pytest.approx(-advice["rescaled"].variance_drift, rel=0.2)
    with pytest.raises(hc.InputError, match="did you mean 'full'"):
        SamplerTruncation("mine", 0.02, "fully")


def test_steps_of_known_samplers_and_the_causes_that_were_not_looked_at():
    few = advise_sampler("ddpm", fresh_fraction=0.5, steps=50)
    many = advise_sampler("ddpm", fresh_fraction=0.5)
    assert few.truncation.truncation_time == many.truncation.truncation_time
    assert few.steps_effect.in_limit < many.steps_effect.in_limit < 1.0
    fine = advise_sampler("stable_diffusion", fresh_fraction=0.9, smallest_variance=1e-3)
    assert fine.steps_effect.variance == 1e-3 and "direction with 0.0010 of the data's variance" in fine.text
    silent = advise_sampler(1e-6, fresh_fraction=0.5)
    assert (
        silent.steps_effect is None and "does not look at, are the sampler's steps, guidance" in silent.text
    )
    exact = advise_sampler("edm", fresh_fraction=0.9, steps=2000)
    assert "nor are the steps" in exact.text
    assert advise_sampler(0.3, fresh_fraction=0.5).text.endswith("end with half a step.")
    for arguments, words in (
        (("papers", 10), "steps must be left out for papers"),
        ((0.02, 10), "steps must come with the name of a known sampler"),
        (("edm", 0), "steps must be"),
    ):
        with pytest.raises(hc.InputError, match=words):
            advise_sampler(arguments[0], fresh_fraction=0.5, steps=arguments[1])


@pytest.mark.parametrize("alpha", [0.02, 0.1, 0.9])
@pytest.mark.parametrize("sigma", [0.004, 0.3, 0.7194, 3.0])
def test_a_last_step_far_from_the_data_by_plain_rounds(sigma, alpha):
    """Where sigma^2 / alpha is not small beside the variance the leading order says more than there is."""
    truncation = SamplerTruncation("mine", float(hc.time_from_sigma(sigma)), "full")
    advice = advise_sampler(truncation, fresh_fraction=alpha)
    model = narrow = 1.0
    edge = sigma**2 / alpha
    narrow = edge
    for _ in range(4000):
        w = alpha + (1 - alpha) * model
        model = w**2 / (w + sigma**2)
        w = alpha * edge + (1 - alpha) * narrow
        narrow = w**2 / (w + sigma**2)
    assert advice.variance_drift == pytest.approx(model - 1.0, rel=1e-6, abs=1e-12)
    assert -1.0 < advice.variance_drift < 0.0
    share = float(re.search(r"keep less than ([\d.]+) % of theirs", advice.text).group(1)) / 100
    assert narrow / edge == pytest.approx(share, abs=0.006)
    if (sigma, alpha) == (0.7194, 0.1):
        assert 1.0 + advice.variance_drift == pytest.approx(0.0228, abs=1e-4)


def test_a_sampler_that_keeps_no_signal_has_an_answer():
    for step, drift in (("full", -1.0), ("noisy", 1.0), ("rescaled", np.inf)):
        advice = advise_sampler(SamplerTruncation("mine", np.inf, step), fresh_fraction=0.5)
        assert advice.variance_drift == drift and advice.loss == 1.0 and advice.matters
        assert "sigma = inf" in advice.text and "nan" not in advice.text


def test_which_part_of_a_sampler_does_more():
    sampler = SamplerSteps.edm(steps=7)
    assert StepsEffect(1.0, 0.9, 0.99, 0.5, 0.9, 0.01, 0.5).dominant == "steps"
    assert StepsEffect(1.0, 0.9, 0.91, 0.5, 0.6, 0.01, 0.5).dominant == "last step"
    growing = StepsEffect(1.0, 1.5, 1.0, np.inf, 1.0, 0.01, np.inf)
    words = growing.words(sampler, 0.25)
    assert growing.matters and "without bound in the long run" in words
    assert "fresh fraction 0.25, all its steps together (EDM Heun, 7 steps) multiply" in words
    cycling = StepsEffect(0.5, 1.5, 1.0, np.nan, 1.0, 0.01, np.inf)
    words = cycling.words(sampler, 0.25)
    assert cycling.matters and "factors that alternate" in words and "0.5" in words
    assert not StepsEffect(1.0, 1.0, 1.0, 1.0, 1.0, 0.01, 0.1).matters


def made(name: str, steps: int) -> SamplerSteps:
    return named_sampler(name)(steps=steps)


@pytest.mark.parametrize(
    ("name", "steps", "fresh_fraction"),
    [
        ("edm", 18, 0.1),
        ("edm", 100, 0.1),
        ("edm_euler", 18, 0.9),
        ("ddpm", 1000, 0.5),
        ("improved_ddpm", 1000, 0.5),
    ],
)
def test_advice_and_an_audit_say_the_same_of_the_steps(name, steps, fresh_fraction):
    sampler = made(name, steps)
    advice = advise_sampler(name, fresh_fraction=fresh_fraction, steps=steps)
    audit = hc.audit(hc.Pipeline([sampler], fresh_fraction=fresh_fraction), build=lambda k: made(name, k))
    limits = audit.ledger.limit[:33]  # of variances from 1 down to .01
    assert advice.steps_effect.deviation == pytest.approx(np.abs(limits - 1.0).max(), rel=1e-9)
    assert advice.steps_effect.matters is not audit.is_reached
    assert audit.is_reached is bool(np.all(np.abs(limits - 1.0) <= 0.1))
    if audit.is_reached:
        assert advice.enough == "" and "nor are the steps: limits down to" in advice.text
        assert "nothing has to change" in audit.text and "are reached already" in audit.text
    else:
        same = advice.enough.replace("a direction of variance 0.01", "the median direction")
        assert same.split(" It takes all")[0] in audit.text
        assert "nothing has to change" not in audit.text and "reached" not in audit.text
    has_all = steps == 1000 and not audit.is_reached
    assert ("It takes all its 1000 training steps" in advice.text) is has_all
    assert "take more of them" not in advice.text


def test_known_samplers_that_explode_are_in_units_of_the_data():
    assert known_sampler("score_sde_ve").sigma == pytest.approx(0.04, rel=1e-12)


def test_every_name_of_a_sampler_is_understood_everywhere():
    for name in NAMES:
        made = named_sampler(name)(steps=20)
        assert sampler_of(Path(name))(20, None) == made
        if name.startswith("flow"):
            with pytest.raises(hc.InputError, match="sampler must stop at some noise"):
                known_sampler(name)
        else:
            known = known_sampler(name, steps=20)
            assert known.sampler == made and known.truncation_time > 0.0
    assert named_sampler("edm")() == named_sampler("edm_heun")() == SamplerSteps.edm()
    assert known_sampler("edm_euler").truncation_time == known_sampler("edm").truncation_time
