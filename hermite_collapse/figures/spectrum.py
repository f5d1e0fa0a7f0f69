"""Degree spectra: the energy of each Hermite degree, its error bars and the floor below which nothing is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray
from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..hermite.degree import DegreeSpectrum


@style.style()
def draw_spectrum(
    axes: Axes | None = None,
    *,
    energy: ArrayLike,
    standard_error: ArrayLike | None = None,
    noise_floor: ArrayLike | None = None,
    resolvable_degree: int | None = None,
    label: str = "",
    predicted: ArrayLike | None = None,
    predicted_label: str = "predicted",
    colour: str = style.ROUNDS[3],
) -> Axes:
    """Draw the energy of each degree n >= 1 on a log axis.

        E_n = sum over abs(k) = n of c_k^2

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    energy : array, shape (n + 1,)
        From degree 0; estimates that came out negative are drawn as bars without a point.
    standard_error : array, shape (n + 1,), optional
        Of the estimates.
    noise_floor : array, shape (n + 1,), optional
        Standard error for data without structure, shaded.
    resolvable_degree : int, optional
        Highest degree whose energy the sample resolves; further points are hollow.
    label : str
        Of the points.
    predicted : array, shape (n + 1,), optional
        Exact energies, as a line.
    predicted_label : str
        Of that line: "predicted" for the same law, "left by the limit" for what a recursion makes of it.
    colour : str
        Of the points.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If no energy of degree 1 or more is positive.

    Examples
    --------
    >>> draw_spectrum(energy=[1.0, 0.5, 0.1], standard_error=[0.0, 0.01, 0.01]).get_ylabel()
    'energy $E_n$'
    """
    axes = style.own_axes(axes, height=3.3)
    value = np.asarray(energy, dtype=float)
    if value.ndim != 1 or value.size < 2:
        raise InputError(f"energy must have shape (n + 1,) with n >= 1, got {value.shape}.")
    error = np.zeros_like(value) if standard_error is None else np.asarray(standard_error, dtype=float)
    n = np.arange(1, value.size)
    tall = np.maximum(value, value + error)[1:]
    reference = tall[tall > 0.0]
    if reference.size == 0:
        raise InputError("energy must be positive in some degree >= 1 to be drawn on a log axis, got none.")
    axes.set_yscale("log")
    bottom = _bottom(value[1:], error[1:], noise_floor, predicted)
    if noise_floor is not None:
        floor = np.asarray(noise_floor, dtype=float)[1:]
        axes.fill_between(n, bottom, floor, color=style.DATA, alpha=0.2, linewidth=0.0, zorder=1.0)
        axes.annotate(
            "noise floor",
            (n[-1], floor[-1]),
            xytext=(7.0, 0.0),
            textcoords="offset points",
            color=style.DATA,
            va="center",
            annotation_clip=False,
        )
    if predicted is not None:
        exact = np.asarray(predicted, dtype=float)[1:]
        axes.plot(
            n, np.where(exact > 0.0, exact, np.nan), color=style.LIMIT, linewidth=1.3, label=predicted_label
        )
    limit = value.size if resolvable_degree is None else resolvable_degree
    for keep, face in ((n <= limit, colour), (n > limit, "#ffffff")):
        y, bar = value[1:][keep], error[1:][keep]
        low = np.clip(np.minimum(bar, y - bottom), 0.0, None)
        shown = np.where(y > bottom, y, np.nan)
        axes.errorbar(
            n[keep],
            shown,
            np.array([low, bar]),
            fmt="o",
            color=colour,
            markerfacecolor=face,
            markeredgewidth=0.9,
            elinewidth=1.0,
            zorder=3.0,
            clip_on=False,
            label=label if face == colour and label else None,
        )
        lost = keep.copy()
        lost[keep] = (y <= bottom) & (y + bar > bottom)
        axes.vlines(n[lost], bottom, (value + error)[1:][lost], color=colour, linewidth=1.0, zorder=2.9)
    if resolvable_degree is not None and resolvable_degree < n[-1]:
        axes.axvline(resolvable_degree + 0.5, color=style.MUTED, linewidth=0.8, dashes=(2.0, 2.0))
        axes.annotate(
            f"resolved to degree {resolvable_degree}",
            (resolvable_degree + 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(5.0, -3.0),
            textcoords="offset points",
            va="top",
            color=style.MUTED,
            fontsize=9.5,
        )
    axes.set_ylim(bottom=bottom)
    axes.set_xlim(0.5, value.size - 0.5)
    axes.set_xlabel("Hermite degree $n$")
    axes.set_ylabel("energy $E_n$")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))
    if label or predicted is not None:
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2)
    return axes


@public
def draw_degree_spectrum(spectrum: DegreeSpectrum, axes: Axes | None = None) -> Axes:
    """Draw a measured spectrum: energies with their errors above the noise floor, hollow where they say nothing.

    Parameters
    ----------
    spectrum : DegreeSpectrum
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If no energy of degree 1 or more is positive.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> import numpy as np
    >>> points = 0.5 * np.random.default_rng(0).normal(size=(400, 2))
    >>> hc.degree_spectrum(points, degree=4).plot().get_ylabel()
    'energy $E_n$'
    """
    return draw_spectrum(
        axes,
        energy=spectrum.energy,
        standard_error=spectrum.standard_error,
        noise_floor=spectrum.noise_floor,
        resolvable_degree=spectrum.resolvable_degree,
    )


def _bottom(
    value: FloatArray, error: FloatArray, noise_floor: ArrayLike | None, predicted: ArrayLike | None
) -> float:
    """Lower end of the log axis: below everything seen, but not more than twelve decades down."""
    candidates = [value[value > 0.0], (value + error)[value + error > 0.0]]
    if noise_floor is not None:
        candidates.append(np.asarray(noise_floor, dtype=float)[1:])
    if predicted is not None:
        candidates.append(np.asarray(predicted, dtype=float)[1:])
    heights = np.concatenate(candidates)
    heights = heights[np.isfinite(heights) & (heights > 0.0)]
    return float(max(0.4 * heights.min(), 1e-12 * heights.max()))
