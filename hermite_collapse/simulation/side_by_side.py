"""The coming round of several recursions as one round of all their runs.

Run r of recursion q, of R runs each, is run q R + r.  Chunks, threads and statistics are those of one simulation with
so many runs; random numbers are those of each recursion alone, so that its bytes are as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from .generations import RoundGenerator
from .noise import Chunk

# Particles of a recursion from which the operations of one chunk, not the chunks, are shared by all threads.
_LARGE = 1 << 20


def side_by_side(rounds: Sequence[RoundGenerator], *, runs: int, particles: int) -> RoundGenerator:
    """Return the round of so many runs of each recursion, of so many particles each."""
    return rounds[0] if len(rounds) == 1 else SideBySide(rounds, runs=runs, particles=particles)


class SideBySide(RoundGenerator):
    """Rounds in preparation side by side.

    Chunks go to threads whole: there are as many of them as recursions, or more.  Where the rounds have a kernel for
    all of them, as on a CUDA device, the particles of a chunk are one launch.
    """

    def __init__(self, rounds: Sequence[RoundGenerator], *, runs: int, particles: int) -> None:
        self._rounds, self._runs, self._particles = rounds, runs, particles
        large = runs * particles >= _LARGE
        self.splits_work = large and all(coming.splits_work for coming in rounds)
        self.mixes_pieces = all(coming.mixes_pieces for coming in rounds)
        kinds = {type(coming) for coming in rounds}
        self._together = kinds.pop().together(rounds) if len(kinds) == 1 else None

    @property
    def bytes_per_row(self) -> int:
        return max(coming.bytes_per_row for coming in self._rounds)

    def particles(self, chunk: Chunk) -> torch.Tensor:
        parts = list(self._by_recursion(chunk))
        if self._together is not None and len(parts) > 1:
            return self._together(parts)
        made = [self._rounds[index].particles(own) for index, own in parts]
        return made[0] if len(made) == 1 else torch.cat(made)

    def _by_recursion(self, chunk: Chunk) -> Iterator[tuple[int, Chunk]]:
        """Yield every recursion of a chunk, and its part of it as a chunk of its own particles."""
        start = chunk.start
        for index, group in itertools.groupby(chunk.pieces, key=lambda piece: piece.run // self._runs):
            pieces = tuple(replace(piece, run=piece.run - index * self._runs) for piece in group)
            stop = start + sum(piece.rows for piece in pieces)
            before = index * self._runs * self._particles
            yield index, Chunk(start - before, stop - before, pieces)
            start = stop
