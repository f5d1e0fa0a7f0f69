"""The exact generator: reverse diffusion with the closed-form score of a mixture, as a kernel and as a torch loop.

100 steps of the second-order exponential sampler, float64, at the size named in each row.  A particle and step take
4 K d multiply-adds (2 K d for isotropic components) of the denoiser's sums, which are what the share of the peak
counts; K exponentials and d normals come on top and are not counted.  The peak is measured in the same turns: of
multiply-adds on a CPU, of a large matrix product on a CUDA device.

On a CPU once by processor time on one thread, which a busy machine does not disturb, and once by the clock on all.

On a GPU:  python -m validation --only benchmarks/exact_sampler --out DIR
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

import hermite_collapse as hc
from hermite_collapse.core import threads
from hermite_collapse.simulation.fused.diffusion import Diffusion
from hermite_collapse.simulation.laws import components_of
from hermite_collapse.simulation.noise import Chunk, NoiseStream, plan_chunks
from hermite_collapse.simulation.reverse import ReverseDiffusion
from hermite_collapse.simulation.scores import MixtureDenoiser
from hermite_collapse.simulation.workers import made_in_order

from .timing import Times, best_time, interleaved, median_ratio, median_time, multiply_add_peak, one_thread

STEPS, RATE, STOP = 100, 0.5, 0.1
LEAST_SHARE = 0.35
LEAST_SPEED_UP = 3.7


class Size(NamedTuple):
    """A law and a number of particles; the first is held to the targets."""

    dimension: int
    components: int
    isotropic: bool
    particles: int


SIZES = (Size(10, 25, False, 100_000), Size(10, 25, True, 100_000), Size(1, 3, True, 400_000))


def run() -> list[dict[str, Any]]:
    """Rows of seconds, share of the peak, and speed-up over the loop."""
    if torch.cuda.is_available():
        return [_on_cuda(SIZES[0]._replace(particles=10**6))]
    with one_thread(), threads.one_thread():
        rows = [
            _on_cpu(
                size._replace(particles=size.particles // 10), "one core, processor time", time.process_time
            )
            for size in SIZES
        ]
    return [*rows, *(_on_cpu(size, "all cores, by the clock", time.perf_counter) for size in SIZES)]


def _on_cpu(size: Size, what: str, clock: Callable[[], float]) -> dict[str, Any]:
    device = torch.device("cpu")
    chunks = plan_chunks(1, size.particles, 8192)
    everything = Chunk(0, size.particles, tuple(piece for chunk in chunks for piece in chunk.pieces))
    kernel, loop = _diffusion(size, device), _diffusion(size, device, readable=True)
    peak = multiply_add_peak()
    times = interleaved(
        {
            "peak": peak,
            "kernel": lambda: _make(kernel, everything, device),
            "loop": lambda: list(
                made_in_order(lambda c: _make(loop, c, device), chunks, device=device, splits=False)
            ),
        },
        clock=clock,
        seconds=30.0,
    )
    row = _row(size, what, times, peak() / best_time(times, "peak"))
    if size[:3] == SIZES[0][:3]:
        row["met"] = row["share_of_peak"] >= LEAST_SHARE and row["speed_up_over_loop"] >= LEAST_SPEED_UP
    return row


def _on_cuda(size: Size) -> dict[str, Any]:
    device = torch.device("cuda")
    kernel, loop = _diffusion(size, device), _diffusion(size, device, readable=True)
    chunk = Chunk(0, size.particles, tuple(p for c in plan_chunks(1, size.particles, 8192) for p in c.pieces))
    square = torch.randn(4096, 4096, dtype=torch.float64, device=device)

    def finished(work: Callable[[], Any]) -> Callable[[], None]:
        def done() -> None:
            work()
            torch.cuda.synchronize()

        return done

    times = interleaved(
        {
            "peak": finished(lambda: torch.mm(square, square)),
            "kernel": finished(lambda: _make(kernel, chunk, device)),
            "loop": finished(lambda: _make(loop, chunk, device)),
        },
        seconds=60.0,
    )
    return _row(size, torch.cuda.get_device_name(device), times, 2.0 * 4096.0**3 / best_time(times, "peak"))


def _row(size: Size, what: str, times: Times, peak: float) -> dict[str, Any]:
    seconds = median_time(times, "kernel")
    work = size.particles * STEPS
    multiply_adds = (2 if size.isotropic else 4) * size.dimension * size.components
    return {
        "what": what,
        "dimension": size.dimension,
        "components": size.components,
        "isotropic": size.isotropic,
        "particles": size.particles,
        "multiply_adds": multiply_adds,
        "exponentials": size.components,
        "normals": size.dimension,
        "seconds": seconds,
        "ns_per_particle_step": 1e9 * seconds / work,
        "peak_gflops": peak / 1e9,
        "share_of_peak": 2.0 * multiply_adds * work / seconds / peak,
        "speed_up_over_loop": median_ratio(times, "loop", "kernel"),
    }


def _diffusion(size: Size, device: torch.device, *, readable: bool = False) -> Diffusion:
    law = components_of(_mixture(size), device)
    reverse = ReverseDiffusion(steps=STEPS)
    return Diffusion(
        MixtureDenoiser(law, rate=RATE),
        reverse.stages(STOP, RATE),
        reverse.start_law(law, STOP, RATE),
        device,
        readable=readable,
    )


def _make(built: Diffusion, chunk: Chunk, device: torch.device) -> torch.Tensor:
    start, path = (
        NoiseStream(chunk.pieces, seed=0, round_index=1, purpose=purpose, device=device)
        for purpose in ("start", "path")
    )
    return built.particles(start, path)


def _mixture(size: Size) -> hc.GaussianMixture:
    rng = np.random.default_rng(1)
    columns = 1 if size.isotropic else size.dimension
    variances = np.broadcast_to(
        rng.uniform(0.1, 0.5, (size.components, columns)), (size.components, size.dimension)
    )
    return hc.GaussianMixture(
        np.full(size.components, 1.0 / size.components),
        2.0 * rng.standard_normal((size.components, size.dimension)),
        variances,
    )
