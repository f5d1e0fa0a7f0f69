"""Proved bounds beside what they bound: what `.plot()` of each draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..bounds.collapse import CollapseBounds, collapse_bounds
from ..bounds.propagation.rows import BoundColumns
from ..bounds.rates import ObservedRates
from ..core.errors import InputError
from ..core.signature import public
from ..recursion.recursion import Recursion
from . import style
from .approach import Approach, draw_approach
from .propagation import draw_bounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@public
@style.style()
def draw_collapse(bounds: CollapseBounds, axes: Axes | None = None) -> Axes:
    """Draw the distance of the limit to the data between its lower and upper bounds, on one line.

    Parameters
    ----------
    bounds : CollapseBounds
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> hc.bounds.collapse_bounds(recursion).plot().get_xlabel()
    'Wasserstein-2 distance of the limit law to the data'
    """
    axes = style.own_axes(axes, height=2.2)
    rows = [(name, value, tone) for name, value, tone in _collapse_rows(bounds) if value is not None]
    for height, (_, value, tone) in enumerate(reversed(rows)):
        axes.plot([0.0, value], [height, height], color=style.RULE, linewidth=0.9, zorder=1.0)
        axes.plot(value, height, "o", color=tone, markersize=6.0)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(0.0, 1.08 * max(value for _, value, _ in rows) or 1.0)
    axes.set_xlabel("Wasserstein-2 distance of the limit law to the data")
    return axes


def _collapse_rows(bounds: CollapseBounds) -> list[tuple[str, float | None, str]]:
    distance = None if bounds.distance is None else float(bounds.distance)
    return [
        ("at least (Bures)", float(bounds.bures), style.CATEGORIES[0]),
        ("the distance itself", distance, style.LIMIT),
        ("for small times, about", bounds.small_time, style.DATA),
        ("at most (Fisher information)", bounds.fisher, style.CATEGORIES[2]),
        ("at most (second moment)", bounds.coupling, style.CATEGORIES[2]),
    ]


@public
@style.style()
def draw_observed_rates(observed: ObservedRates, axes: Axes | None = None) -> Axes:
    """Draw the distances of the rounds to the limit beside the proved rate and the rate in the end.

    Parameters
    ----------
    observed : ObservedRates
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> hc.bounds.observed_rates(recursion, metric="kl", rounds=3).plot().get_yscale()
    'log'
    """
    distances = [float(value) for value in observed.distances]
    lead, errors = [np.inf] * observed.first, [value.error for value in observed.distances]
    approach = Approach(
        observed.metric.replace("_", " "),
        [*lead, *distances],
        [*([0.0] * observed.first), *errors],
        proved_rate=observed.bound,
        asymptotic_rate=observed.final,
    )
    return draw_approach(axes, approach=approach)


@public
@style.style()
def draw_bound_columns(columns: BoundColumns, axes: Axes | None = None) -> Axes:
    """Draw one quantity of every round between its bounds.

    Parameters
    ----------
    columns : BoundColumns
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> run = hc.bounds.SolvableRecursion(hc.GaussianMixture([1.0], [0.0], 1.0), 0.5, [0.2, 0.2])
    >>> hc.bounds.bound_columns(hc.bounds.propagation_table(run.record()), "I_i").plot().get_yscale()
    'log'
    """
    return draw_bounds(
        axes, measured=columns.measured, errors=columns.errors, lower=columns.lower, upper=columns.upper
    )


@public
def draw_proved(
    bounds: Recursion | CollapseBounds | ObservedRates | BoundColumns, axes: Axes | None = None
) -> Axes:
    """Draw proved bounds beside what they bound.

    Parameters
    ----------
    bounds : Recursion, CollapseBounds, ObservedRates or BoundColumns
        Of a recursion, the bounds on the distance of its limit law to the data, `bounds.collapse_bounds`.
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For anything else; `figures.draw_bounds` takes arrays.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> hc.plot_bounds(recursion).get_xlabel()
    'Wasserstein-2 distance of the limit law to the data'
    """
    if isinstance(bounds, Recursion):
        return draw_collapse(collapse_bounds(bounds), axes)
    if isinstance(bounds, CollapseBounds):
        return draw_collapse(bounds, axes)
    if isinstance(bounds, ObservedRates):
        return draw_observed_rates(bounds, axes)
    if isinstance(bounds, BoundColumns):
        return draw_bound_columns(bounds, axes)
    raise InputError(
        "bounds must be a recursion, collapse bounds, observed rates or bound columns (figures.draw_bounds takes "
        f"arrays), got {type(bounds).__name__}."
    )
