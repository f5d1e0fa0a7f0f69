"""Samplers on a Gaussian law, where the law of the whole chain is computed without sampling.

The denoiser of N(m, s0^2) is affine, so the last particle is an affine function of the start and of every noise.
Running the sampler itself on unit impulses reads off the coefficients: mean and variance of its output are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.simulation import simulate, words
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.samplers import (
    SAMPLERS,
    EulerMaruyama,
    ExponentialMultistep,
    ProbabilityFlowHeun,
)
from hermite_collapse.simulation.scores import Level, MixtureDenoiser

MEAN, VARIANCE, STOP, HORIZON, RATE = 0.8, 0.35, 0.1, 8.0, 0.5


class Impulses:
    """Row 0 gets no noise, row 1 none, row 2 + j a one at the j-th call."""

    def __init__(self, rows):
        self.rows, self.calls = rows, 0

    def normal(self, columns):
        noise = torch.zeros((self.rows, columns), dtype=torch.float64)
        noise[2 + self.calls] = 1.0
        self.calls += 1
        return noise


def _denoiser():
    law = hc.GaussianMixture([1.0], [MEAN], VARIANCE)
    return MixtureDenoiser(components_of(law, torch.device("cpu")), rate=RATE)


def output_law(sampler, steps, denoiser=None):
    """Mean and variance of the output, started from the exact marginal at the horizon."""
    rows = steps + 2
    begin = Level.at(HORIZON, RATE)
    x = torch.zeros((rows, 1), dtype=torch.float64)
    x[1] = 1.0
    out = sampler.run(
        x, denoiser or _denoiser(), Impulses(rows), steps=steps, start=HORIZON, stop=STOP
    ).ravel()
    constant, effects = out[0], out[1:] - out[0]
    mean = constant + effects[0] * begin.scale * MEAN
    variance = effects[0] ** 2 * (begin.scale**2 * VARIANCE + begin.variance) + (effects[1:] ** 2).sum()
    return float(mean), float(variance)


def exact_law(time=STOP):
    level = Level.at(time, RATE)
    return level.scale * MEAN, level.scale**2 * VARIANCE + level.variance


def errors(sampler, steps):
    mean, variance = output_law(sampler, steps)
    exact_mean, exact_variance = exact_law()
    return np.array([abs(mean - exact_mean), abs(variance - exact_variance)])


@pytest.mark.parametrize(
    ("sampler", "order"),
    [
        (ExponentialMultistep(order=1), 1),
        (ExponentialMultistep(), 2),
        (ExponentialMultistep(grid="geometric"), 2),
        (EulerMaruyama(), 1),
        (EulerMaruyama(grid="log_snr"), 1),
        (ProbabilityFlowHeun(), 2),
        (ProbabilityFlowHeun(grid="geometric"), 2),
    ],
)
def test_weak_order_of_mean_and_variance(sampler, order):
    counts = np.array([200, 400, 800])
    found = np.array([errors(sampler, int(n)) for n in counts])
    # The error halves `order` times when the steps are doubled; a mean that is exact to rounding has no order.
    for column in found.T:
        if column.max() > 1e-9:
            slopes = -np.diff(np.log(column)) / np.log(2.0)
            assert slopes[-1] == pytest.approx(order, abs=0.12), slopes


def test_second_order_is_below_a_standard_error_at_fifty_steps_and_first_order_far_above_at_a_hundred():
    # The second moment of 1e5 particles has standard error v sqrt(2 / 1e5).
    bar = exact_law()[1] * np.sqrt(2.0 / 1e5)
    assert errors(ExponentialMultistep(), 50)[1] < bar
    assert errors(ExponentialMultistep(order=1), 100)[1] > 2.0 * bar


@dataclass(frozen=True)
class WrongSign(EulerMaruyama):
    """Euler's rule with the linear drift of the forward process."""

    def _steps(self, levels, rate):
        times = [level.time for level in levels]
        stages = zip(super()._steps(levels, rate), -np.diff(times), strict=True)
        return [replace(stage, x=stage.x - 2.0 * rate * float(step)) for stage, step in stages]


def test_a_wrong_drift_sign_does_not_converge():
    found = [errors(WrongSign(), n).max() for n in (200, 800)]
    assert min(found) > 0.05
    assert found[1] == pytest.approx(found[0], rel=0.2)


@pytest.mark.parametrize("final_step", ["noisy", "rescaled", "half", "full"])
def test_final_steps_of_a_gaussian_are_affine_maps_of_the_noisy_sample(final_step):
    level = Level.at(STOP, RATE)
    a, v = level.scale, level.variance
    noisy_mean, noisy_variance = output_law(ExponentialMultistep(), 40)
    gain = a * VARIANCE / (a**2 * VARIANCE + v)  # D(x) = m + gain (x - a m)
    slope, offset = {
        "noisy": (1.0, 0.0),
        "rescaled": (1.0 / a, 0.0),
        "half": (0.5 / a + 0.5 * gain, 0.5 * (MEAN - gain * a * MEAN)),
        "full": (gain, MEAN - gain * a * MEAN),
    }[final_step]
    mean, variance = output_law(ExponentialMultistep(final_step=final_step), 40)
    assert mean == pytest.approx(slope * noisy_mean + offset, rel=1e-12)
    assert variance == pytest.approx(slope**2 * noisy_variance, rel=1e-12)


def test_unknown_words_are_refused():
    with pytest.raises(hc.InputError, match="grid must be one of 'log_snr'"):
        EulerMaruyama(grid="log_snrr")
    with pytest.raises(hc.InputError, match="final_step must be one of"):
        ExponentialMultistep(final_step="denoised")
    with pytest.raises(hc.InputError, match="order must be 1 or 2, got 3"):
        ExponentialMultistep(order=3)
    with pytest.raises(hc.InputError, match="horizon must exceed"):
        ExponentialMultistep().run(
            torch.zeros(1, 1, dtype=torch.float64), _denoiser(), Impulses(3), steps=1, start=0.05, stop=0.1
        )


@pytest.mark.parametrize("sampler", [ProbabilityFlowHeun(), ExponentialMultistep(order=1), EulerMaruyama()])
def test_a_comparison_extrapolates_with_the_order_of_the_sampler(sampler):
    """c_h - c_0 = (c_h - c_{h/2}) / (1 - 2^-order), to leading order, in the second moment of a round."""
    law = hc.GaussianMixture([1.0], [0.5], 0.3)
    recursion = hc.Recursion(law, fresh_fraction=0.5, truncation_time=0.1)
    options = {
        "rounds": 1,
        "particles": 20_000,
        "generator": "exact",
        "degree": 2,
        "device": "cpu",
        "seed": 4,
    }
    coarse, fine, finest = (
        simulate(recursion, sampler=sampler, steps=steps, **options) for steps in (12, 24, 384)
    )
    estimate = hc.compare(recursion, coarse, refined=fine).discretisation[1, 2]
    if isinstance(sampler, ProbabilityFlowHeun):  # driven by the start alone, which the three runs share
        exact = (coarse.mean_coefficients - finest.mean_coefficients)[1, 2]
        assert estimate == pytest.approx(exact, rel=0.2)
    difference = (coarse.mean_coefficients - fine.mean_coefficients)[1, 2]
    assert estimate == pytest.approx(difference / (1.0 - 0.5**sampler.order), rel=1e-12)


def test_samplers_by_name_are_the_words():
    assert tuple(SAMPLERS) == words.SAMPLERS
    for name, sampler in SAMPLERS.items():
        described = sampler().describe()
        assert described["name"] == name
        assert described["order"] in (1, 2)
