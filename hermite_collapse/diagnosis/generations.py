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
from ..storage.samples import read_stored, require_source, sample_name
from ..storage.units import Units, units_of
from .unit_changes import Spread, other_units

Source = str | os.PathLike[str] | ArrayLike
"""An array of samples, or the path of a file or folder of them."""

FEWEST = 20
"""Samples of one generation, below which its covariance says nothing."""
_ROUNDING = 1e-11
"""Of sums of the same samples in another order."""
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


def named_generations(
    generations: Mapping[str, Source] | Iterable[Source], data: Mapping[str, Source | None]
) -> dict[str, Source]:
    """Return generations by name, in the order of their rounds.

    Names are the keys of a mapping, the names of files, or "generation 1", ... of arrays in the order given.  Numbers
    in names decide; where they say nothing, a mapping has the order given.

    Parameters
    ----------
    generations : mapping or sequence
    data : mapping of str to source or None
        Arguments that give samples of the data.

    Raises
    ------
    InputError
        If there are none, files of the data are among them, or names of files do not say their rounds.
    """
    if isinstance(generations, Mapping):
        named: dict[str, Source] = {printable(str(name)): source for name, source in generations.items()}
    else:
        named = _listed(checks.items(generations, "generations"), data)
    if not named:
        raise InputError("generations must hold at least one generation, got none.")
    _require_others(named.values(), data)
    for source in (*data.values(), *named.values()):
        if source is not None and is_path(source):
            require_source(source, sample_name(source))
    numbers = numbers_in(list(named)) if len(named) > 1 else None
    if numbers is None:
        return named
    return {name: named[name] for _, name in sorted(zip(numbers, named, strict=True))}


def _listed(listed: list[Source], data: Mapping[str, Source | None]) -> dict[str, Source]:
    paths = sorted((Path(source) for source in listed if is_path(source)), key=natural_key)
    if len(paths) < len(listed):
        return {f"generation {i}": source for i, source in enumerate(listed, start=1)}
    if len(set(paths)) < len(paths):
        raise InputError("generations must be different files or folders, got one of them twice.")
    _require_others(paths, data)
    short = [path.name for path in paths]
    ways = [
        [*map(printable, names)] for names in (short, list(map(str, paths))) if len(set(names)) == len(paths)
    ]
    return dict(zip(_telling(ways) if len(paths) > 1 else ways[0], paths, strict=True))


def _telling(ways: list[list[str]]) -> list[str]:
    """Return the first way to name files that says their rounds."""
    problems = []
    for names in ways:
        try:
            if numbers_in(names) is not None:
                return names
        except InputError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
    raise InputError(
        "generations must have the number of a round in each name, got "
        f"{', '.join(map(repr, ways[0][:3]))}: rename them, or give a mapping in the order of rounds."
    )


def _require_others(sources: Iterable[Source], data: Mapping[str, Source | None]) -> None:
    """Refuse files of the data among the generations."""
    for name, given in data.items():
        for source in sources:
            if given is not None and is_path(given) and is_path(source) and _is_same(given, source):
                raise InputError(
                    f"generations must leave out the data, got {str(source)!r}, which is {name}."
                )


def _is_same(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # one array of an archive, or nothing
        return os.fspath(one) == os.fspath(other)


def rounds_of(names: Sequence[str], first_round: int | None) -> list[int]:
    """Return the rounds of generations: by the numbers in their names, or one after the other from 1 on."""
    first = None if first_round is None else checks.integer(first_round, "first_round")
    if len(names) == 1 and first is not None:
        return [first]
    numbers = numbers_in(names) or list(range(1, len(names) + 1))
    return numbers if first is None else [number - numbers[0] + first for number in numbers]


class Different:
    """Sets of samples that were read: each may be there once, in whatever order its samples stand."""

    def __init__(self) -> None:
        self._sums: dict[str, FloatArray] = {}
        self._spreads: dict[str, Spread] = {}

    def require(self, samples: FloatArray, name: str) -> FloatArray:
        """Return samples that are no others again; those of a single point are not compared."""
        s = samples
        means = np.stack(
            [s.mean(axis=0), np.einsum("ij,ij->j", s, s) / len(s), np.einsum("ij,ij,ij->j", s, s, s) / len(s)]
        )
        sums = np.concatenate([[len(s)], means.ravel()])
        if np.any(means[1] > means[0] ** 2 * (1.0 + _ROUNDING)):
            for other, known in self._sums.items():
                if known.shape == sums.shape and np.allclose(known, sums, rtol=_ROUNDING, atol=_ROUNDING):
                    raise InputError(f"{name} must be other samples than {other}, got the same.")
        self._sums[name] = sums
        deviation = np.sqrt(np.maximum(means[1] - means[0] ** 2, 0.0))
        self._spreads[name] = Spread(means[0], deviation, float(s.min()), float(s.max()))
        return samples

    def require_one_unit(self, units: Units) -> list[str]:
        """Return a sentence on numbers that seem to be in other units than those of the data, which is the first set.

        Raises
        ------
        InputError
            If nobody gave the units, or no round could do the same.
        """
        stored_spreads = {name: spread.stored(units) for name, spread in self._spreads.items()}
        data = stored_spreads.pop(next(iter(stored_spreads)))
        other = other_units(data, stored_spreads, units.bits)
        if other is None:
            return []
        text = f"generations must be in the units of the data, got {other.text}"
        if other.is_certain:
            raise InputError(f"{text}: store both in one unit, whatever scale and shift are given.")
        if units.is_given or other.is_open:
            taken = "given" if units.is_given else "they are"
            return [f"The units are taken as {taken}; they seem to differ: {other.text}."]
        said = "scale=1 (--scale 1)"
        if units.bits is not None:
            said = f"scale={units.scale:g}, shift={units.shift:g}"
        raise InputError(f"{text}: store both in one unit, or give {said} if they are.")


def _named(source: Source, name: str) -> str:
    return sample_name(source) if is_path(source) else name


def _many(samples: FloatArray, name: str) -> FloatArray:
    if len(samples) < FEWEST:
        raise InputError(f"{name} must hold at least {FEWEST} samples, got {len(samples)}.")
    return samples


def _depth(bits: int | None) -> str:
    return "as numbers" if bits is None else f"with {bits} bits"
