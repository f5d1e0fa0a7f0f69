"""Random numbers by address: the same bytes however the particles are cut into chunks.

The particles of a run are divided into blocks of 8192.  Every (seed, run, round, purpose, block) has its own
generator, which the block uses from the first number to the last; a chunk is a number of whole blocks.  So what a
particle sees depends on its address alone, not on what is computed together with it.

On the CPU the generators are NumPy's SFC64, seeded through SeedSequence (torch's CPU generator keeps only 32 bits
of its seed, too few for distinct addresses); elsewhere they are the device's own, seeded with 63 bits of BLAKE2.
Streams therefore differ between kinds of device, never between chunk sizes.

Every random number of a simulation is addressed here: particles by `NoiseStream`, the seeds of parts of an experiment
by `seed_from` and `seed_of_part`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

BLOCK = 8192

# What the numbers are for.  The codes enter the seeds: they never change meaning.
PURPOSES = {
    "initial": 0,
    "parents": 1,
    "channel": 2,
    "start": 3,
    "path": 4,
    "pool": 5,
    "other": 6,
    "labels": 7,
}


@dataclass(frozen=True)
class Piece:
    """The particles of one block of one run; `rows` of them."""

    run: int
    block: int
    rows: int


@dataclass(frozen=True)
class Chunk:
    """Consecutive pieces of equal size, as rows start to stop of the particles of all runs laid end to end."""

    start: int
    stop: int
    pieces: tuple[Piece, ...]

    @property
    def rows(self) -> int:
        return self.stop - self.start


def plan_chunks(runs: int, particles: int, chunk: int) -> list[Chunk]:
    """Return the chunks, of at most `chunk` rows and at least one piece, that runs x particles rows are cut into.

    The pieces of a chunk have one size: a run's last, shorter block stands alone.  Work that is done piece by
    piece then meets the same shapes whatever the chunk size.
    """
    size = min(particles, BLOCK)
    together = max(1, chunk // size)
    full, rest = divmod(particles, BLOCK) if particles > BLOCK else (1, 0)
    groups: list[list[Piece]] = []
    if particles <= BLOCK:
        everything = [Piece(run, 0, particles) for run in range(runs)]
        groups = [everything[i : i + together] for i in range(0, runs, together)]
    else:
        for run in range(runs):
            blocks = [Piece(run, block, BLOCK) for block in range(full)]
            groups += [blocks[i : i + together] for i in range(0, full, together)]
            if rest:
                groups.append([Piece(run, full, rest)])
    chunks, start = [], 0
    for group in groups:
        stop = start + sum(piece.rows for piece in group)
        chunks.append(Chunk(start, stop, tuple(group)))
        start = stop
    return chunks


class NoiseStream:
    """The random numbers of one purpose in one round, for the pieces of one chunk.

    Successive calls continue each piece's own stream.

    Parameters
    ----------
    pieces : sequence of Piece
        Which blocks of which runs.
    seed : int
        Seed of the simulation, >= 0.
    round_index : int
        The round that the particles will belong to.
    purpose : str
        A key of PURPOSES.
    device : torch.device
        Where the numbers are wanted.
    """

    def __init__(
        self, pieces: Sequence[Piece], *, seed: int, round_index: int, purpose: str, device: torch.device
    ) -> None:
        self.pieces = tuple(pieces)
        self.rows = sum(piece.rows for piece in self.pieces)
        self.device = device
        addresses = [(piece.run, round_index, PURPOSES[purpose], piece.block) for piece in self.pieces]
        if device.type == "cpu":
            self._numpy = [
                np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=address)))
                for address in addresses
            ]
        else:
            self._torch = [
                torch.Generator(device=device).manual_seed(seed_from(seed, *address)) for address in addresses
            ]

    def normal(self, columns: int) -> torch.Tensor:
        """Return independent standard normals, shape (rows, columns), float64."""
        return self._fill(columns, "normal")

    def uniform(self, columns: int) -> torch.Tensor:
        """Return independent uniforms on [0, 1), shape (rows, columns), float64."""
        return self._fill(columns, "uniform")

    def _fill(self, columns: int, law: str) -> torch.Tensor:
        if self.device.type == "cpu":
            values = np.empty((self.rows, columns))
            start = 0
            for piece, generator in zip(self.pieces, self._numpy, strict=True):
                view = values[start : start + piece.rows]
                if law == "normal":
                    generator.standard_normal(out=view)
                else:
                    generator.random(out=view)
                start += piece.rows
            return torch.from_numpy(values)
        tensor = torch.empty((self.rows, columns), dtype=torch.float64, device=self.device)
        start = 0
        for piece, source in zip(self.pieces, self._torch, strict=True):
            view = tensor[start : start + piece.rows]
            if law == "normal":
                view.normal_(generator=source)
            else:
                view.uniform_(generator=source)
            start += piece.rows
        return tensor


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
