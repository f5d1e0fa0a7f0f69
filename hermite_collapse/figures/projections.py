"""A law in many dimensions, seen along a few directions.

Projections of an Ornstein-Uhlenbeck recursion are recursions of the same kind, so the panels of a
high-dimensional law show exact densities, not estimates from samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from . import style
from .density import draw_densities

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Direction:
    """A unit vector (d,) along which a law is worth looking at, and the words for it."""

    words: str
    vector: FloatArray


def telling_directions(law: Any) -> tuple[Direction, ...]:
    """Up to three directions to look along: the widest, one that separates components, the thinnest.

    The widest is the first principal axis. The separating one joins the two means furthest apart among
    those pairs whose difference is not along the widest; laws without components take the second principal
    axis. Signs make the largest entry positive, so the same law gives the same directions.
    """
    _, axes = np.linalg.eigh(law.covariance)
    widest, thinnest = _signed(axes[:, -1]), _signed(axes[:, 0])
    separating = _separating(getattr(law, "means", None), widest)
    if separating is None:
        separating, words = _signed(axes[:, -2]), "second principal axis"
    else:
        words = "through two distant components"
    chosen = [Direction("first principal axis", widest), Direction(words, separating)]
    if law.dimension > 2:
        chosen.append(Direction("last principal axis", thinnest))
    return tuple(chosen)


@style.style()
def draw_projection(
    axes: Axes | None = None,
    *,
    direction: Direction,
    data: Any,
    rounds: Mapping[int, Any],
    limit: Any | None = None,
    samples: ArrayLike | None = None,
) -> Axes:
    """Densities of the laws of the component along one direction; `samples` (n, d) are projected alike."""
    axes = style.own_axes(axes, width=style.COLUMN, height=2.8)
    v = direction.vector
    draw_densities(
        axes,
        data=data.project(v),
        rounds={i: law.project(v) for i, law in rounds.items()},
        limit=None if limit is None else limit.project(v),
        samples=None if samples is None else checks.samples(samples) @ v,
        legend=False,
    )
    axes.set_title(direction.words)
    axes.set_xlabel("component along the direction")
    return axes


@style.style()
def projection_figure(
    *,
    data: Any,
    rounds: Mapping[int, Any],
    limit: Any | None = None,
    samples: ArrayLike | None = None,
    directions: Sequence[Direction] | None = None,
) -> Figure:
    """One panel a direction, side by side, with one legend above all of them."""
    chosen = tuple(directions) if directions is not None else telling_directions(data)
    figure, grid = style.panels(1, len(chosen), height=2.95)
    for axes, direction in zip(grid[0], chosen, strict=True):
        draw_projection(axes, direction=direction, data=data, rounds=rounds, limit=limit, samples=samples)
    for axes in grid[0, 1:]:
        axes.set_ylabel("")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), columnspacing=1.3)
    return figure


def _separating(means: FloatArray | None, widest: FloatArray) -> FloatArray | None:
    """Unit vector between the two means furthest apart, pairs along `widest` left out; None without any."""
    if means is None or len(means) < 2:
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
