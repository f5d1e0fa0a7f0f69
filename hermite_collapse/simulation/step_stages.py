r"""Samplers of K steps as tables of stages.

At level (a, s) the posterior means of the data and of the noise are D and N = (x - a D) / s, so that what a sampler
makes of x, D and N is made of x and D alone.
"""

from __future__ import annotations

import math

from ..pipeline.denoiser import Sampler
from ..pipeline.probed_steps import ProbedSteps
from ..pipeline.sampler_steps import SamplerSteps
from .scores import Level
from .stages import Stage

RATE = 0.5  # of the Ornstein-Uhlenbeck time that levels are turned into


def stages_of(sampler: Sampler) -> list[Stage] | None:
    """Return the stages of a sampler of K steps; None if a step looks further back than the one before it."""
    if isinstance(sampler, SamplerSteps):
        return _stages_of_steps(sampler)
    return _stages_of_program(sampler) if isinstance(sampler, ProbedSteps) else None


def _in_x_and_data(on_data: float, on_noise: float, signal: float, noise: float) -> tuple[float, float]:
    """Return the coefficients of x and D in on_data D + on_noise N."""
    if noise == 0.0:  # D = x / a, N = 0
        return on_data / signal, 0.0
    return on_noise / noise, on_data - on_noise * signal / noise


def _stages_of_steps(sampler: SamplerSteps) -> list[Stage]:
    signals, noises = sampler.signal.tolist(), sampler.noise.tolist()
    stages = []
    for j in range(sampler.steps):
        signal, noise = signals[j], noises[j]
        level = Level.of(signal, noise, RATE)
        x, data = _in_x_and_data(float(sampler.on_data[j]), float(sampler.on_noise[j]), signal, noise)
        x += float(sampler.on_sample[j])
        added = math.sqrt(float(sampler.added[j]))
        corrector = 0.0 if sampler.corrector is None else float(sampler.corrector[j])
        if corrector == 0.0:
            stages.append(Stage(level, x=x, data=data, noise=added))
            continue
        # To Euler's point D + s' N, then from there with the noise N' at its level.
        euler_x, euler_data = _in_x_and_data(1.0, noises[j + 1], signal, noise)
        second_x, second_data = _in_x_and_data(0.0, corrector, signals[j + 1], noises[j + 1])
        stages += [
            Stage(level, x=euler_x, data=euler_data),
            Stage(
                Level.of(signals[j + 1], noises[j + 1], RATE),
                x=second_x,
                x_before=x,
                data=second_data,
                data_before=data,
                noise=added,
            ),
        ]
    return stages


def _stages_of_program(sampler: ProbedSteps) -> list[Stage] | None:
    if sampler.target is not None:
        return None
    count, used = sampler.steps, set()
    outputs = []  # coefficients of x and D in the network's output at each call
    stages = []
    for step in range(count):
        signal, noise = float(sampler.signal[step]), float(sampler.noise[step])
        x, data = _in_x_and_data(float(sampler.on_data[step]), float(sampler.on_noise[step]), signal, noise)
        outputs.append((x + float(sampler.on_sample[step]), data))
        now, before, added = [0.0, 0.0], [0.0, 0.0], 0.0
        for number, coefficient in sampler.terms(step):
            if number >= 2 * count:
                if number in used or added != 0.0 or coefficient == 0.0:
                    return None
                used.add(number)
                added = coefficient
                continue
            call, is_output = number % count, number >= count
            if call not in (step, step - 1):
                return None
            part = now if call == step else before
            part[0] += coefficient * (outputs[call][0] if is_output else 1.0)
            part[1] += coefficient * (outputs[call][1] if is_output else 0.0)
        stages.append(
            Stage(
                Level.of(signal, noise, RATE),
                x=now[0],
                data=now[1],
                x_before=before[0],
                data_before=before[1],
                noise=added,
            )
        )
    return stages
