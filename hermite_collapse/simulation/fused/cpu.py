"""Particles of a plan on a CPU, by a kernel that Numba compiles."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ...core.threads import all_threads
from ...core.types import FloatArray, IntArray
from ..noise import NoiseStream
from .plan import Plan

SHARES = 8  # parts of the work for each thread, so that none waits long for the last


class Tables(NamedTuple):
    """A plan's coefficients in the order in which the kernel reads them.

    Attributes
    ----------
    coefficients : array, shape (S * width,)
        Of each stage: shift (d,), what `logits` reads of every component, what `sums` reads of every group, and
        p0, p1, q0, q1, r.
    frames : array, shape (2 G d^2,)
        Transposed, then as they are.
    isotropic : bool
    per_logit, per_value : int
        Numbers that a component has in the second and the third part.
    """

    coefficients: FloatArray
    frames: FloatArray
    isotropic: bool
    per_logit: int
    per_value: int

    @classmethod
    def of(cls, plan: Plan) -> Tables:
        """Return the tables of a plan."""
        stages, dimension, isotropic = plan.stages, plan.dimension, plan.isotropic
        linear, quadratic = plan.linear.transpose(0, 2, 1), plan.quadratic.transpose(0, 2, 1)
        both = [quadratic, linear] if isotropic else [np.stack([linear, quadratic], axis=3)]
        logits = [plan.constant[:, :, None], *(part.reshape(*part.shape[:2], -1) for part in both)]
        parts = [plan.shift, np.concatenate(logits, axis=2).reshape(stages, -1)]
        for begin, end in itertools.pairwise(plan.group_start.tolist()):
            offset = plan.offset[:, begin:end].transpose(0, 2, 1)
            gain = plan.gain[:, begin:end].transpose(0, 2, 1)
            values = [gain, offset] if isotropic else [np.stack([offset, gain], axis=3)]
            parts += [part.reshape(stages, -1) for part in values]
        return cls(
            coefficients=np.concatenate([*parts, plan.step], axis=1).reshape(-1),
            frames=np.concatenate([plan.frames.transpose(0, 2, 1), plan.frames]).reshape(-1),
            isotropic=isotropic,
            per_logit=2 + dimension if isotropic else 1 + 2 * dimension,
            per_value=1 + dimension if isotropic else 2 * dimension,
        )


@dataclass(frozen=True, eq=False)
class CompiledKernel:
    """A plan on a CPU, ready to make particles."""

    plan: Plan
    tables: Tables

    @classmethod
    def of(cls, plan: Plan) -> CompiledKernel:
        """Return the kernel of a plan."""
        return cls(plan, Tables.of(plan))

    def particles(
        self, start: NoiseStream, path: NoiseStream, labels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return particles (n, d), one for each row of two streams of which nothing was drawn.

        `labels` are the classes (n,) that they are asked for, under guidance.  The work is shared by all threads of
        `core.threads.all_threads`; its bytes do not depend on their number.
        """
        from ...hermite._vectors import WIDTH
        from ._kernel import reverse_diffusion

        tiles = _tiles(path, WIDTH)
        result = np.empty((path.rows, self.plan.dimension))
        classes = np.empty(0, dtype=np.int64) if labels is None else labels.numpy()
        keys = np.array([*start.key, *path.key], dtype=np.uint64)
        with all_threads():
            threads = torch.get_num_threads()
        lanes = 1 if threads == 1 else min(SHARES * threads, len(tiles[0]))

        def make(lane: int) -> None:
            reverse_diffusion(lane, lanes, self.plan, self.tables, *tiles, keys, classes, result)

        if lanes == 1:
            make(0)
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
