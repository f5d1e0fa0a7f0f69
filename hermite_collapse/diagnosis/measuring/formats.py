"""The formats in which sets of images are stored, and how far these could move the curves of generations.

What a JPEG or a lossy WebP changes is estimated (`round_trips`), and curves that it moves by more than their errors are
left out, as with the rounding to 8 bits.  Of other formats that lose something (compressed TIFF, palettes of colours,
JPEG of four colours) nothing of the kind is known: generations in them are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ...core.types import FloatArray
from ...storage.image_forms import BLOCKS, LOSSY, LOSSY_WEBP, OPENING, PALETTE, Form
from ...storage.recompression import is_repeatable, webp_quality
from ...storage.units import Units
from .coordinates import Coordinates
from .functionals import Functionals
from .image_axes import ImageAxes
from .round_trips import RoundTrips

_COLOURS = 256
"""That a palette holds."""
Forms = Mapping[Form, int]


class Formats:
    """The formats in which the data and the generations are stored.

    Parameters
    ----------
    sets : mapping of str to (mapping of Form to int)
        How many images of each form a set holds, by its name: "real", and generations.  Arrays are not among them.
    files : mapping of str to (sequence of Path)
        The images of these sets.
    data : array, shape (n, d)
        All numbers of the real samples.
    axes : ImageAxes or None
        Of the images as they are stored.
    coordinates : Coordinates
    units : Units
    """

    def __init__(
        self,
        sets: Mapping[str, Forms],
        files: Mapping[str, Sequence[Path]],
        data: FloatArray,
        axes: ImageAxes | None,
        coordinates: Coordinates,
        units: Units,
    ) -> None:
        self._sets, self._files = sets, files
        self._data, self._axes = data, axes
        self._coordinates, self._units = coordinates, units
        measured = coordinates.axes
        self._qualities: dict[str, int] = {}
        self._spreads: dict[tuple[frozenset[tuple[Form, float]], int], float] = {}
        self._is_grey = measured is not None and measured.channels == 1

    def require_known(self, name: str) -> None:
        """Refuse a generation in a format of which nobody knows what it changes.

        Raises
        ------
        InputError
            If it loses something and is neither JPEG nor WebP.
        """
        forms = {form: count for form, count in self._sets.get(name, {}).items() if self._is_lossy(form)}
        if not all(map(is_repeatable, forms)):
            raise InputError(
                f"generations must be stored without loss, or as JPEG or WebP, got {name} with {_text(forms)}: what "
                "that changes in the curves is not known; store PNG or .npy files."
            )

    def bias(
        self,
        names: Sequence[str],
        functionals: Functionals,
        truth: FloatArray,
        values: FloatArray,
        errors: FloatArray,
    ) -> FloatArray:
        """Return how far the formats of generations could move their curves, (r, c).

        Parameters
        ----------
        names : sequence of str, length r
            Of the generations.
        functionals : Functionals
        truth : array, shape (c,)
            Curves of the data.
        values, errors : array, shape (r, c)
        """
        bias = np.zeros(values.shape)
        trips = self._trips
        lossy = {
            name: self._sets[name] for name in names if any(map(self._is_lossy, self._sets.get(name, {})))
        }
        if not lossy or trips is None:
            return bias
        alike: dict[tuple[frozenset[tuple[Form, float]], int], list[int]] = {}
        for name in lossy:
            alike.setdefault(self._kind(name), []).append(list(names).index(name))
        for (_, quality), index in alike.items():
            forms = lossy[names[index[0]]]
            bias[index] = trips.bias(forms, quality, functionals, truth, values[index], errors[index])
        return bias

    def spread(self, name: str) -> float:
        """Return how far the formats of a generation take values from the ends of the range; 0 of lossless ones."""
        trips = self._trips
        if trips is None or not any(map(self._is_lossy, self._sets.get(name, {}))):
            return 0.0
        kind = self._kind(name)
        if kind not in self._spreads:
            self._spreads[kind] = trips.spread(self._sets[name], self._quality(name))
        return self._spreads[kind]

    @cached_property
    def _trips(self) -> RoundTrips | None:
        if self._axes is None:
            return None
        return RoundTrips(self._data, self._axes, self._coordinates, self._units)

    def _kind(self, name: str) -> tuple[frozenset[tuple[Form, float]], int]:
        """Return what sets that are stored alike have in common."""
        forms = self._sets[name]
        total = sum(forms.values())
        return frozenset((form, round(n / total, 2)) for form, n in forms.items()), self._quality(name)

    def _quality(self, name: str) -> int:
        """Return the quality of the lossy WebP among the images of a set; 0 where there are none."""
        if not any(form.name == LOSSY_WEBP for form in self._sets[name]):
            return 0
        if name not in self._qualities:
            self._qualities[name] = webp_quality(self._files[name])
        return self._qualities[name]

    @property
    def lossy(self) -> str:
        """The lossy forms of the generations, for sentences; empty where there are none."""
        generations = [forms for name, forms in self._sets.items() if name != "real"]
        names = {form.name: None for forms in generations for form in forms if self._is_lossy(form)}
        return ", ".join(names)

    @property
    def notes(self) -> list[str]:
        """A sentence on lossy formats, and on those that differ."""
        kinds = {_names(forms) for forms in self._sets.values()}
        losses = [name for name, forms in self._sets.items() if any(map(self._is_lossy, forms))]
        if not losses:
            return []
        groups: dict[str, list[str]] = {}
        for name, forms in self._sets.items():
            groups.setdefault(_text(forms), []).append(name)
        listed = [f"{_span(names)} {text}" for text, names in groups.items()]
        text = f"{OPENING}{'; '.join(listed)}."
        if len(kinds) > 1:
            text += " They differ."
        if losses != ["real"]:
            text += (
                " Lossy formats change variances; if the next models were trained on these files, by that much in "
                "every round anew."
            )
        else:
            text += " The data are taken as these files hold them, which is right if the models read them."
        return [text]

    def _is_lossy(self, form: Form) -> bool:
        pixels = 0 if self._axes is None else self._axes.height * self._axes.width
        return form.loss in (BLOCKS, LOSSY) or (
            form.loss == PALETTE and not self._is_grey and pixels > _COLOURS
        )


def _names(forms: Forms) -> frozenset[str]:
    return frozenset(form.name for form in forms)


def _text(forms: Forms) -> str:
    """Return numbers of images by format."""
    ordered = sorted(forms.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{count} {form.name}" for form, count in ordered[:3])
    return shown + (f" and {len(ordered) - 3} forms more" if len(ordered) > 3 else "")


def _span(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} (each)"
