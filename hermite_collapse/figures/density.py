"""Densities of the data, of some rounds and of the limit: lines in one dimension, contours in two.

Contours enclose given shares of the probability, so that those of two laws can be compared; a level of the
density itself could not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ..core.errors import InputError
from ..core.types import FloatArray
from ..laws.aged import AgedLaw
from ..laws.empirical import EmpiricalLaw
from ..laws.mixture import DensityLaw, GaussianMixture, Law
from . import style
from .labels import legend_above

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

MASSES = (0.25, 0.5, 0.75, 0.95)
"""Shares of the probability that contours enclose."""
LINE_WIDTHS = (0.7, 0.9, 1.2, 1.5)
"""Widths of the lines, of the largest share first."""

_LINE_GRID = 601
_PLANE_GRID = 161


@style.style()
def draw_densities(
    axes: Axes | None = None,
    *,
    data: Law,
    rounds: Mapping[int, DensityLaw],
    limit: DensityLaw | None = None,
    samples: ArrayLike | None = None,
    legend: bool = True,
) -> Axes:
    """Draw the densities of one-dimensional laws on one axis.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    data : Law
        The target, filled; where it has no density, a histogram of its points is filled.
    rounds : mapping of int to DensityLaw
        Laws of the rounds shown, by round.
    limit : DensityLaw, optional
        The limit law.
    samples : array, shape (n,), optional
        Particles of the last simulated round, as a stepped histogram.
    legend : bool
        Whether there is a legend above the axes.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a law is not one-dimensional.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> axes = draw_densities(data=recursion.target, rounds={1: recursion.law(1)}, limit=recursion.limit())
    >>> axes.get_ylabel()
    'density'
    """
    axes = style.own_axes(axes, height=3.3)
    last: Law = limit if limit is not None else (rounds[max(rounds)] if rounds else data)
    for law in (data, *rounds.values(), last):
        if law.dimension != 1:
            raise InputError(f"laws drawn as lines must have dimension 1, got dimension {law.dimension}.")
    low, high = _interval([data, last])
    grid = _fine_grid([data, *rounds.values(), last], 0, low, high, _LINE_GRID)

    if (smooth := with_density(data)) is not None:
        height = smooth.density(grid)
        axes.fill_between(grid, height, color=style.DATA, alpha=0.26, linewidth=0.0, label="data")
        axes.plot(grid, height, color=style.DATA, linewidth=0.9)
    else:
        points = np.ravel(points_of(data))
        axes.hist(
            points,
            bins=_edges(points, low, high).tolist(),
            density=True,
            color=style.DATA,
            alpha=0.3,
            linewidth=0.0,
            label=f"data ({points.size} points)",
        )
    if samples is not None:
        particles = np.ravel(np.asarray(samples, dtype=float))
        heights, edges = np.histogram(particles, bins=_edges(particles, low, high), density=True)
        inside = np.mean((particles >= low) & (particles <= high))
        axes.stairs(heights * inside, edges, color=style.INK, linewidth=0.6, label="particles", zorder=2.2)
    for j, i in enumerate(sorted(rounds)):
        axes.plot(
            grid,
            rounds[i].density(grid),
            color=style.round_colour(j, len(rounds)),
            linewidth=1.15,
            label=f"round {i}",
            zorder=2.5,
        )
    if limit is not None:
        axes.plot(grid, limit.density(grid), color=style.LIMIT, linewidth=2.0, label="limit", zorder=2.6)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("$x$")
    axes.set_ylabel("density")
    if legend:
        legend_above(axes)
    return axes


@style.style()
def draw_density_contours(
    axes: Axes | None = None,
    *,
    data: Law,
    law: DensityLaw,
    title: str = "limit",
    colour: str = style.LIMIT,
    window: tuple[float, float, float, float] | None = None,
    key: bool = True,
) -> Axes:
    """Draw a two-dimensional law as lines over the data as filled contours; both enclose the shares `MASSES`.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    data : Law
        The target; points are scattered where it has no density.
    law : DensityLaw
        The law drawn as lines.
    title : str
        Above the axes, in the colour of the lines.
    colour : str
        Of the lines.
    window : tuple of four floats, optional
        Left, right, bottom and top; from the two laws without it.
    key : bool
        Whether a key below the axes says which shares of the probability the regions hold.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a law is not two-dimensional.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("tilted_2d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> draw_density_contours(data=recursion.target, law=recursion.limit()).get_title("left")
    'limit'
    """
    axes = style.own_axes(axes, width=style.COLUMN, height=style.COLUMN)
    for each in (data, law):
        if each.dimension != 2:
            raise InputError(f"laws drawn as contours must have dimension 2, got dimension {each.dimension}.")
    left, right, bottom, top = window or plane_window([data, law])
    x = _fine_grid([data, law], 0, left, right, _PLANE_GRID)
    y = _fine_grid([data, law], 1, bottom, top, _PLANE_GRID)
    cells = np.gradient(y)[:, None] * np.gradient(x)
    plane = np.stack(np.meshgrid(x, y, indexing="xy"), axis=-1)
    if (smooth := with_density(data)) is not None:
        values = smooth.density(plane)
        levels = [*enclosing_levels(values, MASSES, cells), np.inf]
        axes.contourf(x, y, values, levels=levels, colors=style.DATA_FILLS)
    else:
        points = _thinned(points_of(data), 3000)
        axes.scatter(points[:, 0], points[:, 1], s=3.0, color=style.DATA, alpha=0.35, linewidth=0.0)
    values = law.density(plane)
    levels = enclosing_levels(values, MASSES, cells)
    axes.contour(x, y, values, levels=levels, colors=colour, linewidths=LINE_WIDTHS)
    axes.set_aspect("equal")
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_xlabel("$x_1$")
    axes.set_ylabel("$x_2$")
    axes.set_title(title, color=colour)
    if key:
        contour_key(axes, colour=colour, name=title, data_has_density=smooth is not None)
    return axes


@style.style()
def contour_key(
    owner: Axes | Figure, *, colour: str, name: str, data_has_density: bool, columns: int = 2
) -> None:
    """Write a key of contours below an axes or a figure: data filled or as points, law as lines, by share."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shares = [f"{100.0 * mass:.0f} %" for mass in MASSES]
    handles: list[Artist] = []
    for j, share in enumerate(reversed(shares)):
        if data_has_density:
            handles.append(Patch(facecolor=style.DATA_FILLS[j], label=f"data, {share}"))
    if not data_has_density:
        handles.append(Line2D([], [], linestyle="", marker="o", color=style.DATA, label="data"))
    for width, share in zip(LINE_WIDTHS, reversed(shares), strict=True):
        handles.append(Line2D([], [], color=colour, linewidth=width, label=f"{name}, {share}"))
    location = {"loc": "outside lower center"} if isinstance(owner, Figure) else {"loc": "upper center"}
    anchor = {} if isinstance(owner, Figure) else {"bbox_to_anchor": (0.5, -0.2)}
    owner.legend(handles=handles, ncols=columns, fontsize=8.5, columnspacing=1.2, **location, **anchor)


def enclosing_levels(
    values: FloatArray, masses: Sequence[float], cells: FloatArray | float = 1.0
) -> list[float]:
    """Return increasing density levels whose upper sets hold the given shares of what lies on a grid of such cells."""
    order = np.argsort(values, axis=None)[::-1]
    flat = np.ravel(values)[order]
    weight = flat * np.broadcast_to(cells, values.shape).ravel()[order]
    share = (np.cumsum(weight) - 0.5 * weight) / np.sum(weight)
    return [float(level) for level in sorted(np.interp(masses, share, flat))]


def plane_window(laws: Sequence[Law]) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top of a window that shows nearly all of each law."""
    sides = [_interval([law.project(axis) for law in laws], tail=1.2e-2) for axis in np.eye(2)]
    return (*sides[0], *sides[1])


def with_density(law: Law) -> DensityLaw | None:
    """Return the law if it has a density; None for one with atoms left, such as after a round without truncation."""
    return law if isinstance(law, DensityLaw) and law.has_density else None


def _interval(laws: Sequence[Law], tail: float = 6e-4) -> tuple[float, float]:
    """Where one-dimensional laws are to be seen: outside, densities are below a share `tail` of the peak."""
    ends = []
    for law in laws:
        smooth = with_density(law)
        if smooth is None:
            points = np.ravel(points_of(law))
            low, high = np.quantile(points, [0.001, 0.999])
            pad = 0.05 * (high - low) or 1.0
            ends.append((float(low - pad), float(high + pad)))
            continue
        centre, spread = float(law.mean[0]), float(np.sqrt(law.covariance[0, 0]))
        grid = _fine_grid([law], 0, centre - 9.0 * spread, centre + 9.0 * spread, 1501)
        values = smooth.density(grid)
        visible = grid[values > tail * values.max()]
        ends.append((float(visible[0]), float(visible[-1])))
    return min(e[0] for e in ends), max(e[1] for e in ends)


def _fine_grid(laws: Sequence[Law], axis: int, low: float, high: float, count: int) -> FloatArray:
    """Even points from `low` to `high`, and more around every component too narrow for them to be seen."""
    even = np.linspace(low, high, count)
    extra = [even]
    for law in laws:
        if not _has_few_components(law):
            continue
        mixture = law.as_mixture()
        width = np.sqrt(mixture.covariances[:, axis, axis])
        narrow = (width > 0.0) & (width < 2.0 * (even[1] - even[0]))
        around = mixture.means[narrow, axis, None] + width[narrow, None] * np.linspace(-4.5, 4.5, 73)
        extra.append(np.ravel(around))
    points = np.unique(np.concatenate(extra))
    return points[(points >= low) & (points <= high)]


def _has_few_components(law: Law) -> bool:
    """Whether the law is a mixture, or one over ages of mixtures with few enough components to look at each."""
    if isinstance(law, AgedLaw):
        return all(isinstance(base, GaussianMixture) and len(base.weights) <= 32 for base in law.bases)
    return isinstance(law, GaussianMixture)


def _edges(points: FloatArray, low: float, high: float) -> FloatArray:
    """Histogram edges over the range: Freedman and Diaconis' width, between 20 and 120 bins."""
    first, third = np.quantile(points, [0.25, 0.75])
    width = 2.0 * (third - first) / points.size ** (1.0 / 3.0)
    count = int(np.clip((high - low) / width, 20, 120)) if width > 0.0 else 60
    return np.linspace(low, high, count + 1)


def points_of(law: Law) -> FloatArray:
    """Return points (n, d) that stand for a law without a density: its samples, or draws with a fixed seed."""
    return law.samples if isinstance(law, EmpiricalLaw) else law.sample(4000, np.random.default_rng(0))


def _thinned(points: FloatArray, count: int) -> FloatArray:
    return points[:: max(1, -(-len(points) // count))]
