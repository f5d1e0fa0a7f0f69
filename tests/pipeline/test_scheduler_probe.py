"""Schedulers of diffusers as round maps: closed forms, recorded values, particles, sources and refusals."""

from __future__ import annotations

import importlib
import importlib.machinery
import inspect
import json
import os
import pickle
import subprocess
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.errors import InputError
from hermite_collapse.pipeline.mechanisms import Guidance, SamplerSteps
from hermite_collapse.pipeline.pipeline import Pipeline
from hermite_collapse.pipeline.scheduler_classes import quiet
from hermite_collapse.pipeline.scheduler_conventions import CONVENTIONS, REFUSED
from hermite_collapse.pipeline.scheduler_probe import SchedulerDrive, _Probe, _QuickProbe, prepared

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    diffusers = pytest.importorskip("diffusers")

VARIANCES = np.array([1.0, 0.25, 0.05, 0.01, 0.0025])
SCALED = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
OFFSET = SCALED | {"steps_offset": 1}
COG = {
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "snr_shift_scale": 3.0,
}
FLUX = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15, "shift": 3.0}
RFD4 = {"schedule_mode": "log", "noise_mode": "1/t", "tsr_k": 1.0, "tsr_sigma": 1.0}
POSTERIOR = {"denoiser": "posterior_mean"}
FLOW_MAP = {"denoiser": "flow_map"}


def classes() -> dict[str, type]:
    """Every scheduler class in the files of diffusers; torchsde, which two of them ask for, is never called here."""
    stub = types.ModuleType("torchsde")
    stub.__spec__ = importlib.machinery.ModuleSpec("torchsde", None)
    missing = "torchsde" not in sys.modules
    if missing:
        sys.modules["torchsde"] = stub
    result = {}
    folder = Path(inspect.getfile(diffusers)).parent / "schedulers"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for file in sorted(folder.rglob("scheduling_*.py")):
                if "flax" in file.name or file.stem.endswith("utils"):
                    continue
                name = ".".join(("diffusers", "schedulers", *file.relative_to(folder).with_suffix("").parts))
                module = importlib.import_module(name)
                result.update(
                    (key, value)
                    for key, value in vars(module).items()
                    if inspect.isclass(value) and key.endswith("Scheduler") and value.__module__ == name
                )
    finally:
        if missing:
            del sys.modules["torchsde"]
    return result


CLASSES = classes()


def scheduler(name: str, **settings):
    if name not in CLASSES:
        pytest.skip(f"{name} is not in this version of diffusers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CLASSES[name](**settings)


def probe(name: str, steps: int, settings=None, **options):
    return SamplerSteps.of_scheduler(scheduler(name, **(settings or {})), steps=steps, **options)


RECORDED = [
    ("DDIM", 20, OFFSET | {"set_alpha_to_one": False}, {}, "0.8777 0.8063 0.6347 0.5466 0.8087"),
    ("DDIM", 50, OFFSET | {"set_alpha_to_one": False}, {}, "0.9479 0.9161 0.8212 0.7403 0.9510"),
    ("DDIM", 20, SCALED | {"timestep_spacing": "trailing"}, {}, "0.8639 0.7547 0.4662 0.1636 0.0477"),
    (
        "DDIM",
        20,
        SCALED
        | {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
        {},
        "0.8532 0.7402 0.4479 0.1534 0.0443",
    ),
    ("DDIM", 20, OFFSET, {"step_options": {"eta": 1.0}}, "0.7821 0.6707 0.4464 0.2725 0.2783"),
    ("DDIM", 50, {}, {}, "0.9294 0.8928 0.7960 0.6139 0.4259"),
    ("PNDM", 20, OFFSET | {"skip_prk_steps": True}, {}, "0.9940 0.9800 0.8933 0.8405 1.1752"),
    ("PNDM", 50, OFFSET | {"skip_prk_steps": True}, {}, "0.9989 1.0016 0.9967 1.0152 1.2940"),
    ("DDPM", 50, {}, {}, "0.8574 0.7890 0.6557 0.4687 0.2819"),
    ("DDPM", 50, {"variance_type": "fixed_large"}, {}, "0.9999 1.0701 1.2276 1.6353 2.9201"),
    ("DDPM", 1000, {}, {}, "0.9911 0.9845 0.9671 0.9276 0.8572"),
    ("DDPM", 1000, {"variance_type": "fixed_large"}, {}, "0.9999 1.0030 1.0084 1.0154 1.0155"),
    ("DPMSolverMultistep", 20, SCALED, {}, "0.9601 0.8392 0.4936 0.1640 0.0470"),
    (
        "DPMSolverMultistep",
        20,
        SCALED | {"use_karras_sigmas": True},
        {},
        "1.0241 1.0294 1.0169 0.9376 0.7372",
    ),
    (
        "DPMSolverMultistep",
        50,
        SCALED | {"use_karras_sigmas": True},
        {},
        "1.0026 1.0043 0.9923 0.9290 0.7490",
    ),
    ("DPMSolverMultistep", 20, SCALED | {"solver_order": 3}, {}, "0.9526 0.8393 0.4986 0.1647 0.0470"),
    (
        "DPMSolverMultistep",
        20,
        SCALED | {"algorithm_type": "sde-dpmsolver", "final_sigmas_type": "sigma_min"},
        {},
        "1.1105 1.3357 12.0365 202.3833 1130.5324",
    ),
    (
        "DPMSolverMultistep",
        20,
        SCALED | {"algorithm_type": "sde-dpmsolver++"},
        {},
        "0.9853 0.8466 0.4782 0.1602 0.0464",
    ),
    (
        "DPMSolverMultistep",
        20,
        SCALED | {"final_sigmas_type": "sigma_min"},
        {},
        "1.1148 1.2834 1.2707 0.8755 0.8830",
    ),
    (
        "DPMSolverMultistep",
        20,
        OFFSET | {"timestep_spacing": "leading"},
        {},
        "0.9616 0.8487 0.5078 0.1712 0.0493",
    ),
    ("DPMSolverSinglestep", 20, SCALED, {}, "0.9267 0.7973 0.4739 0.1617 0.0468"),
    ("DEISMultistep", 20, SCALED, {}, "1.0256 1.0668 0.9637 0.6876 0.7734"),
    ("UniPCMultistep", 20, SCALED, {}, "0.9593 0.8410 0.4957 0.1643 0.0470"),
    ("UniPCMultistep", 5, SCALED, {}, "0.7401 0.4193 0.1312 0.0297 0.0076"),
    ("SASolver", 20, SCALED, {}, "1.0090 0.9169 0.6454 0.4528 0.6181"),
    (
        "EulerDiscrete",
        30,
        OFFSET | {"timestep_spacing": "leading"},
        {},
        "0.9152 0.8587 0.6964 0.5062 0.3969",
    ),
    ("EulerAncestralDiscrete", 20, SCALED, {}, "0.7733 0.6588 0.4235 0.2188 0.2300"),
    ("HeunDiscrete", 20, SCALED, {}, "1.0056 1.0179 1.1256 1.7172 2.4058"),
    ("HeunDiscrete", 20, SCALED | {"use_karras_sigmas": True}, {}, "1.0182 1.0247 1.0198 0.9651 0.7866"),
    ("LMSDiscrete", 20, SCALED, {}, "0.9917 1.0017 0.9196 0.6299 0.5043"),
    ("KDPM2Discrete", 20, SCALED, {}, "1.0201 1.0797 1.3085 1.6240 1.2065"),
    ("KDPM2AncestralDiscrete", 20, SCALED, {}, "1.1915 1.5505 2.8219 5.5186 7.5567"),
    ("DPMSolverSDE", 20, SCALED | {"use_karras_sigmas": True}, {}, "0.9753 0.9678 0.9489 0.8872 0.7242"),
    ("EDMEuler", 18, {}, {}, "0.7388 0.7159 0.6874 0.6566 0.6282"),
    ("EDMDPMSolverMultistep", 18, {}, {}, "1.1050 1.1286 1.1553 1.1693 1.1544"),
    ("EDMDPMSolverMultistep", 40, {}, {}, "1.0170 1.0210 1.0268 1.0335 1.0387"),
    ("CosineDPMSolverMultistep", 50, {}, {}, "0.9194 0.7311 0.3539 0.0996 0.0270"),
    ("LCM", 4, SCALED, POSTERIOR, "0.3135 0.2281 0.0805 0.0186 0.0048"),
    ("TCD", 4, SCALED, POSTERIOR, "0.4646 0.3193 0.1694 0.1801 0.4228"),
    ("CMStochasticIterative", 4, {}, POSTERIOR, "0.1506 0.0998 0.1959 0.2327 0.1107"),
    ("SCM", 2, {}, POSTERIOR, "0.1801 0.0664 0.0150 0.0031 0.0008"),
    ("FlowMatchLCM", 4, {"shift": 3.0}, POSTERIOR, "0.2140 0.0890 0.0225 0.0122 0.0315"),
    ("Piflow", 4, {}, POSTERIOR, "0.3783 0.2208 0.0643 0.0141 0.0036"),
    ("FlowMatchEulerDiscrete", 4, {"shift": 3.0}, {}, "0.2534 0.1027 0.0340 0.0238 0.0426"),
    ("FlowMatchEulerDiscrete", 28, {"shift": 3.0}, {}, "0.8756 0.8082 0.6591 0.4255 0.2619"),
    ("FlowMatchEulerDiscrete", 28, FLUX, {}, "0.8751 0.8039 0.6426 0.3713 0.1472"),
    ("FlowMatchEulerDiscrete", 50, FLUX, {"mu": 1.15}, "0.9281 0.8853 0.7832 0.5880 0.3363"),
    ("FlowMatchHeunDiscrete", 28, {"shift": 3.0}, {}, "0.9956 0.9975 1.0205 1.1787 1.9001"),
    ("LTXEulerAncestralRF", 20, {}, {}, "0.7917 0.7465 0.6444 0.4974 0.3338"),
    ("Helios", 20, {"stages": 1, "stage_range": [0, 1]}, {}, "1.0077 1.0150 0.9886 0.7784 0.4496"),
    ("IPNDM", 20, {}, {}, "0.9938 1.0021 1.0093 1.0283 1.0658"),
    ("CogVideoXDDIM", 50, COG, {}, "0.8941 0.7593 0.4438 0.1475 0.0422"),
    ("CogVideoXDPM", 50, COG, {}, "0.9742 0.8324 0.4585 0.1478 0.0422"),
    ("UnCLIP", 25, {}, {}, "0.8372 0.7781 0.6485 0.4619 0.2632"),
    ("DDPMWuerstchen", 60, {}, {}, "0.9274 0.8933 0.8122 0.6817 0.5359"),
    ("MiniMaxH3", 20, {}, {}, "0.5658 0.3208 0.0979 0.0218 0.0056"),
    ("RFD4Proteina", 50, RFD4, {}, "1.0265 1.0410 1.1065 1.4784 4.2177"),
]


@pytest.mark.parametrize(("name", "steps", "settings", "options", "values"), RECORDED)
def test_recorded_ratios(name, steps, settings, options, values):
    sampler = probe(f"{name}Scheduler", steps, settings, **options)
    expected = np.array([float(value) for value in values.split()])
    np.testing.assert_allclose(sampler.variance(VARIANCES) / VARIANCES, expected, rtol=6e-5, atol=1.1e-4)


@pytest.mark.parametrize(
    ("name", "settings", "floor"),
    [
        ("LCM", SCALED, 0.0),
        ("SCM", {}, 0.0),
        ("FlowMatchLCM", {"shift": 3.0}, 0.0),
        ("FlowMapEulerDiscrete", {}, 0.0),
        ("CMStochasticIterative", {}, 0.002**2),
    ],
)
def test_exact_flow_maps_keep_the_law(name, settings, floor):
    sampler = probe(f"{name}Scheduler", 2 if name == "SCM" else 4, settings, **FLOW_MAP)
    np.testing.assert_allclose(sampler.variance(VARIANCES), VARIANCES + floor, rtol=2e-6)
    assert sampler.ending == (("noisy", pytest.approx(0.002, rel=1e-4)) if floor else ("flow", 0.0))


def test_score_sde_ends_with_the_mean_of_its_last_step():
    """Its pipeline returns the last step without the noise; with it the variance would be larger by sigma_min^2."""
    sampler = probe("ScoreSdeVeScheduler", 1000)
    recorded_with_noise = np.array([1.0121, 1.0121, 1.0121, 1.0122, 1.0136]) * VARIANCES
    np.testing.assert_allclose(sampler.variance(VARIANCES) + 0.01**2, recorded_with_noise, rtol=6e-5)
    assert sampler.ending == ("full", pytest.approx(0.01, rel=2e-4))


def closed_forms(exact: bool):
    """Pairs of a probe and the closed form, from the formulas or from the object's own tables."""
    table = scheduler("DDPMScheduler").alphas_cumprod.double().numpy()
    given = {"alphas_cumprod": table} if exact else {}
    flow = scheduler("FlowMatchEulerDiscreteScheduler", shift=1.0)
    sigmas = np.linspace(1.0, 1.0 / 28, 28)
    flow.set_timesteps(28, sigmas=sigmas)
    yield probe("DDPMScheduler", 50), SamplerSteps.ddpm(steps=50, **given)
    large = {"variance_type": "fixed_large"}
    yield probe("DDPMScheduler", 20, large), SamplerSteps.ddpm(steps=20, variance="beta", **given)
    yield probe("DDIMScheduler", 50), SamplerSteps.ddim(steps=50, **given)
    some = {"step_options": {"eta": 0.7}}
    yield probe("DDIMScheduler", 20, **some), SamplerSteps.ddim(steps=20, eta=0.7, **given)
    settings = {"steps_offset": 1, "set_alpha_to_one": False, "timestep_spacing": "leading"}
    yield (
        probe("DDIMScheduler", 25, settings),
        SamplerSteps.ddim(steps=25, offset=1, set_alpha_to_one=False, **given),
    )
    if exact:  # guidance cancels most of V, and multiplies the rounding of the tables
        guidance = Guidance(3.0, 0.75)
        yield (
            probe("DDIMScheduler", 50, guidance=guidance),
            SamplerSteps.ddim(steps=50, guidance=guidance, **given),
        )
    levels = flow.sigmas.double().numpy() if exact else sigmas
    yield (
        probe("FlowMatchEulerDiscreteScheduler", 28, {"shift": 1.0}, sigmas=sigmas),
        SamplerSteps.flow(sigmas=levels),
    )


@pytest.mark.parametrize(("exact", "tolerance"), [(False, 1e-4), (True, 1e-10)])
def test_closed_forms(exact, tolerance):
    w = np.geomspace(1e-6 if exact else 2.5e-3, 1e3, 19)  # rounded tables count most for fine directions
    for sampler, closed in closed_forms(exact):
        np.testing.assert_allclose(sampler.variance(w), closed.variance(w), rtol=tolerance)
        np.testing.assert_allclose(sampler.gain(w), closed.gain(w), rtol=tolerance, atol=1e-12)


@pytest.mark.parametrize(("steps", "by_sigma", "by_timestep"), [(20, 0.7372, 0.7315), (25, 0.7435, 0.7554)])
def test_networks_that_are_told_rounded_timesteps(steps, by_sigma, by_timestep):
    settings = {"_class_name": "DPMSolverMultistepScheduler", **SCALED, "use_karras_sigmas": True}
    for level, value in (("sigma", by_sigma), ("timestep", by_timestep)):
        sampler = SamplerSteps.of_scheduler(settings, steps=steps, network_level=level)
        assert float(sampler.variance(0.0025)) / 0.0025 == pytest.approx(value, abs=6e-5)


@pytest.mark.parametrize("name", ["DDIM", "EulerDiscrete", "HeunDiscrete", "PNDM", "KDPM2Discrete"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_timesteps_that_are_not_rounded_tell_the_level(name, prediction):
    settings = {"_class_name": f"{name}Scheduler", **SCALED, "prediction_type": prediction}
    settings |= {"use_karras_sigmas": True} if name in ("EulerDiscrete", "HeunDiscrete") else {}
    first, second = (
        SamplerSteps.of_scheduler(settings, steps=10, network_level=level).variance([1.0, 0.01])
        for level in ("sigma", "timestep")
    )
    np.testing.assert_allclose(first, second, rtol=2e-3)


def test_guidance_inside_the_steps():
    """Recorded: guided DDIM-50, scaled betas, w = .25, b = .75, omega = 2."""
    settings = OFFSET | {"set_alpha_to_one": False}
    sampler = probe("DDIMScheduler", 50, settings, guidance=Guidance(3.0, 0.75))
    assert sampler.variance(0.25) == pytest.approx(0.0120794, rel=5e-6)
    assert sampler.gain(0.25) == pytest.approx(1.45653, rel=5e-6)
    assert "guidance of scale 3" in sampler.describe()
    data = np.array([0.25, 0.05])
    table = scheduler("DDIMScheduler", **SCALED).alphas_cumprod.double().numpy()
    closed = SamplerSteps.ddim(alphas_cumprod=table, guidance=Guidance(1.2, 0.75))
    probed = probe("DDIMScheduler", 50, SCALED, guidance=Guidance(1.2, 0.75))
    limits = [Pipeline([part], fresh_fraction=0.9).limit(data) for part in (probed, closed)]
    np.testing.assert_allclose(limits[0], limits[1], rtol=1e-9)


def variance_preserving(made, index, timestep):
    sigma = float(made.sigmas[index])
    return 1.0 / np.hypot(1.0, sigma), sigma / np.hypot(1.0, sigma)


def particles(made, steps, w, level, count=40_000):
    """Drive a scheduler with its own noise and arithmetic on particles of the exact denoiser, the plain way."""
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.set_timesteps(steps)
    x = torch.randn(count, 1, 1, 1) * float(made.init_noise_sigma)
    for index, timestep in enumerate(made.timesteps):
        if hasattr(made, "scale_model_input"):
            made.scale_model_input(x, timestep)
        a, s = level(made, index, timestep)
        x = made.step((s / (a**2 * w + s**2)) * x, timestep, x, return_dict=False)[0]
    return float(x.double().var())


@pytest.mark.parametrize(
    ("name", "settings", "level"),
    [
        ("EulerAncestralDiscreteScheduler", SCALED, lambda made, i, t: (1.0, float(made.sigmas[i]))),
        (
            "DPMSolverMultistepScheduler",
            SCALED | {"algorithm_type": "sde-dpmsolver++"},
            variance_preserving,
        ),
        (
            "SASolverScheduler",
            SCALED,
            variance_preserving,
        ),
    ],
)
def test_particles(name, settings, level):
    w, count = 0.25, 40_000
    variance = particles(scheduler(name, **settings), 12, w, level, count)
    assert probe(name, 12, settings).variance(w) == pytest.approx(variance, rel=5 * np.sqrt(2 / count))


def test_overlapping_increments_of_a_brownian_path_are_correlated():
    from hermite_collapse.pipeline.scheduler_probe import _BrownianPath

    rows = iter(np.eye(8))
    path = _BrownianPath(lambda: next(rows))
    first, second, inner = path(9.0, 4.0), path(9.0, 1.0), path(3.0, 2.0)
    assert [float(x @ x) for x in (first, second, inner)] == pytest.approx([1.0, 1.0, 1.0])
    assert float(first @ second) == pytest.approx(np.sqrt(5 / 8))
    assert float(inner @ first) == pytest.approx(0.0, abs=1e-15)
    assert float(inner @ second) == pytest.approx(np.sqrt(1 / 8))


def test_every_class_of_diffusers_is_driven_or_refused_with_a_reason():
    known = set(CONVENTIONS) | set(REFUSED)
    assert set(CLASSES) - known == set(), "new classes: say how they are driven, or why they cannot be"
    assert not set(CONVENTIONS) & set(REFUSED)


@pytest.mark.parametrize("name", sorted(CONVENTIONS))
def test_every_driven_class_is_a_linear_map_with_guidance(name):
    required = {"RFD4ProteinaScheduler": RFD4, "HeliosScheduler": {"stages": 1, "stage_range": [0, 1]}}
    steps = {"SCMScheduler": 2, "RFD4ProteinaScheduler": 24, "PNDMScheduler": 10}.get(name, 6)
    options = POSTERIOR if CONVENTIONS[name].few_steps else {}
    made = scheduler(name, **required.get(name, {}))
    sampler = SamplerSteps.of_scheduler(made, steps=steps, **options)
    w = np.geomspace(1e-8, 100.0, 7)
    assert np.all(np.isfinite(sampler.variance(w))) and np.all(sampler.variance(w) > 0.0)
    assert np.all(np.isfinite(sampler.gain(w)))
    # With class means of no spread, guidance is no guidance.
    guided = SamplerSteps.of_scheduler(made, steps=steps, guidance=Guidance(4.0, 0.0), **options)
    np.testing.assert_allclose(guided.variance(w), sampler.variance(w), rtol=1e-6)


@pytest.mark.parametrize(("name", "steps", "settings", "options"), [case[:4] for case in RECORDED])
def test_numbers_calculate_as_tensors_do(name, steps, settings, options):
    """The program that is read off with NumPy is that of torch's tensors in float64."""
    ready = {key: value for key, value in options.items() if key != "step_options"}
    made, programs = scheduler(f"{name}Scheduler", **settings), []
    for kind in (_Probe, _QuickProbe):
        with quiet():
            programs.append(
                kind(prepared(made, steps=min(steps, 50), **ready), options.get("step_options", {}), False)
            )
    if name == "Piflow":  # asks for operations that the numbers lack
        with pytest.raises(AttributeError), quiet():
            programs[1].run(None)
        return
    with quiet():
        tensors, numbers = (program.run(None) for program in programs)
    assert np.array_equal(numbers.variable, tensors.variable)
    for field in ("signal", "noise", "on_data", "on_noise", "on_sample", "coefficient"):
        np.testing.assert_allclose(
            getattr(numbers, field), getattr(tensors, field), rtol=1e-12, err_msg=field
        )


@pytest.mark.parametrize("name", ["UniPCMultistep", "DPMSolverMultistep", "DEISMultistep", "SASolver"])
def test_equal_first_timesteps_are_refused_before_the_steps(name):
    """These take the second of two equal timesteps first, and have no level left for their last step."""
    flow = {"use_flow_sigmas": True, "flow_shift": 3.0, "prediction_type": "flow_prediction"}
    with pytest.raises(
        InputError, match=f"steps must be a number that {name}Scheduler accepts, got 600, whose"
    ):
        probe(f"{name}Scheduler", 600, flow)
    ready = prepared(scheduler(f"{name}Scheduler", **flow), steps=600)
    drive = SchedulerDrive(ready, {}, (1, 1, 1, 1), torch.zeros)
    sample = torch.zeros((1, 1, 1, 1), dtype=torch.float64)
    with quiet(), pytest.raises((AssertionError, IndexError)):
        for index, timestep in enumerate(drive.timesteps):
            drive.step(sample, timestep, sample, index)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_classes(name):
    with pytest.raises(hc.InputError) as problem:
        SamplerSteps.of_scheduler({"_class_name": name}, steps=4)
    assert REFUSED[name] in str(problem.value) or "must be a scheduler of diffusers" in str(problem.value)


@pytest.mark.parametrize(
    ("settings", "steps", "kind", "sigma"),
    [
        (
            # SDXL, with a leftover key that this class ignores.
            OFFSET
            | {
                "_class_name": "EulerDiscreteScheduler",
                "timestep_spacing": "leading",
                "set_alpha_to_one": False,
                "skip_prk_steps": True,
            },
            50,
            "full",
            0.04131,
        ),
        (
            OFFSET
            | {"_class_name": "LCMScheduler", "set_alpha_to_one": False, "original_inference_steps": 50},
            4,
            "full",
            0.7194,
        ),
        (
            # Stable Video Diffusion: betas and a smallest sigma.
            SCALED
            | {
                "_class_name": "EulerDiscreteScheduler",
                "use_karras_sigmas": True,
                "sigma_min": 0.002,
                "sigma_max": 700.0,
                "prediction_type": "v_prediction",
                "timestep_type": "continuous",
                "timestep_spacing": "leading",
            },
            25,
            "full",
            0.002,
        ),
        (
            {
                "_class_name": "UniPCMultistepScheduler",
                "use_flow_sigmas": True,
                "flow_shift": 3.0,
                "prediction_type": "flow_prediction",
            },
            50,
            "full",
            0.06429,
        ),
        ({"_class_name": "EDMEulerScheduler", "sigma_data": 0.5}, 18, "full", 0.002),
        (OFFSET | {"_class_name": "DDIMScheduler"}, 50, "full", 0.04131),
        (SCALED | {"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"}, 4, "full", 0.6932),
        (SCALED | {"_class_name": "DDIMScheduler", "set_alpha_to_one": False}, 20, "noisy", 0.029276),
        (SCALED | {"_class_name": "PNDMScheduler", "skip_prk_steps": True}, 20, "noisy", 0.029276),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}, 28, "full", 0.00901),
        (FLUX | {"_class_name": "FlowMatchEulerDiscreteScheduler"}, 28, "full", 0.11697),
    ],
)
def test_how_schedulers_end(settings, steps, kind, sigma):
    options = POSTERIOR if settings["_class_name"] == "LCMScheduler" else {}
    sampler = SamplerSteps.of_scheduler(settings, steps=steps, **options)
    assert sampler.ending == (kind, pytest.approx(sigma, rel=2e-4))


@pytest.mark.parametrize(
    ("timesteps", "time"), [([999, 500], 2.587), ([999, 10], 0.010259), ([999, 500, 10], 0.010259)]
)
def test_tables_with_zero_signal_are_the_schedulers_own(timesteps, time):
    """Rescaled to zero signal at the end: OU times differ from those of the betas in the configuration."""
    if time == 2.587:
        made = scheduler("DDIMScheduler", rescale_betas_zero_snr=True)
        assert -np.log(float(made.alphas_cumprod[500])) == pytest.approx(time, rel=2e-4)
        assert -np.log(float(made.alphas_cumprod[10])) == pytest.approx(0.002209, rel=3e-4)
        assert float(made.alphas_cumprod[999]) == 0.0
    settings = SCALED | {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    sampler = probe("DDPMScheduler", len(timesteps), settings, timesteps=timesteps)
    assert np.all(np.isfinite(sampler.variance(VARIANCES)))
    if time < 1.0:
        assert np.log1p(sampler.ending.sigma**2) == pytest.approx(time, rel=2e-4)


REAL_SETTINGS = [
    ("DDIM", 20, OFFSET | {"set_alpha_to_one": False}, "0.804 0.566 0.723", "0.159 0.133 0.55"),
    ("PNDM", 20, OFFSET | {"skip_prk_steps": True}, "0.979 0.841 1.07", "0.783 0.343 1.2"),
    ("PNDM", 50, OFFSET | {"skip_prk_steps": True}, "1 0.993 1.21", "1.02 0.937 2.14"),
    (
        "DPMSolverMultistep",
        20,
        OFFSET | {"timestep_spacing": "leading"},
        "0.844 0.338 0.0626",
        "0.0784 0.00537 0.000673",
    ),
    ("DPMSolverMultistep", 50, SCALED | {"use_karras_sigmas": True}, "1 0.976 0.795", "1.04 0.737 0.0531"),
    (
        "EulerDiscrete",
        30,
        OFFSET | {"timestep_spacing": "leading"},
        "0.857 0.606 0.419",
        "0.225 0.072 0.0191",
    ),
    ("FlowMatchEulerDiscrete", 28, {"shift": 3.0}, "0.806 0.565 0.282", "0.18 0.0384 0.0319"),
    ("FlowMatchEulerDiscrete", 28, FLUX, "0.802 0.537 0.18", "0.167 0.0196 0.00238"),
    ("DDPM", 1000, {}, "0.984 0.954 0.874", "0.855 0.625 0.274"),
    ("EDMDPMSolverMultistep", 18, {}, "1.13 1.16 1.16", "8.02 37.5 245"),
]


@pytest.mark.parametrize(("name", "steps", "settings", "rounds", "limits"), REAL_SETTINGS)
def test_real_settings_on_the_directions_of_an_image_dataset(name, steps, settings, rounds, limits):
    """Recorded: one round, and limits at a fresh fraction of .1, for three variances known to three digits."""
    data = np.array([0.242, 0.0248, 0.00322])
    pipeline = Pipeline([probe(f"{name}Scheduler", steps, settings)], fresh_fraction=0.1)
    expected = [np.array([float(value) for value in values.split()]) for values in (rounds, limits)]
    np.testing.assert_allclose(pipeline.variance(data) / data, expected[0], rtol=1e-2)
    np.testing.assert_allclose(pipeline.limit(data) / data, expected[1], rtol=2e-2)


def test_variances_that_are_lost_are_tabulated_as_lost():
    """FLUX at 4 steps keeps 1e-12 of the finest directions, of which only rounding is left."""
    settings = {"_class_name": "FlowMatchEulerDiscreteScheduler", **FLUX}
    sampler = SamplerSteps.of_scheduler(settings, steps=4)
    limit = hc.Pipeline([sampler], fresh_fraction=0.1).limit([1e-12, 1e-6, 0.0248])
    assert limit[0] < 1e-20 and limit[2] / 0.0248 == pytest.approx(0.000224, rel=5e-3)


def test_several_limits_of_stable_diffusions_heun():
    pipeline = Pipeline([probe("HeunDiscreteScheduler", 20, SCALED)], fresh_fraction=0.1)
    assert any(data == pytest.approx(0.001327, rel=1e-3) for _, data in pipeline.folds())
    limits = pipeline.limits(1e-4)
    assert [limit.stable for limit in limits][:3] == [True, False, True]
    assert [limit.training_variance for limit in limits][:3] == pytest.approx(
        [1.01e-5, 4.86e-4, 0.0552], rel=5e-3
    )


def test_a_two_cycle():
    pipeline = Pipeline([probe("KDPM2AncestralDiscreteScheduler", 10, SCALED)], fresh_fraction=0.97)
    cycles = [pipeline.cycle(v) for v in np.geomspace(1e-4, 1.0, 13)]
    assert any(
        len(cycle) == 2 and sorted(cycle) == pytest.approx([0.0725, 0.229], rel=0.02) for cycle in cycles
    )


@pytest.mark.parametrize(
    ("name", "key", "keep"),
    [
        ("DDPMScheduler", "timesteps", slice(None)),
        ("LCMScheduler", "timesteps", slice(None)),
        ("DPMSolverMultistepScheduler", "timesteps", slice(None)),
        ("HeunDiscreteScheduler", "timesteps", [0, 1, 3, 5]),
        ("EulerDiscreteScheduler", "timesteps", slice(None)),
        ("EulerDiscreteScheduler", "sigmas", slice(None)),
        ("FlowMatchEulerDiscreteScheduler", "timesteps", slice(None)),
        ("FlowMatchEulerDiscreteScheduler", "sigmas", slice(None, -1)),
        ("HeliosScheduler", "sigmas", slice(None, -1)),
    ],
)
def test_levels_given_by_hand_are_the_schedulers_own(name, key, keep, capfd):
    settings = {"stages": 1, "stage_range": [0, 1]} if name == "HeliosScheduler" else {}
    options = POSTERIOR if name == "LCMScheduler" else {}
    made = scheduler(name, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.set_timesteps(4)
    levels = np.asarray(getattr(made, key).tolist())[keep]
    given = probe(name, 4, settings, **{key: levels}, **options)
    np.testing.assert_allclose(
        given.variance(VARIANCES), probe(name, 4, settings, **options).variance(VARIANCES), rtol=1e-6
    )
    assert capfd.readouterr().err == ""


PLAYED = [
    ("DDIM", OFFSET | {"set_alpha_to_one": False, "clip_sample": False}, 20, 0.5, 1e-5),
    ("DDIM", OFFSET | {"set_alpha_to_one": False, "clip_sample": False}, 1, 0.01, 1e-5),
    ("EulerDiscrete", OFFSET | {"timestep_spacing": "leading"}, 30, 0.5, 1e-4),
    ("FlowMatchEulerDiscrete", {"shift": 3.0}, 28, 0.5, 1e-4),
]


@pytest.mark.filterwarnings("ignore")  # deprecations of diffusers
@pytest.mark.parametrize(("name", "settings", "steps", "alpha", "tolerance"), PLAYED)
def test_limits_are_those_of_rounds_that_the_scheduler_itself_plays(name, settings, steps, alpha, tolerance):
    """Round by round one sample a direction goes through the scheduler, with the denoiser of its training variance."""
    data = np.geomspace(1.0, 1e-4, 5)

    def played(w):
        made = scheduler(f"{name}Scheduler", **settings)
        made.set_timesteps(steps)
        w = torch.tensor(w).reshape(-1, 1, 1, 1)
        x = torch.ones_like(w) * float(getattr(made, "init_noise_sigma", 1.0))
        for index, timestep in enumerate(made.timesteps):
            if hasattr(made, "scale_model_input"):
                made.scale_model_input(x, timestep)
            if name == "DDIM":
                level = float(made.alphas_cumprod[int(timestep)])
                a, s = level**0.5, (1.0 - level) ** 0.5
            else:
                s = float(made.sigmas[index])
                a = 1.0 - s if name.startswith("Flow") else 1.0
            posterior, noise = a * w * x / (a * a * w + s * s), s * x / (a * a * w + s * s)
            output = noise - posterior if name.startswith("Flow") else noise
            x = made.step(output, timestep, x, return_dict=False)[0].double()
        return (x**2).reshape(-1).numpy()

    model = data
    for _ in range(40):
        model = played(alpha * data + (1.0 - alpha) * model)
    sampler = probe(f"{name}Scheduler", steps, settings)
    limit = Pipeline([sampler], fresh_fraction=alpha).limit(data)
    np.testing.assert_allclose(limit, model, rtol=tolerance)
    assert np.max(np.abs(limit / data - 1.0)) > 0.2  # which is far from where it began


def test_scheduler_objects_are_not_touched():
    made = scheduler("DDIMScheduler", **SCALED)
    made.set_timesteps(7)
    before = pickle.dumps((dict(made.config), made.timesteps, made.alphas_cumprod.dtype))
    sampler = SamplerSteps.of_scheduler(made, steps=20)
    assert pickle.dumps((dict(made.config), made.timesteps, made.alphas_cumprod.dtype)) == before
    assert sampler.notes == ("clip_sample is switched off, because it is not linear.",)
    assert torch.get_default_dtype() == torch.float32
    # A changed table is what counts, not the configuration.
    other = scheduler("DDIMScheduler", **SCALED)
    other.alphas_cumprod = other.alphas_cumprod**2
    assert SamplerSteps.of_scheduler(other, steps=20).ending.sigma > 1.4 * sampler.ending.sigma


def test_probed_steps_are_values_and_need_no_torch(tmp_path):
    sampler = probe("EulerAncestralDiscreteScheduler", 8, SCALED)
    file = tmp_path / "sampler.pickle"
    file.write_bytes(pickle.dumps(sampler))
    assert pickle.loads(file.read_bytes()) == sampler and hash(sampler) == hash(
        pickle.loads(file.read_bytes())
    )
    assert sampler != sampler.replace(guidance=Guidance(2.0, 0.1))
    with pytest.raises(AttributeError):
        sampler.start = 2.0
    code = (
        "import pickle, sys\n"
        f"sampler = pickle.load(open({str(file)!r}, 'rb'))\n"
        "print(sampler.variance(0.25)); assert 'torch' not in sys.modules and 'diffusers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(sampler.variance(0.25), rel=1e-14)


def test_many_variances_are_carried_in_parts():
    sampler = probe("DPMSolverMultistepScheduler", 6, SCALED | {"algorithm_type": "sde-dpmsolver++"})
    w = np.geomspace(1e-6, 10.0, 40_000).reshape(200, 200)
    whole = sampler.variance(w)
    assert whole.shape == (200, 200)
    assert whole[150, 3] == pytest.approx(sampler.variance(w[150, 3]), rel=1e-13)


def test_files_and_folders(tmp_path):
    settings = OFFSET | {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"}
    expected = SamplerSteps.of_scheduler(settings, steps=10)
    file = tmp_path / "pipeline" / "scheduler" / "scheduler_config.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(settings), encoding="utf-8-sig")
    index = tmp_path / "pipeline" / "model_index.json"
    entry = {"scheduler": ["diffusers", "EulerDiscreteScheduler"]}
    index.write_text(json.dumps({"_class_name": "StableDiffusionXLPipeline"} | entry))
    for source in (file, str(file), file.parent, index.parent, index):
        assert SamplerSteps.of_scheduler(source, steps=10) == expected
    saved = tmp_path / "saved"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler("EulerDiscreteScheduler", **OFFSET, timestep_spacing="leading").save_pretrained(saved)
    assert SamplerSteps.of_scheduler(saved, steps=10) == expected
    # A file without a class takes the pipeline's.
    file.write_text(json.dumps({key: value for key, value in settings.items() if key != "_class_name"}))
    assert SamplerSteps.of_scheduler(index.parent, steps=10) == expected


def test_pipelines_that_pass_their_own_sigmas(tmp_path):
    folder = tmp_path / "flux"
    (folder / "scheduler").mkdir(parents=True)
    (folder / "transformer").mkdir()
    settings = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 1.0}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(settings))
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": "FluxPipeline", "scheduler": [None] * 2})
    )
    sampler = SamplerSteps.of_scheduler(folder, steps=4)
    assert sampler.variance(0.25) / 0.25 == pytest.approx(
        SamplerSteps.flow(steps=4).variance(0.25) / 0.25, rel=1e-6
    )
    assert "sigmas are passed" in sampler.notes[0]
    (folder / "transformer" / "config.json").write_text('{"guidance_embeds": true}')
    with pytest.raises(hc.InputError, match="distilled with guidance"):
        SamplerSteps.of_scheduler(folder, steps=4)
    assert SamplerSteps.of_scheduler(folder, steps=4, denoiser="posterior_mean") == sampler


def test_bad_input_is_answered_in_one_sentence(tmp_path):
    cascade = tmp_path / "cascade"
    cascade.mkdir()
    (cascade / "model_index.json").write_text(
        '{"prior_scheduler": ["a", "b"], "decoder_scheduler": ["a", "b"]}'
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    bad = tmp_path / "bad.json"
    bad.write_text("[1]")
    weights = tmp_path / "weights.safetensors"
    with open(weights, "wb") as stream:
        stream.truncate(1 << 30)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    cosine = {"beta_schedule": "squaredcos_cap_v2"}
    ddim = {"_class_name": "DDIMScheduler"}
    for source, options, words in (
        (ddim, {"steps": 0}, "steps must be"),
        (ddim, {"steps": 2000}, "steps must be a number that DDIMScheduler accepts, got 2000"),
        (ddim, {"sigmas": [1.0, 0.5]}, "sigmas must be left out for DDIMScheduler"),
        ({"_class_name": "EDMEulerScheduler"}, {"sigmas": [1.0] * 4}, "sigmas must be left out for EDMEuler"),
        (ddim, {"mu": 1.0}, "mu must be left out"),
        (ddim, {"network_level": "t"}, "network_level must be one of"),
        (
            {"_class_name": "FlowMatchEulerDiscreteScheduler"},
            {"network_level": "timestep"},
            "network_level must be 'sigma' for FlowMatchEulerDiscreteScheduler",
        ),
        (ddim, {"denoiser": "mean"}, "denoiser must be one of"),
        (ddim, {"denoiser": "flow_map"}, "denoiser must be 'posterior_mean' for DDIMScheduler"),
        (ddim, {"step_options": {"ta": 1}}, "step_options must be arguments of DDIMScheduler.step, got 'ta'"),
        ({"_class_name": "DDPMScheduler"}, {"timesteps": [3, 2]}, "steps must be the number of timesteps"),
        (
            {"_class_name": "DDPMScheduler"},
            {"timesteps": [2, 3, 4, 5]},
            "timesteps and sigmas must be ones that DDPMScheduler accepts",
        ),
        ({}, {}, "config must name the scheduler's class"),
        ({"_class_name": "NoScheduler"}, {}, "_class_name must be a scheduler of diffusers"),
        (ddim | {"beta_schedule": "square"}, {}, "config must be one that DDIMScheduler accepts"),
        ({"_class_name": "LCMScheduler"}, {}, "denoiser must be given ('posterior_mean' or 'flow_map')"),
        ({"_class_name": "TCDScheduler"}, {}, "denoiser must be given ('posterior_mean')"),
        (
            {"_class_name": "LCMScheduler"},
            {"denoiser": "flow_map", "guidance": Guidance(2.0, 0.1)},
            "guidance must be left out for flow maps",
        ),
        (cascade, {}, "give one of its folders decoder_scheduler, prior_scheduler"),
        (empty, {}, "scheduler must be a folder with scheduler_config.json or model_index.json"),
        (bad, {}, "scheduler must be a JSON object"),
        (tmp_path / "none.json", {}, "scheduler must be a readable file"),
        (weights, {}, "scheduler must be a configuration of at most 16 MiB"),
        (pipe, {}, "scheduler must be a regular file or a folder"),
        ("/dev/zero", {}, "scheduler must be a regular file or a folder"),
        (3.0, {}, "scheduler must be a scheduler of diffusers"),
        (CLASSES["DDIMScheduler"], {}, "scheduler must be a scheduler of diffusers"),
        (ddim | {"beta_start": -1.0, "beta_end": -2.0}, {}, "beta_start must lie in [0, 1], got -1.0"),
        (ddim | {"beta_end": float("nan")}, {}, "beta_end must be a number, got nan"),
        (ddim | {"trained_betas": [0.1, -2.0]}, {}, "trained_betas must lie in [0, 1], got -2.0"),
        (ddim | {"trained_betas": "abc"}, {}, "trained_betas must hold real numbers"),
        (ddim | {"num_train_timesteps": -5}, {}, "num_train_timesteps must be an integer >= 1, got -5"),
        ({"_class_name": "EDMEulerScheduler", "sigma_min": -1}, {}, "sigma_min must be >= 0, got -1"),
        ({"_class_name": "EDMEulerScheduler", "sigma_data": 0}, {}, "sigma_data must be"),
        # Classes of diffusers that are no schedulers, and code of diffusers that fails for reasons of its own.
        ({"_class_name": "UNet2DConditionModel"}, {}, "_class_name must be a scheduler of diffusers"),
        ({"_class_name": "StableDiffusionPipeline"}, {}, "_class_name must be a scheduler of diffusers"),
        ({"_class_name": "schedulers"}, {}, "_class_name must be a scheduler of diffusers"),
        (
            cosine
            | {
                "_class_name": "UniPCMultistepScheduler",
                "use_exponential_sigmas": True,
                "final_sigmas_type": "sigma_min",
            },
            {"steps": 10},
            "UniPCMultistepScheduler accepts, got 10, whose first timesteps are equal.",
        ),
        (
            cosine | {"_class_name": "SASolverScheduler", "use_karras_sigmas": True},
            {"steps": 50},
            "SASolverScheduler accepts, got 50, whose first timesteps are equal.",
        ),
        (
            SCALED | {"_class_name": "DPMSolverMultistepScheduler", "use_beta_sigmas": True},
            {"steps": 50},
            "DPMSolverMultistepScheduler accepts, got 50, whose first timesteps are equal.",
        ),
        (ddim, {"step_options": [1]}, "step_options must be"),
        (ddim, {"step_options": {"sample": 1}}, "step_options must be arguments of DDIMScheduler.step"),
        (ddim, {"step_options": {"eta": "x"}}, "scheduler must be set up so that its steps run, got DDIM"),
        (
            SCALED
            | {
                "_class_name": "DPMSolverMultistepScheduler",
                "algorithm_type": "sde-dpmsolver",
                "solver_order": 3,
                "final_sigmas_type": "sigma_min",
            },
            {"steps": 8},
            "its own code has no case for these settings (UnboundLocalError).",
        ),
        (ddim | {"beta_start": "x"}, {}, "beta_start must be a real number, got 'x'"),
        (ddim | {"timestep_spacing": "x"}, {}, "DDIMScheduler accepts, got 4: x is not supported."),
        # Levels that lead from the data to noise.
        (ddim | {"steps_offset": -3}, {}, "scheduler must run from noise to data, got DDIMScheduler"),
        (
            {"_class_name": "EDMEulerScheduler", "sigma_min": 80.0, "sigma_max": 0.002},
            {},
            "EDMEulerScheduler, whose last level is noisier than its first",
        ),
        (
            {"_class_name": "FlowMatchEulerDiscreteScheduler", "invert_sigmas": True},
            {},
            "scheduler must run from noise to data, got FlowMatchEulerDiscreteScheduler",
        ),
    ):
        with pytest.raises(hc.InputError) as problem:
            SamplerSteps.of_scheduler(source, **({"steps": 4} | options))
        assert words in str(problem.value) and "\n" not in str(problem.value)


def test_steps_that_are_not_linear_are_refused():
    class Clipping(CLASSES["DDIMScheduler"]):
        def step(self, model_output, timestep, sample, return_dict=True):
            following = super().step(model_output, timestep, sample, return_dict=False)
            return (following[0].clamp(-1.0, 1.0),)

    class Shifting(CLASSES["DDIMScheduler"]):
        def step(self, model_output, timestep, sample, return_dict=True):
            return (super().step(model_output, timestep, sample, return_dict=False)[0] + 0.1,)

    class Other:
        config = {}

        def set_timesteps(self, steps):
            pass

    for kind in (Clipping, Shifting):
        with pytest.raises(hc.InputError, match="steps that are linear"):
            SamplerSteps.of_scheduler(kind(), steps=4)
    with pytest.raises(hc.InputError, match="a class of diffusers whose levels are known, got Other"):
        SamplerSteps.of_scheduler(Other(), steps=4)
    with pytest.raises(hc.InputError, match="finite steps"):
        made = scheduler("DDIMScheduler", rescale_betas_zero_snr=True, timestep_spacing="trailing")
        SamplerSteps.of_scheduler(made, steps=4)


@pytest.mark.parametrize("missing", ["torch", "diffusers"])
def test_without_the_extra(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(hc.InputError) as problem:
        SamplerSteps.of_scheduler({"_class_name": "DDIMScheduler"}, steps=4)
    assert 'pip install "hermite-collapse[diffusers]"' in str(problem.value) and missing in str(problem.value)
