r"""Which numbers of a sample are measured: those that say the same as others in all samples count once.

    equal channels      grey images that were saved in colour: three times the variance, and one noise
    repeated numbers    enlarged or mirrored images
    constant numbers    a border, an opaque channel: no round moves them

The law of rounds, v' = A w + B with the noise B of one number, holds only where no number stands in several places: the
direction of three equal channels has the variance 3 v.  Only what holds in the data and in every generation is left
out: noise on a constant background is a part of what a model does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ...core.errors import InputError
from ...core.types import BoolArray, FloatArray, IntArray
from .blocks import blocks
from .image_axes import ImageAxes

HELD_OUT = "held_out"
"""Name of the set of data that no model saw."""
LEVELS = 2.0
"""Of 8 bits, by which channels of a grey image differ after lossy compression."""
_EXACT = 1e-6
"""Of the span of the data: rounding of numbers of 32 bits."""
_COMPARED = 2000
"""Samples by which candidates for repeated numbers are found, before all are compared."""


@dataclass(frozen=True)
class Coordinates:
    """The numbers of a sample that are measured.

    Attributes
    ----------
    measured : int array or None
        Their positions; None: all.
    axes : ImageAxes or None
        Of the numbers that are measured.
    notes : tuple of str
    """

    measured: IntArray | None
    axes: ImageAxes | None
    notes: tuple[str, ...] = ()

    def of(self, samples: FloatArray) -> FloatArray:
        """Return the measured numbers of samples (n, d)."""
        return samples if self.measured is None else np.ascontiguousarray(samples[:, self.measured])


class Channels:
    """Whether the channels of an image are equal in every set, or in none.

    Parameters
    ----------
    axes : ImageAxes or None
    data : array, shape (n, d)
    step : float
        Distance of the numbers that 8 bits can hold, in units of the diffusion; 0 for others.
    """

    def __init__(self, axes: ImageAxes | None, data: FloatArray, step: float) -> None:
        self._axes = axes if axes is not None and axes.channels > 1 else None
        span = float(data.max()) - float(data.min())
        self._largest = max(LEVELS * step * (1.0 + _EXACT), _EXACT * span)
        self.of_data = self.are_equal(data)
        self.of_first: bool | None = None

    @property
    def are_one(self) -> bool:
        """Whether they are read as one channel."""
        return self.of_data and self.of_first is not False

    def are_equal(self, samples: FloatArray) -> bool:
        """Return whether the channels of all samples are equal, up to the rounding of lossy formats."""
        if self._axes is None:
            return False
        for rows in (samples[:1], *blocks(samples)):
            images = self._axes.images(rows)
            if np.any(np.abs(images[:, 1:] - images[:, :1]) > self._largest):
                return False
        return True

    def require_same(self, samples: FloatArray, name: str) -> None:
        """Refuse a generation whose channels are equal where those of others are not, or the other way round."""
        if self._axes is None:
            return
        own = self.are_equal(samples)
        if self.of_first is None:
            self.of_first = own
        if own != self.of_first or (own and not self.of_data):
            odd = ["differ", "are equal"][own]
            others = "the data" if own and not self.of_data else "the first generation"
            raise InputError(
                f"generations must have equal channels in all images (grey) or in none, got {name} whose channels "
                f"{odd} unlike those of {others}: store all sets in grey or all in colour."
            )

    def require_grey(self, samples: FloatArray) -> None:
        """Refuse held-out data in colour where the data are grey."""
        if self.of_data and not self.are_equal(samples):
            raise InputError(
                f"{HELD_OUT} must have equal channels in all images, as the data have, got channels that differ."
            )


def coordinates_of(
    data: FloatArray,
    axes: ImageAxes | None,
    generations: Iterable[tuple[str, FloatArray]],
    channels: Channels,
) -> Coordinates:
    """Return the numbers that are measured.

    Parameters
    ----------
    data : array, shape (n, d)
    axes : ImageAxes or None
    generations : iterable of (str, array)
        All other sets by name, which are asked for only as long as there is something to leave out.
    channels : Channels
    """
    still, first = _constant(data), _first_equal(data)
    positions = np.arange(len(first))
    for name, samples in generations:
        if not (channels.are_one or still.any() or np.any(first != positions)):
            break
        if name == HELD_OUT:
            channels.require_grey(samples)
        else:
            channels.require_same(samples, name)
        still[still] = np.all(samples[:, still] == data[0, still], axis=0)
        first = _both(first, _first_equal(samples)) if np.any(first != positions) else first
    dimension, notes = data.shape[1], []
    is_copy = (first != positions) & ~still
    selected = ~(still | is_copy)
    if channels.are_one and axes is not None:
        others = axes.positions()[1:].ravel()
        notes.append(
            f"The {axes.channels} channels are equal in all images, data and generations (grey saved in colour): they "
            "are read as one."
        )
        selected[others], still[others], is_copy[others] = False, False, False
    elif channels.of_data:
        notes.append(
            "The channels are equal in all images of the data and in no generation: all of them are measured, as "
            "models of colours make them."
        )
    if still.any():
        notes.append(
            f"{_of(still, dimension)} constant, with one value in data and generations, such as a border: left out."
        )
    if is_copy.any():
        notes.append(
            f"{_of(is_copy, dimension)} equal to others in all samples, as in enlarged images: each counts once."
        )
    if selected.all():
        return Coordinates(None, axes, tuple(notes))
    measured = np.flatnonzero(selected)
    return Coordinates(measured, None if axes is None else axes.part(measured), tuple(notes))


def constant_in_some(data: FloatArray, generations: dict[str, BoolArray]) -> list[str]:
    """Return a sentence on numbers of a sample that are constant in some sets only.

    Parameters
    ----------
    data : array, shape (n, d)
    generations : dict of str to bool array
        Whether each number is constant in a generation, by its name.
    """
    of_data, parts = _constant(data), np.stack(list(generations.values()))
    notes = []
    background = of_data & ~parts.any(axis=0)
    if background.any():
        notes.append(f"{_of(background, len(of_data))} constant in the data alone, and measured.")
    mixed = parts.any(axis=0) & ~(parts.all(axis=0) & of_data)
    if mixed.any():
        counts = {"the data": int(of_data[mixed].sum())}
        counts |= {name: int(part[mixed].sum()) for name, part in zip(generations, parts, strict=True)}
        where = [f"{count} in {name}" for name, count in counts.items() if count]
        notes.append(
            f"{_of(mixed, len(of_data))} constant in some sets alone: {_listed(where)}; they are measured, but sets "
            "that were saved with other borders or backgrounds are no rounds of one model."
        )
    return notes


def constant_numbers(samples: FloatArray) -> BoolArray:
    """Return which numbers are the same in all samples, (d,); none of samples that are all equal."""
    still = _constant(samples)
    return np.zeros_like(still) if still.all() else still


def _constant(samples: FloatArray) -> BoolArray:
    still = np.ones(samples.shape[1], dtype=bool)
    for rows in blocks(samples):
        still[still] = np.all(rows[:, still] == samples[0, still], axis=0)
    return still


def _first_equal(samples: FloatArray) -> IntArray:
    """Return for each number the position of the first one that equals it in all samples, (d,)."""
    first = np.arange(samples.shape[1])
    rows = np.asarray(samples[:_COMPARED])
    sums = rows.T @ np.random.default_rng(0).standard_normal(len(rows))
    order = np.argsort(sums, kind="stable")
    size = float(np.abs(rows).max()) * len(rows)
    starts = np.flatnonzero(np.diff(sums[order], prepend=-np.inf) > 1e-13 * size)
    for group in np.split(order, starts[1:]):
        for j in np.sort(group)[1:]:
            for i in np.sort(group):
                if i < j and first[i] == i and np.array_equal(samples[:, i], samples[:, j]):
                    first[j] = i
                    break
    return first


def _both(one: IntArray, other: IntArray) -> IntArray:
    """Return the first position of each group of positions that are equal in both."""
    starts, group = np.unique(np.stack([one, other]), axis=1, return_index=True, return_inverse=True)[1:]
    return np.asarray(starts[group.ravel()])


def _of(which: BoolArray, dimension: int) -> str:
    count = int(which.sum())
    return f"{count} of the {dimension} numbers of a sample {'is' if count == 1 else 'are'}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
