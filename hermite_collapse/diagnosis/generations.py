"""Data and generations as they are given: arrays, files or folders, their names, rounds and units."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.arrays import as_array, not_real
from ..core.errors import InputError
from ..core.printable import printable
from ..core.types import FloatArray
from ..storage.order import natural_key, numbers_in
from ..storage.samples import read_stored, sample_name
from ..storage.units import Units, units_of

Source = str | os.PathLike[str] | ArrayLike
"""An array of samples, or the path of a file or folder of them."""

FEWEST = 20
"""Samples of one generation, below which its covariance says nothing."""


@dataclass(frozen=True)
class Reader:
    """Reads sets of samples in the units of the first one.

    Attributes
    ----------
    units : Units
        Of the data.
    shape : tuple of int
        Of one sample of the data, as stored.
    scale, shift, value_range
        As given.
    """

    units: Units
    shape: tuple[int, ...]
    scale: float | None
    shift: float | None
    value_range: Sequence[float] | None

    def read(self, source: Source, name: str) -> FloatArray:
        """Return samples (n, d) in units of the diffusion; other kinds of numbers than the data's by their own rule.

        Raises
        ------
        InputError
            If they cannot be read, are fewer than 20, or have another shape or depth than the data.
        """
        array, called = stored(source, name), _named(source, name)
        if array.shape[1:] != self.shape:
            raise InputError(
                f"{called} must have samples of the shape of the data, {self.shape}, got {array.shape[1:]}."
            )
        own = self._own(array, source)
        if own.bits != self.units.bits and ((own.bits and self.units.bits) or self.units.is_given):
            raise InputError(
                f"{called} must be stored like the data, {_depth(self.units.bits)}, got {_depth(own.bits)}."
            )
        return _many((self.units if own.bits == self.units.bits else own).applied(array, called), called)

    def _own(self, array: NDArray[np.generic], source: Source) -> Units:
        return units_of(
            array,
            scale=self.scale,
            shift=self.shift,
            value_range=self.value_range,
            images=is_path(source) and Path(source).is_dir(),
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
    return _many(units.applied(array, name), name), Reader(units, array.shape[1:], scale, shift, value_range)


def is_path(source: Source) -> TypeGuard[str | os.PathLike[str]]:
    """Return whether a source is the name of a file or folder."""
    return isinstance(source, str | os.PathLike)


def stored(source: Source, name: str) -> NDArray[np.generic]:
    """Return an array of shape (n, ...), n samples, as it is given or stored."""
    called = _named(source, name)
    array = read_stored(source) if is_path(source) else as_array(source, called)
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise not_real(array, called)
    return array if array.ndim > 1 else array[:, None]


def named_generations(generations: Mapping[str, Source] | Iterable[Source]) -> dict[str, Source]:
    """Return generations by name: the keys of a mapping, the names of files, or "generation 1", ...

    Files and folders are taken in natural order of their names, all else in the order given.
    """
    if isinstance(generations, Mapping):
        named: dict[str, Source] = {printable(str(name)): source for name, source in generations.items()}
    else:
        named = _named_in_order(checks.items(generations, "generations"))
    if not named:
        raise InputError("generations must hold at least one generation, got none.")
    return named


def _named_in_order(listed: list[Source]) -> dict[str, Source]:
    paths = sorted((Path(source) for source in listed if is_path(source)), key=natural_key)
    if len(paths) < len(listed):
        return {f"generation {i}": source for i, source in enumerate(listed, start=1)}
    if len(set(paths)) < len(paths):
        raise InputError("generations must be different files or folders, got one of them twice.")
    short = [path.name for path in paths]
    names = short if len(set(short)) == len(short) else map(str, paths)
    return dict(zip(map(printable, names), paths, strict=True))


def rounds_of(names: Sequence[str], first_round: int | None) -> list[int]:
    """Return the rounds of generations: by the numbers in their names, or one after the other from 1 on."""
    numbers = numbers_in(names) or list(range(1, len(names) + 1))
    if first_round is None:
        return numbers
    first = checks.integer(first_round, "first_round")
    return [number - numbers[0] + first for number in numbers]


def _named(source: Source, name: str) -> str:
    return sample_name(source) if is_path(source) else name


def _many(samples: FloatArray, name: str) -> FloatArray:
    if len(samples) < FEWEST:
        raise InputError(f"{name} must hold at least {FEWEST} samples, got {len(samples)}.")
    return samples


def _depth(bits: int | None) -> str:
    return "as numbers" if bits is None else f"with {bits} bits"
