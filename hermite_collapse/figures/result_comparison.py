"""What was simulated as one picture: shares by degree beside their prediction, or the coefficients alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from ..core.numbers import spread_rounds
from ..core.signature import public
from ..hermite.indices import mode_label
from . import style
from .labels import legend_above, round_axis
from .modes import draw_mode_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..comparison.result import Comparison
    from ..storage.record import SimulatedRecursion


@public
@style.style()
def draw_comparison(comparison: Comparison, axes: Axes | None = None) -> Axes:
    """Draw what some rounds keep of each degree, predicted as lines and measured as points.

    Parameters
    ----------
    comparison : Comparison
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Notes
    -----
    Bars are one predicted standard error; hollow points are too far from normal to be tested.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> run = hc.simulation.simulate(recursion, rounds=2, particles=1000, degree=2, generator="channel", seed=1)
    >>> hc.compare(recursion, run).plot().get_xlabel()
    'Hermite degree $n$'
    """
    rounds = spread_rounds(comparison.rounds)
    shown = comparison.statistics
    if shown.kind == "mode":
        return draw_mode_values(
            axes,
            indices=comparison.indices,
            rounds=rounds,
            predicted=shown.expected,
            measured=shown.measured,
            standard_error=shown.standard_error,
            tested=shown.tested,
        )
    axes = style.own_axes(axes, height=3.6)
    offsets = 0.07 * (np.arange(len(rounds)) - 0.5 * (len(rounds) - 1))
    for j, i in enumerate(rounds):
        colour = style.round_colour(j, len(rounds))
        known = np.isfinite(shown.expected[i])
        degrees = np.flatnonzero(known & (np.arange(len(known)) > 0))
        axes.plot(degrees, shown.expected[i, degrees], color=colour, linewidth=1.2, label=f"round {i}")
        random = degrees[shown.standard_error[i, degrees] > 0.0]
        for tested, face in ((True, colour), (False, "#ffffff")):
            points = random[shown.tested[i, random] == tested]
            axes.errorbar(
                points + offsets[j],
                shown.measured[i, points],
                shown.standard_error[i, points],
                fmt="o",
                color=colour,
                markerfacecolor=face,
                markersize=3.8,
                elinewidth=1.0,
                zorder=3.0,
            )
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))
    axes.set_xlabel("Hermite degree $n$")
    axes.set_ylabel("share of the data’s mode kept")
    legend_above(axes)
    return axes


@public
@style.style()
def draw_record(simulated: SimulatedRecursion, axes: Axes | None = None) -> Axes:
    """Draw the largest Hermite coefficients of a simulation by round, with their standard errors over the particles.

    Parameters
    ----------
    simulated : SimulatedRecursion
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> run = hc.simulation.simulate(recursion, rounds=2, particles=1000, degree=2, generator="channel", seed=1)
    >>> run.plot().get_xlabel()
    'round $i$'
    """
    axes = style.own_axes(axes, height=3.4)
    values = simulated.mean_coefficients
    errors = np.sqrt(np.mean(simulated.standard_errors**2, axis=0) / simulated.runs)
    size = np.where(simulated.indices.any(axis=1), np.abs(values).max(axis=0), -1.0)
    count = min(MOST_MODES, int(np.sum(size >= 0.0)))
    rounds = np.arange(len(values))
    for j, k in enumerate(np.sort(np.argsort(-size, kind="stable")[:count])):
        axes.errorbar(
            rounds,
            values[:, k],
            errors[:, k],
            fmt=f"{style.MARKERS[j % len(style.MARKERS)]}-",
            color=style.CATEGORIES[j % len(style.CATEGORIES)],
            markersize=3.8,
            linewidth=0.9,
            label=f"mode {mode_label(simulated.indices[k].tolist())}",
        )
    axes.axhline(0.0, color=style.MUTED, linewidth=0.6, zorder=0.5)
    round_axis(axes)
    axes.set_ylabel("coefficient $c_k$")
    legend_above(axes)
    return axes


MOST_MODES = 4
"""Coefficients of a simulation that are drawn."""
