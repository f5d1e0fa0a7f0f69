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
those of a convolution network with fixed random weights (`image_features`, no download), or principal components.  It
is *not* the FID of the literature, which uses a trained Inception network, and its numbers compare with its own kind
only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core import checks
from ...core.errors import InputError
from ...core.estimates import Estimate, standard_error_of_mean
from ...core.types import FloatArray
from ...core.value import Value
from ...diagnosis.measuring.frequencies import frequency_bands, mode_powers, radial_frequency
from ...distances.closed_form import bures
from ...laws.empirical import EmpiricalLaw
from ...storage.images import Shape


@dataclass(frozen=True, eq=False)
class RadialPower(Value):
    """Power of images by radial frequency.

    Attributes
    ----------
    frequency : array, shape (bins,)
        In units of Nyquist's.
    power, standard_error : array, shape (bins,)
    """

    frequency: FloatArray
    power: FloatArray
    standard_error: FloatArray


def radial_power(samples: ArrayLike, shape: Shape, *, bins: int | None = None) -> RadialPower:
    """Return the mean power of images by radial frequency.

    Parameters
    ----------
    samples : array, shape (n, d)
        Flattened channel by channel.
    shape : tuple of int
        (channels, height, width).
    bins : int, optional
        Of equal width from 0 to Nyquist's frequency; half the smaller side unless given.  Corners of the square of
        frequencies, beyond 1, are left out.

    Returns
    -------
    RadialPower
    """
    power = _power(samples, shape)
    count = min(shape[1:]) // 2 if bins is None else checks.integer(bins, "bins", minimum=1)
    centres, modes = frequency_bands(shape[1], shape[2], count)
    each = np.stack([power[:, index].mean(axis=1) for index in modes], axis=1)
    return RadialPower(centres, each.mean(axis=0), standard_error_of_mean(each))


def high_frequency_power(samples: ArrayLike, shape: Shape, *, cutoff: float = 0.5) -> FloatArray:
    """Return the mean power above the cut-off of each image: a quadratic form of trace 1.

    Parameters
    ----------
    samples : array, shape (n, d)
        Flattened channel by channel.
    shape : tuple of int
        (channels, height, width).
    cutoff : float
        Lowest radial frequency that counts, in units of Nyquist's, in [0, sqrt(2)).

    Returns
    -------
    array, shape (n,)
    """
    radius = radial_frequency(shape[1], shape[2])
    selected = radius >= checks.nonnegative(cutoff, "cutoff")
    if not selected.any():
        raise InputError(f"cutoff must be below the highest frequency, {radius.max():.4g}, got {cutoff!r}.")
    return np.asarray(_power(samples, shape)[:, selected].mean(axis=1))


def high_frequency_loss(
    samples: ArrayLike, reference: ArrayLike, shape: Shape, *, cutoff: float = 0.5
) -> Estimate:
    """Return the share of high-frequency power that was lost, with its standard error.

        D_HF = 1 - HF(samples) / HF(reference)

    0: as much power above the cut-off as the reference; negative: more (noise); 1: none left.

    Parameters
    ----------
    samples, reference : array, shape (n, d)
        Flattened channel by channel.
    shape : tuple of int
        (channels, height, width).
    cutoff : float
        As for `high_frequency_power`.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        If the reference has no power above the cut-off.
    """
    model, data = (
        Estimate.of_mean(high_frequency_power(x, shape, cutoff=cutoff)) for x in (samples, reference)
    )
    if not data.value > 0.0:
        raise InputError(f"reference must have power above the cutoff, got {data.value!r}.")
    ratio = model.value / data.value
    errors = [mean.error / mean.value if mean.value > 0.0 else 0.0 for mean in (model, data)]
    return Estimate(1.0 - ratio, ratio * math.hypot(*errors), "standard_error", "samples")


def frechet_distance(features: ArrayLike, reference: ArrayLike) -> float:
    """Return the squared Wasserstein-2 distance of Gaussians with the moments of two sets of features.

        norm(m - m')^2 + tr(S + S' - 2 (S S')^{1/2})

    Parameters
    ----------
    features, reference : array, shape (n, width)

    Returns
    -------
    float

    Notes
    -----
    Biased upwards by finite samples, by about the same amount for sets of equal size: hold it against the distance of
    two sets of real images of these sizes.
    """
    x, y = checks.samples(features, "features", 2), checks.samples(reference, "reference", 2)
    return float(bures(EmpiricalLaw(x), EmpiricalLaw(y)).value) ** 2


def checked_images(samples: ArrayLike, shape: Shape) -> FloatArray:
    """Return images (n, channels, height, width) from samples (n, d), which must have that many entries."""
    x = checks.samples(samples)
    if x.shape[1] != math.prod(shape):
        raise InputError(
            f"samples must have {math.prod(shape)} columns for images {shape}, got {x.shape[1]}."
        )
    return x.reshape(-1, *shape)


def _power(samples: ArrayLike, shape: Shape) -> FloatArray:
    """abs(F x)^2 of each image, averaged over its channels, (n, height * width)."""
    return mode_powers(checked_images(samples, shape))
