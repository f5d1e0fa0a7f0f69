"""Features of images from a convolution network with fixed random weights, for `image_spectra.frechet_distance`."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...core import checks
from ...core.types import FloatArray
from ...storage.images import Shape
from .image_spectra import checked_images

# Images that pass through the layers together.
_ROWS = 1024


def random_convolution_features(
    samples: ArrayLike, shape: Shape, *, channels: int = 16, seed: int = 0
) -> FloatArray:
    """Return features of images from three convolution layers with fixed random weights.

    Parameters
    ----------
    samples : array, shape (n, d)
        Flattened channel by channel.
    shape : tuple of int
        (channels, height, width).
    channels : int
        Of each layer.
    seed : int
        Of the weights.  Distances compare only between features of equal seed, channels and shape.

    Returns
    -------
    array, shape (n, 5 * channels)

    Notes
    -----
    3 x 3 kernels of variance 2/fan-in, rectified, the second and third at half the resolution of the layer before; the
    last layer's means over the four quadrants and over the whole are the features.
    """
    x = checked_images(samples, shape)
    width = checks.integer(channels, "channels", minimum=1)
    rng = np.random.Generator(np.random.SFC64(checks.integer(seed, "seed")))
    kernels = [
        torch.from_numpy(rng.standard_normal((width, fan, 3, 3)) * math.sqrt(2.0 / (9 * fan)))
        for fan in (shape[0], width, width)
    ]
    parts = []
    with torch.no_grad():
        for start in range(0, len(x), _ROWS):
            h = torch.from_numpy(x[start : start + _ROWS])
            for kernel, stride in zip(kernels, (1, 2, 2), strict=True):
                h = torch.relu(torch.nn.functional.conv2d(h, kernel, stride=stride, padding=1))
            quadrants = torch.nn.functional.adaptive_avg_pool2d(h, 2).flatten(1)
            parts.append(torch.cat([quadrants, h.mean(dim=(2, 3))], dim=1))
    return np.asarray(torch.cat(parts).numpy())
