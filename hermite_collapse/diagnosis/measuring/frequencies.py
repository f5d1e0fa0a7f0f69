r"""Power of images by spatial frequency: abs(F x)^2 with the orthonormal discrete Fourier transform F of each channel.

White noise of variance 1 has power 1 at every frequency.  Frequencies are radial, in units of Nyquist's.
"""

from __future__ import annotations

import numpy as np

from ...core.types import FloatArray, IntArray


def mode_powers(images: FloatArray) -> FloatArray:
    """Return abs(F x)^2 of images (n, channels, height, width), averaged over channels, (n, height * width)."""
    waves = np.fft.fft2(images, norm="ortho")
    return np.asarray((waves.real**2 + waves.imag**2).mean(axis=1).reshape(len(images), -1))


def radial_frequency(height: int, width: int) -> FloatArray:
    """Return the radial frequency of each mode, shape (height * width,)."""
    rows, columns = (2.0 * np.fft.fftfreq(size) for size in (height, width))
    return np.asarray(np.hypot(rows[:, None], columns[None, :]).ravel())


def frequency_bands(height: int, width: int, count: int) -> tuple[FloatArray, list[IntArray]]:
    """Return the centres of bands of equal width from 0 to Nyquist's frequency, and the modes in each.

    Bands without modes are left out, and so are the corners of the square of frequencies, beyond 1.
    """
    radius = radial_frequency(height, width)
    band = np.minimum((radius * count).astype(int), count)
    band[(radius >= 1.0) & (radius < 1.0 + 1e-12)] = count - 1
    used = [b for b in range(count) if np.any(band == b)]
    return (np.array(used) + 0.5) / count, [np.flatnonzero(band == b) for b in used]
