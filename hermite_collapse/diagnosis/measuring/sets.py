"""The data and the generations as they are measured: without copies and numbers that say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.types import BoolArray, FloatArray
from .coordinates import HELD_OUT, Channels, constant_in_some, constant_numbers, coordinates_of
from .copies import Copies
from .formats import Formats
from .image_axes import image_axes, sheet_of
from .reader import FEWEST, Reader, Source

UNEQUAL = 4
"""Factor between the numbers of samples of generations from which it is said."""
_FIRST = 8
"""Samples of each set that are kept for the sheet."""


class Sets:
    """Makes of each set that is read the samples that are measured, and keeps what is to be said.

    Parameters
    ----------
    data : array, shape (n, d)
        Real samples.
    reader : Reader
    generations : mapping of str to source
    held_out : source or None
    is_law : bool
        Whether the models were trained on the real samples.

    Attributes
    ----------
    data : array, shape (m, k)
        Real samples as they are measured.
    coordinates : Coordinates
    formats : Formats
    """

    def __init__(
        self,
        data: FloatArray,
        reader: Reader,
        generations: Mapping[str, Source],
        held_out: Source | None,
        *,
        is_law: bool,
    ) -> None:
        self._axes = image_axes((0, *reader.shape))
        self._reader = reader
        splits = reader.shelf.folders["real"].splits if is_law and "real" in reader.shelf.folders else None
        if splits is not None:
            raise InputError(
                f"real must be the images that models were trained on, got folders {splits[0]} and {splits[1]}: give "
                "the first as real and the other one as held_out (--held-out)."
            )
        self._copies = Copies(data, is_law=is_law)
        self._channels = Channels(
            self._axes, data, 1.0 / reader.units.scale if reader.units.bits == 8 else 0.0
        )
        self._still: dict[str, BoolArray] = {}
        self._counts: dict[str, int] = {}
        self._rows = [data[:_FIRST].copy()]
        others = {} if held_out is None else {HELD_OUT: held_out}
        self.coordinates = coordinates_of(
            data, self._axes, self._read({**generations, **others}), self._channels
        )
        self.data = self.coordinates.of(self._copies.data)
        self.formats = Formats(
            reader.shelf.forms,
            reader.shelf.files,
            self._copies.data,
            self._axes,
            self.coordinates,
            reader.units,
        )

    def _read(self, sources: Mapping[str, Source]) -> Iterator[tuple[str, FloatArray]]:
        for name, source in sources.items():
            yield name, self._reader.read(source, name, again=True)

    def of(self, samples: FloatArray, name: str) -> FloatArray:
        """Return the samples of a set as they are measured.

        Raises
        ------
        InputError
            If fewer than 20 differ, or its channels are equal where those of others are not.
        """
        is_made = name != HELD_OUT
        if is_made:
            self.formats.require_known(name)
            self._channels.require_same(samples, name)
            self._rows.append(samples[:_FIRST].copy())
            self._still[name] = constant_numbers(self.coordinates.of(samples))
        once = self._copies.once(samples, name, is_made=is_made)
        if len(once) < FEWEST:
            raise InputError(f"{name} must hold at least {FEWEST} different samples, got {len(once)}.")
        if is_made:
            self._counts[name] = len(once)
        return self.coordinates.of(once)

    def sheet(self, count: int) -> NDArray[np.uint8] | None:
        """Return the first images of each set, as they are stored."""
        return None if self._axes is None else sheet_of(self._rows, self._axes, count)

    @property
    def notes(self) -> list[str]:
        """Sentences on folders, formats, copies and numbers that are constant or repeated."""
        places = [
            f"{name}: {folder.text}" for name, folder in self._reader.shelf.folders.items() if folder.text
        ]
        shown = "; ".join(places[:3]) + (f"; and {len(places) - 3} more alike" if len(places) > 3 else "")
        counts = np.array(list(self._counts.values()))
        few = [f"{name} ({n})" for name, n in self._counts.items() if UNEQUAL * n < float(np.median(counts))]
        return [
            *([f"Read of folders: {shown}."] if places else []),
            *(
                [
                    f"Far fewer samples than in other generations are in {', '.join(few)}: is sampling complete?"
                ]
                if few
                else []
            ),
            *self.formats.notes,
            *self._copies.notes,
            *self.coordinates.notes,
            *constant_in_some(self.data, self._still),
        ]
