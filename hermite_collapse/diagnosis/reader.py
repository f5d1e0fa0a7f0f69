"""Sets of samples as they are given, arrays, files or folders: read once each, in the units of the first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import as_array, not_real
from ..core.errors import InputError
from ..core.types import FloatArray
from ..storage.samples import read_stored, sample_name
from ..storage.units import Units, units_of

Source = str | os.PathLike[str] | ArrayLike
"""An array of samples, or the path of a file or folder of them."""

FEWEST = 20
"""Samples of one generation, below which its covariance says nothing."""
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
    """

    units: Units
    shape: tuple[int, ...]
    span: float

    def read(self, source: Source, name: str) -> FloatArray:
        """Return samples (n, d) in units of the diffusion, which those of the data decide.

        Raises
        ------
        InputError
            If they cannot be read, are fewer than 20, have another shape than the data, or are stored in another way
            where nobody says the units of both.
        """
        array, called = stored(source, name), _named(source, name)
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
    array = stored(real, "real")
    images = is_path(real) and Path(real).is_dir()
    units = units_of(array, scale=scale, shift=shift, value_range=value_range, images=images)
    name = _named(real, "real")
    span = _span(array) if units.is_given else 0.0
    data = _many(units.applied(array, name), name)
    if np.all(data == data[0]):
        raise InputError(f"{name} must hold samples that differ, got {len(data)} equal ones.")
    return data, Reader(units, array.shape[1:], span)


def is_path(source: Source) -> TypeGuard[str | os.PathLike[str]]:
    """Return whether a source is the name of a file or folder."""
    return isinstance(source, str | os.PathLike)


def stored(source: Source, name: str) -> NDArray[np.generic]:
    """Return an array of shape (n, ...), n samples, as it is given or stored."""
    called = _named(source, name)
    array = as_array(read_stored(source) if is_path(source) else source, called)
    if array.ndim == 0:
        raise not_real(array, called)
    return array if array.ndim > 1 else array[:, None]


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
