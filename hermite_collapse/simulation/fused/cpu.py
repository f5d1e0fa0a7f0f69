"""Particles of a plan on a CPU, by a kernel that Numba compiles."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from ...core.types import IntArray
from ..noise import NoiseStream
from .plan import Plan

SHARES = 8  # parts of the work for each thread, so that none waits long for the last


def carry_on_cpu(plan: Plan, start: NoiseStream, path: NoiseStream) -> torch.Tensor:
    """Return the particles (n, d) that a plan makes of streams of which nothing was drawn, one a row of the streams.

    On as many threads as torch may use, to the same bytes.
    """
    from ...hermite._vectors import WIDTH
    from ._kernel import reverse_diffusion

    tiles = _tiles(path, WIDTH)
    result = np.empty((path.rows, plan.dimension))
    keys = np.array([start.key, path.key], dtype=np.uint64)
    threads = torch.get_num_threads()
    lanes = min(SHARES * threads, len(tiles[0]))

    def make(lane: int) -> None:
        reverse_diffusion(lane, lanes, plan, *tiles, keys[0], keys[1], result)

    if threads == 1 or lanes == 1:
        for lane in range(lanes):
            make(lane)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(make, range(lanes)))
    return torch.from_numpy(result)


def _tiles(stream: NoiseStream, width: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return first particle, run, number of particles and first row of every tile."""
    first, run, rows, start = [], [], [], []
    row = 0
    for piece in stream.pieces:
        offsets = np.arange(0, piece.rows, width)
        first.append(piece.first + offsets)
        run.append(np.full(len(offsets), piece.run))
        rows.append(np.minimum(width, piece.rows - offsets))
        start.append(row + offsets)
        row += piece.rows
    return (
        np.concatenate(first),
        np.concatenate(run).astype(np.uint64),
        np.concatenate(rows),
        np.concatenate(start),
    )
