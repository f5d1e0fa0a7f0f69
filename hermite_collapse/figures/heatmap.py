"""Hermite coefficients of a law in the plane as heat maps, of the data and of the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import SymLogNorm
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.numbers import true_minus
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
    bar.set_label("coefficient")
    _plain_bar(bar)
    return figure


def _colour_bar(axes: Axes, shade: ScalarMappable, label: str) -> None:
    bar = style.figure_of(axes).colorbar(shade, ax=axes, pad=0.03, shrink=0.9, aspect=26)
    bar.set_label(label)
    _plain_bar(bar)


def _plain_bar(bar: Colorbar) -> None:
    """No frame, no minor ticks, numbers written out."""
    bar.outline.set_visible(False)
    bar.minorticks_off()
    high = float(bar.norm.vmax or 0.0)
    ticks = [-high, -0.1 * high, -0.01 * high, 0.0, 0.01 * high, 0.1 * high, high]
    bar.set_ticks(ticks, labels=[true_minus(f"{tick:.2g}") for tick in ticks])
