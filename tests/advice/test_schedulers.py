"""Truncation of schedulers: tables without a class, and objects of diffusers, from files and folders."""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.advice.samplers import advise_sampler, known_sampler
from hermite_collapse.advice.schedulers import read_scheduler

SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.fixture
def diffusers():
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("diffusers")


def test_tables_without_a_class(tmp_path):
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps(SCALED | {"num_train_timesteps": 1000}))
    assert read_scheduler(path).truncation_time == pytest.approx(
        known_sampler("stable_diffusion").truncation_time
    )
    assert read_scheduler(path).final_step == "full"
    assert read_scheduler(SCALED | {"set_alpha_to_one": False}).final_step == "noisy"
    assert read_scheduler({"sigma_min": 0.002}, data_scale=0.5).sigma == pytest.approx(0.004)
    cosine = read_scheduler({"beta_schedule": "squaredcos_cap_v2"})
    assert cosine.truncation_time == pytest.approx(known_sampler("improved_ddpm").truncation_time)
    levels = np.cumprod(1.0 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    for step in (0, 40, 999):
        assert read_scheduler(path, step=step).truncation_time == pytest.approx(
            -np.log(levels[step]), rel=1e-12
        )
    assert read_scheduler(path, data_scale=0.5).sigma == pytest.approx(2.0 * read_scheduler(path).sigma)
    assert read_scheduler({"trained_betas": [0.1, 0.2]}).truncation_time == pytest.approx(-np.log(0.9))


def test_bad_input_is_answered_in_one_sentence(tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    for config, options, words in (
        (SCALED, {"step": 1000}, "step must be one of the scheduler's 1000, 0 to 999, got 1000"),
        (SCALED, {"step": -1}, "got -1"),
        (SCALED, {"steps": 10}, "steps must come with a configuration that names its class"),
        (SCALED, {"steps": 10, "step": 3}, "steps must be left out where step says"),
        (SCALED, {"data_scale": -1.0}, "data_scale must be > 0, got -1.0"),
        (
            {"sigma_min": 0.002},
            {"step": 3},
            "step must be left out for a scheduler given by sigma_min, got 3",
        ),
        (bad, {}, "config must be a JSON file"),
        (tmp_path / "none.json", {}, "config must be a readable file"),
        ({"prediction_type": "epsilon"}, {}, "config must have a beta_schedule, trained_betas or sigma_min"),
        ({"beta_schedule": "linaer"}, {}, "did you mean 'linear'?"),
        ({"trained_betas": [0.1, 1.5]}, {}, "betas must lie in [0, 1)"),
    ):
        with pytest.raises(hc.InputError) as problem:
            read_scheduler(config, **options)
        assert words in str(problem.value)
    with pytest.raises(hc.InputError, match="sampler must be one of"):
        advise_sampler("unknown", fresh_fraction=0.1)


def test_classes_need_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(hc.InputError) as problem:
        read_scheduler(SCALED | {"_class_name": "DDIMScheduler"})
    assert "hermite-collapse[diffusers]" in str(problem.value)


@pytest.mark.parametrize(
    ("settings", "options", "final_step", "sigma"),
    [
        (SCALED | {"_class_name": "DDIMScheduler"}, {}, "full", 0.02917),
        (SCALED | {"_class_name": "DDIMScheduler", "set_alpha_to_one": False}, {}, "noisy", 0.02925),
        (
            # SDXL: a key of another class changes nothing.
            SCALED
            | {
                "_class_name": "EulerDiscreteScheduler",
                "set_alpha_to_one": False,
                "timestep_spacing": "leading",
                "steps_offset": 1,
            },
            {"steps": 50},
            "full",
            0.04131,
        ),
        (
            SCALED | {"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"},
            {"steps": 4},
            "full",
            0.6932,
        ),
        (SCALED | {"_class_name": "DDIMScheduler"}, {"data_scale": 0.5}, "full", 2 * 0.02917),
        ({"_class_name": "EDMEulerScheduler", "sigma_data": 0.5}, {"steps": 18}, "full", 0.004),
        ({"_class_name": "EDMEulerScheduler"}, {"steps": 18, "data_scale": 1.0}, "full", 0.002),
        ({"_class_name": "LCMScheduler"} | SCALED | {"steps_offset": 1}, {"steps": 4}, "full", 0.7194),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}, {"steps": 28}, "full", 0.00901),
        (
            {
                "_class_name": "UniPCMultistepScheduler",
                "use_flow_sigmas": True,
                "flow_shift": 3.0,
                "prediction_type": "flow_prediction",
            },
            {"steps": 50},
            "full",
            0.06429,
        ),
        (
            SCALED | {"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": True},
            {"step": 999},
            "full",
            np.inf,
        ),
    ],
)
def test_schedulers_of_diffusers(diffusers, settings, options, final_step, sigma):
    truncation = read_scheduler(settings, **options)
    assert truncation.final_step == final_step
    if sigma == np.inf:
        assert truncation.truncation_time == np.inf
    else:
        assert truncation.sigma == pytest.approx(sigma, rel=4e-4)
    few_steps = settings["_class_name"] == "LCMScheduler"
    assert ("networks for few steps are not" in truncation.note) is few_steps
    assert (truncation.sampler is None) is (few_steps or "step" in options)


@pytest.mark.parametrize(("step", "time"), [(10, 0.002209), (500, 2.587)])
def test_rescaled_tables(diffusers, step, time):
    settings = {"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": True}
    assert read_scheduler(settings, step=step).truncation_time == pytest.approx(time, rel=3e-4)
    with pytest.raises(hc.InputError, match="0 to 999, got 1000"):
        read_scheduler(settings, step=1000)
    with pytest.raises(hc.InputError, match="step must be left out for FlowMatchEulerDiscreteScheduler"):
        read_scheduler({"_class_name": "FlowMatchEulerDiscreteScheduler"}, step=3)


def test_advice_on_a_scheduler_looks_at_its_steps(diffusers, tmp_path):
    folder = tmp_path / "scheduler"
    diffusers.DDIMScheduler(**SCALED).save_pretrained(folder)
    advice = advise_sampler(read_scheduler(folder, steps=20), fresh_fraction=0.1)
    assert not advice.matters and "but the sampler's steps are" in advice.text
    assert "How many steps would do, hermite-collapse audit says." in advice.text
    assert advice.truncation.name == "DDIMScheduler, 20 steps"
    assert advice.steps_effect.in_round == pytest.approx(advice.truncation.sampler.variance(1.0))
    multistep = read_scheduler(SCALED | {"_class_name": "DPMSolverMultistepScheduler"}, steps=20)
    effect = advise_sampler(multistep, fresh_fraction=0.1, smallest_variance=0.01).steps_effect
    assert effect.dominant == "last step" and effect.in_round == pytest.approx(0.164, rel=1e-3)


def test_scheduler_classes_of_diffusers_agree(diffusers):
    scheduler = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    first = float(scheduler.alphas_cumprod[0])
    assert hc.alpha_bar_from_time(read_scheduler(dict(scheduler.config)).truncation_time) == pytest.approx(
        first, rel=1e-6
    )
