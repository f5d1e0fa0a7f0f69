"""How many samples a file or folder holds and how long they are, without reading them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from .image_folders import image_folder


class Extent(NamedTuple):
    """Size of a set of samples.

    Attributes
    ----------
    samples, numbers : int
        Number of samples, and of numbers in each.
    files : int
        Images that have to be decoded; 0 for one file.
    """

    samples: int
    numbers: int
    files: int = 0


def extent_of(path: Path) -> Extent | None:
    """Return the size of a folder of images or a .npy file; None for others, and for what cannot be read."""
    try:
        if path.is_dir():
            return _of_images(image_folder(path).files)
        if path.suffix.lower() != ".npy":
            return None
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError, ImportError):
        return None  # whoever reads it says what is wrong
    if not shape:
        return None
    return Extent(shape[0], int(np.prod(shape[1:], dtype=np.float64)))


def _of_images(files: tuple[Path, ...]) -> Extent | None:
    from PIL import Image

    if not files or not files[0].is_file():
        return None
    with Image.open(files[0]) as image:
        width, height = image.size
        return Extent(len(files), width * height * (3 if len(image.getbands()) > 2 else 1), len(files))
