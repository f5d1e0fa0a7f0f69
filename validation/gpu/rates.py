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
import traceback
from collections.abc import Callable

import hermite_collapse as hc
from hermite_collapse.pipeline.mechanisms import SamplerSteps
from hermite_collapse.simulation import (
    NeuralGeneration,
    ResidualPerceptron,
    StepsGeneration,
    Training,
    simulate,
)

from .fashion import BATCH, seconds_of_step
from .settings import FRESH_FRACTION, TRUNCATION, benchmark_mixture, degree_of, recursion_of
from .unet import MemberUNet

# What a particle costs beside its score, in units of dimension x components: noise, exponentials, memory.
BESIDE = 12.0


def channel_work(dimension: int, modes: int) -> float:
    """Return the cost of a particle and round of the channel."""
    return 4.0 * dimension + modes


def exact_work(dimension: int, components: float) -> float:
    """Return the cost of a particle and step of the exact generator."""
    return dimension * components + 5.0 * components + BESIDE * dimension


def measure(device: str, small: bool, wanted: set[str]) -> dict[str, float]:
    """Return the rates of the wanted kinds; one whose computation fails is left out, with its traceback on stdout."""
    line = hc.Recursion(
        hc.presets.load("three_modes_1d"), fresh_fraction=FRESH_FRACTION, truncation_time=TRUNCATION
    )
    space = hc.Recursion(benchmark_mixture(), fresh_fraction=1.0, truncation_time=TRUNCATION)
    seconds = 0.05 if small else 0.4
    score = exact_work(10, 25)

    def channel(count: int) -> float:
        simulate(line, rounds=2, particles=count, degree=8, device=device)
        return 3.0 * count * channel_work(1, 9)

    def exact(count: int) -> float:
        simulate(space, rounds=1, particles=count, generator="exact", steps=50, degree=1, device=device)
        return 50.0 * count * score

    def pairs(count: int) -> float:
        simulate(line, rounds=1, particles=count, generator="kernel", steps=10, degree=1, device=device)
        return 10.0 * float(count) ** 2

    def particles(count: int) -> float:
        simulate(space, rounds=1, particles=count, generator="exact", steps=50, degree=1, device="cpu")
        return 50.0 * count * score

    def k_steps(count: int) -> float:
        recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=1.0, truncation_time=0.0)
        generation = StepsGeneration(SamplerSteps.ddim(steps=20))
        simulate(recursion, rounds=1, particles=count, generator=generation, degree=6, device=device)
        return 20.0 * count * exact_work(1, 2)

    def perceptron(count: int) -> float:
        generation = NeuralGeneration(
            ResidualPerceptron(width=32 if small else 256, blocks=2 if small else 4),
            Training(samples=4 * count, steps=count, batch=128 if small else 2048, check=count),
        )
        simulate(line, rounds=1, particles=100, generator=generation, degree=1, runs=4, device=device)
        return float(count)

    def unet(count: int) -> float:
        network = MemberUNet(half=True) if device == "cuda" else MemberUNet(widths=(16, 32))
        rows = BATCH if device == "cuda" else 4
        # The optimiser, the running average and the batch cost about as much again as the passes.
        return count / 2.0 if seconds_of_step(network, device, rows=rows, repetitions=count) > 0.0 else 0.0

    kinds: dict[str, tuple[Callable[[int], float], int, int]] = {
        "channel": (channel, 8192, 2**26),
        "exact": (exact, 8192, 2**22),
        "pairs": (pairs, 1024, 2**16),
        "k_steps": (k_steps, 8192, 2**22),
        "particles": (particles, 2048, 2**20),
        "perceptron": (perceptron, 10, 200),
        "unet": (unet, 2, 20),
    }
    rates = {"fixed": 1.0}
    if not wanted.isdisjoint({"channel", "exact", "pairs"}):
        compile_theory()
    for kind, (work, first, most) in kinds.items():
        if kind not in wanted:
            continue
        try:
            rates[kind] = _rate(work, first, most, seconds)
        except Exception:  # what the pieces of this kind will report themselves
            print(traceback.format_exc(), flush=True)
    return rates


def compile_theory() -> None:
    """Load and compile what the theory uses, so that no piece is charged for it."""
    for preset in ("three_modes_1d", "tilted_2d", "five_modes_10d"):
        for generator in ("channel", "kernel"):
            recursion = recursion_of(preset, generator)
            degree = degree_of(recursion.dimension)
            simulated = simulate(
                recursion, rounds=2, particles=100, generator=generator, degree=degree, device="cpu"
            )
            hc.compare(recursion, simulated)


def _rate(work: Callable[[int], float], first: int, most: int, seconds: float) -> float:
    """Return seconds for a unit of work: once to load and compile, then larger until it takes so long."""
    work(first)
    count, rate = first, 0.0
    while True:
        began = time.perf_counter()
        amount = work(count)
        took = time.perf_counter() - began
        rate = took / amount
        if took >= seconds or count >= most:
            return rate
        count = min(most, count * (8 if took < 0.1 * seconds else 2))
