r"""What lossy formats of images do to the curves of generations.

A JPEG rounds the coefficients of the cosine transform of blocks of 8 x 8 to multiples of a table q, whose errors have
the variance q^2 / 12 as those of any rounding: along a unit vector u with the coefficients c they add

    sum over blocks and coefficients of c^2 q^2 / 12

to a variance, and the mean of that over the modes of a band to its power.  Small coefficients are lost instead, unless
noise lies on them: what the table does to the data themselves is the other estimate.  Curves that the larger of the
two moves by more than their errors are left out, as with the rounding to 8 bits.

Of colours in a JPEG, of lossy WebP and of palettes of colours nothing of the kind is known.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...core.errors import InputError
from ...core.types import FloatArray
from ...storage.image_forms import BLOCKS, LOSSY, OPENING, PALETTE, Form
from ...storage.units import Units
from .coordinates import Coordinates
from .frequencies import mode_powers
from .functionals import Functionals, noise_powers
from .image_axes import ImageAxes

_BLOCK, _MIDDLE = 8, 128.0
Forms = Mapping[Form, int]


class Formats:
    """The formats in which the data and the generations are stored.

    Parameters
    ----------
    sets : mapping of str to (mapping of Form to int)
        How many images of each form a set holds, by its name: "real", and generations.  Arrays are not among them.
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
        data: FloatArray,
        axes: ImageAxes | None,
        coordinates: Coordinates,
        units: Units,
    ) -> None:
        self._sets, self._data, self._axes = sets, data, axes
        self._coordinates, self._units = coordinates, units
        measured = coordinates.axes
        self._is_grey = measured is not None and measured.channels == 1
        self._by_table: dict[tuple[int, ...], FloatArray] = {}

    def bias(self, name: str, functionals: Functionals) -> FloatArray:
        """Return how far the format of a generation could move its curves, (c,).

        Raises
        ------
        InputError
            If nobody knows how far, and the data are not stored in the same form.
        """
        none = np.zeros(len(functionals.names))
        forms = self._sets.get(name, {})
        if not any(self._is_lossy(form) for form in forms) or self._axes is None:
            return none
        if not all(form.loss == BLOCKS and self._is_grey for form in forms if self._is_lossy(form)):
            if _names(forms) != _names(self._sets.get("real", {})):
                raise InputError(
                    f"generations must be stored without loss where the data are not stored in the same format, got "
                    f"{name} with {_text(forms)}: what that changes in the curves is not known; "
                    "store PNG or .npy files."
                )
            return none
        total = sum(forms.values())
        return np.asarray(
            sum(
                count / total * self._of_table(form.table, functionals, self._axes)
                for form, count in forms.items()
                if form.loss == BLOCKS
            )
        )

    def _of_table(self, table: tuple[int, ...], functionals: Functionals, axes: ImageAxes) -> FloatArray:
        """Return how far rounding to a table could move the curves, (c,)."""
        if table not in self._by_table:
            steps = np.array(table, dtype=np.float64).reshape(_BLOCK, _BLOCK)
            added = _of_rounding(
                np.square(steps / self._units.scale) / 12.0, functionals, axes, self._coordinates
            )
            before, after = (
                functionals.of(self._coordinates.of(whole)).values
                for whole in (self._data, _rounded(self._data, steps, axes, self._units))
            )
            self._by_table[table] = np.maximum(added, np.abs(after - before))
        return self._by_table[table]

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
        return form.loss in (BLOCKS, LOSSY) or (form.loss == PALETTE and not self._is_grey)


def _rounded(samples: FloatArray, steps: FloatArray, axes: ImageAxes, units: Units) -> FloatArray:
    """Return grey images (n, d) as a JPEG with this table gives them back, all channels alike."""
    from scipy.fft import dctn, idctn

    levels = axes.images(samples)[:, 0] * units.scale + units.shift - _MIDDLE
    padded = np.pad(levels, [(0, 0), *_padding(axes)], mode="edge")
    shape = (-1, padded.shape[1] // _BLOCK, _BLOCK, padded.shape[2] // _BLOCK, _BLOCK)
    coefficients = dctn(padded.reshape(shape), axes=(2, 4), norm="ortho")
    each = steps[:, None, :]
    decoded = idctn(np.rint(coefficients / each) * each, axes=(2, 4), norm="ortho").reshape(padded.shape)
    pixels = np.clip(np.rint(decoded[:, : axes.height, : axes.width] + _MIDDLE), 0.0, 2.0 * _MIDDLE - 1.0)
    result = np.empty_like(samples)
    for channel in axes.positions():
        result[:, channel.ravel()] = (pixels.reshape(len(samples), -1) - units.shift) / units.scale
    return result


def _padding(axes: ImageAxes) -> list[tuple[int, int]]:
    return [(0, -size % _BLOCK) for size in (axes.height, axes.width)]


def _of_rounding(
    variances: FloatArray, functionals: Functionals, axes: ImageAxes, coordinates: Coordinates
) -> FloatArray:
    """Return what errors of these variances of the coefficients of a block, (8, 8), add to the curves, (c,)."""
    from scipy.fft import dctn, idctn

    vectors = functionals.directions
    if coordinates.measured is not None:
        whole = np.zeros((len(vectors), axes.size))
        whole[:, coordinates.measured] = vectors
        vectors = whole
    images = axes.images(vectors).sum(axis=1)
    padded = np.pad(images, [(0, 0), *_padding(axes)])
    rows, columns = (size // _BLOCK for size in padded.shape[1:])
    blocks = dctn(padded.reshape(-1, rows, _BLOCK, columns, _BLOCK), axes=(2, 4), norm="ortho")
    along = np.einsum("nruch,uh->n", np.square(blocks), variances)
    powers = np.zeros(len(functionals.bands))
    if functionals.axes is not None and len(functionals.bands):
        patterns = idctn(np.eye(_BLOCK**2).reshape(-1, _BLOCK, _BLOCK), axes=(1, 2), norm="ortho")
        height, width = functionals.axes.height, functionals.axes.width
        image = np.zeros((_BLOCK**2, 1, max(height, _BLOCK), max(width, _BLOCK)))
        image[:, 0, :_BLOCK, :_BLOCK] = patterns  # elsewhere it has the same spectrum
        spectrum = mode_powers(image[:, :, :height, :width])
        each = variances.ravel() @ spectrum * (height * width / _BLOCK**2)
        noise = noise_powers(functionals.axes, functionals.bands, functionals.mean)
        powers = np.array([each[modes].mean() for modes in functionals.bands]) / noise
    return np.concatenate([along, np.zeros(len(functionals.degrees)), powers])


def _names(forms: Forms) -> frozenset[str]:
    return frozenset(form.name for form in forms)


def _text(forms: Forms) -> str:
    """Return numbers of images by format."""
    ordered = sorted(forms.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{count} {form.name}" for form, count in ordered[:3])
    return shown + (f" and {len(ordered) - 3} forms more" if len(ordered) > 3 else "")


def _span(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} (each)"
