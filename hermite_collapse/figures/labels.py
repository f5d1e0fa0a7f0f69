"""Labels that keep clear of each other and of the data: names at the ends of lines, legends above the axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike

from ..core.types import FloatArray
from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


LARGEST_TICK_RATIO = 30.0
"""Ratio of the ends of a logarithmic axis below which it is labelled at more than powers of ten."""


def spread_labels(
    positions: ArrayLike, gap: float, *, low: float = -np.inf, high: float = np.inf
) -> FloatArray:
    """Return positions as near as possible (least squares) to those asked, in the same order, `gap` apart.

    Parameters
    ----------
    positions : array, shape (n,)
    gap : float
        Least distance between neighbours.
    low, high : float
        Bounds; where the interval is too short for all, `low` wins.

    Returns
    -------
    array, shape (n,)

    Notes
    -----
    With u_j = y_(j) - j gap over the sorted positions the constraint is that u be non-decreasing, so the answer is the
    isotonic regression of u; bounds on the positions clip it.
    """
    from scipy.optimize import isotonic_regression

    wanted = np.asarray(positions, dtype=float)
    if wanted.size == 0:
        return wanted
    order = np.lexsort((-np.arange(wanted.size), wanted))  # of equals, the first named ends up on top
    steps = gap * np.arange(wanted.size)
    level = isotonic_regression(wanted[order] - steps).x
    placed = np.empty_like(wanted)
    placed[order] = np.maximum(np.minimum(level, high - steps[-1]), low) + steps
    return placed


def label_line_ends(
    axes: Axes,
    x: float,
    heights: Sequence[float],
    texts: Sequence[str],
    colours: Sequence[str],
    *,
    size: float = 9.5,
) -> None:
    """Write each text to the right of the end (x, height) of its line, moved apart where they would touch.

    To be called when the limits of the axes are final: distances on the page are computed from them.
    """
    figure = style.figure_of(axes)
    pixels = np.array([round(float(axes.transData.transform((x, h))[1]), 3) for h in heights])
    pixel_per_point = figure.dpi / 72.0
    # The layout engine shrinks the axes after this; a gap above the line height keeps texts apart still.
    box = axes.bbox
    margin = 0.4 * size * pixel_per_point
    placed = spread_labels(pixels, 1.42 * size * pixel_per_point, low=box.y0 + margin, high=box.y1 + margin)
    for height, text, colour, start, end in zip(heights, texts, colours, pixels, placed, strict=True):
        axes.annotate(
            text,
            (x, float(height)),
            xytext=(7.0, (end - start) / pixel_per_point),
            textcoords="offset points",
            color=colour,
            fontsize=size,
            va="center",
            ha="left",
            annotation_clip=False,
        )


def legend_above(axes: Axes, columns: int | None = None) -> None:
    """Put the legend above the axes, clear of the data, in one row or in so many columns."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns or len(labels),
        borderaxespad=0.2,
        columnspacing=1.3,
        handletextpad=0.5,
    )


def round_axis(axes: Axes, name: str = "round $i$") -> None:
    """Let the horizontal axis count rounds, under that name."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.set_xlabel(name)


def decimal_or_power(value: float, _: object = None) -> str:
    """Return a tick's number as it is, or as a power of ten where zeros would have to be counted.

    Examples
    --------
    >>> decimal_or_power(0.01), decimal_or_power(1e-6), decimal_or_power(1e5)
    ('0.01', '$10^{-6}$', '$10^{5}$')
    """
    if 1e-4 < abs(value) < 1e5 or value == 0.0:
        return f"{value:g}"
    factor, power = f"{value:e}".split("e")
    times = "" if float(factor) == 1.0 else rf"{float(factor):g}\times"
    return f"${times}10^{{{int(power)}}}$"


def log_ticks(axes: Axes) -> None:
    """Label a logarithmic vertical axis of less than a decade or two at more than powers of ten."""
    low, high = axes.get_ylim()
    if high / low < LARGEST_TICK_RATIO:
        step = (1.0, 2.0, 5.0) if high / low > 8.0 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
        axes.yaxis.set_major_locator(LogLocator(subs=step))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    if high / low < 1.5:
        axes.set_yscale("linear")
