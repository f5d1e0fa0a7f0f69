"""Samples as images: which numbers of a sample are which pixel, and a sheet of examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.types import FloatArray, IntArray
from ...storage.images import to_pixels


class ImageAxes(NamedTuple):
    """How the numbers of one sample make up an image.

    Attributes
    ----------
    channels, height, width : int
    channels_last : bool
    measured : int array or None
        Positions of the numbers of a sample in the image, where it holds others that are not measured; None: all.
    """

    channels: int
    height: int
    width: int
    channels_last: bool
    measured: IntArray | None = None

    @property
    def size(self) -> int:
        """Number of values of an image."""
        return self.channels * self.height * self.width

    @property
    def share(self) -> float:
        """Share of the values of an image that are measured."""
        return 1.0 if self.measured is None else len(self.measured) / self.size

    def images(self, samples: FloatArray) -> FloatArray:
        """Return samples (n, d) as (n, channels, height, width), with 0 where nothing is measured."""
        if self.measured is not None:
            flat = np.zeros((len(samples), self.size))
            flat[:, self.measured] = samples
            samples = flat
        if self.channels_last:
            return np.moveaxis(samples.reshape(-1, self.height, self.width, self.channels), 3, 1)
        return samples.reshape(-1, self.channels, self.height, self.width)

    def positions(self) -> IntArray:
        """Return the position in a sample of each value of a whole image, (channels, height, width)."""
        order = np.arange(self.size)
        if self.channels_last:
            return np.moveaxis(order.reshape(self.height, self.width, self.channels), 2, 0)
        return order.reshape(self.channels, self.height, self.width)

    def part(self, selected: IntArray) -> ImageAxes:
        """Return the axes of the values at some increasing positions of an image that is measured whole."""
        if len(selected) == self.size:
            return self
        is_selected = np.isin(self.positions(), selected)
        channels, rows, columns = (np.flatnonzero(is_selected.any(axis=a)) for a in ((1, 2), (0, 2), (0, 1)))
        if len(selected) == len(channels) * len(rows) * len(columns):  # an image again
            return ImageAxes(len(channels), len(rows), len(columns), self.channels_last)
        return self._replace(measured=selected)


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
