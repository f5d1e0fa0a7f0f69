"""Scheduler objects driven on particles, round by round, with their own noise and arithmetic, against V(w).

A round trains on w = alpha v + (1 - alpha) times the variance that the particles of the round before have; given w, the
variance of n Gaussian particles is V(w) within sqrt(2 / n).
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.pipeline.mechanisms import SamplerSteps

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("diffusers")

from hermite_collapse.pipeline.scheduler_classes import scheduler_class

pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__")  # of diffusers

COUNT, ALPHA, ROUNDS = 40_000, 0.3, 3
SCALED = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
KARRAS = SCALED | {"use_karras_sigmas": True}


class BrownianPath:
    """Increments of Brownian paths in one pass over the sorted times that a first run has asked for.

    Bridges are not needed: all times are known when the paths are drawn.
    """

    def __init__(self) -> None:
        self.times: set[float] = set()
        self.values: dict[float, torch.Tensor] = {}  # of the paths, at these times

    def draw(self) -> None:
        value, before = torch.zeros(COUNT, 1, 1, 1, dtype=torch.float64), min(self.times)
        for time in sorted(self.times):
            value = value + math.sqrt(time - before) * torch.randn(COUNT, 1, 1, 1, dtype=torch.float64)
            self.values[time] = value
            before = time

    def __call__(self, first: object, second: object) -> torch.Tensor | float:
        low, high = float(first), float(second)  # type: ignore[arg-type]
        if not self.values:
            self.times |= {low, high}
            return 0.0
        return (self.values[high] - self.values[low]) / math.sqrt(abs(high - low))


def by_table(made, index, timestep):
    level = float(made.alphas_cumprod[int(timestep)])
    return math.sqrt(level), math.sqrt(1.0 - level)


def by_sigma(made, index, timestep):
    return 1.0, float(made.sigmas[index])


def of_two_calls(made, index, timestep):
    """Odd calls are made in the middle of a step, at the geometric mean of its levels."""
    if made.state_in_first_order:
        return 1.0, float(made.sigmas[made.step_index])
    return 1.0, float(made.mid_point_sigma)


def preserving(made, index, timestep):
    sigma = float(made.sigmas[index])
    return 1.0 / math.hypot(1.0, sigma), sigma / math.hypot(1.0, sigma)


def of_flow(made, index, timestep):
    return 1.0 - float(made.sigmas[index]), float(made.sigmas[index])


def driven(name, settings, steps, level, posterior, options):
    """Particles at the end of a scheduler's steps; `posterior` takes (x, a, s) and returns D."""

    def run(path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = scheduler_class(name)(**settings)
            made.set_timesteps(steps)
        if path is not None:
            made.noise_sampler = path
        x = torch.randn(COUNT, 1, 1, 1) * float(getattr(made, "init_noise_sigma", 1.0))
        for index, timestep in enumerate(made.timesteps):
            if hasattr(made, "scale_model_input"):
                made.scale_model_input(x, timestep)
            if getattr(made, "step_index", index) is None and hasattr(made, "_init_step_index"):
                made._init_step_index(timestep)
            a, s = level(made, index, timestep)
            data = posterior(x.double(), a, s)
            noise = (x - a * data) / s
            if level is of_flow:
                output = noise - data
            elif name.startswith("CMStochastic"):
                skip, out = made.get_scalings_for_boundary_condition(s)
                output = (data - skip * x) / out
            else:
                output = noise
            x = made.step(output.float(), timestep, x, return_dict=False, **options)[0].float()
        return x.double().reshape(-1).numpy()

    if name != "DPMSolverSDEScheduler":
        return run(None)
    path = BrownianPath()
    run(path)
    path.draw()
    return run(path)


CASES = {
    "DPMSolverSDE": (SCALED, 8, of_two_calls, {}),
    "DPMSolverSDE, Karras": (KARRAS, 12, of_two_calls, {}),
    "DEISMultistep": (SCALED, 12, preserving, {}),
    "DEISMultistep, third order": (SCALED | {"solver_order": 3}, 15, preserving, {}),
    "SASolver": (SCALED, 15, preserving, {}),
    "SASolver, Karras, one order": (
        KARRAS | {"predictor_order": 1, "corrector_order": 1},
        10,
        preserving,
        {},
    ),
    "SASolver, data": (SCALED | {"algorithm_type": "data_prediction"}, 15, preserving, {}),
    "LCM": (SCALED, 4, by_table, {}),
    "LCM, eight steps": (SCALED | {"set_alpha_to_one": False}, 8, by_table, {}),
    "TCD": (SCALED, 4, by_table, {}),
    "TCD, much noise": (SCALED, 6, by_table, {"eta": 0.8}),
    "CMStochasticIterative": ({"clip_denoised": False}, 4, by_sigma, {}),
    "FlowMatchLCM": ({"shift": 3.0}, 4, of_flow, {}),
    "EulerAncestralDiscrete": (SCALED | {"timestep_spacing": "trailing"}, 4, by_sigma, {}),
    "EulerAncestralDiscrete, one step": (SCALED | {"timestep_spacing": "trailing"}, 1, by_sigma, {}),
}
FEW = ("LCM", "TCD", "CMStochastic", "FlowMatchLCM")


def probed(case: str):
    settings, steps, _, options = CASES[case]
    name = f"{case.split(',')[0]}Scheduler"
    denoiser = {"denoiser": "posterior_mean"} if name.startswith(FEW) else {}
    given = {"_class_name": name, **settings}
    return name, SamplerSteps.of_scheduler(given, steps=steps, step_options=options, **denoiser)


@pytest.mark.parametrize(
    "case", [case if i == 0 else pytest.param(case, marks=pytest.mark.slow) for i, case in enumerate(CASES)]
)
@pytest.mark.parametrize("data", [0.25, pytest.param(0.01, marks=pytest.mark.slow)])
def test_rounds_of_particles(case, data):
    settings, steps, level, options = CASES[case]
    name, sampler = probed(case)
    torch.manual_seed(5)
    model = data
    for _ in range(ROUNDS):
        w = ALPHA * data + (1.0 - ALPHA) * model
        x = driven(
            name, settings, steps, level, lambda x, a, s, w=w: a * w / (a * a * w + s * s) * x, options
        )
        model = float(x.var())
        assert model == pytest.approx(sampler.variance(w), rel=4.5 * math.sqrt(2 / COUNT))
        assert abs(x.mean()) < 4.5 * math.sqrt(model / COUNT)


LAW = hc.GaussianMixture([0.5, 0.5], [-0.9, 0.9], 0.19)


def mixture_posterior(x, a, s):
    """E[x_0 | x] for LAW by hand: two modes at +-.9 of variance .19."""
    total = a * a * 0.19 + s * s
    tilt = torch.tanh(a * 0.9 * x / total)
    return 0.9 * tilt + a * 0.19 / total * (x - a * 0.9 * tilt)


@pytest.mark.parametrize(
    "case", ["LCM", *(pytest.param(case, marks=pytest.mark.slow) for case in CASES if case != "LCM")]
)
def test_particles_of_two_modes(case):
    """Where V is a closure: the object against the grid map of its program, or against particles of the program."""
    settings, steps, level, options = CASES[case]
    name, sampler = probed(case)
    torch.manual_seed(7)
    x = driven(name, settings, steps, level, mixture_posterior, options)
    if sampler.noise_by_step is None:

        def posterior(x, a, s):
            data = mixture_posterior(x, a, s)
            return data, (x - a * data) / s

        def draw():
            return torch.randn(COUNT, dtype=torch.float64)

        y = sampler.carry(sampler.start * draw(), posterior, draw).numpy()
        expected, spread = [float(np.mean(y**k)) for k in (2, 4)], 2.0
    else:
        after = hc.mechanisms.mixture_round(sampler, LAW).after
        expected, spread = [after.variance, after.kurtosis * after.variance**2], 1.0
    for power, value in zip((2, 4), expected, strict=True):
        error = math.sqrt(spread * float(np.var(x**power)) / COUNT)
        assert float(np.mean(x**power)) == pytest.approx(value, abs=4.5 * error)
    if steps > 1:  # a single step is linear in its start for every law
        closure = float(sampler.variance(1.0))  # .19 + .81
        assert abs(closure - expected[0]) > 5e-3 * expected[0]
