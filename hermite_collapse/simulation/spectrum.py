r"""The degree spectrum on a torch device: the sums of hermite_collapse.hermite.degree, on a GPU or a CPU.

    (n+1) K_{n+1} = b (K_n + K_{n-2}) + (2 (n-1) + d - 2A) K_{n-1} - (n-3+d) K_{n-3},    K_0 = 1

in float64, in blocks of pairs; K_32 reaches 1e63 in 784 dimensions, beyond float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..hermite.degree import DegreeSpectrum, one_sample_spectrum, two_sample_spectrum
from ..hermite.degree_sums import two_sample_sums, usable
from ..hermite.pair_sums import OneSampleSums, TwoSampleSums

Samples: TypeAlias = ArrayLike | torch.Tensor

_BLOCK = {
    "cpu": 1024,
    "cuda": 8192,
}  # points: on a GPU a block of 8192 x 8192 pairs is 0.5 GB, and seven are held


def degree_spectrum(
    x: Samples, y: Samples | None = None, *, degree: int, device: str | torch.device | None = None
) -> DegreeSpectrum:
    """Return Hermite energies by degree from samples, computed with torch.

    Parameters
    ----------
    x, y : tensor or array, shape (n, d) or (n,)
        Samples, as for `hermite_collapse.degree_spectrum`.
    degree : int
        Highest degree.
    device : str or torch.device, optional
        Where to compute; where x is, if it is a tensor, else the CPU, if None.

    Returns
    -------
    DegreeSpectrum

    Raises
    ------
    InputError
        For too few samples, or where a value exceeds the largest double.

    Accuracy
    --------
    Equal to the NumPy result up to rounding.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> degree_spectrum(x, degree=2).energy.shape
    (3,)
    """
    degree = checks.integer(degree, "degree")
    if device is None:
        device = x.device if isinstance(x, torch.Tensor) else "cpu"
    target = torch.device(device)
    if y is None:
        first = _tensor(x, "x", 4, target)
        return one_sample_spectrum(_one_sample(first, degree), first.shape[1])
    first, second = _tensor(x, "x", 2, target), _tensor(y, "y", 2, target)
    if first.shape[1] != second.shape[1]:
        raise InputError(f"x and y must have the same dimension, got {first.shape[1]} and {second.shape[1]}.")
    return two_sample_spectrum(_two_samples(first, second, degree), first.shape[1])


def two_sample_sums_on(
    device: str | torch.device,
) -> Callable[[np.ndarray, np.ndarray, int], TwoSampleSums]:
    """Return the sums over pairs of two arrays, for `image_statistics.degree_factors`, computed on a device."""
    if torch.device(device).type == "cpu":
        return two_sample_sums

    def sums(x: np.ndarray, y: np.ndarray, degree: int) -> TwoSampleSums:
        return _two_samples(torch.as_tensor(x, device=device), torch.as_tensor(y, device=device), degree)

    return sums


def _tensor(value: Samples, name: str, minimum: int, device: torch.device) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        return torch.from_numpy(checks.samples(value, name, minimum)).to(device)
    tensor = value.detach().to(device=device, dtype=torch.float64)
    tensor = tensor[:, None] if tensor.ndim == 1 else tensor
    if (
        tensor.ndim != 2
        or tensor.shape[0] < minimum
        or tensor.shape[1] == 0
        or not bool(torch.isfinite(tensor).all())
    ):
        checks.samples(value, name, minimum)
    return tensor.contiguous()


def _kernels(x: torch.Tensor, y: torch.Tensor, degree: int, above: bool) -> Iterator[torch.Tensor]:
    """Yield K_1, ..., K_degree of one block of pairs; above: zero but for the strict upper triangle."""
    product = x @ y.T
    excess = x.shape[1] - x.square().sum(dim=1)[:, None] - y.square().sum(dim=1)
    zero = torch.zeros_like(product)
    # With the starting value 0, a masked pair is 0 in every degree.
    values = [torch.ones_like(product).triu(1) if above else torch.ones_like(product), zero, zero, zero]
    for n in range(degree):
        step = product * (values[0] + values[2])
        step += (excess + 2.0 * (n - 1)) * values[1]
        step -= (n - 3.0 + x.shape[1]) * values[3]
        step /= n + 1.0
        values = [step, *values[:3]]
        yield step


def _one_sample(x: torch.Tensor, degree: int) -> OneSampleSums:
    rows = torch.zeros((degree, len(x)), dtype=torch.float64, device=x.device)
    squares = torch.zeros(degree, dtype=torch.float64, device=x.device)
    block = _BLOCK.get(x.device.type, 1024)
    for top in range(0, len(x), block):
        for left in range(top, len(x), block):
            upper, right = x[top : top + block], x[left : left + block]
            for n, values in enumerate(_kernels(upper, right, degree, top == left)):
                rows[n, top : top + block] += values.sum(dim=1)
                rows[n, left : left + block] += values.sum(dim=0)
                squares[n] += 2.0 * values.square().sum()
    count = float(len(x))
    return usable(OneSampleSums(_finish(rows, count - 1.0), _finish(squares, count * (count - 1.0))))


def _two_samples(x: torch.Tensor, y: torch.Tensor, degree: int) -> TwoSampleSums:
    rows = torch.zeros((degree, len(x)), dtype=torch.float64, device=x.device)
    columns = torch.zeros((degree, len(y)), dtype=torch.float64, device=x.device)
    squares = torch.zeros(degree, dtype=torch.float64, device=x.device)
    block = _BLOCK.get(x.device.type, 1024)
    for top in range(0, len(x), block):
        for left in range(0, len(y), block):
            for n, values in enumerate(_kernels(x[top : top + block], y[left : left + block], degree, False)):
                rows[n, top : top + block] += values.sum(dim=1)
                columns[n, left : left + block] += values.sum(dim=0)
                squares[n] += values.square().sum()
    pairs = float(len(x)) * len(y)
    return TwoSampleSums(
        _finish(rows, float(len(y))), _finish(columns, float(len(x))), _finish(squares, pairs)
    )


def _finish(sums: torch.Tensor, constant: float) -> np.ndarray:
    """Return sums with K_0 = 1 in front and the degrees last."""
    array = sums.cpu().numpy()
    return np.concatenate([np.full((1, *array.shape[1:]), constant), array]).T
