"""Streamed statistics of particles: Hermite coefficients, their second moments, mean and covariance.

A multi-index of d coordinates is a pair of multi-indices of the first and the second half of them, so

    sum_n h_k(x_n) = sum_n h_a(x_n^first) h_b(x_n^second) = (A B^T)_{ab},

one small matrix product for each degree of a, restricted to the degrees of b that keep the total within bounds.  The
sums of h_k^2 are the same product of squares.  No (particles x indices) array is ever made.

Sums are taken block by block (`noise.BLOCK` particles) and added in the order of the blocks: the bytes do not
depend on the chunk size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..hermite.indices import positions, total_degree_indices
from .noise import Chunk


@dataclass(frozen=True)
class RoundStatistics:
    """Averages over the particles of one round: arrays with the run in front, as in `SimulatedRecursion`."""

    coefficients: NDArray[np.float64]
    second_moments: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    products: NDArray[np.float64] | None

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The arrays by name, without what was not asked for."""
        return {name: value for name, value in vars(self).items() if value is not None}


class HermiteStatistics:
    """Accumulates the statistics of one round for several runs.

    Parameters
    ----------
    dimension, degree : of the multi-indices, all of total degree <= degree.
    runs, particles : what will be added.
    products : whether to average h_j h_k for all pairs as well, (m, m) numbers for each run.
    device : where the particles are.
    """

    def __init__(
        self, dimension: int, degree: int, *, runs: int, particles: int, products: bool, device: torch.device
    ) -> None:
        self.dimension, self.degree = dimension, degree
        self.runs, self.particles = runs, particles
        self._basis = _HalvedBasis(dimension, degree, device)
        zeros = {"dtype": torch.float64, "device": device}
        count = self._basis.count
        self._sums = torch.zeros((runs, count), **zeros)
        self._squares = torch.zeros((runs, count), **zeros)
        self._products = torch.zeros((runs, count, count), **zeros) if products else None
        self._first = torch.zeros((runs, dimension), **zeros)
        self._second = torch.zeros((runs, dimension, dimension), **zeros)
        self._centre: torch.Tensor | None = None

    def reset(self) -> None:
        """Forget everything added."""
        for tensor in (self._sums, self._squares, self._products, self._first, self._second):
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
            first, second = self._basis.values(block)
            self._sums[piece.run] += self._basis.contract(first, second)
            if self._products is not None:
                full = self._basis.expand(first, second)
                self._products[piece.run] += full @ full.T
            self._squares[piece.run] += self._basis.contract(first.square_(), second.square_())
            shifted = block - self._centre
            self._first[piece.run] += shifted.sum(0)
            self._second[piece.run] += shifted.T @ shifted

    def result(self) -> RoundStatistics:
        """Averages of everything added."""
        assert self._centre is not None
        n = self.particles
        shift = self._first / n
        covariances = self._second / n - shift[:, :, None] * shift[:, None, :]
        return RoundStatistics(
            coefficients=(self._sums / n).cpu().numpy(),
            second_moments=(self._squares / n).cpu().numpy(),
            means=(self._centre + shift).cpu().numpy(),
            covariances=(0.5 * (covariances + covariances.transpose(1, 2))).cpu().numpy(),
            products=None if self._products is None else (self._products / n).cpu().numpy(),
        )


class _HalvedBasis:
    """The multi-indices of total degree <= n as pairs of those of the first and the last coordinates."""

    def __init__(self, dimension: int, degree: int, device: torch.device) -> None:
        self.degree = degree
        self._cut = (dimension + 1) // 2
        indices = total_degree_indices(dimension, degree)
        self.count = len(indices)
        self._first = _ProductBasis(self._cut, degree, device)
        self._second = _ProductBasis(dimension - self._cut, degree, device) if dimension > 1 else None
        row = positions(indices[:, : self._cut])
        column = positions(indices[:, self._cut :]) if dimension > 1 else np.zeros(self.count, dtype=np.int64)
        # Where each pair lies in the products by degree of the first half, laid end to end.
        starts = self._first.starts
        width = [self._columns(degree - n) for n in range(degree + 1)]
        offsets = np.concatenate(
            [[0], np.cumsum([(starts[n + 1] - starts[n]) * width[n] for n in range(degree + 1)])]
        )
        low = indices[:, : self._cut].sum(axis=1)
        place = offsets[low] + (row - np.array(starts)[low]) * np.array(width)[low] + column
        self._place = torch.as_tensor(place, device=device)
        self._row = torch.as_tensor(row, device=device)
        self._column = torch.as_tensor(column, device=device)
        self._width = width

    def _columns(self, degree: int) -> int:
        return 1 if self._second is None else self._second.starts[degree + 1]

    def values(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values of the products of both halves, (first count, n) and (second count, n)."""
        first = self._first.values(x[:, : self._cut])
        if self._second is None:
            return first, first.new_ones((1, x.shape[0]))
        return first, self._second.values(x[:, self._cut :])

    def contract(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Sums over the particles of first_a second_b for every multi-index (a, b), shape (count,)."""
        starts = self._first.starts
        parts = [
            (first[starts[n] : starts[n + 1]] @ second[: self._width[n]].T).reshape(-1)
            for n in range(self.degree + 1)
        ]
        return torch.cat(parts)[self._place]

    def expand(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Values of every multi-index, shape (count, n)."""
        return first[self._row] * second[self._column]


class _ProductBasis:
    """Values of all h_k(x), abs(k) <= degree, each from the index with its last coordinate put to zero."""

    def __init__(self, dimension: int, degree: int, device: torch.device) -> None:
        self.dimension, self.degree = dimension, degree
        indices = total_degree_indices(dimension, degree)
        self.count = len(indices)
        self.starts = [0, *np.cumsum(np.bincount(indices.sum(axis=1), minlength=degree + 1)).tolist()]
        used = (indices > 0).sum(axis=1)
        last = dimension - 1 - np.argmax(indices[:, ::-1] > 0, axis=1)
        parents = indices.copy()
        parents[np.arange(self.count), last] = 0
        parent = positions(parents)
        factor = last * (degree + 1) + indices[np.arange(self.count), last]
        self._levels = [
            tuple(
                torch.as_tensor(a[used == level], device=device)
                for a in (np.arange(self.count), parent, factor)
            )
            for level in range(1, min(dimension, degree) + 1)
        ]

    def values(self, x: torch.Tensor) -> torch.Tensor:
        """Shape (count, n), from x of shape (n, dimension)."""
        table = x.new_empty((self.dimension, self.degree + 1, x.shape[0]))
        table[:, 0] = 1.0
        if self.degree >= 1:
            table[:, 1] = x.T
        for k in range(1, self.degree):
            table[:, k + 1] = (table[:, 1] * table[:, k] - k**0.5 * table[:, k - 1]) / (k + 1) ** 0.5
        factors = table.reshape(-1, x.shape[0])
        result = x.new_empty((self.count, x.shape[0]))
        result[0] = 1.0
        for rows, parents, factor in self._levels:
            result[rows] = result[parents] * factors[factor]
        return result
