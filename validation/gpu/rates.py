"""Short timings of a device, from which the minutes are planned: seconds for one unit of work of each kind.

particles     a particle and step of the exact generator on the CPU, components x dimension = 1
channel       a particle and round, times what a particle costs: dimension and modes
exact         a particle and step, times dimension x components of its score
pairs         a query and a centre of the kernel score
k_steps       a particle and step of a sampler of K steps
perceptron    an optimiser step of batched perceptrons
unet          an optimiser step of the U-Nets of all fresh fractions
fixed         a second
"""

from __future__ import annotations

import time
from collections.abc import Callable

import hermite_collapse as hc
from hermite_collapse.simulation import NeuralGeneration, ResidualPerceptron, Training, simulate

from .fashion import BATCH, seconds_of_step
from .settings import FRESH_FRACTION, TRUNCATION, benchmark_mixture
from .unet import MemberUNet

# What a particle costs beside its score, in units of dimension x components: noise, exponentials, memory.
BESIDE = 12.0


def channel_work(dimension: int, modes: int) -> float:
    """Return the cost of a particle and round of the channel."""
    return 4.0 * dimension + modes


def exact_work(dimension: int, components: float) -> float:
    """Return the cost of a particle and step of the exact generator."""
    return dimension * components + 5.0 * components + BESIDE * dimension


def measure(device: str, small: bool) -> dict[str, float]:
    """Return the rates of a device; each computation runs twice, and the second run counts."""
    law = hc.presets.load("three_modes_1d")
    line = hc.Recursion(law, fresh_fraction=FRESH_FRACTION, truncation=TRUNCATION)
    space = hc.Recursion(benchmark_mixture(), fresh_fraction=1.0, truncation=TRUNCATION)
    many, some, few = (20_000, 4000, 1000) if small else (4_000_000, 2**18, 16_384)

    def channel() -> None:
        simulate(line, rounds=2, particles=many, degree=8, device=device)

    def exact() -> None:
        simulate(space, rounds=1, particles=some, generator="exact", steps=50, degree=1, device=device)

    def pairs() -> None:
        simulate(line, rounds=1, particles=few, generator="kernel", steps=10, degree=1, device=device)

    def on_cpu() -> None:
        simulate(space, rounds=1, particles=4000, generator="exact", steps=50, degree=1, device="cpu")

    def perceptron() -> None:
        generation = NeuralGeneration(
            ResidualPerceptron(width=48 if small else 256, blocks=2 if small else 4),
            Training(samples=2000, steps=40, batch=128 if small else 2048, check=40),
        )
        simulate(line, rounds=1, particles=100, generator=generation, degree=1, runs=4, device=device)

    score = exact_work(10, 25)
    rates = {
        "fixed": 1.0,
        "channel": _second_time(channel) / (2 * many * channel_work(1, 9)),
        "exact": _second_time(exact) / (some * 50 * score),
        "pairs": _second_time(pairs) / (few**2 * 10.0),
        "particles": _second_time(on_cpu) / (4000 * 50 * score),
        "perceptron": _second_time(perceptron) / 40.0,
    }
    rates["k_steps"] = rates["exact"]
    # The optimiser, the running average and the batch cost about as much again as the passes.
    network = MemberUNet(half=True) if device == "cuda" else MemberUNet(widths=(16, 32))
    rates["unet"] = 2.0 * seconds_of_step(
        network, device, rows=BATCH if device == "cuda" else 4, repetitions=3
    )
    return rates


def _second_time(work: Callable[[], None]) -> float:
    work()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
