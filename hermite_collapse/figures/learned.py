"""Learned scores beside the ideal recursion: factors by round, and the band that measured defects leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..comparison.learned import LearnedComparison
from ..core.signature import public
from . import style
from .labels import label_line_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_DEGREES = 6


@public
@style.style()
def draw_learned(comparison: LearnedComparison, axes: Axes | None = None) -> Axes:
    """Draw measured and ideal factors by round, with the bound that the measured defects give.

    Parameters
    ----------
    comparison : LearnedComparison
    axes : Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> run = hc.simulation.simulate(recursion, rounds=2, particles=500, degree=2, generator="channel", seed=1)
    >>> draw_learned(hc.compare_learned(recursion, run)).get_ylabel()
    'factor'
    """
    axes = style.own_axes(axes)
    rounds = np.arange(comparison.rounds + 1)
    ends = []
    for j, degree in enumerate(comparison.degrees[:MOST_DEGREES]):
        colour = style.CATEGORIES[j]
        ideal, bound = comparison.ideal[:, j], comparison.bound[:, j]
        axes.fill_between(rounds, ideal - bound, ideal + bound, color=colour, alpha=0.12, linewidth=0)
        axes.plot(rounds, ideal, color=colour, linewidth=1.3)
        axes.errorbar(
            rounds,
            comparison.measured[:, j],
            comparison.standard_error[:, j],
            fmt=style.MARKERS[j],
            color=colour,
            markersize=3.5,
            linewidth=0.9,
        )
        ends.append((float(ideal[-1]), f"degree {degree}", colour))
    values, labels, colours = (list(column) for column in zip(*ends, strict=True))
    label_line_ends(axes, float(rounds[-1]), values, labels, colours)
    axes.set_xlabel("round")
    axes.set_ylabel("factor")
    style.describe(
        style.figure_of(axes),
        "learned",
        "Factors of Hermite degrees by round. Lines: the ideal recursion, with exact scores. Points: measured with "
        f"learned scores. Bands: as far as the measured defects allow. {comparison.text}",
    )
    return axes
