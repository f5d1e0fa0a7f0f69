"""Samples from users' files: one function, one array out, one sentence when the file is no good.

The formats are those of `formats`, the units those of `units`.  Whatever a file holds beyond two axes is flattened:
60 000 images of 28 x 28 are (60 000, 784).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.types import FloatArray
from .formats import is_known, read_array, readable
from .pictures import Pictures, read_pictures
from .regular import require_existing
from .units import bits_of, units_of


def read_samples(
    path: str | os.PathLike[str],
    *,
    scale: float | None = None,
    shift: float | None = None,
    value_range: Sequence[float] | None = None,
) -> FloatArray:
    """Return the samples in a file or a folder of images, in the units of the diffusion.

    Parameters
    ----------
    path : str or path
        A .npy, .npz, .csv, .txt or IDX file (the last also gzipped), or a folder of images or of folders of images.
        One array of a .npz file is chosen with a colon: "data.npz:train".
    scale, shift : float, optional
        x = (p - shift) / scale of the numbers p in the file, scale > 0.  Shift is 0 unless given, but whole numbers,
        such as pixels, must have it beside a scale other than 1.
    value_range : pair of float, optional
        The numbers that become -1 and 1, instead of scale and shift.

    Returns
    -------
    array, shape (n, d)
        Finite.  A .npy file of float64 in C order that needs no scale is memory-mapped; any other is read whole.

    Raises
    ------
    InputError
        If the file is missing, unreadable, truncated, empty, of an unknown kind, holds something that is not a
        finite real number, or is in other units, or in whole numbers with a scale alone; the sentence names the file.

    Notes
    -----
    Without scale, shift and value_range, images of 8 and 16 bits become [-1, 1], and other numbers must look like a
    diffusion's own coordinates: no second moment E x_j^2 above 25, their average not below 0.01.
    """
    array = read_stored(path)
    if array.dtype.kind in "iu" and scale not in (None, 1.0) and shift is None and value_range is None:
        raise InputError(_scale_alone(sample_name(path), array, scale))
    images = Path(path).is_dir()
    units = units_of(array, scale=scale, shift=shift, value_range=value_range, images=images)
    return units.applied(array, sample_name(path))


def read_stored(path: str | os.PathLike[str]) -> NDArray[np.generic]:
    """Return the numbers of a file or a folder of images as they are stored, shape (n, ...)."""
    require_source(path, sample_name(path))
    file, member = _split(Path(path))
    if not is_known(file):
        suffix = file.suffix.lower()
        raise InputError(
            f"samples ({file}) must be .npy, .npz, .csv, .txt, .dat, .tsv, an IDX file or a folder of images, "
            f"got {'a file without a suffix' if not suffix else 'a ' + suffix + ' file'}."
        )
    with readable(file, sample_name(path)):
        return np.asanyarray(read_array(file, member))


def read_stored_pictures(path: str | os.PathLike[str]) -> Pictures:
    """Return the images of a folder as they are stored, and how they are."""
    folder, name = Path(path), sample_name(path)
    with readable(folder, name):
        return read_pictures(folder)


def require_source(path: str | os.PathLike[str], name: str) -> None:
    """Refuse samples whose file or folder is not there; one array of an archive counts by its file."""
    require_existing(_split(Path(path))[0], name)


def sample_name(path: str | os.PathLike[str]) -> str:
    """Return what messages call the samples of a file."""
    return f"samples ({os.fspath(path)})"


def _scale_alone(name: str, array: NDArray[np.generic], scale: float) -> str:
    """Return the sentence on whole numbers that would be divided without being centred."""
    bits = bits_of(array)
    centred = "" if bits is None else f", and {bits} bits become [-1, 1] where both are left out"
    return (
        f"{name} of whole numbers must have shift beside scale, x = (p - shift) / scale, got scale = {scale!r} alone: "
        f"shift = 0 divides them only, shift = scale makes [0, 2 scale] to [-1, 1]{centred}."
    )


def _split(path: Path) -> tuple[Path, str | None]:
    """Return "data.npz:train" as file and member; a path that exists as it stands has no member."""
    text = str(path)
    if ".npz:" in text and not path.exists():
        head, _, member = text.rpartition(".npz:")
        return Path(head + ".npz"), member
    return path, None
