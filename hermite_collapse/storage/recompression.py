"""Pictures as a lossy file gives them back: stored once more in memory, with the tables or the quality of a file.

A JPEG holds its tables and how colours were averaged.  A lossy WebP holds neither: its quality is the one at which
pictures that it gave back need as many bytes again.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .image_forms import BLOCKS, LOSSY_WEBP, Form, lossy_webp_size

SMALLER = 0.95
"""Bytes of a picture that is stored as WebP once more, of those of the first time: fewer, as details are gone."""
_FILES = 12
"""Of a folder, from which the quality of its WebP is told."""


def is_repeatable(form: Form) -> bool:
    """Return whether pictures can be stored in this form as its files were."""
    return form.loss == BLOCKS or form.name == LOSSY_WEBP


def stored_again(images: NDArray[np.uint8], forms: Sequence[Form], quality: int) -> NDArray[np.uint8]:
    """Return images (n, height, width) or (n, height, width, 3) as files of these forms give them back.

    Parameters
    ----------
    images : array of bytes
    forms : sequence of Form, length n
        Those that cannot be repeated, lossless ones among them, change nothing.
    quality : int
        Of a lossy WebP.
    """
    decoded = images.copy()
    for i, (image, form) in enumerate(zip(images, forms, strict=True)):
        if is_repeatable(form):
            decoded[i] = _again(image, form, quality)
    return decoded


def webp_quality(files: Sequence[Path]) -> int:
    """Return the quality, 0 to 100, of lossy WebP files: that at which they need as many bytes again.

    Accuracy
    --------
    Of files by Pillow 2 too low from 80 on, up to 11 too low or 5 too high below; more than 20 too high of flat images
    that an encoder in haste made too large.
    """
    from PIL import Image

    pictures, total = [], 0.0
    for file in [file for file in files if lossy_webp_size(file)][:: max(1, len(files) // _FILES)]:
        with Image.open(file) as image:
            pictures.append(np.asarray(image.convert("RGB")))
        total += float(lossy_webp_size(file) or 0)
    low, high = 0, 100
    while low < high:
        middle = (low + high + 1) // 2
        size = sum(len(_webp(picture, middle).getvalue()) - _HEAD for picture in pictures)
        low, high = (middle, high) if size <= SMALLER * total else (low, middle - 1)
    return low


_HEAD = 20
"""Bytes before the pixels of a WebP without anything else."""


def _again(image: NDArray[np.uint8], form: Form, quality: int) -> NDArray[np.uint8]:
    from PIL import Image

    is_grey = image.ndim == 2
    if form.name == LOSSY_WEBP:
        stored = _webp(image, quality)
    else:
        mode, sampling = ("RGB", form.sampling) if len(form.tables) > 1 else ("L", -1)
        stored, tables = io.BytesIO(), [list(table) for table in form.tables]
        Image.fromarray(image).convert(mode).save(stored, "JPEG", qtables=tables, subsampling=sampling)
    with Image.open(stored) as decoded:
        return np.asarray(decoded.convert("L" if is_grey else "RGB"))


def _webp(image: NDArray[np.uint8], quality: int) -> io.BytesIO:
    from PIL import Image

    stored = io.BytesIO()
    Image.fromarray(image).save(stored, "WEBP", quality=quality)
    return stored
