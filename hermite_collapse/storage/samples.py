"""Samples from users' files: one function, one array out, one sentence when the file is no good.

The formats are those of `formats`.  Whatever a file holds beyond two axes is flattened: 60 000 images of 28 x 28 are
(60 000, 784).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray
from .formats import is_known, read_array, readable


def read_samples(path: str | os.PathLike[str], *, scale: float | None = None) -> FloatArray:
    """Return the samples in a file or a folder of images, in the units of the diffusion.

    Parameters
    ----------
    path : str or path
        A .npy, .npz, .csv, .txt or IDX file (the last also gzipped), or a folder of images.  One array of a
        .npz file is chosen with a colon: "data.npz:train".
    scale : float, optional
        The samples are divided by it, > 0, in the units of the file.  Without it they must look like a
        diffusion's own coordinates: no second moment E x_j^2 above 25, their average not below 0.01.

    Returns
    -------
    array, shape (n, d)
        Finite.  A .npy file of float64 in C order that needs no scale is memory-mapped; any other is read whole.

    Raises
    ------
    InputError
        If the file is missing, unreadable, truncated, empty, of an unknown kind, holds something that is not a
        finite real number, or is in other units; the sentence names the file.
    """
    divisor = None if scale is None else checks.positive(scale, "scale")
    file, member = _split(Path(path))
    name = f"samples ({path})"
    if not is_known(file):
        suffix = file.suffix.lower()
        raise InputError(
            f"samples ({file}) must be .npy, .npz, .csv, .txt, .dat, .tsv, an IDX file or a folder of images, "
            f"got {'a file without a suffix' if not suffix else 'a ' + suffix + ' file'}."
        )
    with readable(file, name):
        array = np.asanyarray(read_array(file, member))
    if array.ndim > 2 and array.size:
        array = array.reshape(len(array), -1)
    samples = checks.samples(array, name)
    if divisor is not None:
        return samples / divisor
    checks.diffusion_units(checks.second_moments(samples), name)
    return samples


def _split(path: Path) -> tuple[Path, str | None]:
    """Return "data.npz:train" as file and member; a path that exists as it stands has no member."""
    text = str(path)
    if ".npz:" in text and not path.exists():
        head, _, member = text.rpartition(".npz:")
        return Path(head + ".npz"), member
    return path, None
