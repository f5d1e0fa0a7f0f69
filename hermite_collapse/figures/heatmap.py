"""Heat maps: Hermite coefficients of a law in the plane, and a quantity over the plane of parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.numbers import true_minus
from ..core.types import FloatArray
from ..recursion import modes
from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

    from ..hermite.coefficients import HermiteCoefficients


@style.style()
def draw_coefficients(
    axes: Axes | None = None,
    *,
    indices: ArrayLike,
    values: ArrayLike,
    largest: float | None = None,
    title: str = "",
    bar: bool = True,
) -> Axes:
    """Draw the coefficients c_k of a law in two dimensions, one cell a multi-index k = (k_1, k_2).

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    indices : array of int, shape (m, 2)
        Multi-indices.
    values : array, shape (m,)
        Coefficients.
    largest : float, optional
        Size at which colours saturate; the largest abs(values) without it.  Give the same to compare maps.
    title : str
    bar : bool
        Whether there is a colour bar.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the shapes do not fit.

    Notes
    -----
    Colour is linear up to a hundredth of the largest size and logarithmic from there on, with the sign.  Degree 0,
    always 1, is left out.  Dotted diagonals join the modes of equal degree: the recursion multiplies all of a
    diagonal by one factor.

    Examples
    --------
    >>> draw_coefficients(indices=[[1, 0], [0, 1], [1, 1]], values=[0.2, -0.1, 0.05]).get_xlabel()
    '$k_1$'
    """
    axes = style.own_axes(axes, width=style.COLUMN, height=style.COLUMN)
    k = checks.degrees(indices)
    c = np.asarray(values, dtype=float)
    if k.ndim != 2 or k.shape[1] != 2 or c.shape != (len(k),):
        raise InputError(f"indices must have shape (m, 2) and values (m,), got {k.shape} and {c.shape}.")
    degree = int(k.sum(axis=1).max())
    cells = np.full((degree + 1, degree + 1), np.nan)
    inner = k.sum(axis=1) > 0
    cells[k[inner, 1], k[inner, 0]] = c[inner]
    reach = largest if largest is not None else (float(np.max(np.abs(c[inner]), initial=0.0)) or 1.0)
    shade = axes.pcolormesh(
        np.arange(degree + 1),
        np.arange(degree + 1),
        np.ma.masked_invalid(cells),
        cmap=style.DIVERGING,
        norm=SymLogNorm(linthresh=0.01 * reach, vmin=-reach, vmax=reach, linscale=0.6),
        shading="nearest",
        edgecolors="face",
        linewidth=0.1,
    )
    for n in range(2, degree + 1, 2):
        axes.plot([-0.5, n + 0.5], [n + 0.5, -0.5], color=style.MUTED, linewidth=0.5, dashes=(1.0, 2.5))
    axes.set_xlim(-0.5, degree + 0.5)
    axes.set_ylim(-0.5, degree + 0.5)
    axes.set_aspect("equal")
    axes.set_xlabel("$k_1$")
    axes.set_ylabel("$k_2$")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.set_title(title)
    if bar:
        _colour_bar(axes, shade, "coefficient $c_k$")
    return axes


@style.style()
def coefficient_figure(
    *, coefficients: HermiteCoefficients, fresh_fraction: float, truncation_time: float, rate: float = 0.5
) -> Figure:
    """Draw the data's coefficients beside those of the limit, g_{abs(k)} c_k, in the same colours.

    Parameters
    ----------
    coefficients : HermiteCoefficients
        Of a law in two dimensions.
    fresh_fraction, truncation_time, rate : float
        Of the recursion, as for `attenuation`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> coefficients = hc.presets.load("tilted_2d").hermite_coefficients(4)
    >>> figure = coefficient_figure(coefficients=coefficients, fresh_fraction=0.3, truncation_time=0.1)
    >>> figure.axes[0].get_title("left")
    'data, $c_k$'
    """
    c = np.asarray(coefficients.values, dtype=float)
    g = modes.attenuation(
        coefficients.degrees, fresh_fraction=fresh_fraction, truncation_time=truncation_time, rate=rate
    )
    largest = float(np.max(np.abs(c[coefficients.degrees > 0]), initial=0.0)) or 1.0
    figure, grid = style.panels(1, 2, width=6.4, height=3.1)
    for axes, values, title in zip(
        grid[0], (c, g * c), ("data, $c_k$", "limit, $g_{|k|}\\,c_k$"), strict=True
    ):
        draw_coefficients(
            axes, indices=coefficients.indices, values=values, largest=largest, title=title, bar=False
        )
    grid[0, 1].set_ylabel("")
    bar = figure.colorbar(grid[0, 1].collections[0], ax=list(grid[0]), shrink=0.9, pad=0.02, aspect=26)
    _plain_bar(bar)
    return figure


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
            rf"$\lambda={level:g}$",
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
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))


def _colour_bar(axes: Axes, shade: ScalarMappable, label: str) -> None:
    bar = style.figure_of(axes).colorbar(shade, ax=axes, pad=0.03, shrink=0.9, aspect=26)
    bar.set_label(label)
    _plain_bar(bar)


def _plain_bar(bar: Colorbar) -> None:
    """No frame, no minor ticks, numbers written out."""
    bar.outline.set_visible(False)
    bar.minorticks_off()
    high = bar.norm.vmax
    ticks = [-high, -0.1 * high, -0.01 * high, 0.0, 0.01 * high, 0.1 * high, high]
    bar.set_ticks(ticks, labels=[true_minus(f"{tick:.2g}") for tick in ticks])
