"""Sets of samples as they are given, arrays, files or folders: read once each, in the units of the first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.arrays import as_array, not_real
from ...core.errors import InputError
from ...core.types import FloatArray
from ...storage.image_folders import ImageFolder
from ...storage.image_forms import Form
from ...storage.samples import read_stored, read_stored_pictures, sample_name
from ...storage.units import Units, units_of
from .coordinates import LEVELS

Source = str | os.PathLike[str] | ArrayLike
"""An array of samples, or the path of a file or folder of them."""

FEWEST = 20
"""Samples of one generation, below which its covariance says nothing."""
_KEPT = 1 << 28
"""Bytes of images that are kept to be read again."""
_SMALLEST_SPAN = 0.02
"""Of the span of the data, that a generation has where both are stored in different ways."""


@dataclass(frozen=True)
class Reader:
    """Reads sets of samples in the units of the first one.

    Attributes
    ----------
    units : Units
        Of the data.
    shape : tuple of int
        Of one sample of the data, as stored.
    span : float
        Largest number of the data less the smallest, as stored.
    shelf : Shelf
        How folders of images were stored.
    """

    units: Units
    shape: tuple[int, ...]
    span: float
    shelf: Shelf

    def read(self, source: Source, name: str, *, again: bool = False) -> FloatArray:
        """Return samples (n, d) in units of the diffusion, which those of the data decide.

        Parameters
        ----------
        source : array or path
        name : str
        again : bool
            Whether they will be read once more, so that small folders of images are kept until then.

        Raises
        ------
        InputError
            If they cannot be read, are fewer than 20, have another shape than the data, or are stored in another way
            where nobody says the units of both.
        """
        array, called = self.shelf.stored(source, name, again=again), _named(source, name)
        array = _with_channels(array, self.shape)
        if array.shape[1:] != self.shape:
            raise InputError(
                f"{called} must have samples of the shape of the data, {self.shape}, got {array.shape[1:]}."
            )
        bits = units_of(array).bits
        if bits != self.units.bits:
            self._require_one_unit(array, bits, called)
        return _many(self.units.applied(array, called, may_vanish=True), called)

    def _require_one_unit(self, array: NDArray[np.generic], bits: int | None, called: str) -> None:
        """Refuse samples that are stored in another way than the data, unless the units of both are given."""
        stored_as = f"{_depth(self.units.bits)}, got {_depth(bits)}"
        if not self.units.is_given or (bits and self.units.bits):
            raise InputError(
                f"{called} must be stored like the data, {stored_as}: store both in one way, or give scale, shift or "
                "value_range of the numbers that both then hold."
            )
        span = _span(array)
        if not span >= _SMALLEST_SPAN * self.span:
            raise InputError(
                f"{called} must be in the units of the data, whose numbers span {self.span:g}, {stored_as} that span "
                f"{span:g}."
            )


def read_data(
    real: Source,
    *,
    scale: float | None,
    shift: float | None,
    value_range: Sequence[float] | None,
) -> tuple[FloatArray, Reader]:
    """Return the data (n, d) in units of the diffusion, and a reader of other sets like them."""
    shelf = Shelf()
    array = shelf.stored(real, "real")
    images = is_path(real) and Path(real).is_dir()
    units = units_of(array, scale=scale, shift=shift, value_range=value_range, images=images)
    name = _named(real, "real")
    span = _span(array) if units.is_given else 0.0
    data = _many(units.applied(array, name), name)
    if np.all(data == data[0]):
        raise InputError(f"{name} must hold samples that differ, got {len(data)} equal ones.")
    return data, Reader(units, array.shape[1:], span, shelf)


def is_path(source: Source) -> TypeGuard[str | os.PathLike[str]]:
    """Return whether a source is the name of a file or folder."""
    return isinstance(source, str | os.PathLike)


class Shelf:
    """Reads sets as they are stored, and says of folders of images where these lie and in which form.

    Attributes
    ----------
    folders : dict of str to ImageFolder
        By the name under which a folder was read.
    forms : dict of str to (dict of Form to int)
        How many images of each form it holds.
    files : dict of str to tuple of Path
        Its images.
    """

    def __init__(self) -> None:
        self.folders: dict[str, ImageFolder] = {}
        self.forms: dict[str, dict[Form, int]] = {}
        self.files: dict[str, tuple[Path, ...]] = {}
        self._images: dict[str, NDArray[np.generic]] = {}

    def stored(self, source: Source, name: str, *, again: bool = False) -> NDArray[np.generic]:
        """Return an array of shape (n, ...), n samples, as it is given or stored."""
        called = _named(source, name)
        array = as_array(self._read(source, name, again) if is_path(source) else source, called)
        if array.ndim == 0:
            raise not_real(array, called)
        return array if array.ndim > 1 else array[:, None]

    def _read(self, path: str | os.PathLike[str], name: str, again: bool) -> NDArray[np.generic]:
        if not Path(path).is_dir():
            return read_stored(path)
        if name in self._images:
            return self._images[name] if again else self._images.pop(name)
        pictures = read_stored_pictures(path)
        self.folders[name], self.forms[name] = pictures.folder, pictures.forms
        self.files[name] = pictures.folder.files
        if again and pictures.images.nbytes + sum(part.nbytes for part in self._images.values()) <= _KEPT:
            self._images[name] = pictures.images
        return pictures.images


def _with_channels(array: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.generic]:
    """Return grey images in colour where the data are, and the other way round."""
    if array.ndim == 3 and len(shape) == 3 and array.shape[1:] == shape[:2] and shape[2] == 3:
        return np.repeat(array[..., None], 3, axis=3)
    if array.ndim == 4 and array.shape[1:] == (*shape, 3):
        tolerance = LEVELS if array.dtype == np.uint8 else 0
        if all(np.all(np.ptp(image, axis=2) <= tolerance) for image in array):
            return array[..., 0]
    return array


def _span(array: NDArray[np.generic]) -> float:
    """Return the difference of the largest and the smallest number."""
    return float(array.max()) - float(array.min()) if array.size else 0.0  # type: ignore[attr-defined]


def _named(source: Source, name: str) -> str:
    return sample_name(source) if is_path(source) else name


def _many(samples: FloatArray, name: str) -> FloatArray:
    if len(samples) < FEWEST:
        raise InputError(f"{name} must hold at least {FEWEST} samples, got {len(samples)}.")
    return samples


def _depth(bits: int | None) -> str:
    return "as numbers" if bits is None else f"with {bits} bits"
