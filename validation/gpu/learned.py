"""Recursions with learned scores on mixtures: fresh fractions and seeds as one batched model.

One half of the seeds says how large the defects of a round are, the other half has to stay inside the ellipsoid (in the
plane and in ten dimensions) or the ball of W2 (on the line) that follows from them; runs shifted by ten allowed
deviations have to be found outside.  A run that the time ends is judged on the rounds that are done, and goes on when the
same command is given again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

import hermite_collapse as hc
from hermite_collapse.simulation import ExponentialMultistep, NeuralGeneration, ReverseDiffusion
from hermite_collapse.simulation.learned.settings import (
    Checkpoints,
    ResidualPerceptron,
    Training,
    TrainingPaused,
)
from hermite_collapse.simulation.rounds import run_rounds
from hermite_collapse.simulation.settings import RunSettings
from hermite_collapse.storage.record import SimulatedRecursion

from ..experiments.neural_mixtures import TIME, within_ball, within_ellipsoids
from .piece import Job, Outcome, Piece, Size

# name -> preset, degree, seconds of evaluation
CASES = {
    "mixture_1d": ("three_modes_1d", 4, 6.0),
    "mixture_2d": ("tilted_2d", 3, 2.0),
    "mixture_10d": ("five_modes_10d", 2, 2.0),
}
FEW, ALL = (0.1, 0.5, 0.9), (0.1, 0.3, 0.5, 0.7, 0.9)
# stage, fresh fractions, seeds, rounds, optimiser steps, particles of each run
SIZES = [
    (3, 5, 8, 10, 8000, 100_000),
    (2, 5, 8, 10, 2000, 32_768),
    (2, 5, 6, 5, 1500, 16_384),
    (1, 3, 8, 3, 1000, 16_384),
    (1, 3, 6, 2, 600, 8192),
    (0, 3, 4, 2, 60, 512),
]
EVALUATION = 9.0  # seconds kept for what follows the last round
# Networks whose batched step takes as long as one of four: below, the launches are what takes time.
TOGETHER = 12


def pieces() -> list[Piece]:
    """learned/mixture_1d, _2d, _10d."""
    return [
        Piece(
            f"learned/{name}",
            f"learned scores on {preset}, fresh fractions and seeds as one batched model",
            "perceptron",
            [_size(name, *numbers) for numbers in SIZES],
            partial(run, name),
            is_elastic=True,
            beside=beside,
        )
        for name, (preset, _, beside) in CASES.items()
    ]


def _size(name: str, stage: int, fractions: int, seeds: int, rounds: int, steps: int, particles: int) -> Size:
    fractions = 1 if name == "mixture_1d" else fractions
    # Sampling: 100 forward passes, a third of a step each, for every 2048 particles of a network.
    sampling = 100.0 / 3.0 * particles / 2048.0
    work = rounds * (steps + sampling) * max(1.0, fractions * seeds / TOGETHER)
    numbers = {
        "fresh_fractions": fractions,
        "seeds": seeds,
        "rounds": rounds,
        "optimiser_steps": steps,
        "particles": particles,
    }
    return Size(stage, numbers, work)


def run(name: str, job: Job) -> Outcome:
    """Simulate, and judge the rounds that are done."""
    preset, degree, _ = CASES[name]
    fractions = {1: (0.3,), 3: FEW, 5: ALL}[job["fresh_fractions"]]
    target = hc.presets.load(preset)
    recursions = {f"{a:g}": hc.Recursion(target, fresh_fraction=a, truncation_time=TIME) for a in fractions}
    is_small = job.size.stage == 0
    folder = job.state / "-".join(map(str, job.size.numbers.values()))
    training = Training(
        samples=2000 if is_small else 200_000,
        steps=job["optimiser_steps"],
        batch=128 if is_small else 2048,
        check=max(1, job["optimiser_steps"] // 10),
        learning_rate=4e-3 if is_small else 2e-3,
    )
    generation = NeuralGeneration(
        ResidualPerceptron(width=32, blocks=2, frequencies=6) if is_small else ResidualPerceptron(256, 4, 8),
        training,
        ReverseDiffusion(ExponentialMultistep(), steps=20 if is_small else 100),
        checkpoints_of(folder, job),
    )
    keep = "all" if target.dimension == 1 else "statistics"
    records = rounds_in_time(
        recursions, generation, folder / "rounds", job, degree=degree, runs=job["seeds"], keep=keep
    )
    done = next(iter(records.values())).rounds
    if done == 0:
        return Outcome("no round was reached", None, {}, is_complete=False)
    result = (
        within_ball(next(iter(recursions.values())), next(iter(records.values())))
        if target.dimension == 1
        else within_ellipsoids(recursions, records)
    )
    seconds = next(iter(records.values())).wall_seconds
    return Outcome(
        f"{done} of {job['rounds']} rounds of {job['optimiser_steps']:,} steps: {result.verdict}",
        bool(result.passed) if not is_small else None,
        {
            **result.numbers,
            "training": training.describe(),
            "seconds_per_round": seconds,
            "tf32": job.device == "cuda",
        },
        result.arrays,
        is_complete=done == job["rounds"],
    )


def checkpoints_of(folder: Path, job: Job) -> Checkpoints:
    """Return where a training is written, and a deadline a little before that of the piece."""
    folder.mkdir(parents=True, exist_ok=True)
    return Checkpoints(folder / "training", seconds=1e9, deadline=time.monotonic() + job.left - EVALUATION)


def rounds_in_time(
    recursions: Mapping[str, hc.Recursion],
    generation: NeuralGeneration,
    folder: Path,
    job: Job,
    **options: Any,
) -> dict[str, SimulatedRecursion]:
    """Return the records of the rounds that the time allows, those done earlier among them; options of `RunSettings`."""
    settings = RunSettings.of(
        recursions,
        generation,
        rounds=job["rounds"],
        particles=job["particles"],
        device=job.device,
        seed=job.seed,
        **options,
    )
    with fast_products(job.device):
        try:
            seconds = max(job.left - EVALUATION, 0.0)
            return run_rounds(settings, folder=folder, progress=False, seconds=seconds)
        except TrainingPaused:
            return run_rounds(settings, folder=folder, progress=False, seconds=-1.0)


@contextmanager
def fast_products(device: str) -> Iterator[None]:
    """Let float32 matrix products run in TF32: what networks learn is not exact, and theory does not ask them to be."""
    if device != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark = before
