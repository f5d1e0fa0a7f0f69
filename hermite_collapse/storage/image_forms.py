"""In what form an image is stored: which format, and what that format changes in the pixels it is given.

lossless     PNG, BMP, TIFF, lossless WebP: nothing
palette      GIF and palettes of PNG: nothing of grey images, colours beyond 256 of others
JPEG         the coefficients of blocks of 8 x 8 are rounded to multiples of a table, and colours may be averaged over
             2 x 2 pixels first (4:2:0), or over 2 x 1 (4:2:2)
lossy        WebP, compressed TIFF, and JPEG of four colours: what is lost is not written down
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.types import IntArray

if TYPE_CHECKING:
    from PIL import Image

LOSSLESS, PALETTE, BLOCKS, LOSSY = "lossless", "palette", "blocks", "lossy"
OPENING = "Formats of images: "
"""How the sentence on the forms of sets begins, by which a diagnosis knows it."""
LOSSY_WEBP = "lossy WebP"
_SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
_STRONGEST = 2
"""Of the samplings: what stands for those that Pillow has no number for, which average two or four pixels."""
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
    tables : tuple of tuples of int
        Steps of the 64 coefficients, row by row, of a JPEG: of the brightness or of grey, then of the colours, if there
        are any; empty for others.
    sampling : int
        How colours of a JPEG are averaged, as Pillow counts it: 0 not at all, 1 for 4:2:2, 2 for 4:2:0.
    """

    name: str
    loss: str
    tables: tuple[tuple[int, ...], ...] = ()
    sampling: int = 0


def form_of(image: Image.Image, file: Path) -> Form:
    """Return the form of an image that was opened from a file."""
    name = str(image.format)
    if name in {"JPEG", "MPO"}:  # the latter holds further pictures behind the first
        return _form_of_jpeg(image)
    if name == "WEBP":
        return Form("WebP", LOSSLESS) if lossy_webp_size(file) is None else Form(LOSSY_WEBP, LOSSY)
    if name == "TIFF" and image.info.get("compression") in _COMPRESSED:
        return Form(f"TIFF with {str(image.info['compression']).removeprefix('tiff_')}", LOSSY)
    return Form(name, PALETTE if name == "GIF" or image.mode == "P" else LOSSLESS)


def _form_of_jpeg(image: Image.Image) -> Form:
    from PIL import JpegImagePlugin

    if image.mode not in {"L", "RGB"}:
        return Form(f"JPEG of the colours {image.mode}", LOSSY)
    layers, tables = image.layer, image.quantization  # type: ignore[attr-defined]
    used = [tuple(tables[layer[3]]) for layer in layers[:2]]
    if image.mode == "L":
        return _jpeg(used[0], None, 0)
    sampling = JpegImagePlugin.get_sampling(image)
    return _jpeg(used[0], used[1], _STRONGEST if sampling < 0 else sampling)


@cache
def _jpeg(table: tuple[int, ...], of_colours: tuple[int, ...] | None, sampling: int) -> Form:
    """Return the form of a JPEG with these tables, with its quality if it is one of the standard ones."""
    distance = [int(np.abs(np.array(table) - _table(quality)).sum()) for quality in range(1, 101)]
    quality = int(np.argmin(distance)) + 1
    about = "" if distance[quality - 1] == 0 else "about "
    name = f"JPEG of {about}quality {quality}"
    if of_colours is None:
        return Form(name, BLOCKS, (table,))
    return Form(f"{name} ({_SAMPLINGS[sampling]})", BLOCKS, (table, of_colours), sampling)


def _table(quality: int) -> IntArray:
    """Return the table of the brightness that a quality means to the library everybody uses."""
    factor = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.asarray(np.clip((np.array(_BRIGHTNESS).ravel() * factor + 50) // 100, 1, 255))


def lossy_webp_size(file: Path) -> int | None:
    """Return the bytes of the lossy chunk that holds the pixels of a WebP; None where they are in a lossless one.

    Of an animation it is that of the first frame, and 0 where it says nothing.
    """
    with open(file, "rb") as stream:
        stream.seek(12)
        while len(head := stream.read(8)) == 8:
            kind, size = head[:4], struct.unpack("<I", head[4:])[0]
            if kind in (b"VP8 ", b"VP8L"):
                return size if kind == b"VP8 " else None
            if kind == b"ANMF":
                stream.seek(16, 1)  # the frame's own chunks follow its place and size
            else:
                stream.seek(size + size % 2, 1)
    return 0
