"""Sums of the degree kernels over pairs on a device, for arrays; `hermite.degree.degree_spectrum` takes tensors."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..core.types import FloatArray
from ..hermite import degree_sums, tensor_sums
from ..hermite.pair_sums import TwoSampleSums


def two_sample_sums_on(
    device: str | torch.device,
) -> Callable[[FloatArray, FloatArray, int], TwoSampleSums]:
    """Return the sums over pairs of two arrays, for `image_statistics.degree_factors`, computed on a device."""
    if torch.device(device).type == "cpu":
        return degree_sums.two_sample_sums

    def sums(x: FloatArray, y: FloatArray, degree: int) -> TwoSampleSums:
        first, second = (torch.as_tensor(array, device=device) for array in (x, y))
        return degree_sums.usable(tensor_sums.two_sample_sums(first, second, degree))

    return sums
