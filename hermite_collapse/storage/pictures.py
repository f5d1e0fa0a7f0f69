"""Folders of images as one array: what Pillow decodes by itself, of one size and one depth.

formats       PNG, JPEG, WebP, TIFF, BMP, GIF (its first frame), told by their bytes; Pillow would start other
              programs for some others
palettes      become red, green and blue
transparency  is dropped where every pixel is opaque; colours behind a transparent pixel are nobody's choice
orientation   as the file says a camera was held
16 bits       of grey as such; of colours Pillow keeps 8, so that they are refused
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.memory import require_memory
from .image_folders import ImageFolder, image_folder
from .image_forms import Form, form_of
from .regular import require_regular

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
_AS_THEY_ARE = {"L", "RGB", "F", "I"}
_CONVERTED = {"1": "L", "RGBX": "RGB", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}
_WITH_ALPHA = {"LA": "L", "La": "L", "PA": "RGB", "RGBA": "RGB", "RGBa": "RGB"}
_BITS_PER_SAMPLE = 258  # of TIFF
_LARGE = 1 << 16
"""Bytes of an image from which decoders, which run beside Python, take most of the time."""
_THREADS = min(8, os.cpu_count() or 1)


class Pictures(NamedTuple):
    """The images of a folder, (n, height, width) or (n, height, width, 3), where they lie, and in which forms."""

    images: NDArray[np.generic]
    folder: ImageFolder
    forms: dict[Form, int]


def read_images(folder: Path) -> NDArray[np.generic]:
    """Return the images of a folder alone, as `read_pictures` does."""
    return read_pictures(folder).images


def read_pictures(folder: Path) -> Pictures:
    """Return the images of a folder, or of its folders.

    Raises
    ------
    InputError
        If there are none, one is no regular file, or they do not fit in memory.
    ValueError
        If one cannot be read, or differs from the first in size or depth; the message names it.
    """
    from PIL import Image

    inside = image_folder(folder)
    files = inside.files
    if not files:
        raise InputError(f"samples ({folder}) must be a folder with images, got one without any.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow finds odd about harmless entries
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        first, form = _read(files[0])
        require_memory(float(first.nbytes) * len(files), f"samples ({folder})")
        images = np.empty((len(files), *first.shape), first.dtype)
        images[0] = first
        forms = [form] * len(files)

        def read(i: int) -> None:
            pixels, forms[i] = _read(files[i])
            images[i] = _like(pixels, files[i], first, files[0])

        _each(read, range(1, len(files)), _THREADS if first.nbytes >= _LARGE else 1)
    return Pictures(images, inside, dict(Counter(forms)))


def _like(
    pixels: NDArray[np.generic], file: Path, first: NDArray[np.generic], first_file: Path
) -> NDArray[np.generic]:
    """Return the pixels of an image that has size and depth of the first one."""
    if pixels.shape != first.shape:
        raise ValueError(f"{file.name} of shape {pixels.shape} where {first_file.name} has {first.shape}")
    if pixels.dtype != first.dtype:
        bits = [8 * p.dtype.itemsize for p in (pixels, first)]
        raise ValueError(f"{file.name} of {bits[0]} bits where {first_file.name} has {bits[1]}")
    return pixels


def _each(read: Callable[[int], None], indices: Iterable[int], threads: int) -> None:
    """Read every image; the first that cannot be read is the one that is named, however many threads read."""
    if threads == 1:
        for i in indices:
            read(i)
        return
    with ThreadPoolExecutor(threads) as pool:
        pending = [pool.submit(read, i) for i in indices]
        try:
            for each in pending:
                each.result()
        finally:
            for each in pending:
                each.cancel()


def _read(file: Path) -> tuple[NDArray[np.generic], Form]:
    """Return the pixels of one image and its form; ValueError that names the file for whatever the decoder says."""
    from PIL import Image

    require_regular(file, f"samples ({file})")
    try:
        with Image.open(file, formats=_FORMATS) as image:
            form = form_of(image, file)  # before the image is turned upright, which forgets it
            return _pixels(image), form
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombWarning,
        Image.DecompressionBombError,
    ) as error:
        text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(f"{file.name}: {text}") from None


def _pixels(image: Image.Image) -> NDArray[np.generic]:
    """Return grey or red, green and blue values, upright."""
    from PIL import ImageOps

    if _is_deep_colour(image):
        raise ValueError("colours of 16 bits, which only 8 would be read of")
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        values = np.asarray(image).astype(np.uint16)
        key = image.info.get("transparency")
        _require_opaque(isinstance(key, int) and bool(np.any(values == key)))
        return values
    if "transparency" in image.info:
        image = image.convert("RGBA" if image.mode != "L" else "LA")
    if image.mode in _WITH_ALPHA:
        _require_opaque(_lowest_alpha(image) < 255)
        return np.asarray(image.convert(_WITH_ALPHA[image.mode]))
    if image.mode in _AS_THEY_ARE:
        return np.asarray(image)
    if image.mode not in _CONVERTED:
        raise ValueError(f"the colours {image.mode}, which are neither grey nor red, green and blue")
    return np.asarray(image.convert(_CONVERTED[image.mode]))


def _is_deep_colour(image: Image.Image) -> bool:
    """Return whether colours are stored in more bits than Pillow gives back."""
    if image.mode.startswith("I") or image.mode == "F":
        return False
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (8,))  # type: ignore[attr-defined]
        return max(bits if isinstance(bits, Sequence) else (bits,)) > 8
    return image.format == "PNG" and any("16" in str(tile[3]) for tile in image.tile)


def _lowest_alpha(image: Image.Image) -> float:
    return float(image.convert("RGBA").getextrema()[3][0])


def _require_opaque(is_transparent: bool) -> None:
    if is_transparent:
        raise ValueError(
            "transparent pixels, whose colour is not defined: put the image on a background first"
        )
