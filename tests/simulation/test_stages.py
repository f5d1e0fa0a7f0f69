"""Tables of stages against the textbook loops that they stand for."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.pipeline.probed_steps import ProbedSteps
from hermite_collapse.pipeline.sampler_steps import SamplerSteps
from hermite_collapse.simulation.grids import time_grid
from hermite_collapse.simulation.guided import GuidedDenoiser
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.samplers import EulerMaruyama, ExponentialMultistep, ProbabilityFlowHeun
from hermite_collapse.simulation.scores import Level, MixtureDenoiser, score_of
from hermite_collapse.simulation.stages import Stage, asks, carry, draw_numbers
from hermite_collapse.simulation.step_stages import RATE, stages_of
from hermite_collapse.simulation.steps import posterior_means

CPU = torch.device("cpu")
LAW = hc.GaussianMixture(
    [0.3, 0.7], [[-1.0, 0.2], [0.8, -0.4]], [[0.2, 0.5], [0.3, 0.1]], covariance_type="diagonal"
)
START, STOP = 6.0, 0.07


class Recorded:
    """The same normals for every user."""

    def __init__(self, rows):
        self._rng, self._rows = np.random.default_rng(4), rows
        self.drawn = 0

    def normal(self, columns):
        self.drawn += 1
        return torch.from_numpy(self._rng.standard_normal((self._rows, columns)))


def denoiser_of(law=LAW, rate=0.5):
    return MixtureDenoiser(components_of(law, CPU), rate=rate)


def particles(rows=50):
    return torch.from_numpy(np.random.default_rng(1).standard_normal((rows, 2)))


def exponential_multistep(x, denoiser, noise, levels, order):
    """The integral over log-SNR with the denoiser constant, or linear through the step before."""
    before, h_before = None, math.nan
    for now, following in itertools.pairwise(levels):
        h = math.log(following.scale / math.sqrt(following.variance)) - math.log(
            now.scale / math.sqrt(now.variance)
        )
        lost = 1.0 - math.exp(-2.0 * h)
        s_now, s_next = math.sqrt(now.variance), math.sqrt(following.variance)
        clean = denoiser.denoise(x, now.time)
        drift = lost * clean
        if order == 2 and before is not None:
            drift = drift + (h - 0.5 * lost) * (clean - before) / h_before
        x = (
            s_next / s_now * math.exp(-h) * x
            + following.scale * drift
            + s_next * math.sqrt(lost) * noise.normal(x.shape[1])
        )
        before, h_before = clean, h
    return x


def euler_maruyama(x, denoiser, noise, levels):
    """dY = (theta Y + 2 theta score) dtau + sqrt(2 theta) dW."""
    theta = denoiser.rate
    for now, following in itertools.pairwise(levels):
        step = now.time - following.time
        drift = theta * x + 2.0 * theta * score_of(denoiser, x, now.time)
        x = x + step * drift + math.sqrt(2.0 * theta * step) * noise.normal(x.shape[1])
    return x


def probability_flow_heun(x, denoiser, noise, levels):
    """dy/dsigma = (y - D) / sigma by Heun's rule, y = x / a."""
    y = x / levels[0].scale
    for now, following in itertools.pairwise(levels):
        width = following.sigma - now.sigma
        slope = (y - denoiser.denoise(now.scale * y, now.time)) / now.sigma
        guess = y + width * slope
        corrected = (guess - denoiser.denoise(following.scale * guess, following.time)) / following.sigma
        y = y + 0.5 * width * (slope + corrected)
    return levels[-1].scale * y


TEXTBOOK = {
    "order 1": (
        ExponentialMultistep(order=1),
        lambda *a: exponential_multistep(*a, order=1),
    ),
    "order 2": (ExponentialMultistep(), lambda *a: exponential_multistep(*a, order=2)),
    "order 2, geometric": (
        ExponentialMultistep(grid="geometric"),
        lambda *a: exponential_multistep(*a, order=2),
    ),
    "Euler-Maruyama": (EulerMaruyama(), euler_maruyama),
    "Heun": (ProbabilityFlowHeun(), probability_flow_heun),
}


@pytest.mark.parametrize("name", TEXTBOOK)
@pytest.mark.parametrize("rate", [0.5, 1.3])
def test_a_table_does_what_the_textbook_loop_does(name, rate):
    sampler, textbook = TEXTBOOK[name]
    steps = 30
    denoiser, x = denoiser_of(rate=rate), particles()
    levels = [
        Level.at(float(time), rate)
        for time in time_grid(sampler.grid, steps, start=START, stop=STOP, rate=rate)
    ]
    expected = textbook(x, denoiser, Recorded(50), levels)
    result = sampler.run(x, denoiser, Recorded(50), steps=steps, start=START, stop=STOP)
    torch.testing.assert_close(result, expected, rtol=1e-11, atol=1e-11)
    other = sampler.run(x, denoiser, Recorded(50), steps=steps, start=START, stop=1.0001 * STOP)
    assert not torch.allclose(other, expected, rtol=1e-11, atol=1e-11)  # control


@pytest.mark.parametrize("final_step", ["rescaled", "half", "full"])
def test_final_steps(final_step):
    denoiser, x = denoiser_of(), particles()
    options = {"steps": 10, "start": START, "stop": STOP}
    noisy = ExponentialMultistep().run(x, denoiser, Recorded(50), **options)
    result = ExponentialMultistep(final_step=final_step).run(x, denoiser, Recorded(50), **options)
    scaled, clean = noisy / Level.at(STOP, 0.5).scale, denoiser.denoise(noisy, STOP)
    expected = {"rescaled": scaled, "half": 0.5 * (scaled + clean), "full": clean}[final_step]
    torch.testing.assert_close(result, expected, rtol=1e-13, atol=1e-13)


STEPS = {
    "EDM, Heun": SamplerSteps.edm(steps=9),
    "EDM, Euler": SamplerSteps.edm(steps=9, method="euler"),
    "DDIM": SamplerSteps.ddim(steps=12),
    "DDIM, eta 0.6": SamplerSteps.ddim(steps=12, eta=0.6),
    "DDPM": SamplerSteps.ddpm(steps=15),
    "DDPM, beta": SamplerSteps.ddpm(steps=15, variance="beta"),
    "flow": SamplerSteps.flow(steps=11),
}
PROBED = {
    "DPMSolverMultistepScheduler": True,
    "EulerDiscreteScheduler": True,
    "EulerAncestralDiscreteScheduler": True,
    "DDPMScheduler": True,
    "FlowMatchHeunDiscreteScheduler": True,
    "PNDMScheduler": False,  # looks three steps back
}


def assert_same_as_written_down(sampler, denoiser):
    """The table against the sampler's own steps on arrays of any law."""
    x = sampler.deviation * particles()
    noise = Recorded(50)
    expected = sampler.carry(
        x, lambda y, signal, level: posterior_means(denoiser, y, signal, level), lambda: noise.normal(2)
    )
    again = Recorded(50)
    result = carry(x, denoiser, stages_of(sampler), again)
    torch.testing.assert_close(result, expected, rtol=1e-10, atol=1e-10)
    assert again.drawn == noise.drawn


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("guided", [False, True])
def test_samplers_of_k_steps(name, guided):
    denoiser = denoiser_of(rate=RATE)
    if guided:
        parts = [
            hc.GaussianMixture(
                [1.0], LAW.means[k : k + 1], LAW.variances[k : k + 1], covariance_type="diagonal"
            )
            for k in range(2)
        ]
        labels = torch.arange(50) % 2
        denoiser = GuidedDenoiser(denoiser, [denoiser_of(part, RATE) for part in parts], labels, 1.8)
    assert_same_as_written_down(STEPS[name], denoiser)


@pytest.mark.parametrize("name", PROBED)
def test_schedulers_whose_steps_look_back_once_are_tables(name):
    pytest.importorskip("diffusers")
    sampler = SamplerSteps.of_scheduler({"_class_name": name}, steps=8)
    if PROBED[name]:
        assert_same_as_written_down(sampler, denoiser_of(rate=RATE))
    else:
        assert stages_of(sampler) is None


def test_outputs_made_of_the_particle_too():
    """Three steps x' = 0.9 x + 0.1 m + 0.2 z with outputs m = 0.5 D + 0.3 N + 0.7 x."""
    steps = np.arange(3)
    sampler = ProbedSteps(
        name="by hand",
        start=1.0,
        signal=np.array([0.2, 0.5, 0.8]),
        noise=np.array([0.9, 0.8, 0.6]),
        on_data=np.full(3, 0.5),
        on_noise=np.full(3, 0.3),
        on_sample=np.full(3, 0.7),
        pointer=np.arange(0, 12, 3),
        variable=np.stack([steps, 3 + steps, 6 + steps], axis=1).ravel(),
        coefficient=np.tile([0.9, 0.1, 0.2], 3),
    )
    assert_same_as_written_down(sampler, denoiser_of(rate=RATE))


def test_denoisers_are_asked_for_where_they_are_used():
    level = Level.at(1.0, 0.5)
    table = [
        Stage(level, x=1.0, noise=0.1),
        Stage(level, x=0.9, data=0.1),
        Stage(level, x=1.0),
        Stage(level, x=1.0, data=0.2, data_before=0.1, noise=0.3),
        Stage(level, x=2.0),
    ]
    assert asks(table) == [False, True, True, True, False]
    assert asks([]) == []
    assert draw_numbers(table) == [0, -1, -1, 1, -1]

    class Counted:
        rate, calls = 0.5, 0

        def denoise(self, x, time):
            self.calls += 1
            return torch.zeros_like(x)

    denoiser, noise = Counted(), Recorded(50)
    carry(particles(), denoiser, table, noise)
    assert (denoiser.calls, noise.drawn) == (3, 2)


def test_steps_too_coarse_for_the_truncation_time_are_warned_about():
    with pytest.warns(UserWarning, match=r"100 steps .* divide the noise by 32.9 each, .* take 3494 steps"):
        time_grid("log_snr", 100, start=8.0, stop=1e-300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        time_grid("log_snr", 3500, start=8.0, stop=1e-300)
        time_grid("log_snr", 100, start=8.0, stop=1e-6)
        time_grid("log_snr", 4, start=8.0, stop=1e-6)  # coarse on purpose
