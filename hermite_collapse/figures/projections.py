"""A law in many dimensions, seen along a few directions.

Projections of an Ornstein-Uhlenbeck recursion are recursions of the same kind, so the panels of a
high-dimensional law show exact densities, not estimates from samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.types import FloatArray
from ..core.value import Value
from ..laws.mixture import DensityLaw, GaussianMixture, Law
from . import style
from .density import draw_densities, with_density

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Direction(Value):
    """A unit vector along which a law is worth looking at, and the words for it.

    Attributes
    ----------
    words : str
    vector : array, shape (d,)
    """

    words: str
    vector: FloatArray


def telling_directions(law: Law) -> tuple[Direction, ...]:
    """Return up to three directions to look along: the widest, one that separates components, the thinnest.

    Parameters
    ----------
    law : Law
        In two dimensions or more.

    Returns
    -------
    tuple of Direction

    Notes
    -----
    The widest is the first principal axis.  The separating one joins the two means furthest apart among those pairs
    whose difference is not along the widest; laws that are no mixture take the second principal axis.  The largest
    entry is made positive, so the same law gives the same directions.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> [direction.words for direction in telling_directions(hc.presets.load("tilted_2d"))]
    ['first principal axis', 'through two distant components']
    """
    _, axes = law.principal_axes
    widest, thinnest = _signed(axes[:, -1]), _signed(axes[:, 0])
    separating = _separating(law.means, widest) if isinstance(law, GaussianMixture) else None
    if separating is None:
        second = Direction("second principal axis", _signed(axes[:, -2]))
    else:
        second = Direction("through two distant components", separating)
    directions = (Direction("first principal axis", widest), second)
    return directions if law.dimension == 2 else (*directions, Direction("last principal axis", thinnest))


@style.style()
def draw_projection(
    axes: Axes | None = None,
    *,
    direction: Direction,
    data: Law,
    rounds: Mapping[int, DensityLaw],
    limit: DensityLaw | None = None,
    samples: ArrayLike | None = None,
) -> Axes:
    """Draw the densities of the component of laws along one direction.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    direction : Direction
    data, rounds, limit
        As for `draw_densities`, in d dimensions; projected here.
    samples : array, shape (n, d), optional
        Particles, projected alike.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("tilted_2d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> widest = telling_directions(recursion.target)[0]
    >>> draw_projection(direction=widest, data=recursion.target, rounds={1: recursion.law(1)}).get_title("left")
    'first principal axis'
    """
    axes = style.own_axes(axes, width=style.COLUMN, height=2.8)
    v = direction.vector
    projected = {i: with_density(law.project(v)) for i, law in rounds.items()}
    draw_densities(
        axes,
        data=data.project(v),
        rounds={i: law for i, law in projected.items() if law is not None},
        limit=None if limit is None else with_density(limit.project(v)),
        samples=None if samples is None else checks.samples(samples) @ v,
        legend=False,
    )
    axes.set_title(direction.words)
    axes.set_xlabel("component along the direction")
    return axes


@style.style()
def projection_figure(
    *,
    data: Law,
    rounds: Mapping[int, DensityLaw],
    limit: DensityLaw | None = None,
    samples: ArrayLike | None = None,
    directions: Sequence[Direction] | None = None,
) -> Figure:
    """Draw one panel a direction, side by side, with one legend above all of them.

    Parameters
    ----------
    data, rounds, limit, samples
        As for `draw_projection`.
    directions : sequence of Direction, optional
        The telling ones of the data without it.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("tilted_2d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> len(projection_figure(data=recursion.target, rounds={1: recursion.law(1)}).axes)
    2
    """
    directions = tuple(directions) if directions is not None else telling_directions(data)
    figure, grid = style.panels(1, len(directions), height=2.95)
    for axes, direction in zip(grid[0], directions, strict=True):
        draw_projection(axes, direction=direction, data=data, rounds=rounds, limit=limit, samples=samples)
    for axes in grid[0, 1:]:
        axes.set_ylabel("")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), columnspacing=1.3)
    return figure


def _separating(means: FloatArray, widest: FloatArray) -> FloatArray | None:
    """Unit vector between the two means furthest apart, pairs along `widest` left out; None without any."""
    if len(means) < 2:
        return None
    pairs = means[:, None, :] - means[None, :, :]
    length = np.linalg.norm(pairs, axis=-1)
    length[np.abs(pairs @ widest) > 0.98 * length] = 0.0
    first, second = np.unravel_index(int(np.argmax(length)), length.shape)
    if length[first, second] == 0.0:
        return None
    return _signed(pairs[first, second] / length[first, second])


def _signed(vector: FloatArray) -> FloatArray:
    return vector * np.sign(vector[np.argmax(np.abs(vector))])
