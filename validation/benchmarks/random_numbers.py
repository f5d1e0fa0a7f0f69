"""Random numbers by address, and the channel generator, whose cost is to stay within 2 of that of its normals.

On one thread, processor time.  Normals: Philox against NumPy's SFC64 with its ziggurat.  Channel: a round of particles
with their sources, members, components and both normals of each coordinate; the yardstick is those normals alone, made
in the same turns.  The multiply-add peak of one core stands beside both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

import hermite_collapse as hc
from hermite_collapse.core import threads
from hermite_collapse.laws.channels import GaussianChannel
from hermite_collapse.simulation.generations import RoundContext, TrainingMixture
from hermite_collapse.simulation.noise import BLOCK, Chunk, NoiseStream, Piece, plan_chunks

from .timing import best_time, interleaved, median_ratio, median_time, multiply_add_peak, one_thread

PARTICLES = 10**6
BLOCKS = 24
LEAST_NORMALS = 1e8  # a second on a core with AVX-512
MOST_RATIO = 2.0
CPU = torch.device("cpu")


def run() -> list[dict[str, Any]]:
    """Rows of normals a second, and of the channel's cost in normals."""
    with one_thread(), threads.one_thread():
        return [_normals(), *(_channel(name) for name in ("three_modes_1d", "tilted_2d", "diagonal_10d"))]


def _normals() -> dict[str, Any]:
    columns = 10
    philox = _own_normals(columns)
    ziggurat = np.random.Generator(np.random.SFC64(0))
    values = np.empty((BLOCK, 2 * columns))
    peak = multiply_add_peak()
    times = interleaved(
        {
            "philox": philox,
            "sfc64": lambda: [ziggurat.standard_normal(out=values) for _ in range(BLOCKS)],
            "peak": peak,
        },
        clock=time.process_time,
        each=3,
    )
    count = 2.0 * columns * BLOCK * BLOCKS
    rate = count / median_time(times, "philox")
    return {
        "what": "normals",
        "per_second": rate,
        "sfc64_per_second": count / median_time(times, "sfc64"),
        "speed_over_sfc64": median_ratio(times, "sfc64", "philox"),
        "peak_gflops": peak() / best_time(times, "peak") / 1e9,
        "target": LEAST_NORMALS,
        "met": rate >= LEAST_NORMALS,
    }


def _own_normals(columns: int) -> Callable[[], None]:
    """Two draws of normals for some blocks of particles."""

    def make() -> None:
        for block in range(BLOCKS):
            stream = NoiseStream(
                [Piece(0, block, BLOCK)], seed=1, round_index=1, purpose="channel", device=CPU
            )
            stream.normal(columns)
            stream.normal(columns)

    return make


def _channel(name: str) -> dict[str, Any]:
    law = _diagonal(10) if name == "diagonal_10d" else hc.presets.load(name)
    recursion = hc.Recursion(law, fresh_fraction=0.3, truncation_time=0.1)
    earlier = torch.from_numpy(np.random.default_rng(2).standard_normal((1, PARTICLES, law.dimension)))
    context = RoundContext(recursion, 0, 1, PARTICLES, 1, CPU, {0: earlier})
    training = TrainingMixture(context)
    chunks, channel = plan_chunks(1, PARTICLES, BLOCK)[:BLOCKS], GaussianChannel(0.9, 0.19)
    peak = multiply_add_peak()
    times = interleaved(
        {
            "channel": lambda: _each(lambda chunk: training.draw(chunk, "channel", channel), chunks),
            "readable": lambda: _each(
                lambda chunk: training.draw_readable(context.noise(chunk, "channel"), channel), chunks
            ),
            "normals": _own_normals(law.dimension),
            "peak": peak,
        },
        clock=time.process_time,
        each=3,
    )
    rows = BLOCK * BLOCKS
    ratio = median_ratio(times, "channel", "normals")
    return {
        "what": f"channel, {name}",
        "per_second": rows / median_time(times, "channel"),
        "nanoseconds": 1e9 * median_time(times, "channel") / rows,
        "nanoseconds_of_normals": 1e9 * median_time(times, "normals") / rows,
        "ratio_to_normals": ratio,
        "speed_over_readable": median_ratio(times, "readable", "channel"),
        "peak_gflops": peak() / best_time(times, "peak") / 1e9,
        "target": MOST_RATIO,
        "met": ratio <= MOST_RATIO,
    }


def _each(work: Callable[[Chunk], object], chunks: Sequence[Chunk]) -> None:
    """Do the work of every chunk; its result is let go at once, as in a simulation."""
    for chunk in chunks:
        work(chunk)


def _diagonal(dimension: int) -> hc.GaussianMixture:
    rng = np.random.default_rng(3)
    return hc.GaussianMixture(
        np.full(5, 0.2), 2.0 * rng.standard_normal((5, dimension)), rng.uniform(0.1, 0.5, (5, dimension))
    )
