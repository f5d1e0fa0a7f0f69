"""In what form an image is stored: which format, and what that format changes in the pixels it is given.

lossless     PNG, BMP, TIFF, lossless WebP: nothing
palette      GIF and palettes of PNG: nothing of grey images, colours beyond 256 of others
JPEG         the coefficients of blocks of 8 x 8 are rounded to multiples of a table, that of the brightness
lossy        WebP and compressed TIFF: what is lost is not written down
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from ..core.types import IntArray

if TYPE_CHECKING:
    from PIL import Image

LOSSLESS, PALETTE, BLOCKS, LOSSY = "lossless", "palette", "blocks", "lossy"
OPENING = "Formats of images: "
"""How the sentence on the forms of sets begins, by which a diagnosis knows it."""
_COMPRESSED = {"jpeg", "tiff_jpeg", "webp"}
"""Ways in which a TIFF loses something."""
_BRIGHTNESS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""The table of the brightness in the standard of JPEG, Annex K, which quality 50 means."""


@dataclass(frozen=True)
class Form:
    """How an image is stored.

    Attributes
    ----------
    name : str
        For readers.
    loss : str
        One of the four of this module.
    table : tuple of int
        Steps of the 64 coefficients of the brightness, row by row, of a JPEG; empty for others.
    """

    name: str
    loss: str
    table: tuple[int, ...] = ()


def form_of(image: Image.Image, file: Path) -> Form:
    """Return the form of an image that was opened from a file."""
    name = str(image.format)
    if name == "JPEG":
        table = tuple(image.quantization[0])  # type: ignore[attr-defined]
        return _jpeg(table)
    if name == "WEBP":
        with open(file, "rb") as stream:
            is_lossy = _is_lossy_webp(stream)
        return Form("lossy WebP", LOSSY) if is_lossy else Form("WebP", LOSSLESS)
    if name == "TIFF" and image.info.get("compression") in _COMPRESSED:
        return Form(f"TIFF with {str(image.info['compression']).removeprefix('tiff_')}", LOSSY)
    return Form(name, PALETTE if name == "GIF" or image.mode == "P" else LOSSLESS)


@cache
def _jpeg(table: tuple[int, ...]) -> Form:
    """Return the form of a JPEG with this table, with its quality if it is one of the standard ones."""
    distance = [int(np.abs(np.array(table) - _table(quality)).sum()) for quality in range(1, 101)]
    quality = int(np.argmin(distance)) + 1
    about = "" if distance[quality - 1] == 0 else "about "
    return Form(f"JPEG of {about}quality {quality}", BLOCKS, table)


def _table(quality: int) -> IntArray:
    """Return the table of the brightness that a quality means to the library everybody uses."""
    factor = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.asarray(np.clip((np.array(_BRIGHTNESS).ravel() * factor + 50) // 100, 1, 255))


def _is_lossy_webp(stream: IO[bytes]) -> bool:
    """Return whether the pixels are in a lossy chunk; of an animation, whether it says nothing of a lossless one."""
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        kind, size = head[:4], struct.unpack("<I", head[4:])[0]
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8 "
        if kind == b"ANMF":
            stream.seek(16, 1)  # the frame's own chunks follow its place and size
        else:
            stream.seek(size + size % 2, 1)
    return True
