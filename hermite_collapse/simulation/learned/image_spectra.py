r"""Spectra of images: power by spatial frequency, what collapse does to its upper end, and a Frechet distance.

With the orthonormal discrete Fourier transform F of each channel and f the radial frequency in units of Nyquist's,

    power(f)  =  mean over samples, channels and modes near f of abs(F x)^2
    HF(p)     =  mean over modes with f >= cutoff of E abs(F X)^2
    D_HF      =  1 - HF(p_N) / HF(p*)

White noise of variance 1 has power 1 at every f.  HF is a quadratic form of trace 1, so that ideal rounds give

    HF(p_i) = 1 + f_2(i) (HF(p*) - 1)

exactly: natural images have HF(p*) < 1, and a noisy last step raises HF (D_HF < 0), while full denoising lowers it
(D_HF > 0).  The means of the pixels are not taken away.

The Frechet distance is the Wasserstein-2 distance, squared, of Gaussians with the means and covariances of features:
those of a convolution network with fixed random weights (no download), or principal components.  It is *not* the FID of
the literature, which uses a trained Inception network, and its numbers compare with its own kind only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ...core import checks
from ...core.errors import InputError
from ...core.estimates import Estimate
from ...distances.closed_form import bures
from ...laws.empirical import EmpiricalLaw
from ...storage.images import Shape

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class RadialPower:
    """Power by radial frequency: frequency (b,) in units of Nyquist's, power and standard_error (b,)."""

    frequency: FloatArray
    power: FloatArray
    standard_error: FloatArray


def radial_power(samples: ArrayLike, shape: Shape, *, bins: int | None = None) -> RadialPower:
    """Mean power of images by radial frequency.

    Parameters
    ----------
    samples : (n, d), flattened channel by channel.
    shape : (channels, height, width).
    bins : of equal width from 0 to Nyquist's frequency; half the smaller side unless given.  Corners of the square of
        frequencies, beyond 1, are left out.
    """
    power = _power(samples, shape)
    count = min(shape[1:]) // 2 if bins is None else checks.integer(bins, "bins", minimum=1)
    place = np.minimum((_radius(shape) * count).astype(int), count)
    place[(_radius(shape) >= 1.0) & (_radius(shape) < 1.0 + 1e-12)] = count - 1
    used = [b for b in range(count) if np.any(place == b)]
    each = np.stack([power[:, place == b].mean(axis=1) for b in used], axis=1)
    return RadialPower(
        (np.array(used) + 0.5) / count, each.mean(axis=0), each.std(axis=0, ddof=1) / math.sqrt(len(each))
    )


def high_frequency_power(samples: ArrayLike, shape: Shape, *, cutoff: float = 0.5) -> FloatArray:
    """Mean power above the cut-off of each image, (n,): a quadratic form of trace 1.

    cutoff : lowest radial frequency that counts, in units of Nyquist's, in [0, sqrt(2)).
    """
    chosen = _radius(shape) >= checks.nonnegative(cutoff, "cutoff")
    if not chosen.any():
        raise InputError(
            f"cutoff must be below the highest frequency, {_radius(shape).max():.4g}, got {cutoff!r}."
        )
    return _power(samples, shape)[:, chosen].mean(axis=1)


def high_frequency_loss(
    samples: ArrayLike, reference: ArrayLike, shape: Shape, *, cutoff: float = 0.5
) -> Estimate:
    """D_HF = 1 - HF(samples) / HF(reference), with the standard error of the ratio of both means.

    0: as much power above the cut-off as the reference; negative: more (noise); 1: none left.
    """
    model = high_frequency_power(samples, shape, cutoff=cutoff)
    data = high_frequency_power(reference, shape, cutoff=cutoff)
    if not data.mean() > 0.0:
        raise InputError(f"reference must have power above the cutoff, got {float(data.mean())!r}.")
    ratio = model.mean() / data.mean()
    errors = [v.std(ddof=1) / math.sqrt(len(v)) / v.mean() if v.mean() > 0.0 else 0.0 for v in (model, data)]
    return Estimate(float(1.0 - ratio), float(ratio * math.hypot(*errors)), "standard_error", "samples")


def _power(samples: ArrayLike, shape: Shape) -> FloatArray:
    """abs(F x)^2 of each image, averaged over its channels, (n, height * width)."""
    x = checks.samples(samples)
    if x.shape[1] != math.prod(shape):
        raise InputError(
            f"samples must have {math.prod(shape)} columns for images {shape}, got {x.shape[1]}."
        )
    waves = np.fft.fft2(x.reshape(-1, *shape), norm="ortho")
    return (waves.real**2 + waves.imag**2).mean(axis=1).reshape(len(x), -1)


def _radius(shape: Shape) -> FloatArray:
    """Radial frequency of each mode in units of Nyquist's, (height * width,)."""
    rows, columns = (2.0 * np.fft.fftfreq(size) for size in shape[1:])
    return np.hypot(rows[:, None], columns[None, :]).ravel()


def random_convolution_features(
    samples: ArrayLike, shape: Shape, *, channels: int = 16, seed: int = 0
) -> FloatArray:
    """Features of images from three convolution layers with fixed random weights, (n, 5 * channels).

    3 x 3 kernels of variance 2/fan-in, rectified, the second and third at half the resolution of the layer before; the
    last layer's means over the four quadrants and over the whole are the features.

    Parameters
    ----------
    seed : of the weights.  Distances compare only between features of equal seed, channels and shape.
    """
    x = checks.samples(samples)
    if x.shape[1] != math.prod(shape):
        raise InputError(
            f"samples must have {math.prod(shape)} columns for images {shape}, got {x.shape[1]}."
        )
    width = checks.integer(channels, "channels", minimum=1)
    rng = np.random.Generator(np.random.SFC64(checks.integer(seed, "seed")))
    kernels = [
        torch.from_numpy(rng.standard_normal((width, fan, 3, 3)) * math.sqrt(2.0 / (9 * fan)))
        for fan in (shape[0], width, width)
    ]
    parts = []
    with torch.no_grad():
        for start in range(0, len(x), 1024):
            h = torch.from_numpy(x[start : start + 1024]).view(-1, *shape)
            for kernel, stride in zip(kernels, (1, 2, 2), strict=True):
                h = torch.relu(torch.nn.functional.conv2d(h, kernel, stride=stride, padding=1))
            quadrants = torch.nn.functional.adaptive_avg_pool2d(h, 2).flatten(1)
            parts.append(torch.cat([quadrants, h.mean(dim=(2, 3))], dim=1))
    return torch.cat(parts).numpy()


def frechet_distance(features: ArrayLike, reference: ArrayLike) -> float:
    """norm(m - m')^2 + tr(S + S' - 2 (S S')^{1/2}) of the means and covariances of two sets of features.

    Biased upwards by finite samples, by about the same amount for sets of equal size: hold it against the distance of
    two sets of real images of these sizes.
    """
    x, y = checks.samples(features, "features", 2), checks.samples(reference, "reference", 2)
    return float(bures(EmpiricalLaw(x), EmpiricalLaw(y)).value) ** 2
