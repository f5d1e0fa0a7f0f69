"""Recursions, laws and schedules as pictures of their own: what `.plot()` of each draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..core.numbers import spread_rounds
from ..core.signature import public
from . import style
from .attenuation import draw_attenuation
from .density import draw_densities, draw_density_contours, with_density
from .labels import legend_above, round_axis
from .projections import draw_projection, telling_directions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..advice.planning import SchedulePlan
    from ..laws.mixture import Law
    from ..recursion.recursion import Recursion
    from ..recursion.schedules import Schedule

ROUNDS = 12
"""Rounds that a picture of a recursion or a schedule shows."""

HIGHEST_DEGREE = 8.35


@public
@style.style()
def draw_recursion(recursion: Recursion, axes: Axes | None = None) -> Axes:
    """Draw what is left of each Hermite degree after some rounds and in the limit, or laws where degrees mix.

    Parameters
    ----------
    recursion : Recursion
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If degrees mix in more than one dimension, or the start is a law of its own.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> recursion.plot().get_xlabel()
    'Hermite degree $n$'
    """
    if recursion.is_diagonal and recursion.initial is None:
        return draw_attenuation(
            axes,
            fresh_fraction=recursion.regime.fresh_fractions,
            truncation_time=recursion.schedule,
            rate=recursion.rate,
            regime=recursion.regime,
            rounds=spread_rounds(ROUNDS),
            highest_degree=HIGHEST_DEGREE,
            limit=recursion.regime.name != "table" and recursion.regime.final_fraction > 0.0,
        )
    if recursion.dimension > 1:
        raise InputError(
            "recursion must keep Hermite degrees apart and start from the data to be drawn in more than one "
            f"dimension, got dimension {recursion.dimension}; predict shows its coefficients."
        )
    laws = {i: with_density(recursion.law(i)) for i in spread_rounds(ROUNDS, count=3)}
    return draw_densities(
        axes, data=recursion.target, rounds={i: law for i, law in laws.items() if law is not None}
    )


@public
@style.style()
def draw_law(law: Law, axes: Axes | None = None) -> Axes:
    """Draw a law: its density on a line, its contours in the plane, else its density along its widest direction.

    Parameters
    ----------
    law : Law
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> hc.presets.load("two_modes_1d").plot().get_ylabel()
    'density'
    """
    if law.dimension == 1:
        axes = draw_densities(axes, data=law, rounds={}, legend=False)
    elif law.dimension == 2 and (smooth := with_density(law)) is not None:
        axes = draw_density_contours(axes, data=law, law=smooth, title="", colour=style.DATA, key=False)
    else:
        axes = draw_projection(axes, direction=telling_directions(law)[0], data=law, rounds={})
    return axes


@public
@style.style()
def draw_schedule(schedule: Schedule, axes: Axes | None = None) -> Axes:
    """Draw the truncation times of the first rounds.

    Parameters
    ----------
    schedule : Schedule
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> hc.schedules.Geometric(0.4, 0.5).plot().get_ylabel()
    'truncation time'
    """
    axes = style.own_axes(axes, height=3.0)
    times = schedule.times(ROUNDS)
    rounds = np.arange(1, len(times) + 1)
    axes.step(rounds, times, where="mid", color=style.ROUNDS[3], linewidth=1.3)
    axes.plot(rounds, times, "o", color=style.ROUNDS[3])
    if np.all(times > 0.0) and times.max() > 10.0 * times.min():
        axes.set_yscale("log")
    else:
        axes.set_ylim(0.0, 1.15 * float(times.max()) or 1.0)
    round_axis(axes)
    axes.set_ylabel("truncation time")
    return axes


@public
@style.style()
def draw_plan(plan: SchedulePlan, axes: Axes | None = None) -> Axes:
    """Draw the times of a planned schedule, and the error that each round leaves in the planned degrees.

    Parameters
    ----------
    plan : SchedulePlan
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> plan = hc.plan_schedule(4, rounds=4, fresh_fraction=0.3, error=hc.PowerLaw(0.01, 0.25))
    >>> plan.plot().get_xlabel()
    'round $i$'
    """
    axes = style.own_axes(axes, height=3.4)
    times = np.asarray(plan.schedule.values)
    rounds = np.arange(1, len(times) + 1)
    axes.plot(rounds, times, "o-", color=style.ROUNDS[3], label="truncation time", linewidth=1.3)
    for j in range(plan.bias.shape[1]):
        colour = style.CATEGORIES[(j + 1) % len(style.CATEGORIES)]
        error = np.asarray(plan.absolute[1:, j])
        name = (
            "error of the planned degree" if plan.bias.shape[1] == 1 else f"error of planned degree {j + 1}"
        )
        axes.plot(rounds, error, "s", color=colour, label=name, linestyle=style.DASHES[1], linewidth=1.1)
    axes.set_yscale("log")
    round_axis(axes)
    axes.set_ylabel("time, error")
    legend_above(axes)
    return style.described(
        axes,
        "plan",
        "Planned truncation times, and the bound on the error of a mode that they leave after each round.",
    )
