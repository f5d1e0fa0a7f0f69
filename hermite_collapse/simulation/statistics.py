"""Streamed statistics of particles: Hermite coefficients, their second moments, mean and covariance.

On a CPU the sums of h_k and h_k^2 come from the compiled kernels of `hermite.sums`.  On other devices, and for the
means of h_j h_k, a multi-index is a pair of multi-indices of the first and of the last coordinates, so that

    sum_n h_k(x_n) = sum_n h_a(x_n^first) h_b(x_n^last) = (A B^T)_{ab},

one small matrix product for each degree of a, restricted to the degrees of b that keep the total within bounds.  The
sums of h_k^2 are the same product of squares.

Sums are taken block by block (`noise.BLOCK` particles) and added in the order of the blocks: the bytes do not
depend on the chunk size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..core.types import FloatArray
from ..hermite.halves import Growth, halves
from ..hermite.indices import index_count
from ..hermite.sums import block_sums
from .noise import Chunk


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
    """

    def __init__(
        self, dimension: int, degree: int, *, runs: int, particles: int, products: bool, device: torch.device
    ) -> None:
        self.dimension, self.degree = dimension, degree
        self.runs, self.particles = runs, particles
        self._compiled = device.type == "cpu"
        halved = products or not self._compiled
        self._basis = _HalvedBasis(dimension, degree, device) if halved else None
        zeros = {"dtype": torch.float64, "device": device}
        count = index_count(dimension, degree)
        self._sums = torch.zeros((runs, 2, count), **zeros)
        self._products = torch.zeros((runs, count, count), **zeros) if products else None
        self._first = torch.zeros((runs, dimension), **zeros)
        self._second = torch.zeros((runs, dimension, dimension), **zeros)
        self._centre: torch.Tensor | None = None

    def reset(self) -> None:
        """Forget everything added."""
        for tensor in (self._sums, self._products, self._first, self._second):
            if tensor is not None:
                tensor.zero_()
        self._centre = None

    def add(self, x: torch.Tensor, chunk: Chunk) -> None:
        """Add the particles (rows, d) of a chunk; chunks come in their order."""
        if self._centre is None:
            # Any fixed point near the data serves to centre the second moments; chunks begin with the first particle.
            self._centre = x[:1].clone()
        start = 0
        for piece in chunk.pieces:
            block = x[start : start + piece.rows].contiguous()
            start += piece.rows
            if self._basis is not None:
                self._add_halved(block, piece.run, self._basis)
            if self._compiled:
                sums = block_sums(block.numpy(), self.degree)[0, :, : self._sums.shape[2]]
                self._sums[piece.run] += torch.from_numpy(sums)
            shifted = block - self._centre
            self._first[piece.run] += shifted.sum(0)
            self._second[piece.run] += shifted.T @ shifted

    def _add_halved(self, block: torch.Tensor, run: int, basis: _HalvedBasis) -> None:
        left, right = basis.values(block)
        if self._products is not None:
            full = basis.expand(left, right)
            self._products[run] += full @ full.T
        if not self._compiled:
            self._sums[run, 0] += basis.contract(left, right)
            self._sums[run, 1] += basis.contract(left.square_(), right.square_())

    def result(self) -> RoundStatistics:
        """Return the averages of everything added."""
        assert self._centre is not None
        n = self.particles
        averages = (self._sums / n).cpu().numpy()
        shift = self._first / n
        covariances = self._second / n - shift[:, :, None] * shift[:, None, :]
        return RoundStatistics(
            coefficients=averages[:, 0],
            second_moments=averages[:, 1],
            means=(self._centre + shift).cpu().numpy(),
            covariances=(0.5 * (covariances + covariances.transpose(1, 2))).cpu().numpy(),
            products=None if self._products is None else (self._products / n).cpu().numpy(),
        )


class _HalvedBasis:
    """The products of both halves of the coordinates as tensors, and how they make those of all."""

    def __init__(self, dimension: int, degree: int, device: torch.device) -> None:
        self._degree = degree
        self._halves = parts = halves(dimension, degree)
        self._left = _Products(parts.left, parts.split, degree, device)
        self._right = _Products(parts.right, dimension - parts.split, degree, device)
        # Where each pair lies in the matrix products by degree of the left half, laid end to end.
        sizes = np.diff(parts.starts) * parts.widths
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        level = np.searchsorted(parts.starts, parts.row, side="right") - 1
        position = offsets[level] + (parts.row - parts.starts[level]) * parts.widths[level] + parts.column
        self._position = torch.as_tensor(position, device=device)
        self._row = torch.tensor(parts.row, device=device)
        self._column = torch.tensor(parts.column, device=device)

    def values(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the products of both halves, (left count, n) and (right count, n)."""
        split = self._halves.split
        return self._left.values(x[:, :split]), self._right.values(x[:, split:])

    def contract(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return the sums over the particles of left_a right_b for every multi-index (a, b), shape (count,)."""
        starts, widths = self._halves.starts.tolist(), self._halves.widths.tolist()
        parts = [
            (left[starts[n] : starts[n + 1]] @ right[: widths[n]].T).reshape(-1)
            for n in range(self._degree + 1)
        ]
        return torch.cat(parts)[self._position]

    def expand(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return the values of every multi-index, shape (count, n)."""
        return left[self._row] * right[self._column]


class _Products:
    """Values of all h_k(x), abs(k) <= degree, over some axes, those of as many nonzero entries at once."""

    def __init__(self, growth: Growth, dimension: int, degree: int, device: torch.device) -> None:
        self._dimension, self._degree, self._count = dimension, degree, len(growth.parent)
        used = np.zeros(self._count, dtype=np.int64)
        for row in range(1, self._count):
            used[row] = used[growth.parent[row]] + 1
        factor = growth.axis * (degree + 1) + growth.exponent
        self._levels = [
            tuple(
                torch.as_tensor(rows[used == level], device=device)
                for rows in (np.arange(self._count), growth.parent, factor)
            )
            for level in range(1, int(used.max()) + 1)
        ]

    def values(self, x: torch.Tensor) -> torch.Tensor:
        """Return the values, shape (count, n), from x of shape (n, dimension)."""
        table = x.new_empty((self._dimension, self._degree + 1, x.shape[0]))
        table[:, 0] = 1.0
        if self._degree >= 1:
            table[:, 1] = x.T
        for k in range(1, self._degree):
            table[:, k + 1] = (table[:, 1] * table[:, k] - k**0.5 * table[:, k - 1]) / (k + 1) ** 0.5
        factors = table.reshape(-1, x.shape[0])
        result = x.new_empty((self._count, x.shape[0]))
        result[0] = 1.0
        for rows, parents, factor in self._levels:
            result[rows] = result[parents] * factors[factor]
        return result
