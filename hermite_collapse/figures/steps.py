"""A simulation by a sampler of K steps beside its exact laws: shares of the data's values by round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..comparison.steps_result import StepsComparison
from ..core.signature import public
from . import style
from .labels import label_line_ends, round_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_STATISTICS = 6


@public
@style.style()
def draw_steps(comparison: StepsComparison, axes: Axes | None = None) -> Axes:
    """Draw what each round keeps of the data's values: exact as lines, measured as points, the closure dashed.

    Parameters
    ----------
    comparison : StepsComparison
    axes : Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.5, truncation_time=0.0)
    >>> sampler = hc.mechanisms.SamplerSteps.flow(steps=8)
    >>> run = hc.simulation.simulate(
    ...     recursion, rounds=1, particles=2000, degree=4, generator=hc.simulation.StepsGeneration(sampler), seed=1
    ... )
    >>> draw_steps(hc.compare_steps(recursion, run, sampler)).get_ylabel()
    'share of the data’s value'
    """
    axes = style.own_axes(axes)
    rounds = np.arange(comparison.rounds + 1)
    expected, measured, error = comparison.shares
    closure = comparison.closure / np.where(comparison.data == 0.0, np.nan, comparison.data)
    ends = []
    for number, k in enumerate(sorted(comparison.telling[:MOST_STATISTICS])):
        colour, marker = style.CATEGORIES[number], style.MARKERS[number]
        axes.plot(rounds, closure[:, k], color=colour, linewidth=1.0, linestyle=(0, (3, 2)))
        axes.plot(rounds, expected[:, k], color=colour, linewidth=1.3)
        bars = np.where(np.isfinite(expected[:, k]), error[:, k], 0.0)
        for tested, face in ((True, colour), (False, "#ffffff")):
            index = np.flatnonzero(comparison.tested[:, k] == tested)
            axes.errorbar(
                rounds[index],
                measured[index, k],
                bars[index],
                fmt=marker,
                color=colour,
                markerfacecolor=face,
                markersize=3.8,
                linewidth=0.9,
            )
        ends.append((float(measured[-1, k]), comparison.labels[k], colour))
    round_axis(axes)
    axes.set_ylabel("share of the data’s value")
    axes.set_ylim(*axes.get_ylim())  # final: labels are set apart on the page
    if ends:
        values, labels, colours = (list(column) for column in zip(*ends, strict=True))
        label_line_ends(axes, float(rounds[-1]), values, labels, colours)
    return style.described(
        axes,
        "steps",
        "What each round keeps of the data's values. Lines: exact laws of the sampler's steps. Points: measured, with "
        "one predicted standard error; hollow ones are not tested. Dashed: the Gaussian closure, where there is one. "
        f"{comparison.verdict.head}.",
    )
