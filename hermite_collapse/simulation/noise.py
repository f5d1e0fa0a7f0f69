"""Random numbers by address: the same numbers on every device and however the particles are cut into chunks.

A number is a function of (seed, run, round, purpose, particle, draw, column), by Philox 4x32-10 (`philox`).  So what
a particle sees depends on its address alone, not on what is computed together with it, and not on where: a run on a
GPU follows a run on a CPU particle by particle, to rounding.

The particles of a run are divided into blocks of 8192; a chunk is a number of whole blocks.

Every random number of a simulation is addressed here: particles, weights and minibatches by `NoiseStream`, the seeds
of parts of an experiment by `seed_from` and `seed_of_part`.  Dropout alone draws from torch's own generators, seeded
by address.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from .fused.triton_use import usable
from .philox import first_word, stream_key
from .philox_torch import draw_pair

BLOCK = 8192


@dataclass(frozen=True)
class Piece:
    """The particles of one run from the beginning of a block on; `rows` of them, those of the block or all."""

    run: int
    block: int
    rows: int

    @property
    def first(self) -> int:
        """The first of its particles, within the run."""
        return self.block * BLOCK


@dataclass(frozen=True)
class Chunk:
    """Consecutive pieces, as rows start to stop of the particles of all runs laid end to end.

    Attributes
    ----------
    start, stop : int
    pieces : tuple of Piece
        Blocks of one run each, with their `run` and `rows`.
    """

    start: int
    stop: int
    pieces: tuple[Piece, ...]

    @property
    def rows(self) -> int:
        """How many particles it holds."""
        return self.stop - self.start


def pieces_of_run(run: int, particles: int) -> tuple[Piece, ...]:
    """Return the pieces that the particles of one run are."""
    starts = range(0, particles, BLOCK)
    return tuple(Piece(run, block, min(BLOCK, particles - start)) for block, start in enumerate(starts))


def plan_chunks(
    runs: int, particles: int, chunk: int, *, whole: bool = False, mixed: bool = False
) -> list[Chunk]:
    """Return the chunks, of at most `chunk` rows and at least one piece, that runs x particles rows are cut into.

    The pieces of a chunk have one size: a run's last, shorter block stands alone.  Work that is done piece by
    piece then meets the same shapes whatever the chunk size.  If `whole`, runs of which one fits a chunk are pieces
    themselves, for devices that do not work in blocks: several runs are then one chunk.  If `mixed`, several runs that
    fit a chunk are one as well, each in its blocks: for work that does not see the shape.
    """
    if (whole and particles <= chunk) or (mixed and BLOCK < particles <= chunk // 2):
        together = chunk // particles
        cut = [range(first, min(first + together, runs)) for first in range(0, runs, together)]
        return [
            Chunk(
                own.start * particles,
                own.stop * particles,
                tuple(
                    piece
                    for run in own
                    for piece in ((Piece(run, 0, particles),) if whole else pieces_of_run(run, particles))
                ),
            )
            for own in cut
        ]
    together = max(1, chunk // min(particles, BLOCK))
    pieces = [pieces_of_run(run, particles) for run in range(runs)]
    if particles <= BLOCK:
        sequences = [tuple(itertools.chain.from_iterable(pieces))]
    else:
        full = particles // BLOCK
        sequences = [part for own in pieces for part in (own[:full], own[full:])]
    chunks, start = [], 0
    for sequence in sequences:
        for first in range(0, len(sequence), together):
            group = sequence[first : first + together]
            stop = start + sum(piece.rows for piece in group)
            chunks.append(Chunk(start, stop, group))
            start = stop
    return chunks


class NoiseStream:
    """The random numbers of one purpose in one round, for the pieces of one chunk.

    Every call of `normal` or `uniform` is the next draw of its kind: one number for each particle and column.

    Parameters
    ----------
    pieces : sequence of Piece
        Which blocks of which runs.
    seed : int
        Seed of the simulation, >= 0.
    round_index : int
        The round that the particles will belong to.
    purpose : str
        A key of `philox.PURPOSES`.
    device : torch.device
        Where the numbers are wanted.
    first_draw : int
        Number of the first draw of either kind.

    Notes
    -----
    Draws come in pairs of one computation: the second half waits for the next call.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        *,
        seed: int,
        round_index: int,
        purpose: str,
        device: torch.device,
        first_draw: int = 0,
    ) -> None:
        self.pieces = tuple(pieces)
        self.rows = sum(piece.rows for piece in self.pieces)
        self.device = device
        self.key = stream_key(seed, round_index, purpose)
        self._draws = {"normal": first_draw, "uniform": first_draw}
        self._waiting: dict[str, torch.Tensor] = {}

    @cached_property
    def runs(self) -> torch.Tensor:
        """The run of each row, shape (rows,)."""
        return self._addresses[1]

    @cached_property
    def _groups(self) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
        """Consecutive pieces of one size: their rows, and the run and the first particle of each, on the device."""
        groups = []
        for rows, group in itertools.groupby(self.pieces, key=lambda piece: piece.rows):
            table = torch.tensor([(piece.run, piece.first) for piece in group], device=self.device)
            groups.append((rows, table[:, 0].contiguous(), table[:, 1].contiguous()))
        return groups

    @cached_property
    def _addresses(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The particle and the run of each row, (rows,) each."""
        particles, runs = [], []
        for rows, run, first in self._groups:
            particles.append((first[:, None] + torch.arange(rows, device=self.device)).flatten())
            runs.append(run[:, None].expand(-1, rows).flatten())
        return torch.cat(particles), torch.cat(runs)

    def normal(self, columns: int) -> torch.Tensor:
        """Return independent standard normals, shape (rows, columns), float64."""
        return self._next("normal", columns)

    def uniform(self, columns: int) -> torch.Tensor:
        """Return independent uniforms on [0, 1), shape (rows, columns), float64."""
        return self._next("uniform", columns)

    def _next(self, kind: str, columns: int) -> torch.Tensor:
        draw = self._draws[kind]
        self._draws[kind] += 1
        waiting = self._waiting.pop(kind, None)
        if waiting is not None and waiting.shape[1] >= columns:
            return waiting[:, :columns].contiguous()
        if self.device.type == "cpu":
            even, odd = self._compiled(kind, draw, columns)
        elif usable("triton_random", self.device):
            even, odd = self._launched(kind, draw, columns)
        else:
            even, odd = draw_pair(kind, draw, columns, *self._addresses, self.key)
        if draw % 2 == 1:
            return odd
        self._waiting[kind] = odd
        return even

    def _compiled(self, kind: str, draw: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The pair that a draw belongs to, on a CPU."""
        from .philox_numba import fill_normals, fill_uniforms

        fill = fill_normals if kind == "normal" else fill_uniforms
        even, odd = np.empty((self.rows, columns)), np.empty((self.rows, columns))
        word, key0, key1 = (np.uint64(word) for word in (first_word(draw, kind), *self.key))
        start = 0
        for piece in self.pieces:
            rows = slice(start, start + piece.rows)
            fill(word, piece.first, np.uint64(piece.run), key0, key1, even[rows], odd[rows])
            start += piece.rows
        return torch.from_numpy(even), torch.from_numpy(odd)

    def _launched(self, kind: str, draw: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The pair that a draw belongs to, by Triton."""
        from .fused.triton_random import Rows
        from .fused.triton_random import draw_pair as launch_pair

        parts = [
            launch_pair(kind, draw, columns, Rows(run.to(torch.int32), first.to(torch.int32), rows), self.key)
            for rows, run, first in self._groups
        ]
        if len(parts) == 1:
            return parts[0]
        even, odd = zip(*parts, strict=True)
        return torch.cat(even), torch.cat(odd)


def member_of(uniforms: torch.Tensor, count: int) -> torch.Tensor:
    """Return indices into `count` equally likely members, from uniforms on [0, 1)."""
    return (uniforms * count).long().clamp_(max=count - 1)


def seed_from(*address: int) -> int:
    """Return a seed of 63 bits for an address of integers."""
    digest = hashlib.blake2b(repr(address).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def seed_of_part(seed: int, number: int) -> int:
    """Return a seed for one part of an experiment, far from what a user would choose next."""
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1, np.uint64)[0] >> 1)
