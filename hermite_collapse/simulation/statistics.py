"""Streamed statistics of particles: Hermite coefficients, their second moments, mean and covariance.

The sums over a block of particles (`noise.BLOCK`, or a whole run that is shorter) are one row of numbers: those of h_k,
of h_k^2, of y = x - c and of y y^T for a fixed centre c, and of h_j h_k where they are asked for.  Rows of one run are
added along a fixed tree (`core.sum_tree`).

On a CPU the sums of h_k and h_k^2 come from the compiled kernels of `hermite.sums`.  On other devices, and for the
means of h_j h_k, many blocks are one batched operation (`device_sums`): the number of operations grows with the memory
that is needed, not with the number of blocks.  Either way a block's row does not depend on what is computed beside it,
so the bytes do not depend on the chunk size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..core.sum_tree import SumTree
from ..core.types import FloatArray
from ..hermite.indices import index_count
from ..hermite.sums import block_sums
from . import devices
from .device_sums import HalvedBasis, centred_sums, padded
from .noise import BLOCK, Chunk

# Bytes that the temporaries of one batch of blocks may take.
_GROUP_BYTES = 1 << 30


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
    compiled : bool, optional
        Whether the kernels of `hermite.sums` take the sums of h_k and h_k^2; on a CPU unless given.
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
        compiled: bool | None = None,
    ) -> None:
        self.dimension, self.degree = dimension, degree
        self.runs, self.particles = runs, particles
        self._compiled = devices.works_in_blocks(device) if compiled is None else compiled
        self._basis = HalvedBasis(dimension, degree, device) if products or not self._compiled else None
        self._width = index_count(dimension, degree)
        self._widths = [2 * self._width, dimension, dimension**2]
        if products:
            self._widths.append(self._width**2)
        self._products = products
        # On a CPU the operations of one block are large enough.
        self._group = 1 if self._compiled else self._blocks_together()
        self._totals = torch.zeros((runs, sum(self._widths)), dtype=torch.float64, device=device)
        self._tree: SumTree[torch.Tensor] = SumTree(torch.clone)
        self._centre: torch.Tensor | None = None

    def _blocks_together(self) -> int:
        """Return the number of blocks of one batch, made of settings alone: shapes decide the last bits of products."""
        rows = min(self.particles, BLOCK)
        values = 4 * self.dimension + sum(self._widths) // rows
        if self._basis is not None:
            values += 4 * self._basis.rows + (self._width if self._products else 0)
        blocks = self.runs if self.particles <= BLOCK else self.particles // BLOCK
        return max(1, min(blocks, _GROUP_BYTES // (8 * rows * values)))

    def reset(self) -> None:
        """Forget everything added."""
        self._totals.zero_()
        self._tree.clear()
        self._centre = None

    def add(self, x: torch.Tensor, chunk: Chunk) -> None:
        """Add the particles (rows, d) of a chunk; chunks come in their order."""
        if self._centre is None:
            # Any fixed point near the data serves to centre the second moments; chunks begin with the first particle.
            self._centre = x[:1].clone()
        first, count = chunk.pieces[0], len(chunk.pieces)
        compiled = self._compiled_sums(x, first.rows) if self._compiled else None
        for start in range(0, count, self._group):
            stop = min(start + self._group, count)
            own = [] if compiled is None else [compiled[start:stop]]
            own += self._batched_sums(x[start * first.rows : stop * first.rows], first.rows, self._centre)
            sums = torch.cat([part[: stop - start].reshape(stop - start, -1) for part in own], dim=1)
            if self.particles <= BLOCK:  # a block is a run
                self._totals[first.run + start : first.run + stop] = sums
            else:
                self._tree.add(first.block + start, sums)
        if self.particles > BLOCK and (chunk.pieces[-1].block + 1) * BLOCK >= self.particles:
            for _, node in self._tree.parts():
                self._totals[first.run] += node[0]
            self._tree.clear()

    def _batched_sums(self, x: torch.Tensor, rows: int, centre: torch.Tensor) -> list[torch.Tensor]:
        """Return the sums over each block of so many rows, (group, ...) each, but for those of compiled kernels."""
        blocks = padded(x.reshape(-1, rows, self.dimension), self._group)
        parts = list(centred_sums(blocks, rows, centre))
        if self._basis is not None:
            left, right = self._basis.values(blocks, rows)
            if self._products:
                parts.append(self._basis.products(left, right))
            if not self._compiled:
                parts = [*self._basis.sums(left, right), *parts]
        return parts

    def _compiled_sums(self, x: torch.Tensor, rows: int) -> torch.Tensor:
        """Return the sums of h_k and h_k^2 by block, shape (blocks, 2, m)."""
        samples = x.contiguous().numpy()
        if rows == BLOCK:  # as the kernels cut samples themselves
            return torch.from_numpy(block_sums(samples, self.degree)[:, :, : self._width])
        own = [
            block_sums(samples[i : i + rows], self.degree)[:, :, : self._width]
            for i in range(0, len(x), rows)
        ]
        return torch.cat([torch.from_numpy(part) for part in own])

    def result(self) -> RoundStatistics:
        """Return the averages of everything added."""
        assert self._centre is not None
        averages = self._totals / self.particles
        hermite, shift, second, *products = torch.split(averages, self._widths, dim=1)
        covariances = second.view(-1, self.dimension, self.dimension) - shift[:, :, None] * shift[:, None, :]
        moments = hermite.reshape(self.runs, 2, self._width).cpu().numpy()
        return RoundStatistics(
            coefficients=moments[:, 0],
            second_moments=moments[:, 1],
            means=(self._centre + shift).cpu().numpy(),
            covariances=(0.5 * (covariances + covariances.transpose(1, 2))).cpu().numpy(),
            products=products[0].reshape(self.runs, self._width, self._width).cpu().numpy()
            if products
            else None,
        )
