"""Denoising score matching: many networks trained at once, stopped on held-out points, resumable to the byte.

    loss = E norm( F((a (X_0 - mu) + s Z)/n, log sigma) - F* )^2 / d,      F* = ((s/d) (X_0 - mu) - a d Z) / n

in the notation of `networks`, which weights every level equally once F = 0 is the exact answer for a Gaussian
(arXiv:2206.00364).  log(sigma / spread) is normal, cut at the truncation time and at the horizon, and stratified over a
batch.  What is kept is a running average of the weights with weight proportional to step^power (arXiv:2312.02696): at
each step a fixed share of the way back, whatever the length of the training.

Random numbers are addressed by (seed, run, round, step), so a training that is resumed from a checkpoint continues with
the numbers it would have had.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...core import checks
from ...core.errors import InputError
from .. import devices
from ..noise import NoiseStream, Piece
from .networks import Architecture, NetworkDenoiser, Preconditioning
from .optimisation import TrainingJob


@dataclass(frozen=True)
class Training:
    """How networks are trained.

    Attributes
    ----------
    samples : training points of each run and round, drawn from the round's training law.
    held_out : share of them that decides when to stop, in (0, 1).
    steps, batch : at most so many optimiser steps, on so many points each.
    learning_rate : of AdamW, reached after `warmup` (a share of the steps), then a cosine down to 0.
    weight_decay : of AdamW.
    averaging : power of the step in the running average of the weights.
    check : steps between two looks at the held-out loss.
    patience : a member stops to improve after so many looks without a better loss; the best average is kept.
    location, width : mean and standard deviation of log(sigma / spread) before it is cut.
    """

    samples: int = 50_000
    held_out: float = 0.1
    steps: int = 4000
    batch: int = 1024
    learning_rate: float = 2e-3
    warmup: float = 0.05
    weight_decay: float = 0.0
    averaging: float = 7.0
    check: int = 200
    patience: int = 10
    location: float = -0.6
    width: float = 1.5

    def __post_init__(self) -> None:
        for key, least in (("samples", 4), ("steps", 1), ("batch", 1), ("check", 1), ("patience", 1)):
            checks.integer(getattr(self, key), key, minimum=least)
        for key in ("learning_rate", "averaging", "width"):
            checks.positive(getattr(self, key), key)
        for key in ("held_out", "warmup"):
            if not 0.0 < checks.fraction(getattr(self, key), key) < 1.0:
                raise InputError(f"{key} must be in (0, 1), got {getattr(self, key)!r}.")
        checks.nonnegative(self.weight_decay, "weight_decay")
        if self.held_out_count < 1 or self.held_out_count >= self.samples:
            raise InputError(
                f"held_out must leave points on both sides, got {self.held_out!r} of {self.samples}."
            )

    @property
    def held_out_count(self) -> int:
        return round(self.held_out * self.samples)

    def describe(self) -> dict[str, Any]:
        return asdict(self)

    def rate_at(self, step: int) -> float:
        """Learning rate of step 0, 1, ..."""
        rise = max(1.0, self.warmup * self.steps)
        if step < rise:
            return self.learning_rate * (step + 1.0) / rise
        share = (step - rise) / max(1.0, self.steps - rise)
        return 0.5 * self.learning_rate * (1.0 + math.cos(math.pi * share))


class TrainingPaused(RuntimeError):
    """The time for this piece is up: the state is on the disk, and the same call continues."""


@dataclass(frozen=True)
class Checkpoints:
    """Where a training in progress is kept, and when it pauses.

    folder : for the state of the round in training.
    seconds : between two checkpoints, also checked against the deadline.
    deadline : `time.monotonic()` after which `TrainingPaused` is raised, None for never.
    """

    folder: str | os.PathLike[str]
    seconds: float = 60.0
    deadline: float | None = None

    @classmethod
    def for_minutes(cls, folder: str | os.PathLike[str], minutes: float) -> Checkpoints:
        """Pauses after so many minutes from now."""
        return cls(folder, deadline=time.monotonic() + 60.0 * checks.positive(minutes, "minutes"))


@dataclass(frozen=True)
class TrainedScores:
    """What a training made: the best averages of each member.

    network, preconditioning : of all members.
    losses : (looks, members) held-out losses of the averages;  steps : (looks,) after which they were taken.
    """

    network: nn.Module
    preconditioning: Preconditioning
    losses: NDArray[np.float64]
    steps: NDArray[np.int64]

    def denoiser(self, members: Sequence[int], *, rate: float = 0.5) -> NetworkDenoiser:
        """The denoiser for rows in consecutive groups that belong to these members."""
        return NetworkDenoiser(self.network, self.preconditioning, members, rate=rate)


@dataclass(frozen=True)
class Address:
    """Where the random numbers of one member come from."""

    seed: int
    run: int
    round_index: int

    def stream(self, place: int, rows: int, device: torch.device) -> NoiseStream:
        piece = Piece(self.run, place, rows)
        return NoiseStream(
            (piece,), seed=self.seed, round_index=self.round_index, purpose="other", device=device
        )


def train_scores(
    points: torch.Tensor,
    *,
    architecture: Architecture,
    training: Training,
    addresses: Sequence[Address],
    shortest: Sequence[float],
    horizon: float,
    rate: float = 0.5,
    checkpoints: Checkpoints | None = None,
) -> TrainedScores:
    """Train one network for each member's points.

    Parameters
    ----------
    points : (members, n, d), in random order; the last `training.held_out` of them are held out.
    addresses : of each member's random numbers.
    shortest, horizon : Ornstein-Uhlenbeck times between which scores are learned; the first one a member.
    rate : of the Ornstein-Uhlenbeck process.
    checkpoints : None, or where and how often to keep the state.

    Raises
    ------
    ConvergenceError : the loss is no longer finite.
    InputError : a batch does not fit into memory, or the folder holds another training's state.
    TrainingPaused : the deadline of the checkpoints has passed.
    """
    try:
        return _train(
            TrainingJob(points, architecture, training, tuple(addresses), shortest, horizon, rate),
            checkpoints,
        )
    except (RuntimeError, MemoryError) as problem:
        if not devices.is_out_of_memory(problem):
            raise
    devices.release_memory(points.device)
    raise InputError(
        f"batch must be small enough for the memory of {points.device.type}, got {training.batch} for "
        f"{len(addresses)} members of {architecture.describe()['name']}; complete rounds are kept."
    )


def _train(job: TrainingJob, checkpoints: Checkpoints | None) -> TrainedScores:
    job.resume(checkpoints)
    last = time.monotonic()
    while not job.finished:
        job.advance()
        now = time.monotonic()
        if checkpoints is not None and not job.finished:
            late = checkpoints.deadline is not None and now > checkpoints.deadline
            if late or now - last > checkpoints.seconds:
                job.keep(checkpoints)
                last = now
            if late:
                raise TrainingPaused(
                    f"The time for this piece is up in round {job.addresses[0].round_index} after step {job.step} "
                    f"of {job.training.steps}: run the same again to continue."
                )
    losses, steps = job.load_best()
    return TrainedScores(job.network, job.preconditioning, losses, steps)
