"""Generations as they are given: their names, the rounds that these say, and what tells them from each other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ...core import checks
from ...core.errors import InputError
from ...core.printable import printable
from ...core.types import FloatArray
from ...storage.order import natural_key, numbers_in
from ...storage.samples import require_source, sample_name
from ...storage.units import Units
from .reader import Source, is_path
from .unit_changes import Spread, other_units

_ROUNDING = 1e-11
"""Of sums of the same samples in another order."""


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
        twice = next(path for i, path in enumerate(paths) if path in paths[:i])
        raise InputError(f"generations must name each file or folder once, got {str(twice)!r} twice.")
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
