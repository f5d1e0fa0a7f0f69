"""A learned recursion on Fashion-MNIST: one U-Net for each fresh fraction, all of them one batched model.

Nothing predicts what a trained network does: measured factors of each Hermite degree stand beside those of ideal rounds,

    f_n(i) = <c_n(p_i), c_n(held out)> / <c_n(p*), c_n(held out)>,

with the loss of high frequencies.  What is tested is the order of the fresh fractions, larger fractions keep more, and
that the particles of round 0, drawn from the data, have factors of one.  Images, steps and seconds are stated before it
starts.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hermite_collapse as hc
from hermite_collapse.simulation import ExponentialMultistep, NeuralGeneration, ReverseDiffusion
from hermite_collapse.simulation.learned.image_spectra import high_frequency_loss
from hermite_collapse.simulation.learned.image_statistics import degree_factors
from hermite_collapse.simulation.learned.settings import Training
from hermite_collapse.simulation.spectrum import two_sample_sums_on
from hermite_collapse.storage.images import FASHION_MNIST, ImageData, load_images
from hermite_collapse.storage.record import SimulatedRecursion

from .learned import checkpoints_of, fast_products, rounds_in_time
from .piece import Job, Outcome, Piece, Size
from .unet import MemberUNet

FRACTIONS = (0.1, 0.5, 0.9)
TIME, DEGREE, CUTOFF, BATCH = 0.1, 3, 0.5, 256
# stage, images, rounds, optimiser steps, particles of each fraction, steps of the reverse diffusion
SIZES = [
    (3, 60_000, 10, 20_000, 8192, 200),
    (2, 60_000, 4, 6000, 4096, 100),
    (2, 60_000, 3, 3000, 2048, 100),
    (1, 60_000, 2, 2000, 2048, 60),
    (1, 60_000, 2, 1000, 1024, 60),
    (0, 600, 1, 6, 64, 4),
]


def pieces() -> list[Piece]:
    """learned/fashion_mnist."""
    sizes = [
        Size(
            name,
            {
                "images": images,
                "rounds": rounds,
                "optimiser_steps": steps,
                "particles": particles,
                "steps": reverse,
            },
            # A forward pass is a third of an optimiser step; one fraction is sampled at a time.
            rounds * (steps + reverse * particles / (3.0 * BATCH)),
        )
        for name, images, rounds, steps, particles, reverse in SIZES
    ]
    summary = "a U-Net on Fashion-MNIST, fresh fractions 0.1, 0.5, 0.9 as one batched model"
    return [Piece("learned/fashion_mnist", summary, "unet", sizes, run, is_elastic=True, beside=12.0)]


def load(folder: Path | None, count: int) -> ImageData:
    """Return the images of a folder, else those of the Debian package."""
    return load_images("fashion_mnist", folder=FASHION_MNIST if folder is None else folder).part(count)


def network_for(device: str) -> MemberUNet:
    """Return the architecture with the order in memory that is faster on a device."""
    if device != "cuda":
        return MemberUNet(widths=(16, 32))
    candidates = [MemberUNet(half=True, channels_last=order) for order in (False, True)]
    return min(candidates, key=lambda network: seconds_of_step(network, device))


def seconds_of_step(network: MemberUNet, device: str, *, rows: int = BATCH, repetitions: int = 5) -> float:
    """Return the seconds of a forward and backward pass on so many images of every fraction."""
    target = torch.device(device)
    generator = torch.Generator().manual_seed(0)
    members, dimension = len(FRACTIONS), int(np.prod(network.shape))
    built = network.build(
        members, dimension, lambda count: torch.randn(members, count, generator=generator), target
    )
    x = torch.randn(members, rows, dimension, generator=generator).to(target)
    level = torch.zeros(members, rows, device=target)
    began = 0.0
    for repetition in range(repetitions + 3):
        if repetition == 3:
            _wait(device)
            began = time.perf_counter()
        built(x, level).square().mean().backward()
    _wait(device)
    return (time.perf_counter() - began) / repetitions


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def run(job: Job) -> Outcome:
    """Simulate the rounds that the time allows, and measure them."""
    data = load(job.data, job["images"])
    with fast_products(job.device):
        network = network_for(job.device)
    recursions = {
        f"{a:g}": hc.Recursion(hc.EmpiricalLaw(data.train), fresh_fraction=a, truncation_time=TIME)
        for a in FRACTIONS
    }
    folder = job.state / "-".join(map(str, job.size.numbers.values()))
    training = Training(
        samples=max(500, 5 * job["images"] // 6),
        steps=job["optimiser_steps"],
        batch=BATCH if job.device == "cuda" else 16,
        check=max(1, job["optimiser_steps"] // 5),
        learning_rate=1e-3,
    )
    generation = NeuralGeneration(
        network,
        training,
        ReverseDiffusion(ExponentialMultistep(), steps=job["steps"]),
        checkpoints_of(folder, job),
    )
    records = rounds_in_time(recursions, generation, folder / "rounds", job, degree=1, keep="all")
    done = next(iter(records.values())).rounds
    if done == 0:
        return Outcome("no round was reached", None, {}, is_complete=False)
    rows = {name: measured(records[name], recursions[name], data, job) for name in recursions}
    factors = {name: row["measured"][-1][0] for name, row in rows.items()}
    errors = {name: row["standard_error"][-1][0] for name, row in rows.items()}
    first = np.array([row["z_of_round_0"] for row in rows.values()])
    gap = factors["0.9"] - factors["0.1"]
    bar = float(np.hypot(errors["0.9"], errors["0.1"]))
    ordered = gap > 4.0 * bar
    passed = bool(ordered and np.all(np.abs(first) < 4.5)) if job.size.stage > 0 else None
    shown = ", ".join(
        f"{name}: {factors[name]:.3f} +- {errors[name]:.3f} (ideal {rows[name]['predicted'][-1][0]:.3f})"
        for name in rows
    )
    return Outcome(
        f"{done} of {job['rounds']} rounds on {job['images']:,} images, {job['optimiser_steps']:,} steps of "
        f"{training.batch} images: degree 1 keeps, by fresh fraction, {shown}.",
        passed,
        {
            "fractions": rows,
            "network": network.describe(),
            "training": training.describe(),
            "seconds_per_round": next(iter(records.values())).wall_seconds,
        },
        samples_of(records),
        is_complete=done == job["rounds"],
    )


def measured(
    record: SimulatedRecursion, recursion: hc.Recursion, data: ImageData, job: Job
) -> dict[str, Any]:
    """Return the factors of degree 1 to 3 and the loss of high frequencies, round by round."""
    assert record.samples is not None
    rounds = record.samples[0]
    curves = degree_factors(
        rounds,
        recursion=recursion,
        held_out=data.held_out[:1000],
        degree=DEGREE,
        independent=True,
        pair_sums=two_sample_sums_on(job.device),
    )
    losses = [high_frequency_loss(x, data.train[:10_000], data.shape, cutoff=CUTOFF) for x in rounds]
    return {
        "degree": curves.degree,
        "measured": curves.factors,
        "standard_error": curves.factor_errors,
        "predicted": curves.predicted / curves.data,
        "z_of_round_0": curves.z[0],
        "high_frequency_loss": [loss.value for loss in losses],
        "high_frequency_loss_error": [loss.error for loss in losses],
    }


def samples_of(records: dict[str, SimulatedRecursion], count: int = 8) -> dict[str, np.ndarray]:
    """Return a few images of every round as bytes, (rounds + 1, count, d)."""
    return {
        f"samples.{name}": np.clip(127.5 * (record.samples[0][:, :count] + 1.0), 0.0, 255.0).astype(np.uint8)
        for name, record in records.items()
        if record.samples is not None
    }
