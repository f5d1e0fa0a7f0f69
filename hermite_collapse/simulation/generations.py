"""How one round of particles comes from the rounds before: what every generator of `simulate` is and is given.

Generation       a generator: what it is, and how it prepares a round
RoundContext     what it sees of the run: the recursion, the round, the particles of earlier rounds, the noise
RoundGenerator   a round in preparation, which makes its particles chunk by chunk
TrainingMixture  draws from a round's training set, for particles or (`draw_pools`) for pools of points
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from ..core import checks
from ..core.types import IntArray
from ..laws.channels import GaussianChannel
from ..recursion.recursion import Recursion
from . import devices
from .fused.starts import sampled, sampled_together
from .fused.triton_use import usable
from .laws import components_of
from .noise import BLOCK, Chunk, NoiseStream, member_of, plan_chunks
from .philox import PURPOSES
from .reverse import ReverseDiffusion, Truncation

if TYPE_CHECKING:
    from .channel_numba import Components
    from .fused.triton_channel import TrainingTables

MadeTogether = Callable[[Sequence[tuple[int, Chunk]]], torch.Tensor]


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
        """Return the stream of one purpose for the particles of the coming round.

        Parameters
        ----------
        chunk : Chunk
            The particles that are made.
        purpose : str
            What the numbers are for, such as "path" (all of them: `philox.PURPOSES`); streams of two purposes are
            independent.

        Returns
        -------
        NoiseStream
            Its `normal(columns)` and `uniform(columns)` give (rows, columns), and `runs` the run of each row.

        Raises
        ------
        InputError
            If the purpose is unknown.
        """
        checks.one_of(purpose, tuple(PURPOSES), "purpose")
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
        Whether large operations of one chunk take all threads (`core.threads.all_threads`), to the same bytes with any
        number of them; chunks are then made one after the other.
    mixes_pieces : bool
        Whether a chunk may hold pieces of several sizes, as no operation sees their shape on a CPU.
    """

    splits_work: bool = False
    mixes_pieces: bool = False

    @property
    @abstractmethod
    def bytes_per_row(self) -> int:
        """Memory that one particle takes while it is made."""

    @abstractmethod
    def particles(self, chunk: Chunk) -> torch.Tensor:
        """Return the particles of a chunk, (rows, d), in float64."""

    @classmethod
    def together(cls, rounds: Sequence[Self]) -> MadeTogether | None:
        """Return what makes particles of several such rounds at once, to the same bytes; None where each makes its own.

        It takes pairs of the number of a round and a chunk of its particles, and returns those of all laid end to end.
        """
        return None


class Generation(ABC):
    """A generator of particles; one's own inherits this, states `name`, and gives `describe` and `prepare`.

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

    def engines(self, recursion: Recursion, rounds: int, device: torch.device) -> Sequence[str]:
        """Return for every round which code makes its particles, where several could."""
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
        self.mixes_pieces = self._law.frames is None

    @property
    def bytes_per_row(self) -> int:
        return 8 * 10 * self._law.dimension

    def particles(self, chunk: Chunk) -> torch.Tensor:
        return sampled(self._law, self._noise(chunk), piece=self._piece)

    @classmethod
    def together(cls, rounds: Sequence[Self]) -> MadeTogether | None:
        drawn = sampled_together([coming._law for coming in rounds])
        if drawn is None:
            return None
        return lambda parts: drawn([(index, rounds[index]._noise(chunk)) for index, chunk in parts])

    def _noise(self, chunk: Chunk) -> NoiseStream:
        return NoiseStream(
            chunk.pieces, seed=self._seed, round_index=0, purpose="initial", device=self._device
        )


class TrainingMixture:
    """Draws from a round's training set: the data law with its weight, else earlier particles with replacement.

    A draw takes two uniforms of a stream, of column 0, and two normals of every column: the first uniform chooses the
    source, the second the component of the data law or the earlier particle; the first normals lie within the
    component, the second are those of the channel that the point is carried through.
    """

    def __init__(self, context: RoundContext, *, piece: int | None = None) -> None:
        self._context = context
        self._target = components_of(context.recursion.target, context.device)
        self._piece = context.piece if piece is None else piece
        fresh, earlier = context.recursion.mixing(context.round_index)
        sources = [int(j) for j in np.flatnonzero(earlier)]
        weights = np.array([fresh, *earlier[sources]])
        self._steps = np.cumsum(weights) / weights.sum()
        self._steps[-1] = np.inf
        # (runs, N, d) each
        self._sources = [context.earlier[j].contiguous() for j in sources]

    def draw(self, chunk: Chunk, purpose: str, channel: GaussianChannel) -> torch.Tensor:
        """Return scale X + sqrt(variance) Z, X in the training set, for each row of the chunk, shape (rows, d)."""
        stream = self._context.noise(chunk, purpose)
        if usable("triton_channel", stream.device):
            from .fused.triton_channel import training_through_channel

            return training_through_channel(self.tables(channel), stream.pieces, stream.key)
        if stream.device.type == "cpu":
            return self._draw_compiled(stream, channel)
        return self.draw_readable(stream, channel)

    def draw_readable(self, stream: NoiseStream, channel: GaussianChannel) -> torch.Tensor:
        """Return the same in torch's operations, on any device."""
        members, dimension = self._context.particles, self._target.dimension
        steps = torch.as_tensor(self._steps, device=stream.device)
        source = torch.searchsorted(steps, stream.uniform(1)[:, 0], right=True)
        which = stream.uniform(1)[:, 0]
        result = self._target.draw(which, stream.normal(dimension), piece=self._piece)
        member = stream.runs * members + member_of(which, members)
        for number, earlier in enumerate(self._sources, start=1):
            rows = earlier.view(-1, dimension)
            result = torch.where((source == number)[:, None], rows[member], result)
        return channel.scale * result + channel.variance**0.5 * stream.normal(dimension)

    @staticmethod
    def drawn_together(
        mixtures: Sequence[TrainingMixture], purpose: str, channels: Sequence[GaussianChannel]
    ) -> MadeTogether | None:
        """Return what draws from several training sets by one launch; None where there is no such kernel."""
        if not usable("triton_channel", mixtures[0]._context.device):
            return None
        from .fused.triton_channel import together
        from .fused.triton_random import Part

        made = together([one.tables(channel) for one, channel in zip(mixtures, channels, strict=True)])
        if made is None:
            return None

        def drawn(parts: Sequence[tuple[int, Chunk]]) -> torch.Tensor:
            streams = [mixtures[index]._context.noise(chunk, purpose) for index, chunk in parts]
            return made.particles(
                [
                    Part(index, stream.pieces, stream.key)
                    for (index, _), stream in zip(parts, streams, strict=True)
                ]
            )

        return drawn

    def tables(self, channel: GaussianChannel) -> TrainingTables:
        """Return what the Triton kernel draws from."""
        from .fused.triton_channel import TrainingTables

        steps, parents = self._steps_and_parents
        through = torch.tensor([channel.scale, channel.variance**0.5], dtype=torch.float64)
        device = self._context.device
        return TrainingTables(self._target, steps, parents, self._context.particles, through.to(device))

    @cached_property
    def _steps_and_parents(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Distribution function of the source, and where particles of each run and source begin, on the device."""
        device = self._context.device
        parents = [
            [self._target.means.data_ptr(), *(earlier[run].data_ptr() for earlier in self._sources)]
            for run in range(self._context.runs)
        ]
        return torch.as_tensor(self._steps, device=device), torch.tensor(parents, device=device)

    @cached_property
    def _components(self) -> Components:
        """The law of fresh data, for the compiled kernel."""
        from .channel_numba import Components

        law = self._target
        frames, frame_of = np.empty((0, 1, 1)), np.empty(0, dtype=np.int64)
        if law.frames is not None:
            assert law.frame_of is not None
            frames, frame_of = law.frames.numpy(), law.frame_of.numpy()
        return Components(
            law.cumulative.numpy(), law.means.numpy(), law.variances.sqrt().numpy(), frames, frame_of
        )

    @cached_property
    def _addresses(self) -> IntArray:
        """Where the particles of each run and source begin, shape (runs, S + 1, 1); anything for fresh data."""
        table = np.empty((self._context.runs, len(self._sources) + 1, 1), dtype=np.int64)
        table[:, 0, 0] = self._components.means.ctypes.data
        for number, earlier in enumerate(self._sources, start=1):
            table[:, number, 0] = [rows.data_ptr() for rows in earlier]
        return table

    def _draw_compiled(self, stream: NoiseStream, channel: GaussianChannel) -> torch.Tensor:
        from .channel_numba import training_through_channel

        result = np.empty((stream.rows, self._target.dimension))
        key = np.array(stream.key, dtype=np.uint64)
        start = 0
        for piece in stream.pieces:
            training_through_channel(
                piece.first,
                np.uint64(piece.run),
                key,
                self._steps,
                self._addresses[piece.run],
                self._context.particles,
                self._components,
                channel.scale,
                channel.variance**0.5,
                result[start : start + piece.rows],
            )
            start += piece.rows
        return torch.from_numpy(result)


def draw_pools(context: RoundContext, size: int, *, blur: float = 0.0) -> torch.Tensor:
    """Return so many points of the training set of every run, blurred by h Z, shape (runs, size, d)."""
    recursion, device = context.recursion, context.device
    mixture = TrainingMixture(context, piece=min(size, BLOCK))
    channel = GaussianChannel(1.0, blur**2)
    rows = devices.default_chunk(device, 8 * 10 * recursion.dimension)
    chunks = plan_chunks(context.runs, size, rows, whole=not devices.works_in_blocks(device))
    drawn = [mixture.draw(chunk, "pool", channel) for chunk in chunks]
    return torch.cat(drawn).view(context.runs, size, recursion.dimension)
