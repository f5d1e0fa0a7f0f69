"""Whether `torch.compile` pays for denoisers that no kernel takes: one evaluation at one noise level, on one thread.

The loop over stages evaluates a denoiser once a stage, at a level that is a constant of the stage: compiled as a whole
it is as many programs as stages, and one evaluation is the unit that could be compiled.  Compared by processor time,
the seconds of the compilation apart; nothing is asked of the ratios.  On two cores a compiled evaluation
is 1.1 to 1.3 times as fast, after seconds of compilation for each of some hundred levels: it does not pay, and the loop
stays as it is written.  CUDA graphs are for a card, and not tried here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

import hermite_collapse as hc
from hermite_collapse.core import threads
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.learned.denoiser import NetworkDenoiser, Preconditioning
from hermite_collapse.simulation.learned.optimisation import build_network
from hermite_collapse.simulation.learned.settings import ResidualPerceptron
from hermite_collapse.simulation.noise import BLOCK
from hermite_collapse.simulation.scores import MixtureDenoiser

from .timing import interleaved, median_ratio, median_time, one_thread

TIME = 0.5


def run() -> list[dict[str, Any]]:
    """Rows of seconds as written and compiled, and of the compilation."""
    law = components_of(hc.presets.load("five_modes_10d"), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(BLOCK, law.dimension, dtype=torch.float64, generator=generator)

    def draw(count: int) -> torch.Tensor:
        return torch.randn(1, count, generator=generator)

    network = build_network(ResidualPerceptron(), 1, law.dimension, draw, torch.device("cpu"))
    learned = NetworkDenoiser(network, Preconditioning.of(x[None]), [0])
    with one_thread(), threads.one_thread():
        return [
            _row("exact denoiser of five components, as in the torch loop", MixtureDenoiser(law).denoise, x),
            _row("learned denoiser, the usual perceptron", learned.denoise, x),
        ]


def _row(
    name: str, denoise: Callable[[torch.Tensor, float], torch.Tensor], x: torch.Tensor
) -> dict[str, Any]:
    def written() -> torch.Tensor:
        return denoise(x, TIME)

    begin = time.perf_counter()
    compiled = torch.compile(written)
    difference = float((compiled() - written()).abs().max())
    seconds = time.perf_counter() - begin
    times = interleaved({"written": written, "compiled": compiled}, clock=time.process_time, seconds=10.0)
    return {
        "case": f"{name}, {len(x)} particles, d = {x.shape[1]}",
        "seconds": median_time(times, "written"),
        "seconds_compiled": median_time(times, "compiled"),
        "speed_up_compiled": median_ratio(times, "written", "compiled"),
        "seconds_of_compilation": seconds,
        "largest_difference": difference,
    }
