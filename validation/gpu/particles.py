"""CPU against GPU, particle by particle: one seed, two devices, the same random numbers.

Differences are given in units of rounding, 2^-52 times the larger of a particle's size and 1.  The channel adds and
multiplies once, so that a round leaves a few units; a reverse diffusion stretches what separates two particles by the
product of the derivatives of its steps, largest where a particle stands between two modes.  How much is measured on the
CPU: its kernel against the readable loop in torch, which round differently and share nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import partial
from typing import Any

import numpy as np
import torch

import hermite_collapse as hc
from hermite_collapse.core.types import FloatArray
from hermite_collapse.simulation import (
    Denoiser,
    ExactGeneration,
    KernelGeneration,
    ReverseDiffusion,
    simulate,
)
from hermite_collapse.simulation.fused import triton_use
from hermite_collapse.simulation.generations import Generation
from hermite_collapse.simulation.noise import NoiseStream
from hermite_collapse.simulation.noise import Piece as NoisePiece

from .piece import Job, Outcome, Piece, Size
from .rates import exact_work
from .settings import recursion_of

UNIT = 2.0**-52
STEPS, ROUNDS = 50, 2
# Units of rounding that count as equal: the channel's few operations, and what a reverse diffusion makes of rounding.
CHANNEL_UNITS, MEDIAN_UNITS, LARGEST_DIFFERENCE = 64.0, 1e4, 1e-7


def pieces() -> list[Piece]:
    """noise, kernels, and particles/PRESET."""
    sizes = [Size(1, {"numbers": 1_000_000}, 2.0), Size(0, {"numbers": 20_000}, 0.5)]
    result = [
        Piece("noise", "uniforms to the bit and normals to a few ulp on both devices", "fixed", sizes, noise)
    ]
    compiled = [Size(1, {}, 10.0), Size(0, {}, 0.1)]
    result.append(
        Piece("kernels", "the Triton kernels against torch's own operations", "fixed", compiled, kernels)
    )
    for preset in hc.presets.names():
        law = hc.presets.load(preset)
        result.append(
            Piece(
                f"particles/{preset}",
                f"CPU against GPU particle by particle: {preset}",
                "particles",
                [
                    _size(2, 50_000, 2048, law),
                    _size(1, 20_000, 1024, law),
                    _size(0, 2000, 256, law),
                ],
                partial(run, preset),
            )
        )
    return result


def _size(stage: int, particles: int, pool: int, law: hc.GaussianMixture) -> Size:
    score = exact_work(law.dimension, 1.5 * len(law.weights))
    # The readable loop costs about four times the kernel; a pair in float64 about 20 units.
    work = 6.0 * ROUNDS * STEPS * particles * score + 40.0 * ROUNDS * STEPS * pool**2
    return Size(stage, {"particles": particles, "pool": pool}, work)


def unchanged(denoiser: Denoiser) -> Denoiser:
    """Return the same denoiser: what is wrapped runs in the readable loop."""
    return denoiser


def noise(job: Job) -> Outcome:
    """Compare the random numbers themselves."""
    rows = []
    count = job["numbers"]
    pieces_of_noise = [NoisePiece(0, 0, 8192), NoisePiece(3, 7, count)]
    for purpose in ("initial", "path"):
        streams = [
            NoiseStream(
                pieces_of_noise, seed=job.seed, round_index=1, purpose=purpose, device=torch.device(name)
            )
            for name in ("cpu", job.device)
        ]
        for draw in range(3):
            uniforms = [stream.uniform(2).cpu().numpy() for stream in streams]
            normals = [stream.normal(2).cpu().numpy() for stream in streams]
            ulp = np.abs(normals[0] - normals[1]) / np.spacing(np.abs(normals[0]))
            rows.append(
                {
                    "purpose": purpose,
                    "draw": draw,
                    "uniforms_that_differ": int(np.sum(uniforms[0] != uniforms[1])),
                    "largest_normal_difference_ulp": float(ulp.max()),
                    "normals_that_differ": float(np.mean(normals[0] != normals[1])),
                    "largest_normal": float(np.abs(normals[0]).max()),
                }
            )
    differ = sum(row["uniforms_that_differ"] for row in rows)
    ulp = max(row["largest_normal_difference_ulp"] for row in rows)
    return Outcome(
        f"{12 * (count + 8192):,} uniforms: {differ} differ; as many normals: at most {ulp:.3g} ulp apart.",
        differ == 0 and ulp <= 64.0,
        {"rows": rows},
    )


def kernels(job: Job) -> Outcome:
    """Let every module of kernels compare itself with torch at random inputs; one that fails is not used."""
    if job.device != "cuda":
        return Outcome("no CUDA device: no Triton kernel is used", None, {"kernels": {}})
    device, rows = torch.device(job.device), {}
    for name in triton_use.KERNELS:
        used = triton_use.usable(name, device)
        row = {"used": used}
        if importlib.util.find_spec("triton") is not None:
            module = importlib.import_module(f"hermite_collapse.simulation.fused.{name}")
            row["largest_allowed"] = module.LARGEST_DIFFERENCE
            row["difference"] = module.check_on_device(device) if used else None
        rows[name] = row
        job.check()
    notes = triton_use.notes(device)
    shown = ", ".join(
        f"{name.removeprefix('triton_')} {row['difference']:.2g}" if row["used"] else f"{name} not used"
        for name, row in rows.items()
    )
    return Outcome(
        f"largest differences: {shown}. {' '.join(notes)}".strip(),
        all(row["used"] for row in rows.values()),
        {"kernels": rows, "notes": list(notes)},
    )


def generators(preset: str, job: Job) -> dict[str, tuple[Generation | str, dict[str, Any]]]:
    """Return the generators that are compared, with their options."""
    reverse = ReverseDiffusion(steps=STEPS)
    pool = job["pool"]
    return {
        "channel": ("channel", {"particles": job["particles"]}),
        "exact": (ExactGeneration(reverse), {"particles": job["particles"]}),
        "kernel float64": (KernelGeneration(reverse, pool=pool, precision="float64"), {"particles": pool}),
        "kernel float32": (KernelGeneration(reverse, pool=pool), {"particles": pool}),
    }


def run(preset: str, job: Job) -> Outcome:
    """Compare the particles of two rounds of each generator."""
    rows: dict[str, dict[str, Any]] = {}
    for name, (generation, options) in generators(preset, job).items():
        particles_on = partial(
            _particles, recursion_of(preset, name.split()[0]), {"seed": job.seed, **options}
        )
        there, here = particles_on(generation, job.device), particles_on(generation, "cpu")
        rows[name] = {**options, **compared(here, there)}
        if name == "exact":
            loop = particles_on(ExactGeneration(ReverseDiffusion(steps=STEPS), wrap=unchanged), "cpu")
            rows[name]["kernel_against_loop_on_the_cpu"] = compared(here, loop)
        if name == "channel":
            other = particles_on(generation, job.device, seed=job.seed + 1)
            rows[name]["control_largest_difference_of_another_seed"] = compared(here, other)[
                "largest_difference"
            ]
        job.check()
    channel, exact = rows["channel"], rows["exact"]
    passed = (
        channel["largest_units"] <= CHANNEL_UNITS
        and all(
            rows[name]["median_units"] <= MEDIAN_UNITS
            and rows[name]["largest_difference"] <= LARGEST_DIFFERENCE
            for name in ("exact", "kernel float64")
        )
        and channel["control_largest_difference_of_another_seed"] > 0.1
    )
    kernel = rows["kernel float64"]
    return Outcome(
        f"largest difference in units of rounding: channel {channel['largest_units']:.3g}, exact "
        f"{exact['largest_units']:.3g} (median {exact['median_units']:.2g}; CPU kernel against CPU loop "
        f"{exact['kernel_against_loop_on_the_cpu']['largest_units']:.3g}), kernel {kernel['largest_units']:.3g}; "
        f"in float32 the kernel differs by up to {rows['kernel float32']['largest_difference']:.2g}.",
        passed,
        {"preset": preset, "rounds": ROUNDS, "steps": STEPS, "generators": rows},
    )


def _particles(
    recursion: hc.Recursion,
    options: dict[str, Any],
    generation: Generation | str,
    device: str,
    **changed: Any,
) -> FloatArray:
    """Return the particles of all rounds, (ROUNDS + 1, N, d)."""
    record = simulate(
        recursion,
        rounds=ROUNDS,
        degree=1,
        keep="all",
        generator=generation,
        device=device,
        **{**options, **changed},
    )
    assert record.samples is not None
    return record.samples[0]


def compared(here: FloatArray, there: FloatArray) -> dict[str, float]:
    """Return how far apart two sets of the same particles are."""
    difference = np.abs(here - there)
    units = difference / (UNIT * np.maximum(np.abs(here), 1.0))
    return {
        "largest_difference": float(difference.max()),
        "largest_units": float(units.max()),
        "median_units": float(np.median(units)),
        "units_99_percent": float(np.quantile(units, 0.99)),
        "share_equal_to_the_bit": float(np.mean(difference == 0.0)),
        "largest_units_by_round": units.max(axis=tuple(range(1, units.ndim))).tolist(),
    }
