"""How one round of particles comes from the rounds before: what every generator of `simulate` is and is given.

Generation       a generator: what it is, and how it prepares a round
RoundContext     what it sees of the run: the recursion, the round, the particles of earlier rounds, the noise
RoundGenerator   a round in preparation, which makes its particles chunk by chunk
TrainingMixture  draws from a round's training set, for particles or (`draw_pools`) for pools of points
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from ..recursion.recursion import Recursion
from . import devices
from .laws import TorchMixture, components_of
from .noise import BLOCK, Chunk, NoiseStream, member_of, plan_chunks
from .reverse import ReverseDiffusion, Truncation


@dataclass(frozen=True)
class RoundContext:
    """What a generator sees of the run when it makes round `round_index` + 1.

    Attributes
    ----------
    recursion : Recursion
        What is simulated.
    round_index : int
        The round whose training set is drawn from; particles of round `round_index` + 1 are made.
    runs, particles, seed : int
        Repetitions, particles of each, and the seed of the simulation.
    device : torch.device
        Where the particles are.
    earlier : mapping of int to tensor, shape (runs, N, d)
        Particles of the rounds that the training mixture weights.
    """

    recursion: Recursion
    round_index: int
    runs: int
    particles: int
    seed: int
    device: torch.device
    earlier: Mapping[int, torch.Tensor]

    @property
    def piece(self) -> int:
        """Rows of one block."""
        return min(self.particles, BLOCK)

    def noise(self, chunk: Chunk, purpose: str) -> NoiseStream:
        """Return the stream of one purpose for the particles of the coming round."""
        return NoiseStream(
            chunk.pieces,
            seed=self.seed,
            round_index=self.round_index + 1,
            purpose=purpose,
            device=self.device,
        )


class RoundGenerator(ABC):
    """A round in preparation: chunks of its particles, in any order and from several threads.

    Attributes
    ----------
    splits_work : bool
        Whether the work on one chunk runs on all threads by itself, to the same bytes with any number of them; a
        single chunk is then given all threads.
    """

    splits_work: ClassVar[bool] = False

    @property
    @abstractmethod
    def bytes_per_row(self) -> int:
        """Memory that one particle takes while it is made."""

    @abstractmethod
    def particles(self, chunk: Chunk) -> torch.Tensor:
        """Return the particles of a chunk, (rows, d), in float64."""


class Generation(ABC):
    """A generator of particles; one's own inherits this.

    Attributes
    ----------
    name : str
        The word for it in records.
    uses_particles : bool
        Whether it draws on the particles of earlier rounds.
    reverse : ReverseDiffusion or None
        How it runs a reverse diffusion, if it runs one.
    """

    name: ClassVar[str]
    uses_particles: ClassVar[bool] = True
    reverse: ReverseDiffusion | None = None

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what decides the bytes of a run as JSON values; "pool", "sampler" and "steps" enter the record."""

    def check(self, recursion: Recursion, rounds: int) -> None:
        """Refuse a recursion whose rounds it cannot make; InputError."""
        if self.reverse is not None:
            for index in range(rounds):
                Truncation.of(recursion, index)

    def notes(self, recursion: Recursion, rounds: int) -> tuple[str, ...]:
        """Return sentences that a reader of the record should see."""
        return ()

    @abstractmethod
    def prepare(self, context: RoundContext) -> RoundGenerator:
        """Return the coming round of one recursion, ready to make particles."""

    def prepare_together(self, contexts: Sequence[RoundContext]) -> Sequence[RoundGenerator]:
        """Return the coming round of several recursions side by side."""
        return [self.prepare(context) for context in contexts]


class InitialRound(RoundGenerator):
    """Round 0: independent particles of p_0."""

    def __init__(self, recursion: Recursion, *, particles: int, seed: int, device: torch.device) -> None:
        law = recursion.target if recursion.initial is None else recursion.initial
        self._law = components_of(law, device)
        self._piece, self._seed, self._device = min(particles, BLOCK), seed, device

    @property
    def bytes_per_row(self) -> int:
        return 8 * 10 * self._law.dimension

    def particles(self, chunk: Chunk) -> torch.Tensor:
        noise = NoiseStream(
            chunk.pieces, seed=self._seed, round_index=0, purpose="initial", device=self._device
        )
        return self._law.sample(noise, piece=self._piece)


class TrainingMixture:
    """Draws from a round's training set: the data law with its weight, else earlier particles with replacement.

    A draw takes the next two uniforms of a stream, of column 0, and its next normals: the first uniform chooses the
    source, the second the component of the data law or the earlier particle, the normals lie within the component.
    """

    def __init__(self, context: RoundContext, target: TorchMixture, *, piece: int | None = None) -> None:
        self._piece = context.piece if piece is None else piece
        fresh, earlier = context.recursion.mixing(context.round_index)
        self._sources = [int(j) for j in np.flatnonzero(earlier)]
        weights = np.array([fresh, *earlier[self._sources]])
        self._steps = torch.as_tensor(np.cumsum(weights) / weights.sum(), device=context.device)
        self._steps[-1] = torch.inf
        self._context = context
        self._target = target

    def draw(self, stream: NoiseStream) -> torch.Tensor:
        """Return one point of the training set for each row of a stream, shape (rows, d)."""
        context = self._context
        source = torch.searchsorted(self._steps, stream.uniform(1)[:, 0], right=True)
        which = stream.uniform(1)[:, 0]
        result = self._target.draw(which, stream.normal(self._target.dimension), piece=self._piece)
        member = stream.runs * context.particles + member_of(which, context.particles)
        for number, j in enumerate(self._sources, start=1):
            rows = context.earlier[j].reshape(-1, self._target.dimension)
            result = torch.where((source == number)[:, None], rows[member], result)
        return result


def draw_pools(context: RoundContext, size: int, *, blur: float = 0.0) -> torch.Tensor:
    """Return so many points of the training set of every run, blurred by h Z, shape (runs, size, d)."""
    recursion, device = context.recursion, context.device
    mixture = TrainingMixture(context, components_of(recursion.target, device), piece=min(size, BLOCK))
    parts = []
    for chunk in plan_chunks(context.runs, size, devices.default_chunk(device, 8 * 10 * recursion.dimension)):
        stream = context.noise(chunk, "pool")
        drawn = mixture.draw(stream)
        parts.append(drawn + blur * stream.normal(recursion.dimension) if blur else drawn)
    return torch.cat(parts).view(context.runs, size, recursion.dimension)
