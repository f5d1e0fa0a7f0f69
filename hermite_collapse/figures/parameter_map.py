"""A quantity over the plane of fresh fraction and truncation time, with contours of what decides the limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import ArrayLike

from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray
from . import style
from .labels import decimal_or_power

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@public
@style.style()
def draw_parameter_map(
    axes: Axes | None = None,
    *,
    fresh_fraction: ArrayLike,
    truncation_time: ArrayLike,
    values: ArrayLike,
    label: str,
    rate: float = 0.5,
    levels: Sequence[float] = (1.0, 3.0, 10.0, 30.0, 100.0),
    logarithmic: bool = False,
    marks: Mapping[str, float] | None = None,
) -> Axes:
    """Draw a quantity over fresh fraction and truncation time, with contours of lambda = alpha/(theta t).

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    fresh_fraction : array, shape (A,)
        Increasing, > 0.
    truncation_time : array, shape (T,)
        Increasing, > 0.
    values : array, shape (A, T)
        NaN cells stay blank.
    label : str
        What the colour means.
    rate : float
        theta.
    levels : sequence of float
        Values of lambda whose contours are drawn.
    logarithmic : bool
        Colour by the logarithm.
    marks : mapping of str to float, optional
        Truncation times by name, such as those of known samplers; each within the map is a dashed rule with its name
        above, and rules closer than a line of text share theirs.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the shapes do not fit or a parameter is not positive.

    Notes
    -----
    To first order in the time the limit law depends on the two through lambda alone, the degree beyond which modes are
    lost: where the colours follow the contours that is all there is to know.

    Examples
    --------
    >>> draw_parameter_map(
    ...     fresh_fraction=[0.1, 0.3], truncation_time=[0.05, 0.1], values=[[1.0, 2.0], [3.0, 4.0]], label="degree"
    ... ).get_xlabel()
    'truncation time $t_0$'
    """
    axes = style.own_axes(axes, width=4.6, height=4.5 if marks else 3.5)
    alpha, time = np.asarray(fresh_fraction, dtype=float), np.asarray(truncation_time, dtype=float)
    table = np.asarray(values, dtype=float)
    if table.shape != (alpha.size, time.size):
        raise InputError(f"values must have shape ({alpha.size}, {time.size}), got {table.shape}.")
    if np.any(alpha <= 0.0) or np.any(time <= 0.0):
        raise InputError(
            "fresh_fraction and truncation_time must be > 0 on a map with log axes, got a zero or less."
        )
    finite = table[np.isfinite(table)]
    norm = (LogNorm if logarithmic else Normalize)(float(finite.min()), float(finite.max()))
    shade = axes.pcolormesh(
        _cell_edges(time),
        _cell_edges(alpha),
        np.ma.masked_invalid(table),
        cmap=style.SEQUENTIAL,
        norm=norm,
        edgecolors="face",
        linewidth=0.1,
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("truncation time $t_0$")
    axes.set_ylabel(r"fresh fraction $\alpha$")
    _decimal_ticks(axes)
    left, right = _cell_edges(time)[[0, -1]]
    bottom, top = _cell_edges(alpha)[[0, -1]]
    for level in levels:
        # The contour alpha = lambda theta t is a straight line of slope one on log axes.
        start, end = max(left, bottom / (level * rate)), min(right, top / (level * rate))
        if start >= end:
            continue
        line = np.array([start, end])
        axes.plot(line, level * rate * line, color=style.LIMIT, linewidth=0.9, zorder=3.0)
        axes.annotate(
            rf"$\lambda={level:g}$" if level == min(levels) else f"{level:g}",  # one name, so that they fit
            (end, level * rate * end),
            xytext=(3.0, 1.0) if end == right else (0.0, 3.0),
            textcoords="offset points",
            color=style.LIMIT,
            fontsize=8.5,
            ha="left" if end == right else "center",
            va="center" if end == right else "bottom",
            annotation_clip=False,
        )
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    _mark_times(axes, {name: t for name, t in (marks or {}).items() if left <= t <= right})
    bar = style.figure_of(axes).colorbar(shade, ax=axes, pad=0.1, aspect=26)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(decimal_or_power))
    within_a_decade = not logarithmic or float(finite.max()) < 10.0 * float(finite.min())
    if within_a_decade:  # else the powers of ten are enough, and numbers between them would overlap
        bar.ax.yaxis.set_minor_formatter(FuncFormatter(decimal_or_power))
    else:
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.set_label(label)
    bar.outline.set_visible(False)
    return axes


def _mark_times(axes: Axes, marks: Mapping[str, float]) -> None:
    """Dashed rules at truncation times, named above the map; rules closer than a line of text share a name."""
    left, right = np.log(axes.get_xlim())
    apart = (right - left) * 11.0 / (72.0 * axes.get_position().width * style.figure_of(axes).get_figwidth())
    groups: list[tuple[list[float], list[str]]] = []
    for name, time in sorted(marks.items(), key=lambda item: item[1]):
        axes.axvline(time, color=style.INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=3.5)
        if groups and np.log(time / groups[-1][0][0]) < apart:
            groups[-1][0].append(time)
            groups[-1][1].append(name)
        else:
            groups.append(([time], [name]))
    for times, names in groups:
        axes.annotate(
            ", ".join(names),
            (float(np.exp(np.mean(np.log(times)))), 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0.0, 15.0),  # above the names of contours that end at the top
            textcoords="offset points",
            rotation=90.0,
            ha="center",
            va="bottom",
            fontsize=8.5,
            color=style.INK,
            annotation_clip=False,
        )


def _cell_edges(centres: FloatArray) -> FloatArray:
    """Edges of cells around increasing centres, in the logarithm."""
    logs = np.log(centres)
    if logs.size == 1:
        return np.exp(logs[0] + np.array([-0.1, 0.1]))
    middle = 0.5 * (logs[1:] + logs[:-1])
    return np.exp(np.concatenate([[2.0 * logs[0] - middle[0]], middle, [2.0 * logs[-1] - middle[-1]]]))


def _decimal_ticks(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(decimal_or_power))
        axis.set_minor_formatter(NullFormatter())
