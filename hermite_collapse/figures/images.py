"""Figures of image recursions: samples by round, factors by degree, spectra by frequency, D_HF by last step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ..core.errors import InputError
from ..core.types import FloatArray
from . import style
from .labels import label_line_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIGMAS = 2.0
"""Half width of the bands in standard errors."""


@style.style()
def sample_figure(samples: Mapping[str, ArrayLike], *, rounds: Sequence[int], columns: int = 2) -> Figure:
    """Draw samples by round, one panel for each run: a row for each round, its first images side by side.

    Parameters
    ----------
    samples : mapping of str to array, shape (rounds, k, height, width) or (rounds, k, height, width, 3)
        By title; values in [0, 1].
    rounds : sequence of int
        Number of each row's round.
    columns : int
        Panels side by side.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If there are no samples, or their shape does not fit the rounds.

    Examples
    --------
    >>> import numpy as np
    >>> sample_figure({"digits": np.zeros((2, 3, 8, 8))}, rounds=[0, 1]).axes[0].get_title("left")
    'digits'
    """
    if not samples:
        raise InputError("samples must hold at least one run, got none.")
    mosaics = {
        title: _mosaic(np.asarray(images, dtype=float), len(rounds)) for title, images in samples.items()
    }
    wide = min(columns, len(mosaics))
    tall = -(-len(mosaics) // wide)
    first, height = next(iter(mosaics.values()))
    panel = (style.WIDE - 0.6) / wide
    figure, axes = style.panels(
        tall, wide, width=style.WIDE, height=tall * (panel * first.shape[0] / first.shape[1] + 0.4)
    )
    for number, ax in enumerate(axes.ravel()):
        if number >= len(mosaics):
            ax.set_visible(False)
            continue
        title, (mosaic, height) = list(mosaics.items())[number]
        ax.imshow(mosaic, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
        ax.set_title(title)
        ax.set_xticks([])
        ax.set_yticks([(row + 0.5) * height - 0.5 for row in range(len(rounds))])
        ax.set_yticklabels([str(i) for i in rounds] if number % wide == 0 else [])
        if number % wide == 0:
            ax.set_ylabel("round")
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
    return style.describe(
        figure, "image-samples", "Samples by round of training, the first row being the data of round 0."
    )


def _mosaic(images: FloatArray, rows: int) -> tuple[FloatArray, int]:
    """Images side by side in rows, a white pixel between them; and the height of a row."""
    if images.ndim not in (4, 5) or len(images) != rows:
        raise InputError(
            f"samples must have shape ({rows}, k, height, width) or ({rows}, k, height, width, 3), got {images.shape}."
        )
    gap = [(0, 0), (0, 0), (0, 1), (0, 1)] + [(0, 0)] * (images.ndim - 4)
    padded = np.pad(images, gap, constant_values=1.0)
    count, k, height, width = padded.shape[:4]
    moved = np.moveaxis(padded, 2, 1)
    return moved.reshape(count * height, k * width, *padded.shape[4:]), height


@style.style()
def draw_degree_factors(
    axes: Axes | None = None,
    *,
    degrees: ArrayLike,
    predicted: ArrayLike,
    measured: ArrayLike,
    standard_error: ArrayLike,
    label: str = "measured",
) -> Axes:
    """Draw factors f_n(i) by round and degree: lines for ideal rounds, measurements with bands of two errors.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    degrees : array of int, shape (m,)
    predicted, measured, standard_error : array, shape (rounds + 1, m)
    label : str
        Of the measurements.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the shapes do not fit.

    Examples
    --------
    >>> factors = [[1.0, 1.0], [0.9, 0.8]]
    >>> draw_degree_factors(
    ...     degrees=[1, 2], predicted=factors, measured=factors, standard_error=[[0.0, 0.0], [0.01, 0.01]]
    ... ).get_xlabel()
    'round'
    """
    axes = style.own_axes(axes, height=3.3)
    n = np.asarray(degrees)
    exact, value, error = (np.asarray(a, dtype=float) for a in (predicted, measured, standard_error))
    if not exact.shape == value.shape == error.shape or exact.ndim != 2 or exact.shape[1] != len(n):
        raise InputError(
            f"predicted, measured and standard_error must have shape (rounds + 1, {len(n)}), got {exact.shape}, "
            f"{value.shape} and {error.shape}."
        )
    rounds = np.arange(len(exact))
    colours = [style.CATEGORIES[j % len(style.CATEGORIES)] for j in range(len(n))]
    for j, colour in enumerate(colours):
        axes.plot(rounds, exact[:, j], color=colour, linewidth=1.2, zorder=2.0)
        low, high = value[:, j] - _SIGMAS * error[:, j], value[:, j] + _SIGMAS * error[:, j]
        axes.fill_between(rounds, low, high, color=colour, alpha=0.22, linewidth=0.0, zorder=1.0)
        axes.plot(
            rounds,
            value[:, j],
            color=colour,
            linestyle="none",
            marker=style.MARKERS[j % len(style.MARKERS)],
            markersize=4.5,
            zorder=3.0,
        )
    axes.plot([], [], color=style.MUTED, linewidth=1.2, label="ideal rounds, predicted")
    axes.plot([], [], color=style.MUTED, linestyle="none", marker="o", label=rf"{label}, $\pm 2$ s.e.")
    axes.set_xlabel("round")
    axes.set_ylabel("factor of degree $n$")
    axes.set_xlim(-0.15, rounds[-1] + 0.15)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
    label_line_ends(axes, float(rounds[-1]), list(value[-1]), [f"$n = {int(k)}$" for k in n], colours)
    return axes


@style.style()
def draw_radial_power(
    axes: Axes | None = None,
    *,
    frequency: ArrayLike,
    data: ArrayLike,
    rounds: Mapping[int, ArrayLike],
    cutoff: float | None = None,
) -> Axes:
    """Draw power by radial frequency on a log axis; white noise of variance 1 is the line at 1.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    frequency : array, shape (b,)
        In units of Nyquist's.
    data : array, shape (b,)
        Power of the data.
    rounds : mapping of int to array, shape (b,)
        Power by round.
    cutoff : float, optional
        Where high frequencies begin, marked.

    Returns
    -------
    Axes

    Examples
    --------
    >>> draw_radial_power(frequency=[0.2, 0.8], data=[2.0, 0.1], rounds={1: [1.9, 0.2]}).get_ylabel()
    'power per mode'
    """
    axes = style.own_axes(axes, height=3.3)
    f = np.asarray(frequency, dtype=float)
    axes.set_yscale("log")
    axes.axhline(1.0, color=style.MUTED, linewidth=0.8, dashes=(2.0, 2.0))
    axes.annotate(
        "white noise",
        (1.0, 1.0),
        xycoords=("axes fraction", "data"),
        xytext=(-4.0, 3.0),
        textcoords="offset points",
        ha="right",
        color=style.MUTED,
        fontsize=9.5,
    )
    axes.plot(f, np.asarray(data, dtype=float), color=style.DATA, linewidth=2.2, label="data")
    for j, (i, power) in enumerate(rounds.items()):
        colour = style.round_colour(j, len(rounds))
        axes.plot(
            f,
            np.asarray(power, dtype=float),
            color=colour,
            marker=style.MARKERS[j % len(style.MARKERS)],
            label=f"round {i}",
        )
    if cutoff is not None:
        axes.axvspan(cutoff, 1.0, color=style.DATA, alpha=0.1, linewidth=0.0)
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("radial frequency, units of Nyquist's")
    axes.set_ylabel("power per mode")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, borderaxespad=0.2)
    return axes


@style.style()
def draw_high_frequency_loss(
    axes: Axes | None = None,
    *,
    losses: Mapping[str, ArrayLike],
    standard_errors: Mapping[str, ArrayLike],
    predicted: ArrayLike | None = None,
) -> Axes:
    """Draw the high-frequency power lost by round for several last steps; below 0, noise was gained.

        D_HF = 1 - HF(p_i) / HF(p*)

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    losses, standard_errors : mapping of str to array, shape (rounds + 1,)
        By name of the last step.
    predicted : array, shape (rounds + 1,), optional
        For ideal rounds with the noisy step.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the two mappings differ in their names, or there is none.

    Examples
    --------
    >>> draw_high_frequency_loss(losses={"noisy": [0.0, -0.1]}, standard_errors={"noisy": [0.0, 0.02]}).get_xlabel()
    'round'
    """
    axes = style.own_axes(axes, height=3.3)
    if not losses or set(losses) != set(standard_errors):
        raise InputError(
            f"standard_errors must have the keys of losses, {sorted(losses)}, got {sorted(standard_errors)}."
        )
    axes.axhline(0.0, color=style.MUTED, linewidth=0.8, dashes=(2.0, 2.0))
    ends, colours = [], []
    rounds = np.arange(len(np.asarray(next(iter(losses.values())))))
    if predicted is not None:
        axes.plot(
            rounds,
            np.asarray(predicted, dtype=float),
            color=style.LIMIT,
            linewidth=1.3,
            label="noisy, ideal rounds",
        )
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
    for j, (name, loss) in enumerate(losses.items()):
        value, error = np.asarray(loss, dtype=float), np.asarray(standard_errors[name], dtype=float)
        colour = (style.CATEGORIES[0], *style.CATEGORIES[2:])[j % (len(style.CATEGORIES) - 1)]
        axes.fill_between(
            rounds, value - _SIGMAS * error, value + _SIGMAS * error, color=colour, alpha=0.22, linewidth=0.0
        )
        axes.plot(rounds, value, color=colour, marker=style.MARKERS[j % len(style.MARKERS)])
        ends.append(float(value[-1]))
        colours.append(colour)
    axes.set_xlabel("round")
    axes.set_ylabel("$D_{\\mathrm{HF}}$")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.set_xlim(-0.1, rounds[-1] + 0.1)
    axes.set_ylim(*axes.get_ylim())
    label_line_ends(axes, float(rounds[-1]), ends, list(losses), colours)
    return axes
