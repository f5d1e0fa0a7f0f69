"""Advice on samplers: published noise levels, every final step, schedulers read from files."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.advice.samplers import (
    KNOWN_SAMPLERS,
    SamplerTruncation,
    advise_sampler,
    known_sampler,
    read_scheduler,
)
from hermite_collapse.recursion.final_steps import FINAL_STEPS


def test_known_samplers_have_their_published_noise_levels():
    assert known_sampler("ddpm").sigma == pytest.approx(0.01, rel=1e-3)
    assert known_sampler("stable_diffusion").sigma == pytest.approx(np.sqrt(0.00085), rel=1e-3)
    assert known_sampler("edm").sigma == pytest.approx(0.004, rel=1e-9)
    assert all(0 < sampler.truncation_time < 0.05 for sampler in KNOWN_SAMPLERS.values())


def test_advice_says_no_when_truncation_is_negligible_and_yes_when_not():
    edm = advise_sampler("edm", fresh_fraction=0.1)
    assert not edm.matters and "not your problem" in edm.text and edm.variance_drift < 0
    papers = advise_sampler("papers", fresh_fraction=0.1)
    assert papers.matters and papers.variance_drift == pytest.approx(np.expm1(0.02) / (0.1 + np.expm1(0.02)))
    assert papers.loss == pytest.approx(1 - hc.attenuation(8, fresh_fraction=0.1, truncation_time=0.02))
    half = advise_sampler(SamplerTruncation("mine", 0.02, "half"), fresh_fraction=0.1)
    assert half.variance_drift == 0.0 and "half a step" in half.text.lower()
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
        target, fresh_fraction=0.1, truncation=sigma**2, process=hc.VarianceExploding()
    ).limit()
    assert advice["rescaled"].variance_drift == pytest.approx(exploding.covariance[0, 0] - 1.0, rel=1e-9)
    assert advice["full"].variance_drift == -advice["rescaled"].variance_drift
    with pytest.raises(hc.InputError, match="did you mean 'full'"):
        SamplerTruncation("mine", 0.02, "fully")


def test_scheduler_files(tmp_path):
    config = {
        "_class_name": "DDIMScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
    }
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps(config | {"num_train_timesteps": 1000}))
    assert read_scheduler(path).truncation_time == pytest.approx(
        known_sampler("stable_diffusion").truncation_time
    )
    assert read_scheduler(path).final_step == "full"
    assert read_scheduler(config | {"set_alpha_to_one": False}).final_step == "noisy"
    assert read_scheduler({"sigma_min": 0.002}, data_scale=0.5).sigma == pytest.approx(0.004)
    cosine = read_scheduler({"beta_schedule": "squaredcos_cap_v2"})
    assert cosine.truncation_time == pytest.approx(known_sampler("improved_ddpm").truncation_time)
    levels = np.cumprod(1.0 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    for step in (0, 40, 999):
        assert read_scheduler(path, step=step).truncation_time == pytest.approx(
            -np.log(levels[step]), rel=1e-12
        )
    for step, words in (
        (1000, "step must be one of the scheduler's 1000, 0 to 999, got 1000"),
        (-1, "got -1"),
    ):
        with pytest.raises(hc.InputError, match=words):
            read_scheduler(path, step=step)
    with pytest.raises(
        hc.InputError, match="step must be left out for a scheduler given by sigma_min, got 3"
    ):
        read_scheduler({"sigma_min": 0.002}, step=3)
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    for argument, words in (
        (bad, "config must be a JSON file"),
        (tmp_path / "none.json", "config must be a readable file"),
        ({"prediction_type": "epsilon"}, "config must have a beta_schedule, trained_betas or sigma_min"),
        ({"beta_schedule": "linaer"}, "did you mean 'linear'?"),
        ({"trained_betas": [0.1, 1.5]}, "betas must lie in [0, 1)"),
    ):
        with pytest.raises(hc.InputError) as problem:
            read_scheduler(argument)
        assert words in str(problem.value)
    with pytest.raises(hc.InputError, match="sampler must be one of"):
        advise_sampler("unknown", fresh_fraction=0.1)


def test_scheduler_classes_of_diffusers_agree():
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    first = float(scheduler.alphas_cumprod[0])
    assert hc.alpha_bar_from_time(read_scheduler(dict(scheduler.config)).truncation_time) == pytest.approx(
        first, rel=1e-6
    )
