"""Denoising score matching: many networks trained at once, stopped on held-out points, resumable to the byte.

    loss = E norm( F((a (X_0 - mu) + s Z)/n, log sigma) - F* )^2 / d,      F* = ((s/d) (X_0 - mu) - a d Z) / n

in the notation of `denoiser`, which weights every level equally once F = 0 is the exact answer for a Gaussian
(arXiv:2206.00364).  log(sigma / spread) is normal, cut at the truncation time and at the horizon, and stratified over a
batch.  The result is a running average of the weights with weight proportional to step^power (arXiv:2312.02696): at
each step a fixed share of the way back, whatever the length of the training.

Random numbers are addressed by (seed, run, round, step), so a training that is resumed from a checkpoint continues with
the numbers it would have had.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from ...core.errors import InputError, is_out_of_memory
from ...core.threads import threads_for
from ...core.types import FloatArray, IntArray
from .. import devices
from .denoiser import NetworkDenoiser, Preconditioning
from .networks import Architecture, ScoreNetwork
from .optimisation import TrainingJob
from .settings import Address, Checkpoints, ResidualPerceptron, Training, TrainingPaused


@dataclass(frozen=True, eq=False)
class TrainedScores:
    """What a training made: the best averages of each member.

    Attributes
    ----------
    network : ScoreNetwork
        Of all members.
    preconditioning : Preconditioning
        Of all members.
    losses : array, shape (evaluations, members)
        Held-out losses of the averages.
    steps : array of int, shape (evaluations,)
        After which they were taken.
    """

    network: ScoreNetwork
    preconditioning: Preconditioning
    losses: FloatArray
    steps: IntArray

    def denoiser(self, members: Sequence[int], *, rate: float = 0.5) -> NetworkDenoiser:
        """Return the denoiser for rows in consecutive groups that belong to these members."""
        return NetworkDenoiser(self.network, self.preconditioning, members, rate=rate)


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
    points : tensor, shape (members, n, d)
        In random order; the last `training.held_out` of them are held out.
    architecture : Architecture
    training : Training
    addresses : sequence of Address
        Of each member's random numbers.
    shortest : sequence of float
        Ornstein-Uhlenbeck time from which each member's scores are learned.
    horizon : float
        Ornstein-Uhlenbeck time up to which scores are learned.
    rate : float
        Of the Ornstein-Uhlenbeck process.
    checkpoints : Checkpoints or None
        Where and how often the state is written, if anywhere.

    Returns
    -------
    TrainedScores

    Raises
    ------
    ConvergenceError
        If the loss is no longer finite.
    InputError
        If a batch does not fit into memory, or the folder holds another training's state.
    TrainingPaused
        If the deadline of the checkpoints has passed.
    """
    try:
        # Training needs gradients, also where the caller has switched them off.
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            _threads(architecture, training, len(addresses)),
        ):
            job = TrainingJob(points, architecture, training, tuple(addresses), shortest, horizon, rate)
            return _finish(job, checkpoints)
    except (RuntimeError, MemoryError) as problem:
        if not is_out_of_memory(problem):
            raise
    devices.release_memory(points.device)
    raise InputError(
        f"batch must be small enough for the memory of {points.device.type}, got {training.batch} for "
        f"{len(addresses)} members of {architecture.describe()['name']}; complete rounds stay on the disk."
    )


def _threads(architecture: Architecture, training: Training, members: int) -> AbstractContextManager[None]:
    """Threads of a training on a CPU: the operations of a perceptron may be too small for all of them."""
    if not isinstance(architecture, ResidualPerceptron):
        return nullcontext()
    return threads_for(members * training.batch * architecture.width)


def _finish(job: TrainingJob, checkpoints: Checkpoints | None) -> TrainedScores:
    job.resume(checkpoints)
    last = time.monotonic()
    while not job.finished:
        job.advance()
        now = time.monotonic()
        if checkpoints is None or job.finished:
            continue
        is_over = checkpoints.is_over(now)
        if is_over or now - last > checkpoints.seconds:
            job.write(checkpoints)
            last = now
        if is_over:
            raise TrainingPaused(
                f"The time allowed is over in round {job.addresses[0].round_index} after step {job.step} "
                f"of {job.training.steps}: run the same again to continue."
            )
    losses, steps = job.load_best()
    return TrainedScores(job.network, job.preconditioning, losses, steps)
