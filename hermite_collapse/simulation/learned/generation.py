"""The recursion with learned scores: a network is trained in every round and run, seeds and recursions side by side.

Each round, every run draws `training.samples` points of its training law (fresh data with probability alpha, else
earlier particles with replacement), a network learns the score of their law, and the N particles are independent
reverse diffusions with it.  The networks of all runs are one batched model.

    simulate(recursion, generator="neural", ...)            one recursion, several runs
    simulate_together({name: recursion, ...}, ...)          several recursions at once (`together`)
    learned_energies(recursion, ...)                        path energies of the networks' errors (`paths.learned`)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from ...core.errors import InputError
from ...recursion.recursion import Recursion
from ..generations import Generation, RoundContext, RoundGenerator, draw_pools
from ..noise import Chunk, member_of
from ..reverse import ReverseDiffusion, Truncation
from .networks import Architecture
from .settings import Address, Checkpoints, ImageUNet, ResidualPerceptron, Training
from .training import TrainedScores, train_scores


@dataclass(frozen=True)
class NeuralGeneration(Generation):
    """Particles by reverse diffusion with a score learned from the round's training set.

    Attributes
    ----------
    network : ResidualPerceptron, ImageUNet or a CustomArchitecture
        Architecture of the networks.
    training : Training
        How they are trained.
    reverse : ReverseDiffusion
        How the reverse diffusion is run, with its final step.
    checkpoints : Checkpoints or None
        Where the state of a training in progress is written, if anywhere; no part of what the run is.

    Examples
    --------
    >>> generation = NeuralGeneration(ResidualPerceptron(width=32), Training(samples=2000, steps=100))
    >>> generation.describe()["pool"]
    2000
    """

    network: Architecture = field(default_factory=ResidualPerceptron)
    training: Training = field(default_factory=Training)
    reverse: ReverseDiffusion = field(default_factory=ReverseDiffusion)
    checkpoints: Checkpoints | None = None

    name: ClassVar[str] = "neural"

    def describe(self) -> dict[str, Any]:
        """Return what the run is, as JSON values."""
        return {
            "name": self.name,
            "network": self.network.describe(),
            "pool": self.training.samples,
            "sampler": self.reverse.describe(),
            "steps": self.reverse.step_count,
            "training": self.training.describe(),
        }

    def notes(self, recursion: Recursion, rounds: int) -> tuple[str, ...]:
        if not (isinstance(self.network, ImageUNet) and self.network.dropout > 0.0):
            return ()
        return ("Dropout draws from torch's own generators, seeded by round, run and step.",)

    def prepare(self, context: RoundContext) -> RoundGenerator:
        """Train the networks of the coming round."""
        return train_rounds(self, [context])[0]

    def prepare_together(self, contexts: Sequence[RoundContext]) -> Sequence[RoundGenerator]:
        """Train the networks of the coming round of several recursions as one batched model."""
        return train_rounds(self, contexts)


def train_rounds(generation: NeuralGeneration, contexts: Sequence[RoundContext]) -> list[NeuralRound]:
    """Return the coming round of several recursions, their networks trained as one batched model."""
    stops = [Truncation.of(context.recursion, context.round_index) for context in contexts]
    rates = {stop.rate for stop in stops}
    if len(rates) > 1:
        raise InputError(f"recursions must have one rate to be trained together, got {sorted(rates)!r}.")
    rate = rates.pop()
    points = [
        draw_pools(context, generation.training.samples, blur=context.recursion.blur) for context in contexts
    ]
    trained = train_scores(
        torch.cat(points),
        architecture=generation.network,
        training=generation.training,
        addresses=[
            Address(context.seed, run, context.round_index + 1)
            for context in contexts
            for run in range(context.runs)
        ],
        shortest=[
            stop.time for stop, context in zip(stops, contexts, strict=True) for _ in range(context.runs)
        ],
        horizon=generation.reverse.horizon_for(max(stop.time for stop in stops), rate),
        rate=rate,
        checkpoints=generation.checkpoints,
    )
    rounds, first = [], 0
    for context, stop, own in zip(contexts, stops, points, strict=True):
        rounds.append(NeuralRound(generation.reverse, context, stop, own, trained, first))
        first += context.runs
    return rounds


class NeuralRound(RoundGenerator):
    """A round whose networks are trained: chunks of its particles, in any order.

    Parameters
    ----------
    reverse : ReverseDiffusion
    context : RoundContext
    stop : Truncation
    points : tensor, shape (runs, samples, d)
        The training set of every run.
    trained : TrainedScores
        Networks of all runs that were trained together.
    first : int
        Index of this recursion's first run among them.
    """

    def __init__(
        self,
        reverse: ReverseDiffusion,
        context: RoundContext,
        stop: Truncation,
        points: torch.Tensor,
        trained: TrainedScores,
        first: int,
    ) -> None:
        self._reverse, self._context, self._stop = reverse, context, stop
        self.points, self.trained, self.first = points, trained, first

    @property
    def horizon(self) -> float:
        """Where the reverse diffusion starts."""
        return self._reverse.horizon_for(self._stop.time, self._stop.rate)

    @property
    def bytes_per_row(self) -> int:
        """Memory that one particle's temporaries take."""
        return 8 * 24 * self.points.shape[2] + 4 * 2048

    def particles(self, chunk: Chunk) -> torch.Tensor:
        """Draw the particles of a chunk, (rows, d)."""
        context, size = self._context, self.points.shape[1]
        runs = [piece.run for piece in chunk.pieces]
        start = context.noise(chunk, "start")
        member = member_of(start.uniform(1)[:, 0], size)
        denoiser = self.trained.denoiser([self.first + r for r in runs], rate=self._stop.rate)
        x = self._reverse.run(
            self.points[start.runs, member], denoiser, self._stop.time, start, context.noise(chunk, "path")
        )
        return self._stop.unscale * x
