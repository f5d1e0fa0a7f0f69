"""Coefficients of single modes, predicted and measured, where no factor a degree describes the recursion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..hermite.indices import mode_label
from . import style
from .labels import legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@style.style()
def draw_mode_values(
    axes: Axes | None = None,
    *,
    indices: ArrayLike,
    rounds: Sequence[int],
    predicted: ArrayLike,
    measured: ArrayLike | None = None,
    standard_error: ArrayLike | None = None,
    tested: ArrayLike | None = None,
    most: int = 12,
) -> Axes:
    """Draw the coefficients c_k(p_i) of the largest modes: a rule for the prediction, a point for the measurement.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    indices : array of int, shape (m, d)
        Multi-indices; degree 0 is left out.
    rounds : sequence of int
        Rounds shown, side by side in each mode.
    predicted, measured, standard_error, tested : array, shape (rounds + 1, m)
        All but the first are optional; untested points are hollow.
    most : int
        Number of modes shown, those largest in size in any of the rounds.

    Returns
    -------
    Axes

    Examples
    --------
    >>> draw_mode_values(indices=[[0], [1], [2]], rounds=(0, 1), predicted=[[1, 0.5, 0.2], [1, 0.4, 0.1]]).get_xlabel()
    'Hermite mode $k$'
    """
    axes = style.own_axes(axes, height=3.5)
    k = checks.degrees(indices)
    exact = np.asarray(predicted, dtype=float)
    size = np.max(np.abs(exact), axis=0)
    size[k.sum(axis=1) == 0] = -1.0
    selected = np.sort(np.argsort(-size, kind="stable")[: min(most, int(np.sum(size >= 0.0)))])
    offsets = np.linspace(-0.3, 0.3, len(rounds)) if len(rounds) > 1 else np.zeros(1)
    half = 0.28 / max(1, len(rounds) - 1) if len(rounds) > 1 else 0.3
    position = np.arange(selected.size, dtype=float)
    for j, i in enumerate(rounds):
        colour = style.round_colour(j, len(rounds))
        x = position + offsets[j]
        axes.hlines(exact[i, selected], x - half, x + half, color=colour, linewidth=1.6, label=f"round {i}")
        if measured is None:
            continue
        y = np.asarray(measured, dtype=float)[i, selected]
        bar = None if standard_error is None else np.asarray(standard_error, dtype=float)[i, selected]
        known = (
            np.ones(selected.size, bool) if tested is None else np.asarray(tested, dtype=bool)[i, selected]
        )
        for keep, face in ((known, colour), (~known, "#ffffff")):
            axes.errorbar(
                x[keep],
                y[keep],
                None if bar is None else bar[keep],
                fmt="o",
                color=colour,
                markerfacecolor=face,
                markersize=3.4,
                markeredgewidth=0.9,
                elinewidth=1.0,
                zorder=3.0,
            )
    axes.axhline(0.0, color=style.MUTED, linewidth=0.6, zorder=0.5)
    names = [mode_label(row) for row in k[selected].tolist()]
    axes.set_xticks(position, names, rotation=0 if max(map(len, names)) <= 4 else 45)
    axes.set_xlabel("Hermite mode $k$")
    axes.set_ylabel("coefficient $c_k$")
    legend_above(axes)
    return axes
