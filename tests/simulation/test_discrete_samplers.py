"""Samplers of K steps on particles: V(w) on Gaussians, the grid map on mixtures, guidance, refits and schedulers.

Monte Carlo tests use fixed seeds and 4.5 predicted standard errors; each has a control that is rejected.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.pipeline.mechanisms import SamplerSteps, mixture_round
from hermite_collapse.simulation import (
    GuidedDenoiser,
    MixtureDenoiser,
    SchedulerGeneration,
    StepsGeneration,
    simulate,
    words,
)
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.refits import refitted
from hermite_collapse.simulation.steps import posterior_means, steps_by_name

CPU = torch.device("cpu")
BARS = 4.5
WIDE = {"schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}  # Stable Diffusion's
SAMPLERS = [
    SamplerSteps.ddpm(steps=25),
    SamplerSteps.ddpm(steps=25, variance="beta"),
    SamplerSteps.ddim(steps=20, offset=1, set_alpha_to_one=False, **WIDE),
    SamplerSteps.ddim(steps=12, eta=0.6),
    SamplerSteps.edm(),
    SamplerSteps.edm(method="euler"),
    SamplerSteps.flow(steps=10, shift=3.0),
]
IDS = [f"{i}: {s.describe()}" for i, s in enumerate(SAMPLERS)]


def recursion_of(law, fresh_fraction=1.0, **options):
    return hc.Recursion(law, fresh_fraction=fresh_fraction, truncation_time=0.0, **options)


def particles_of(generation, law, count=60_000, seed=1, **options):
    """The particles of the first round, shape (count, d)."""
    record = simulate(
        recursion_of(law, **options),
        rounds=1,
        particles=count,
        degree=1,
        generator=generation,
        keep="last",
        device="cpu",
        seed=seed,
    )
    return record.samples[0, -1]


def variance_error(x):
    return np.sqrt((np.mean((x - x.mean()) ** 4) - x.var() ** 2) / len(x))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=IDS)
def test_a_gaussian_leaves_with_the_variance_and_mean_of_the_map(sampler):
    mean, w = 1.3, 0.3
    x = particles_of(StepsGeneration(sampler), hc.GaussianMixture([1.0], [mean], w))[:, 0]
    variance = float(sampler.variance(w))
    bar = BARS * variance * np.sqrt(2.0 / len(x))
    assert abs(x.var() - variance) < bar
    assert abs(x.var() - 1.05 * variance) > bar  # control: 5 % off
    assert abs(x.mean() - float(sampler.gain(w)) * mean) < BARS * np.sqrt(variance / len(x))


@pytest.mark.parametrize("sampler", SAMPLERS[2:5], ids=IDS[2:5])
def test_every_direction_of_a_gaussian_in_the_plane_has_its_own_variance(sampler):
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    w = np.array([0.04, 0.9])
    x = (
        particles_of(StepsGeneration(sampler), hc.GaussianMixture([1.0], [[0.0, 0.0]], [turn * w @ turn.T]))
        @ turn
    )
    expected = sampler.variance(w)
    assert np.all(np.abs(x.var(axis=0) / expected - 1.0) < BARS * np.sqrt(2.0 / len(x)))
    assert abs(np.mean(x[:, 0] * x[:, 1])) < BARS * np.sqrt(expected.prod() / len(x))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=IDS)
def test_two_modes_have_the_moments_of_the_grid_map_and_not_those_of_the_closure(sampler):
    law = hc.GaussianMixture([0.5, 0.5], [-0.45, 0.45], 0.01)
    x = particles_of(StepsGeneration(sampler), law)[:, 0]
    result = mixture_round(sampler, law)
    measured = hc.EmpiricalLaw(x, scale=1.0).hermite_coefficients(8)
    errors = np.maximum(measured.standard_error[1:], 1e-12)
    assert np.all(np.abs(measured.values - result.after.coefficients(8))[1:] < BARS * errors)
    assert abs(x.var() - result.closure_ratio * result.before.variance) > BARS * variance_error(x)  # control
    inside = np.abs(x) - result.after.class_means[1]
    bar = BARS * np.sqrt((np.mean(inside**4) - np.mean(inside**2) ** 2) / len(x))
    assert abs(np.mean(inside**2) - result.after.within_variance) < bar
    assert (
        abs(np.mean(inside**2) - float(sampler.variance(0.01))) > bar
    )  # control: V of a mode is another number


@pytest.mark.parametrize(
    ("sampler", "total", "within"),
    [(SAMPLERS[2], 0.880, 1.52), (SamplerSteps.edm(), 1.064, 1.099)],
    ids=["DDIM", "EDM"],
)
def test_recorded_ratios_of_two_modes(sampler, total, within):
    law = hc.GaussianMixture([0.5, 0.5], [-0.45, 0.45], 0.01)
    x = particles_of(StepsGeneration(sampler), law, count=100_000)[:, 0]
    assert x.var() / 0.2125 == pytest.approx(total, abs=BARS * variance_error(x) / 0.2125 + 1e-3)
    parts = np.concatenate([x[x > 0] - x[x > 0].mean(), x[x < 0] - x[x < 0].mean()])
    bar = BARS * np.sqrt((np.mean(parts**4) - np.mean(parts**2) ** 2) / len(x)) / 0.01
    assert np.mean(parts**2) / 0.01 == pytest.approx(within, abs=bar + 9e-3)


def test_guidance_takes_components_as_classes():
    law = hc.GaussianMixture([0.3, 0.7], [-1.2, 0.5], [0.1, 0.3])
    sampler = SamplerSteps.ddim(steps=12)
    x = particles_of(StepsGeneration(sampler, guidance_scale=2.5), law)[:, 0]
    guided = mixture_round(sampler, law, guidance_scale=2.5).after
    measured = hc.EmpiricalLaw(x, scale=1.0).hermite_coefficients(6)
    bars = BARS * np.maximum(measured.standard_error[1:], 1e-12)
    assert np.all(np.abs(measured.values - guided.coefficients(6))[1:] < bars)
    plain = mixture_round(sampler, law).after.coefficients(6)
    assert np.any(np.abs(measured.values - plain)[1:] > bars)  # control


def test_the_guided_denoiser_extrapolates_row_by_row():
    law = hc.GaussianMixture([0.5, 0.5], [-1.0, 1.0], [0.1, 0.4])
    parts = [hc.GaussianMixture([1.0], [m], v) for m, v in ((-1.0, 0.1), (1.0, 0.4))]
    whole, first, second = (MixtureDenoiser(components_of(part, CPU)) for part in (law, *parts))
    x = torch.linspace(-2.0, 2.0, 6, dtype=torch.float64)[:, None]
    labels = torch.tensor([0, 1, 0, 1, 1, 0])
    guided = GuidedDenoiser(whole, (first, second), labels, 3.0).denoise(x, 0.4)
    own = torch.where(labels[:, None] == 0, first.denoise(x, 0.4), second.denoise(x, 0.4))
    torch.testing.assert_close(guided, whole.denoise(x, 0.4) + 3.0 * (own - whole.denoise(x, 0.4)))


@pytest.mark.parametrize(("signal", "noise"), [(1.0, 80.0), (1.0, 0.002), (0.0, 1.0), (0.3, 0.7), (0.6, 0.8)])
def test_posterior_means_at_any_level(signal, noise):
    mean, w = 0.7, 0.2
    denoiser = MixtureDenoiser(components_of(hc.GaussianMixture([1.0], [mean], w), CPU))
    x = (
        signal * mean
        + np.sqrt(signal**2 * w + noise**2) * torch.linspace(-3.0, 3.0, 7, dtype=torch.float64)[:, None]
    )
    data, noises = posterior_means(denoiser, x, signal, noise)
    total = signal**2 * w + noise**2
    torch.testing.assert_close(data, (signal * w * x + noise**2 * mean) / total, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(noises, noise * (x - signal * mean) / total, rtol=1e-9, atol=1e-9)


def test_a_gaussian_recursion_follows_the_scalar_map():
    """Later rounds: the refit of one component is exact, w' = V(alpha v_d + (1 - alpha) w)."""
    w, alpha, sampler = 0.25, 0.3, SamplerSteps.edm()
    record = simulate(
        recursion_of(hc.GaussianMixture([1.0], [0.0], w), fresh_fraction=alpha),
        rounds=4,
        particles=40_000,
        runs=3,
        degree=2,
        generator=StepsGeneration(sampler),
        device="cpu",
        seed=5,
    )
    expected = [w]
    for _ in range(4):
        expected.append(float(sampler.variance(alpha * w + (1.0 - alpha) * expected[-1])))
    measured = record.covariances[:, :, 0, 0].mean(axis=0)
    # A deviation of one round is carried on by (1 - alpha) V' < 1.
    bars = BARS * np.array(expected) * np.sqrt(2.0 / 120_000 * np.arange(1, 6))
    assert np.all(np.abs(measured - expected) < bars)
    assert np.any(np.abs(measured - w) > bars)  # control: the sampler inflates


def test_the_means_of_guided_classes_move_from_round_to_round():
    law = hc.GaussianMixture([0.5, 0.5], [-0.6, 0.6], 0.2)
    record = simulate(
        recursion_of(law, fresh_fraction=0.5),
        rounds=3,
        particles=20_000,
        degree=4,
        generator=StepsGeneration(SamplerSteps.ddim(steps=20), guidance_scale=1.5),
        device="cpu",
    )
    spread = record.covariances[0, :, 0, 0]
    assert spread[1] > 1.03 * spread[0]
    assert spread[2] > 1.03 * spread[1]  # classes of the second round start from those of the first


def test_refits_keep_mean_and_covariance_and_find_separate_modes():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 5000)
    rows = np.array([[-2.0, 0.0], [2.0, 1.0]])[labels] + rng.standard_normal((5000, 2)) * [0.3, 0.6]
    start = hc.GaussianMixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], 1.0)
    fitted = refitted(torch.from_numpy(rows), start)
    np.testing.assert_allclose(fitted.mean, rows.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(fitted.covariance, np.cov(rows.T, bias=True), atol=1e-8)
    np.testing.assert_allclose(fitted.means, [rows[labels == k].mean(axis=0) for k in range(2)], atol=1e-3)
    known = refitted(torch.from_numpy(rows), start, torch.from_numpy(labels))
    np.testing.assert_allclose(known.covariances[1], np.cov(rows[labels == 1].T, bias=True), atol=1e-9)


def test_equal_seeds_give_equal_bytes_whatever_the_chunks():
    law = hc.GaussianMixture(
        [0.4, 0.6], [[-1.0, 0.0], [0.5, 0.3]], [[[0.2, 0.1], [0.1, 0.3]], [[0.3, 0.0], [0.0, 0.1]]]
    )
    options = {"rounds": 2, "particles": 9000, "runs": 2, "degree": 2, "keep": "last", "device": "cpu"}
    generation = StepsGeneration(SamplerSteps.ddpm(steps=5), guidance_scale=1.5)
    recursion = recursion_of(law, fresh_fraction=0.4)
    first = simulate(recursion, generator=generation, chunk=8192, **options)
    second = simulate(recursion, generator=generation, chunk=100_000, **options)
    np.testing.assert_array_equal(first.samples, second.samples)
    assert not np.array_equal(first.samples[0], first.samples[1])


@pytest.mark.parametrize(
    ("name", "steps", "scale"),
    [
        ("DPMSolverMultistepScheduler", 12, 1.0),
        ("EulerAncestralDiscreteScheduler", 8, 2.0),
        ("DDPMScheduler", 10, 1.0),
        ("FlowMatchHeunDiscreteScheduler", 6, 1.0),
    ],
)
def test_a_scheduler_object_does_the_steps_that_were_read_off_it(name, steps, scale):
    pytest.importorskip("diffusers")
    law = hc.GaussianMixture([0.4, 0.6], [[-1.0, 0.0], [0.5, 0.3]], 0.1)
    driven = SchedulerGeneration({"_class_name": name}, steps, guidance_scale=scale)
    read = StepsGeneration(
        SamplerSteps.of_scheduler({"_class_name": name}, steps=steps), guidance_scale=scale
    )
    options = {"count": 9000, "fresh_fraction": 0.5}
    np.testing.assert_allclose(
        particles_of(driven, law, **options), particles_of(read, law, **options), rtol=1e-10, atol=1e-11
    )


def test_a_scheduler_object_on_a_gaussian():
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDIMScheduler(clip_sample=False)
    x = particles_of(SchedulerGeneration(scheduler, 15), hc.GaussianMixture([1.0], [0.0], 0.3))[:, 0]
    variance = SamplerSteps.ddim(steps=15).variance(0.3)
    assert abs(x.var() / variance - 1.0) < BARS * np.sqrt(2.0 / len(x))
    assert scheduler.num_inference_steps is None  # the given object is not touched


def test_records_say_what_was_run_and_comparisons_with_the_channel_are_refused():
    law = hc.presets.load("two_modes_1d")
    recursion = recursion_of(law, fresh_fraction=0.5)
    record = simulate(
        recursion, rounds=1, particles=100, degree=2, generator=StepsGeneration(SAMPLERS[0]), device="cpu"
    )
    assert record.generator == "steps"
    assert record.steps == 25
    assert record.sampler["name"] == SAMPLERS[0].describe()
    with pytest.raises(hc.InputError, match="generator with predicted error bars"):
        hc.compare(recursion, record)


def test_later_rounds_of_a_mixture_are_called_a_closure():
    options = {"particles": 100, "degree": 2, "generator": StepsGeneration(SAMPLERS[6]), "device": "cpu"}
    mixture = recursion_of(hc.presets.load("two_modes_1d"), fresh_fraction=0.5)
    gaussian = recursion_of(hc.GaussianMixture([1.0], [0.0], 1.0), fresh_fraction=0.5)
    assert "Gaussian closure" in simulate(mixture, rounds=2, **options).notes[0]
    assert simulate(mixture, rounds=1, **options).notes == ()
    assert simulate(gaussian, rounds=2, **options).notes == ()


def test_samplers_by_name():
    for word in words.STEP_SAMPLERS:
        assert steps_by_name(word, 7).sampler.steps == 7
    assert steps_by_name("ddpm_beta", 9).sampler == SamplerSteps.ddpm(steps=9, variance="beta")
    assert steps_by_name(None, guidance_scale=2.0) == StepsGeneration(SamplerSteps.ddim(), guidance_scale=2.0)
    with pytest.raises(hc.InputError, match="sampler must be one of 'ddim'"):
        steps_by_name("probability_flow_heun")


def test_refusals_in_one_sentence():
    law = hc.presets.load("two_modes_1d")
    with pytest.raises(hc.InputError, match="truncation_time must be 0 in every round"):
        recursion = hc.Recursion(law, fresh_fraction=0.5, truncation_time=0.1)
        simulate(recursion, rounds=1, particles=10, generator=StepsGeneration(), device="cpu")
    with pytest.raises(hc.InputError, match="guidance_scale must be >= 1"):
        StepsGeneration(guidance_scale=0.5)
    with pytest.raises(hc.InputError, match="no guidance of its own"):
        StepsGeneration(SamplerSteps.edm(guidance=hc.mechanisms.Guidance(2.0, 0.1)))
    with pytest.raises(hc.InputError, match="sampler must be a sampler of K steps"):
        StepsGeneration("ddim")
    with pytest.raises(hc.InputError, match="target must have a density"):
        recursion = recursion_of(hc.EmpiricalLaw([0.0, 1.0], scale=1.0))
        simulate(recursion, rounds=1, particles=10, generator=StepsGeneration(), device="cpu")
    with pytest.raises(hc.InputError, match="as many components as the target"):
        recursion = recursion_of(law, fresh_fraction=0.5, initial=hc.GaussianMixture([1.0], [0.0], 1.0))
        simulate(recursion, rounds=1, particles=10, generator=StepsGeneration(), device="cpu")


def test_a_scheduler_that_fails_on_particles_is_one_sentence():
    pytest.importorskip("diffusers")
    broken = {
        "_class_name": "SASolverScheduler",
        "beta_schedule": "squaredcos_cap_v2",
        "use_karras_sigmas": True,
    }
    with pytest.raises(hc.InputError, match="got SASolverScheduler: its own code fails .AssertionError"):
        particles_of(SchedulerGeneration(broken, 50), hc.GaussianMixture([1.0], [0.0], 0.3))
