"""The Triton kernels of the simulation by themselves, on a CUDA device, for the ways they can be cut into programs.

Normals, the reverse diffusion with an exact denoiser, and the weighted means of a pool; each is first held against
torch's own operations.  Flops of the reverse diffusion are 8 K d a particle and step, exponentials and normals not
counted; a row without noise shows what those cost.

On a GPU:  python -m validation.benchmarks --only triton_kernels
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hermite_collapse.simulation import ExponentialMultistep, MixtureDenoiser
from hermite_collapse.simulation.attention import attention_means, plain_means
from hermite_collapse.simulation.fused.plan import plan_of
from hermite_collapse.simulation.laws import TorchMixture
from hermite_collapse.simulation.noise import NoiseStream, Piece
from hermite_collapse.simulation.stages import carry

from .kernel_score import SCALE, VARIANCE, operands

if TYPE_CHECKING:
    from hermite_collapse.simulation.fused.triton_reverse import ReverseKernel

STEPS = 100
# Particles, warps, stages of loading ahead, and the widest tile of components.
SHAPES = [(64, 4, 2, 32), (64, 4, 2, 16), (32, 2, 2, 32), (32, 2, 2, 16), (64, 4, 1, 16), (32, 4, 2, 32)]
LANE_SHAPES = [(128, 4, 1, 8), (256, 4, 1, 8)]
# Queries, points, warps, stages of loading ahead.
ATTENTION_SHAPES = [(64, 128, 4, 3), (64, 64, 4, 3), (64, 128, 4, 2), (64, 256, 4, 2), (128, 128, 8, 3)]


def run() -> list[dict[str, Any]]:
    """Rows of the table; one that says so without a CUDA device."""
    return list(rows("cuda" if torch.cuda.is_available() else "cpu"))


def rows(name: str) -> Iterator[dict[str, Any]]:
    """The rows for a device, one after the other."""
    if name != "cuda":
        yield {"kernel": "none", "note": "no CUDA device"}
        return
    device = torch.device("cuda")
    yield from checks(device)
    yield from normals(device)
    yield from means_of_pools(device)
    yield from reverse_diffusions(device)


def checks(device: torch.device) -> Iterator[dict[str, Any]]:
    """The largest difference of every kernel from torch's operations."""
    from hermite_collapse.simulation.fused import (
        triton_attention,
        triton_channel,
        triton_random,
        triton_reverse,
    )

    for module in (triton_random, triton_channel, triton_reverse, triton_attention):
        difference = module.check_on_device(device)
        name = module.__name__.rsplit(".", 1)[1]
        yield {"kernel": name, "difference": difference, "met": difference <= module.LARGEST_DIFFERENCE}


def normals(device: torch.device, rows: int = 1 << 24) -> Iterator[dict[str, Any]]:
    """Normals a second, two draws of ten columns at once."""
    from hermite_collapse.simulation.fused.triton_random import Rows, draw_pair

    table = Rows.of([Piece(0, block, 8192) for block in range(rows // 8192)], device)
    seconds = median_seconds(lambda: draw_pair("normal", 0, 10, table, (1, 2)))
    yield {"kernel": "normals", "seconds": seconds, "numbers_per_second": 20 * rows / seconds}


def reverse_diffusions(device: torch.device) -> Iterator[dict[str, Any]]:
    """Particle steps and flops a second, the launch shapes of the standard problem first."""
    from hermite_collapse.simulation.fused.triton_reverse import Launch, Prepared, ReverseKernel

    stages = ExponentialMultistep().stages(steps=STEPS, start=8.0, stop=0.1, rate=0.5)
    for components, dimension, particles, isotropic, shapes in (
        (25, 10, 1 << 22, False, SHAPES),
        (25, 10, 1 << 20, True, SHAPES[:1]),
        (3, 1, 1 << 23, True, LANE_SHAPES),
        (8, 2, 1 << 22, False, LANE_SHAPES[:1]),
        (16, 8, 1 << 20, False, LANE_SHAPES[:1]),
        (64, 32, 1 << 18, False, [(64, 4, 1, 32), (32, 4, 1, 32)]),
        (64, 64, 1 << 17, False, [(64, 4, 1, 32), (16, 4, 1, 16)]),
    ):
        law = mixture(components, dimension, isotropic, device)
        denoiser = MixtureDenoiser(law)
        pieces = [Piece(0, block, 8192) for block in range(particles // 8192)]
        start, path = (stream(pieces, purpose, device) for purpose in ("start", "path"))
        origin = law.sample(start)
        plan = plan_of(denoiser, stages, law)
        flops = (4.0 if isotropic else 8.0) * components * dimension * STEPS * particles
        common = {
            "components": components,
            "dimension": dimension,
            "isotropic": isotropic,
            "particles": particles,
        }
        for shape in shapes:
            kernel = ReverseKernel.of([Prepared.of(plan, Launch(*shape))], device)
            quiet = replace(kernel, options={**kernel.options, "NOISE": False})
            for noise, own in ((True, kernel), (False, quiet)) if shape == shapes[0] else ((True, kernel),):
                name = {"kernel": "reverse diffusion" if noise else "without noise", **common}
                try:
                    seconds = seconds_of(own, origin, pieces, path.key)
                except Exception as problem:  # a shape that asks for more than the card has
                    yield {
                        **name,
                        "launch": str(shape),
                        "note": f"{type(problem).__name__}: {problem}"[:200],
                    }
                    continue
                yield {
                    **name,
                    "launch": str(shape),
                    "seconds": seconds,
                    "particle_steps_per_second": particles * STEPS / seconds,
                    "flops_per_second": flops / seconds,
                }
        if (components, dimension, isotropic) == (25, 10, False):
            part = pieces[:16]
            began = origin[: 16 * 8192]
            seconds = median_seconds(lambda: carry(began, denoiser, stages, stream(part, "path", device)))  # noqa: B023
            yield {
                "kernel": "torch loop",
                **common,
                "particles": len(began),
                "seconds": seconds,
                "particle_steps_per_second": len(began) * STEPS / seconds,
                "flops_per_second": flops / seconds * len(began) / particles,
            }


def means_of_pools(device: torch.device, count: int = 100_000) -> Iterator[dict[str, Any]]:
    """Pairs a second for launch shapes, and the largest error of some of the means."""
    from hermite_collapse.simulation.fused import triton_attention

    points, queries = operands(count, device)
    reference = plain_means(queries[:1024], points, SCALE, VARIANCE)
    names = ("_QUERIES", "_POINTS", "_WARPS", "_DEPTH")
    before = [getattr(triton_attention, name) for name in names]
    for shape in ATTENTION_SHAPES:
        for name, value in zip(names, shape, strict=True):
            setattr(triton_attention, name, value)
        try:
            made = triton_attention.means(queries[None], points[None], SCALE, VARIANCE)[0]
            seconds = median_seconds(
                lambda: triton_attention.means(queries[None], points[None], SCALE, VARIANCE), 3
            )
            yield {
                "kernel": "means of a pool",
                "launch": str(shape),
                "seconds": seconds,
                "pairs_per_second": float(count) ** 2 / seconds,
                "difference": float((made[:1024] - reference).abs().max()),
            }
        except Exception as problem:
            yield {
                "kernel": "means of a pool",
                "launch": str(shape),
                "note": f"{type(problem).__name__}: {problem}"[:200],
            }
    for name, value in zip(names, before, strict=True):
        setattr(triton_attention, name, value)
    seconds = median_seconds(lambda: attention_means(queries[None], points[None], SCALE, VARIANCE), 3)
    yield {"kernel": "attention_means", "seconds": seconds, "pairs_per_second": float(count) ** 2 / seconds}


def seconds_of(
    kernel: ReverseKernel, origin: torch.Tensor, pieces: list[Piece], key: tuple[int, int]
) -> float:
    """Seconds of carrying particles from an origin."""
    x = origin.clone()

    def work() -> None:
        x.copy_(origin)
        kernel.carry(x, pieces, key)

    return median_seconds(work)


def mixture(components: int, dimension: int, isotropic: bool, device: torch.device) -> TorchMixture:
    """Equally likely components with means of order two and standard deviations of a third to two thirds."""
    generator = np.random.default_rng(1)
    return TorchMixture(
        torch.full((components,), 1.0 / components, dtype=torch.float64, device=device),
        torch.tensor(2.0 * generator.standard_normal((components, dimension)), device=device),
        torch.tensor(generator.uniform(0.1, 0.5, (components, 1 if isotropic else dimension)), device=device),
    )


def stream(pieces: list[Piece], purpose: str, device: torch.device) -> NoiseStream:
    """A stream of one purpose."""
    return NoiseStream(pieces, seed=1, round_index=1, purpose=purpose, device=device)


def median_seconds(work: Callable[[], Any], repetitions: int = 5) -> float:
    """The median time of a computation on the device, after one run that compiles."""
    work()
    times = []
    for _ in range(repetitions):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return float(np.median(times))
