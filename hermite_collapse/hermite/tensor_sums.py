"""Sums of the degree kernels over all pairs of samples that are tensors of torch, on the device where they are.

    (n+1) K_{n+1} = b (K_n + K_{n-2}) + (2 (n-1) + d - 2A) K_{n-1} - (n-3+d) K_{n-3},    K_0 = 1

in float64, in blocks of pairs, by the operators of the tensors alone: torch is not imported.  K_32 reaches 1e63 in 784
dimensions, beyond float32.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Protocol, Self

import numpy as np

from ..core import checks
from ..core.types import FloatArray
from .pair_sums import OneSampleSums, TwoSampleSums

# Points of one block: 8192 x 8192 pairs are 0.5 GB, and seven of them are held.
_BLOCK = 8192


class Tensor(Protocol):
    """What is asked of a tensor of torch."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def T(self) -> Self: ...
    def __getitem__(self, key: Any, /) -> Self: ...
    def __setitem__(self, key: Any, value: Self, /) -> None: ...
    def __add__(self, other: Self | float, /) -> Self: ...
    def __radd__(self, other: float, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __rsub__(self, other: float, /) -> Self: ...
    def __mul__(self, other: Self | float, /) -> Self: ...
    def __rmul__(self, other: float, /) -> Self: ...
    def __itruediv__(self, other: float, /) -> Self: ...
    def __matmul__(self, other: Self, /) -> Self: ...
    def __float__(self) -> float: ...
    def contiguous(self) -> Self: ...
    def cpu(self) -> Self: ...
    def detach(self) -> Self: ...
    def double(self) -> Self: ...
    def new_ones(self, shape: tuple[int, ...], /) -> Self: ...
    def new_tensor(self, values: FloatArray, /) -> Self: ...
    def new_zeros(self, shape: tuple[int, ...], /) -> Self: ...
    def numpy(self) -> FloatArray: ...
    def square(self) -> Self: ...
    def sum(self, dim: int | None = None, /) -> Self: ...
    def triu(self, diagonal: int, /) -> Self: ...


def is_elsewhere(value: object) -> bool:
    """Return whether a value is a tensor of torch on a device that is no CPU."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor) and value.device.type != "cpu"


def tensor_samples(value: Tensor, name: str, minimum: int) -> Tensor:
    """Return a sample as (n, d) in float64, refused as `checks.samples` does."""
    x = value.detach().double()
    x = x[:, None] if len(x.shape) == 1 else x
    plane = len(x.shape) == 2 and x.shape[0] >= minimum and x.shape[1] > 0
    if not (plane and float((x * 0.0).sum()) == 0.0):  # a NaN where an entry is not finite
        checks.samples(value, name, minimum)
    return x.contiguous()


def one_sample_sums(x: Tensor, degree: int) -> OneSampleSums:
    """Return the sums of K_0 .. K_degree over the pairs i != j, as the function of that name in `degree_sums`."""
    rows, squares = x.new_zeros((degree, x.shape[0])), x.new_zeros((degree,))
    for top in range(0, x.shape[0], _BLOCK):
        for left in range(top, x.shape[0], _BLOCK):
            upper, right = x[top : top + _BLOCK], x[left : left + _BLOCK]
            for n, values in enumerate(_kernels(upper, right, degree, top == left)):
                rows[n, top : top + _BLOCK] += values.sum(1)
                rows[n, left : left + _BLOCK] += values.sum(0)
                squares[n] += 2.0 * values.square().sum()
    count = float(x.shape[0])
    return OneSampleSums(_finish(rows, count - 1.0), _finish(squares, count * (count - 1.0)))


def two_sample_sums(x: Tensor, y: Tensor, degree: int) -> TwoSampleSums:
    """Return the sums of K_0 .. K_degree over all pairs of two samples."""
    rows, columns = x.new_zeros((degree, x.shape[0])), x.new_zeros((degree, y.shape[0]))
    squares = x.new_zeros((degree,))
    for top in range(0, x.shape[0], _BLOCK):
        for left in range(0, y.shape[0], _BLOCK):
            for n, values in enumerate(
                _kernels(x[top : top + _BLOCK], y[left : left + _BLOCK], degree, False)
            ):
                rows[n, top : top + _BLOCK] += values.sum(1)
                columns[n, left : left + _BLOCK] += values.sum(0)
                squares[n] += values.square().sum()
    counts = float(x.shape[0]), float(y.shape[0])
    return TwoSampleSums(
        _finish(rows, counts[1]), _finish(columns, counts[0]), _finish(squares, counts[0] * counts[1])
    )


def _kernels(x: Tensor, y: Tensor, degree: int, above: bool) -> Iterator[Tensor]:
    """Yield K_1, ..., K_degree of one block of pairs; above: zero but for the strict upper triangle."""
    dimension = x.shape[1]
    product = x @ y.T
    excess = dimension - x.square().sum(1)[:, None] - y.square().sum(1)
    one, zero = product.new_ones(product.shape), product.new_zeros(product.shape)
    # With the starting value 0, a masked pair is 0 in every degree.
    values = [one.triu(1) if above else one, zero, zero, zero]
    for n in range(degree):
        step = product * (values[0] + values[2])
        step += (excess + 2.0 * (n - 1)) * values[1]
        step -= (n - 3.0 + dimension) * values[3]
        step /= n + 1.0
        values = [step, *values[:3]]
        yield step


def _finish(sums: Tensor, constant: float) -> FloatArray:
    """Return sums with K_0 = 1 in front and the degrees last."""
    array = sums.cpu().numpy()
    return np.concatenate([np.full((1, *array.shape[1:]), constant), array]).T
