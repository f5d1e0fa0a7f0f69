"""Samples as images: which numbers of a sample are which pixel, and a sheet of examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray
from ..storage.images import to_pixels


class ImageAxes(NamedTuple):
    """How the numbers of one sample make up an image."""

    channels: int
    height: int
    width: int
    channels_last: bool

    def images(self, samples: FloatArray) -> FloatArray:
        """Return samples (n, d) as (n, channels, height, width)."""
        if self.channels_last:
            return np.moveaxis(samples.reshape(-1, self.height, self.width, self.channels), 3, 1)
        return samples.reshape(-1, self.channels, self.height, self.width)


def image_axes(shape: Sequence[int]) -> ImageAxes | None:
    """Return the axes of samples of shape (n, ...); None where they are no images."""
    if len(shape) == 3:
        return ImageAxes(1, shape[1], shape[2], False)
    if len(shape) != 4:
        return None
    if shape[3] <= 4 < min(shape[1], shape[2]):
        return ImageAxes(shape[3], shape[1], shape[2], True)
    return ImageAxes(shape[1], shape[2], shape[3], False)


def sheet_of(sets: Sequence[FloatArray], axes: ImageAxes, count: int) -> NDArray[np.uint8] | None:
    """Return the first images of each set as bytes, (sets, count, height, width) or with 3 colours behind.

    None for latents: samples of one or three channels are images.
    """
    if axes.channels not in (1, 3):
        return None
    shape = (axes.channels, axes.height, axes.width)
    rows = [to_pixels(axes.images(samples[:count]), shape) for samples in sets]
    return np.asarray(np.rint(255.0 * np.stack(rows)), dtype=np.uint8)
