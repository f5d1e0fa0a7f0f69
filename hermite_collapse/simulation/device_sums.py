"""Sums over many blocks of particles at once, as batched tensor operations that run on any device.

A multi-index is a pair of multi-indices of the first and of the last coordinates, so that

    sum_n h_k(x_n) = sum_n h_a(x_n^first) h_b(x_n^last) = (A B^T)_{ab},

one small matrix product by block for each degree of a, restricted to the degrees of b that keep the total within
bounds.  The sums of h_k^2 are the same product of squares.

Values lie with the particles last, shape (count, blocks, particles), and each block takes whole 64-byte lines: then the
same block gives the same bits at any place of a batch.
"""

from __future__ import annotations

import numpy as np
import torch

from ..hermite.halves import Growth, halves

_LINE = 8  # float64 numbers of 64 bytes


def padded(blocks: torch.Tensor, count: int) -> torch.Tensor:
    """Return blocks (b, rows, d) as (d, count, whole lines of rows), zero beyond what is there."""
    b, rows, d = blocks.shape
    result = blocks.new_zeros((d, count, -(-rows // _LINE) * _LINE))
    result[:, :b, :rows] = blocks.permute(2, 0, 1)
    return result


def centred_sums(blocks: torch.Tensor, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the sums of y = x - x_first, (count, d), and of y y^T, (count, d, d), over the rows of padded blocks."""
    centred = blocks - blocks[:, :, :1]
    centred[:, :, rows:] = 0.0
    return centred.sum(2).T, torch.bmm(centred.transpose(0, 1), centred.permute(1, 2, 0))


class HalvedBasis:
    """The products of both halves of the coordinates, and how they make those of all.

    Parameters
    ----------
    dimension, degree : int
        Of the multi-indices.
    device : torch.device
        Where the particles are.
    """

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

    @property
    def rows(self) -> int:
        """Numbers that one particle takes: the tables of both halves and their products."""
        return self._left.rows + self._right.rows

    def values(self, blocks: torch.Tensor, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the products of both halves, (left count, b, n) and (right count, b, n), zero beyond the rows."""
        split = self._halves.split
        return self._left.values(blocks[:split], rows), self._right.values(blocks[split:], rows)

    def sums(self, left: torch.Tensor, right: torch.Tensor) -> list[torch.Tensor]:
        """Return the sums of h_k and of h_k^2 over each block, (b, m) each; the values are overwritten."""
        return [self._contract(left, right), self._contract(left.square_(), right.square_())]

    def products(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return the sums of h_j h_k over each block, (b, m, m)."""
        full = (left[self._row] * right[self._column]).transpose(0, 1)
        return torch.bmm(full, full.transpose(1, 2))

    def _contract(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        starts, widths = self._halves.starts.tolist(), self._halves.widths.tolist()
        parts = [
            torch.bmm(
                left[starts[n] : starts[n + 1]].transpose(0, 1), right[: widths[n]].permute(1, 2, 0)
            ).flatten(1)
            for n in range(self._degree + 1)
        ]
        return torch.cat(parts, dim=1)[:, self._position]


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

    @property
    def rows(self) -> int:
        """Numbers that one particle takes."""
        return self._dimension * (self._degree + 1) + self._count

    def values(self, blocks: torch.Tensor, rows: int) -> torch.Tensor:
        """Return the values, shape (count, b, n), from padded blocks (dimension, b, n); zero beyond the rows."""
        shape = blocks.shape[1:]
        table = blocks.new_empty((self._dimension, self._degree + 1, *shape))
        table[:, 0] = 1.0
        if self._degree >= 1:
            table[:, 1] = blocks
        for k in range(1, self._degree):
            table[:, k + 1] = (table[:, 1] * table[:, k] - k**0.5 * table[:, k - 1]) / (k + 1) ** 0.5
        factors = table.reshape(-1, *shape)
        result = blocks.new_zeros((self._count, *shape))
        # Every other product grows from the first, so what is zero there stays zero.
        result[0, :, :rows] = 1.0
        for target, parents, factor in self._levels:
            result[target] = result[parents] * factors[factor]
        return result
