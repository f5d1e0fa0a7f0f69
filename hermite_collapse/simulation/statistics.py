"""Streamed statistics of particles: Hermite coefficients, their second moments, mean and covariance.

The sums over a block of particles (`noise.BLOCK`, or a whole run that is shorter) are one row of numbers: those of h_k,
of h_k^2, of y = x - c and of y y^T, and of h_j h_k where they are asked for.  A block is centred at its first particle,
so that its row does not depend on any other; before rows of one run are added, along a fixed tree (`core.sum_tree`),
their centres are moved to one.

On a CPU a row comes from compiled kernels, on the thread that made the particles.  On other devices, and for the means
of h_j h_k, many blocks are one batched operation (`device_sums`): the number of operations grows with the memory that
is needed, not with the number of blocks.  Either way the bytes do not depend on the chunk size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..core.sum_tree import SumTree
from ..core.types import FloatArray
from ..hermite.indices import index_count
from ..hermite.sums import sums_of_block
from . import devices
from .device_sums import HalvedBasis, centred_sums, padded
from .noise import BLOCK, Chunk

# Blocks that a batch holds at least, where there is memory: few recursions and many cost as many operations.
_BLOCKS = 32
# Bytes that the temporaries of one batch of blocks may take.
_GROUP_BYTES = 1 << 31
# Dimension from which a product of matrices is faster than the compiled kernel.
_WIDE = 48


@dataclass(frozen=True)
class RoundStatistics:
    """Averages over the particles of one round: arrays with the run in front, as in `SimulatedRecursion`."""

    coefficients: FloatArray
    second_moments: FloatArray
    means: FloatArray
    covariances: FloatArray
    products: FloatArray | None

    def arrays(self) -> dict[str, FloatArray]:
        """Return the arrays by name, without what was not asked for."""
        return {name: value for name, value in vars(self).items() if value is not None}


class HermiteStatistics:
    """Accumulates the statistics of one round for several runs.

    Parameters
    ----------
    dimension, degree : int
        Of the multi-indices, all of total degree <= degree.
    runs, particles : int
        What will be added.
    products : bool
        Whether to average h_j h_k for all pairs as well, (m, m) numbers for each run.
    device : torch.device
        Where the particles are.
    centred_together : int, optional
        Consecutive runs whose sums are about one centre, a divisor of `runs`; all of them if None.
    """

    def __init__(
        self,
        dimension: int,
        degree: int,
        *,
        runs: int,
        particles: int,
        products: bool,
        device: torch.device,
        centred_together: int | None = None,
    ) -> None:
        self.dimension, self.degree = dimension, degree
        self.runs, self.particles = runs, particles
        self._compiled = devices.works_in_blocks(device)
        self._basis = HalvedBasis(dimension, degree, device) if products or not self._compiled else None
        self._width = index_count(dimension, degree)
        self._widths = [2 * self._width, dimension, dimension**2]
        if products:
            self._widths.append(self._width**2)
        self._products = products
        self._totals = torch.zeros((runs, sum(self._widths)), dtype=torch.float64, device=device)
        self._tree: SumTree[torch.Tensor] = SumTree(torch.clone)
        groups = 1 if centred_together is None else runs // centred_together
        # Any fixed point near the data serves: the first particle of the group of runs.
        self._centres = self._totals.new_zeros((groups, runs // groups, dimension))

    def _blocks_together(self, rows: int) -> int:
        """Return the number of blocks of one batch, as shapes decide the last bits of products.

        It is made of the settings of a group of runs, whose sums are the same alone and beside others.
        """
        values = 4 * self.dimension + sum(self._widths) // rows
        if self._basis is not None:
            values += 4 * self._basis.rows + (self._width if self._products else 0)
        blocks = self._centres.shape[1] * max(1, self.particles // BLOCK if rows == BLOCK else 1)
        return max(1, min(max(blocks, _BLOCKS), _GROUP_BYTES // (8 * rows * values)))

    def reset(self) -> None:
        """Forget everything added."""
        self._totals.zero_()
        self._tree.clear()

    def sums(self, x: torch.Tensor, chunk: Chunk) -> torch.Tensor:
        """Return one row of sums for each block of a chunk (rows, d), (runs, blocks, sums); from any thread."""
        by_run = x.reshape(_run_count(chunk), -1, self.dimension)
        runs, rows = by_run.shape[:2]
        whole = rows // BLOCK * BLOCK
        parts = []
        for part, size in ((by_run[:, :whole], BLOCK), (by_run[:, whole:], rows - whole)):
            if part.shape[1]:
                blocks = part.reshape(-1, size, self.dimension)
                parts.append(self._rows_of(blocks).view(runs, part.shape[1] // size, -1))
        return torch.cat(parts, dim=1)

    def add(self, x: torch.Tensor, chunk: Chunk, sums: torch.Tensor | None = None) -> None:
        """Add a chunk of particles (rows, d), with its sums if they are there already; chunks come in their order."""
        sums = self.sums(x, chunk) if sums is None else sums
        first, last = chunk.pieces[0], chunk.pieces[-1]
        by_run = x.reshape(_run_count(chunk), -1, self.dimension)
        if first.block == 0:
            together = self._centres.shape[1]
            begun = by_run[-first.run % together :: together, 0]
            group = -(-first.run // together)
            self._centres[group : group + len(begun)] = begun[:, None]
        centres = self._centres.view(self.runs, 1, self.dimension)[first.run : last.run + 1]
        counts = sums.new_full((sums.shape[1], 1), BLOCK)
        counts[-1] = by_run.shape[1] - BLOCK * (sums.shape[1] - 1)
        self._move(sums, counts, by_run[:, ::BLOCK] - centres)
        self._tree.add(first.block, sums.transpose(0, 1))
        if last.first + last.rows >= self.particles:
            for _, node in self._tree.parts():
                self._totals[first.run : last.run + 1] += node[0]
            self._tree.clear()

    def _move(self, sums: torch.Tensor, counts: torch.Tensor, shift: torch.Tensor) -> None:
        """Move the centre of each row of sums by minus its shift, (runs, blocks, d); counts (blocks, 1).

        sum y' = sum y + n s,     sum y' y'^T = sum y y^T + (sum y) s^T + s (sum y)^T + n s s^T
        """
        _, first, second, *_ = torch.split(sums, self._widths, dim=-1)
        half = (first + 0.5 * counts * shift)[..., :, None] * shift[..., None, :]
        second += (half + half.mT).flatten(-2)
        first += counts * shift

    def _rows_of(self, blocks: torch.Tensor) -> torch.Tensor:
        """Return the sums of blocks (b, rows, d), a row each."""
        if not self._compiled:
            group = self._blocks_together(blocks.shape[1])
            return torch.cat([self._batched(part, group) for part in blocks.split(group)])
        rows = np.empty((len(blocks), sum(self._widths)))
        for row, block in zip(rows, blocks, strict=True):
            self._compiled_row(block, row)
        return torch.from_numpy(rows)

    def _compiled_row(self, block: torch.Tensor, row: FloatArray) -> None:
        """Write the sums of one block (rows, d) on a CPU."""
        from ._kernels_moments import centred_block

        samples = block.contiguous().numpy()
        hermite, first, second, *products = np.split(row, np.cumsum(self._widths)[:-1])
        hermite[:] = sums_of_block(samples, self.degree).ravel()
        if self.dimension < _WIDE:
            centred_block(samples, samples[0], first, second.reshape(self.dimension, self.dimension))
        else:
            centred = samples - samples[0]
            first[:], second[:] = centred.sum(axis=0), (centred.T @ centred).ravel()
        if self._basis is not None:
            left, right = self._basis.values(padded(block[None], 1), len(block))
            products[0][:] = self._basis.products(left, right).ravel().numpy()

    def _batched(self, blocks: torch.Tensor, group: int) -> torch.Tensor:
        """Return the sums of up to a group of blocks (b, rows, d) at once."""
        assert self._basis is not None
        count, rows = blocks.shape[:2]
        batch = padded(blocks, group)
        left, right = self._basis.values(batch, rows)
        last = [self._basis.products(left, right)] if self._products else []
        parts = [*self._basis.sums(left, right), *centred_sums(batch, rows), *last]
        return torch.cat([part[:count].flatten(1) for part in parts], dim=1)

    def result(self) -> RoundStatistics:
        """Return the averages of everything added."""
        averages = self._totals / self.particles
        hermite, shift, second, *products = torch.split(averages, self._widths, dim=1)
        covariances = second.view(-1, self.dimension, self.dimension) - shift[:, :, None] * shift[:, None, :]
        moments = hermite.reshape(self.runs, 2, self._width).cpu().numpy()
        return RoundStatistics(
            coefficients=moments[:, 0],
            second_moments=moments[:, 1],
            means=(self._centres.view_as(shift) + shift).cpu().numpy(),
            covariances=(0.5 * (covariances + covariances.mT)).cpu().numpy(),
            products=products[0].reshape(self.runs, self._width, self._width).cpu().numpy()
            if products
            else None,
        )


def _run_count(chunk: Chunk) -> int:
    """Return how many runs a chunk holds: several of them whole, or part of one."""
    return chunk.pieces[-1].run - chunk.pieces[0].run + 1
