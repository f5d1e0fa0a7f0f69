r"""Copies among samples: a generation in which each image is saved three times holds a third of the samples.

What models of noise make is never the same twice, so that equal samples of a generation are one sample, saved again or
drawn again with the same random numbers; errors of N samples would be too small by the root of their number.

    generations, unseen and held-out data    each counts once
    real, which the models were trained on   as often as it is there, since the models saw it so often; once where all
                                             are there equally often
    copies of real or earlier samples        as often as they are there: a model that repeats what it saw is one
    numbers of few values, a single image    as often as they are there: equal by chance, or all that a model makes
"""

from __future__ import annotations

import numpy as np

from ...core.types import FloatArray, IntArray
from .blocks import blocks

_LOG_CELLS = np.log(1e4)
"""Of the number of cells for each pair of samples, from which equal ones are no chance."""
_FEW_VALUES = 4
"""Of every number of a sample, with which equal samples may be chance however many numbers there are."""
_LOOKED_AT = 64
"""Numbers of a sample whose values are counted."""


def digests_of(samples: FloatArray) -> IntArray:
    """Return a number of 64 bits for each sample (n, d), the same for equal ones, and for no others but by chance."""
    return np.array(
        [hash(row.tobytes()) for rows in blocks(samples) for row in rows + 0.0],  # + 0: both zeros are one
        dtype=np.int64,
    )


class Copies:
    """Sets of samples without the copies in them, and what was found.

    Parameters
    ----------
    real : array, shape (n, d)
    is_law : bool
        Whether the models were trained on the real samples, as often as each is there.
    """

    def __init__(self, real: FloatArray, *, is_law: bool) -> None:
        self.data, digests = real, digests_of(real)
        self._known: dict[str, IntArray] = {}
        self._once: list[str] = []
        self._kept: list[str] = []
        self._seen: list[str] = []
        first, counts = np.unique(digests, return_index=True, return_counts=True)[1:]
        if len(first) < len(real):
            text = f"real ({len(real)} samples, {len(first)} different)"
            if (is_law and np.ptp(counts) > 0) or len(first) == 1 or _are_by_chance(real, len(first)):
                self._kept.append(text)
            else:
                self._once.append(text)
                self.data = real[np.sort(first)]
        self._known["real"] = np.unique(digests)

    def once(self, samples: FloatArray, name: str, *, is_made: bool = True) -> FloatArray:
        """Return samples of which each counts once; those that a model made (`is_made`) are compared with the others'.

        Parameters
        ----------
        samples : array, shape (n, d)
        name : str
        is_made : bool
            Whether a model made them.
        """
        digests = digests_of(samples)
        distinct, first, counts = np.unique(digests, return_index=True, return_counts=True)
        repeats = np.zeros(len(distinct), dtype=bool)
        for other, known in self._known.items() if is_made else ():
            equal = np.isin(distinct, known)
            if equal.sum() > 1 and not _are_by_chance(samples, len(distinct)):
                self._seen.append(f"{int(counts[equal].sum())} of {name} in {other}")
            repeats |= equal
        if is_made:
            self._known[name] = distinct
        own = (counts > 1) & ~repeats
        if not own.any():
            return samples
        text = f"{name} ({len(samples)} samples, {len(first)} different)"
        if own.sum() == 1 or _are_by_chance(samples, len(first)):
            self._kept.append(text)
            return samples
        self._once.append(text)
        used = np.zeros(len(samples), dtype=bool)
        used[first] = True
        used |= np.isin(digests, distinct[repeats])
        return samples[used]

    @property
    def notes(self) -> list[str]:
        """Sentences on what was found."""
        notes = []
        if self._once:
            notes.append(
                f"Sets hold exact copies: {_some(self._once)}: each sample counts once, and errors are "
                "those of so many."
            )
        if self._kept:
            notes.append(
                f"Sets hold exact copies: {_some(self._kept)}: each counts as often as it is there, as what the models "
                "were trained on does, and what is equal by chance."
            )
        if self._seen:
            notes.append(
                f"Generations hold samples of other sets: {_some(self._seen)}: they are data, or made "
                "by a model that repeats what it was trained on, or training samples among the generated ones."
            )
        return notes


def _are_by_chance(samples: FloatArray, distinct: int) -> bool:
    """Return whether samples have so few values that some may be equal by chance."""
    columns = np.linspace(0, samples.shape[1] - 1, min(samples.shape[1], _LOOKED_AT)).astype(int)
    values = [len(np.unique(samples[:, j])) for j in columns]
    if max(values) <= _FEW_VALUES:
        return True  # black and white, say, in which simple samples meet
    if max(values) == distinct > 1 and samples.shape[1] > 1:
        return False  # one number tells all of them apart, as those with many digits do
    return float(np.sum(np.log(values))) < _LOG_CELLS + 2.0 * np.log(len(samples))


def _some(parts: list[str]) -> str:
    return ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
