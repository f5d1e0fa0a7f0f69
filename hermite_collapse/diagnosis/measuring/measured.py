"""Curves measured round by round, the data's own values beside them, and their joint covariance, kept as netCDF.

    value            generation, curve            s^2, f_n or power, as `kind` says
    noise            generation, curve, other     covariance that the samples of a generation give to its own values
    data             curve                        values of the data, and
    data_covariance  curve, other                 the covariance of their errors, 0 where they are the law itself, and
    data_scatter     curve, other                 that of a single sample of the data
    data_mean        axis                         mean of the data, and
    data_moments     axis, across                 covariance, in axes the first of which are the directions,
    moments_samples                               of as many samples, 0 where it is exact, and
    data_spectrum    component                    all its variances; files without it have those of these axes
    kind, number     curve                        "variance" and rank, "factor" and degree, "power" and frequency
    round, samples   generation                   number of the round, and of samples measured
    share_at_ends    set, end                     of the data and each generation, at the lowest and highest value
    ends, bias       end; generation, curve       these values, and what was cut there did to a curve, in its errors
    sheet            set, example, row, column    first images, bytes

The file's attributes are its format, the units, the notes, training_samples (-1: as many as were measured), and apart
(1, 0, or -1 and absent where it is not said).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import checks
from ...core.display import Displayed
from ...core.errors import InputError
from ...core.signature import public
from ...core.types import BoolArray, FloatArray, IntArray
from ...core.value import Value
from ...storage.datasets import read_dataset, write_dataset
from .clipping import Clipping
from .history import passed_on_covariance, trained_covariance
from .moments import Moments

if TYPE_CHECKING:
    from xarray import Dataset

VARIANCE, FACTOR, POWER = "variance", "factor", "power"
KINDS = (VARIANCE, FACTOR, POWER)
FORMAT = 4

_DIMENSIONS = {
    "kind": ("curve",),
    "number": ("curve",),
    "data": ("curve",),
    "data_covariance": ("curve", "other"),
    "data_scatter": ("curve", "other"),
    "data_samples": (),
    "value": ("generation", "curve"),
    "noise": ("generation", "curve", "other"),
    "samples": ("generation",),
    "share_at_ends": ("set", "end"),
    "ends": ("end",),
    "bias": ("generation", "curve"),
}
_MOMENTS = {"data_mean": ("axis",), "data_moments": ("axis", "across"), "moments_samples": ()}
_SPECTRUM = {"data_spectrum": ("component",)}
_SHEET = ("set", "example", "row", "column", "colour")


@public
@dataclass(frozen=True, eq=False)
class Measured(Displayed, Value):
    """Curves by round with everything a fit needs to know about their errors.

    Attributes
    ----------
    names : tuple of str, length c
        Such as "direction 12", "degree 2", "frequency 0.18".
    kinds : tuple of str, length c
        "variance" of a principal direction orthogonal to the mean of the data; "factor" f_n, the share of a Hermite
        degree that is left, 1 for the data; "power" variance of the Fourier modes of a band of frequencies without the
        direction of the mean of the data, 1 for white noise.
    numbers : array, shape (c,)
        Rank of the direction from 1 on, degree n, or frequency in units of Nyquist's.
    rounds : int array, shape (r,)
        Increasing; round 0 is the data, round 1 the first model.
    labels : tuple of str, length r
        Names of the generations.
    values : array, shape (r, c)
    noise : array, shape (r, c, c)
        Covariance of the error that the samples of each generation give to its own values; invertible.
    samples : int array, shape (r,)
        Number of samples measured in each generation.
    data : array, shape (c,)
        Values of the data.
    data_covariance : array, shape (c, c)
        Of their errors; 0 where the data are what the models were trained on.
    data_scatter : array, shape (c, c)
        Covariance of the curves for a single sample of the data.
    data_samples : int
        Number of samples behind `data`.
    units : str
        How numbers of the files became those of the diffusion.
    clipping : Clipping
        Samples at the ends of their range.
    moments : Moments or None
        Mean and covariance of the data in the space of the directions, which round maps that are not affine need:
        directions are orthogonal to the mean, not eigenvectors.  None: eigenvectors.
    training_samples : int or None
        T, samples in each round's training set, fresh ones drawn anew; None: those that were measured and all data.
    apart : bool or None
        Whether the measured samples are none of these; None, taken as False, where it is not said.
    notes : tuple of str
        Sentences that a reader should see.
    sheet : array of bytes, shape (1 + r, k, height, width) or (1 + r, k, height, width, 3), or None
        First images of the data and of each generation; None for samples that are no images.

    Raises
    ------
    InputError
        If shapes do not fit, a number is not finite, or rounds do not increase.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_collapse as hc
    >>> real = np.random.default_rng(0).normal(size=(400, 3)) * [2.0, 1.0, 0.5]
    >>> measured = hc.measure(real, [0.9 * real, 0.8 * real], directions=2, degrees=0)
    >>> measured.covariance(0.7).shape  # two curves, two generations
    (4, 4)
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    numbers: FloatArray
    rounds: IntArray
    labels: tuple[str, ...]
    values: FloatArray
    noise: FloatArray
    samples: IntArray
    data: FloatArray
    data_covariance: FloatArray
    data_scatter: FloatArray
    data_samples: int
    units: str
    clipping: Clipping
    training_samples: int | None = None
    apart: bool | None = None
    moments: Moments | None = None
    notes: tuple[str, ...] = ()
    sheet: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        count, length = len(checks.items(self.names, "names")), len(checks.items(self.labels, "labels"))
        if count == 0 or length == 0:
            raise InputError("names and labels must name at least one curve and one generation, got none.")
        for kind in checks.items(self.kinds, "kinds"):
            checks.one_of(kind, KINDS, "kinds")
        shapes = {
            "kinds": (count,),
            "numbers": (count,),
            "rounds": (length,),
            "values": (length, count),
            "noise": (length, count, count),
            "samples": (length,),
            "data": (count,),
            "data_covariance": (count, count),
            "data_scatter": (count, count),
        }
        for name, shape in shapes.items():
            array = np.asarray(getattr(self, name))
            if array.shape != shape:
                raise InputError(f"{name} must have shape {shape}, got {array.shape}.")
            if name != "kinds":
                checks.real_array(array, name)
        checks.instance(self.clipping, Clipping, "clipping")
        if self.moments is not None:
            checks.instance(self.moments, Moments, "moments")
            directions = self.kinds.count(VARIANCE)
            if len(self.moments.mean) < directions:
                raise InputError(
                    f"moments must have an axis for each of {directions} directions, got {len(self.moments.mean)}."
                )
        if np.any(np.diff(self.rounds) <= 0) or self.rounds[0] < 0:
            raise InputError(f"rounds must increase from 0 or more, got {np.asarray(self.rounds).tolist()}.")
        if np.min(self.samples) < 1 or checks.integer(self.data_samples, "data_samples", minimum=1) < 1:
            raise InputError(f"samples must be at least 1, got {int(np.min(self.samples))}.")
        if self.training_samples is not None:
            checks.integer(self.training_samples, "training_samples", minimum=2)
        super().__post_init__()

    def __repr__(self) -> str:
        return (
            f"Measured({len(self.names)} curves in {len(self.rounds)} rounds: {', '.join(self.names[:6])}"
            f"{', ...' if len(self.names) > 6 else ''})"
        )

    @property
    def data_are_exact(self) -> bool:
        """Whether the values of the data carry no sampling error."""
        return not np.any(self.data_covariance)

    @property
    def standard_errors(self) -> FloatArray:
        """Errors of the values about each generation's own law, without what earlier rounds passed on, (r, c)."""
        return np.sqrt(np.einsum("icc->ic", self.noise))

    def part(self, *kinds: str) -> Measured:
        """Return the curves of some kinds only."""
        wanted = [checks.one_of(kind, KINDS, "kinds") for kind in kinds]
        index = np.flatnonzero(np.isin(self.kinds, wanted))
        if len(index) == 0:
            raise InputError(f"kinds must name curves that were measured, got {', '.join(wanted)}.")
        return self.only(index)

    def only(self, index: IntArray) -> Measured:
        """Return the curves at some positions."""
        directions = np.flatnonzero(np.array(self.kinds) == VARIANCE)
        left = np.searchsorted(directions, [c for c in index if self.kinds[c] == VARIANCE])
        return self.replace(
            names=tuple(self.names[c] for c in index),
            kinds=tuple(self.kinds[c] for c in index),
            numbers=self.numbers[index],
            values=self.values[:, index],
            noise=self.noise[:, index[:, None], index],
            data=self.data[index],
            data_covariance=self.data_covariance[index[:, None], index],
            data_scatter=self.data_scatter[index[:, None], index],
            clipping=self.clipping.replace(bias=self.clipping.bias[:, index]),
            moments=None if self.moments is None else self.moments.leading(left),
        )

    def covariance(
        self, contraction: ArrayLike, values: ArrayLike | None = None, *, slope: ArrayLike | None = None
    ) -> FloatArray:
        """Return the joint covariance of the curves of all generations, for one hypothesis about the rounds.

        It is that of rounds whose training sets hold fresh data and samples of the last generation (`history`).

        Parameters
        ----------
        contraction : float or array, shape (c,) or (k, c)
            Lambda, by which an error in a curve is multiplied from one round to the next: (1 - alpha) dV/dw for a
            variance, (1 - alpha) a^n for degree n.  Of rounds 0 -> 1, 1 -> 2, ... where it changes; k is at least the
            last round.
        values : array, shape (r, c), optional
            Values under the hypothesis: the noise of variances and powers is theirs then, with what the law's own
            scatter adds, which frees fits of the bias that weights made of the measured values give.
        slope : float or array, shape (c,) or (k, c), optional
            dV/dw, or a^n for degree n, of which the contraction is the part 1 - alpha; the contraction itself, alpha =
            0, unless given.  Asked of curves with `training_samples` alone.

        Returns
        -------
        array, shape (r c, r c)
            In the order of `values.ravel()`; invertible.

        Raises
        ------
        InputError
            If a shape does not fit.
        """
        steps = self._by_round(contraction, "contraction")
        if self.training_samples is None:
            first = self.data_covariance * (self.data_samples / self.samples[0])
            return passed_on_covariance(
                self._noise(values),
                rounds=self.rounds,
                steps=steps,
                first=first,
                relative=self._relative(values),
            )
        return trained_covariance(
            self._noise(values),
            rounds=self.rounds,
            samples=self.samples,
            contractions=steps,
            slopes=steps if slope is None else self._by_round(slope, "slope"),
            training_samples=self.training_samples,
            data_scatter=self.data_scatter,
            relative=self._relative(values),
            apart=bool(self.apart),
        )

    def _relative(self, values: ArrayLike | None) -> FloatArray | None:
        """Return by how much noise grows with each value, in units of the noise, (r, c); None for measured values."""
        if values is None:
            return None  # they went astray with the law already
        expected = np.asarray(values, dtype=np.float64)
        grows = self.are_scales & (expected > 0.0)
        return np.divide(1.0, expected, out=np.zeros_like(expected), where=grows)

    @property
    def are_scales(self) -> BoolArray:
        """Whether the noise of each curve is proportional to its value, as that of variances and powers is, (c,)."""
        return np.array([kind != FACTOR for kind in self.kinds])

    def _noise(self, values: ArrayLike | None) -> FloatArray:
        """Return M_i, under other values where these are given, (r, c, c)."""
        return self.noise if values is None else self._rescaled(self.noise, self.values, values)

    def _by_round(self, factors: ArrayLike, name: str) -> FloatArray:
        """Return factors of rounds 0 -> 1, 1 -> 2, ... by curve, (k, c)."""
        count, last = len(self.names), int(self.rounds[-1])
        array = np.asarray(factors, dtype=np.float64)
        if array.ndim == 2 and array.shape[1] == count and len(array) >= last:
            return array
        if array.shape not in ((), (count,)):
            raise InputError(
                f"{name} must be a number, ({count},) or ({last}, {count}), got shape {array.shape}."
            )
        return np.broadcast_to(array, (max(last, 1), count))

    def covariance_of_data(self, values: ArrayLike | None = None) -> FloatArray:
        """Return the covariance of the values of the data, under other values where these are given, (c, c)."""
        if values is None:
            return self.data_covariance
        return self._rescaled(self.data_covariance, self.data, values)

    def _rescaled(self, noise: FloatArray, measured: FloatArray, values: ArrayLike) -> FloatArray:
        """Return covariances (..., c, c) of measured values, for variances and powers those of other values."""
        wanted = checks.real_array(values, "values")
        if wanted.shape != measured.shape:
            raise InputError(f"values must have shape {measured.shape}, got {wanted.shape}.")
        scaled = self.are_scales & (measured > 0.0)
        ratio = np.divide(wanted, measured, out=np.ones_like(wanted), where=scaled)
        return np.asarray(ratio[..., :, None] * noise * ratio[..., None, :])

    def to_dataset(self) -> Dataset:
        """Return everything as one labelled xarray Dataset."""
        import xarray

        sets = ("data", *self.labels)
        variables: dict[str, NDArray[np.generic] | np.int64] = {
            "kind": np.array(self.kinds, dtype=object),
            "number": self.numbers,
            "data": self.data,
            "data_covariance": self.data_covariance,
            "data_scatter": self.data_scatter,
            "data_samples": np.int64(self.data_samples),
            "value": self.values,
            "noise": self.noise,
            "samples": self.samples,
            "share_at_ends": self.clipping.shares,
            "ends": self.clipping.ends,
            "bias": self.clipping.bias,
        }
        if self.sheet is not None:
            variables["sheet"] = self.sheet
        if self.moments is not None:
            variables |= {
                "data_mean": self.moments.mean,
                "data_moments": self.moments.covariance,
                "moments_samples": np.int64(self.moments.samples),
            }
            if self.moments.spectrum is not None:
                variables["data_spectrum"] = self.moments.spectrum
        return xarray.Dataset(
            {name: (_dimensions(name, np.ndim(array)), array) for name, array in variables.items()},
            coords={
                "curve": np.array(self.names, dtype=object),
                "generation": np.array(self.labels, dtype=object),
                "round": ("generation", self.rounds),
                "set": np.array(sets, dtype=object),
                "end": np.array(["low", "high"], dtype=object),
            },
            attrs={
                "format": FORMAT,
                "units": self.units,
                "training_samples": -1 if self.training_samples is None else self.training_samples,
                "apart": -1 if self.apart is None else int(self.apart),
                "notes": "\n".join(self.notes),
            },
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a netCDF file, atomically.

        Parameters
        ----------
        path : str or path
        """
        write_dataset(self.to_dataset(), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Measured:
        """Return what `save` wrote.

        Parameters
        ----------
        path : str or path
            The file, or a folder with one such file, as `hermite-collapse measure --out` leaves it.

        Raises
        ------
        InputError
            If there is no such file, or it holds something else.
        """
        file = Path(path)
        if file.is_dir():
            inside = sorted(file.glob("*.nc"))
            if len(inside) != 1:
                raise InputError(
                    f"path must be a folder that measure wrote, with one .nc file, got {os.fspath(path)!r} with "
                    f"{len(inside)}."
                )
            file = inside[0]
        stored = read_dataset(file, _DIMENSIONS | {"round": ("generation",)})
        version = stored.attrs.get("format")
        if version != FORMAT:
            raise InputError(
                f"path must hold curves of format {FORMAT}, got format {version} in {os.fspath(path)!r}: "
                "measure the generations again."
            )
        trained = int(stored.attrs["training_samples"])
        notes = str(stored.attrs["notes"])
        return cls(
            names=tuple(map(str, stored["curve"].values)),
            kinds=tuple(checks.one_of(str(kind), KINDS, "kind") for kind in stored["kind"].values),
            numbers=stored["number"].values,
            rounds=stored["round"].values.astype(np.int64),
            labels=tuple(map(str, stored["generation"].values)),
            values=stored["value"].values,
            noise=stored["noise"].values,
            samples=stored["samples"].values.astype(np.int64),
            data=stored["data"].values,
            data_covariance=stored["data_covariance"].values,
            data_scatter=stored["data_scatter"].values,
            data_samples=int(stored["data_samples"].values),
            units=str(stored.attrs["units"]),
            clipping=Clipping(stored["ends"].values, stored["share_at_ends"].values, stored["bias"].values),
            training_samples=None if trained < 0 else trained,
            apart={0: False, 1: True}.get(int(stored.attrs.get("apart", -1))),
            moments=(
                Moments(
                    stored["data_mean"].values,
                    stored["data_moments"].values,
                    int(stored["moments_samples"].values),
                    stored["data_spectrum"].values if "data_spectrum" in stored else None,
                )
                if all(name in stored for name in _MOMENTS)
                else None
            ),
            notes=tuple(notes.split("\n")) if notes else (),
            sheet=stored["sheet"].values if "sheet" in stored else None,
        )


def _dimensions(name: str, axes: int) -> tuple[str, ...]:
    return _SHEET[:axes] if name == "sheet" else (_DIMENSIONS | _MOMENTS | _SPECTRUM)[name]
