"""Curves of generations relative to the data, as they were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.signature import public
from ..diagnosis.measuring.measured import FACTOR, KINDS, POWER, VARIANCE, Measured
from . import style
from .labels import label_line_ends, log_ticks, round_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_OF_A_KIND = 2
"""Curves of a kind that are drawn: all kinds together have as many curves as there are colours."""

_SHAPES = {"o": "circles", "s": "squares", "^": "triangles"}
_WORDS = {VARIANCE: "variances along directions", FACTOR: "shares of degrees", POWER: "power by frequency"}


@public
@style.style()
def draw_measured(measured: Measured, axes: Axes | None = None) -> Axes:
    """Draw measured curves divided by the values of the data, with their standard errors.

    Parameters
    ----------
    measured : Measured
    axes : Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    Axes

    Notes
    -----
    At most two curves of each kind, spread over all: variances, shares of degrees, power by frequency.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_collapse as hc
    >>> real = np.random.default_rng(0).normal(size=(400, 3)) * [2.0, 1.0, 0.5]
    >>> draw_measured(hc.measure(real, [0.9 * real, 0.8 * real])).get_ylabel()
    'value / value of the data'
    """
    axes = style.own_axes(axes)
    rounds = np.array([0, *measured.rounds])
    errors = measured.standard_errors
    ends: list[tuple[float, str, str]] = []
    shapes = []
    for marker, kind in zip(style.MARKERS, KINDS, strict=False):
        of_kind = np.flatnonzero(np.array(measured.kinds) == kind)
        if len(of_kind) == 0:
            continue
        shapes.append(f"{_SHAPES[marker]}: {_WORDS[kind]}")
        selected = of_kind[np.unique(np.linspace(0, len(of_kind) - 1, MOST_OF_A_KIND).round().astype(int))]
        for j in selected:
            colour = style.CATEGORIES[len(ends) % len(style.CATEGORIES)]
            start = measured.data[j]
            axes.errorbar(
                rounds,
                np.array([start, *measured.values[:, j]]) / start,
                np.array([np.sqrt(measured.data_covariance[j, j]), *errors[:, j]]) / start,
                fmt=f"{marker}-",
                color=colour,
                markersize=3.5,
                linewidth=0.9,
            )
            ends.append((float(measured.values[-1, j] / start), measured.names[j], colour))
    heights, names, colours = (list(column) for column in zip(*ends, strict=True))
    if min(heights) > 0.0:
        axes.set_yscale("log")
        log_ticks(axes)
    label_line_ends(axes, float(rounds[-1]), heights, names, colours)
    round_axis(axes, "round")
    axes.set_ylabel("value / value of the data")
    text = measured.clipping.text if measured.clipping.is_biased else ""
    count, drawn = len(measured.names), len(ends)
    which = f"All {count} curves" if drawn == count else f"{drawn} of {count} curves, the ends of each kind"
    words = f"{which}, over their values of the data (round 0, always 1), with standard errors. "
    style.describe(
        style.figure_of(axes), "measured", f"{words}{'; '.join(shapes).capitalize()}. {text}".strip()
    )
    return axes
