"""Particles of a plan on a CPU, by a kernel that Numba compiles."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from ...core.threads import all_threads
from ...core.types import IntArray
from ..noise import NoiseStream
from .plan import Plan

SHARES = 8  # parts of the work for each thread, so that none waits long for the last


def carry_on_cpu(
    plan: Plan, start: NoiseStream, path: NoiseStream, labels: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the particles (n, d) that a plan makes of streams of which nothing was drawn, one a row of the streams.

    `labels` are the classes (n,) that the particles are asked for, under guidance.  The work is shared by all threads
    of `core.threads.all_threads`; its bytes do not depend on their number.
    """
    from ...hermite._vectors import WIDTH
    from ._kernel import reverse_diffusion

    tiles = _tiles(path, WIDTH)
    result = np.empty((path.rows, plan.dimension))
    classes = np.empty(0, dtype=np.int64) if labels is None else labels.numpy()
    keys = np.array([start.key, path.key], dtype=np.uint64)
    with all_threads():
        threads = torch.get_num_threads()
    lanes = min(SHARES * threads, len(tiles[0]))

    def make(lane: int) -> None:
        reverse_diffusion(lane, lanes, plan, *tiles, keys[0], keys[1], classes, result)

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
