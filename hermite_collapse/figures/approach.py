"""Distance to the limit against the round, on a log axis: what happens, what is proved, what it tends to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator
from numpy.typing import ArrayLike

from ..comparison.approach import observed_rate, reliable
from ..core.errors import InputError
from ..core.types import BoolArray
from ..core.value import Value
from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Approach(Value):
    """Distances of the rounds 0, 1 and so on to the limit in one metric.

    Parameters
    ----------
    name : str
        The metric in words, as a title.
    values : array, shape (rounds + 1,)
        Distances; infinite ones are left out of a figure, which says so.
    errors : float or array, shape (rounds + 1,)
        Bound or standard error of each.
    proved_rate : float, optional
        Factor a round that cannot be exceeded, d_i <= rate^i d_0.
    asymptotic_rate : float, optional
        Factor a round in the end.
    measured, measured_errors : array, shape (rounds + 1,), optional
        The same distances from a simulation.

    Raises
    ------
    InputError
        If values are not distances.

    Examples
    --------
    >>> Approach("total variation", [0.4, 0.2, 0.1]).observed_rate
    0.5
    """

    name: str
    values: ArrayLike
    errors: ArrayLike = 0.0
    proved_rate: float | None = None
    asymptotic_rate: float | None = None
    measured: ArrayLike | None = None
    measured_errors: ArrayLike = 0.0

    def __post_init__(self) -> None:
        values = np.atleast_1d(np.asarray(self.values, dtype=float))
        if values.ndim != 1 or np.any(np.isnan(values)) or np.any(values < 0.0):
            raise InputError(f"values must be distances >= 0, one a round, got {self.values!r}.")
        self._set("values", values)
        self._set("errors", np.broadcast_to(np.asarray(self.errors, dtype=float), values.shape))

    @property
    def reliable(self) -> BoolArray:
        """Rounds whose distance is finite, positive and known to half of itself."""
        return reliable(self.values, self.errors)

    @property
    def observed_rate(self) -> float | None:
        """Factor of the last round between two sharply known distances; None without such a pair."""
        return observed_rate(self.values, self.errors)


@style.style()
def draw_approach(axes: Axes | None = None, *, approach: Approach, colour: str = style.ROUNDS[3]) -> Axes:
    """Draw one metric: distances as points, the proved rate dashed from the first, the asymptotic dotted.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    approach : Approach
    colour : str
        Of the points.

    Returns
    -------
    Axes

    Notes
    -----
    The words above the axes give the factors by which a round multiplies the distance.  The dashed line is a bound of
    the points: none of them may lie above it.

    Examples
    --------
    >>> draw_approach(approach=Approach("total variation", [0.4, 0.2, 0.1], proved_rate=0.6)).get_title("left")
    'total variation'
    """
    axes = style.own_axes(axes, width=style.COLUMN, height=2.7)
    values, errors = np.asarray(approach.values), np.asarray(approach.errors)
    rounds = np.arange(values.size)
    keep = approach.reliable
    axes.set_yscale("log")
    axes.set_title(approach.name, pad=33.0)
    axes.set_xlabel("round $i$")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_xlim(-0.04 * max(1, values.size - 1), max(1.0, values.size - 1) * 1.04)
    if not np.any(keep):
        words = "infinite in every round" if np.all(np.isinf(values)) else "zero to the accuracy reached"
        axes.set_yticks([])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=style.MUTED)
        return axes
    first = int(np.flatnonzero(keep)[0])
    later = rounds[first:]
    low, high = float(values[keep].min()), float(values[keep].max())
    notes: list[tuple[str, str]] = []
    if approach.proved_rate is not None and approach.proved_rate > 0.0:
        line = values[first] * approach.proved_rate ** (later - first)
        axes.plot(later, line, color=style.MUTED, dashes=(4.5, 2.2), linewidth=1.1, zorder=2.0)
        notes.append((f"proved ≤ {approach.proved_rate:.3f}", style.MUTED))
    if approach.asymptotic_rate is not None and approach.asymptotic_rate > 0.0:
        last = int(np.flatnonzero(keep)[-1])
        # A slope, not a bound: shown over the later half only.
        late = rounds[max(first, last - max(2, (last - first) // 2)) :]
        line = values[last] * approach.asymptotic_rate ** (late - last).astype(float)
        axes.plot(late, line, color=style.LIMIT, dashes=(1.2, 1.8), linewidth=1.2, zorder=2.1)
        notes.append((f"in the end {approach.asymptotic_rate:.3f}", style.LIMIT))
    axes.errorbar(
        rounds[keep],
        values[keep],
        errors[keep],
        fmt="o",
        color=colour,
        markersize=3.8,
        elinewidth=0.9,
        zorder=3.0,
    )
    if approach.observed_rate is not None:
        notes.append((f"last round {approach.observed_rate:.3f}", colour))
    if approach.measured is not None:
        measured = np.asarray(approach.measured, dtype=float)
        bars = np.broadcast_to(np.asarray(approach.measured_errors, dtype=float), measured.shape)
        good = np.isfinite(measured) & (measured > 0.0)
        axes.errorbar(
            np.arange(measured.size)[good],
            measured[good],
            bars[good],
            fmt="s",
            color=style.INK,
            markersize=3.6,
            markerfacecolor="#ffffff",
            markeredgewidth=0.9,
            elinewidth=0.9,
            zorder=2.9,
        )
        notes.append(("□ simulated", style.INK))
    if np.any(np.isinf(values)):
        notes.append((f"infinite to round {int(np.flatnonzero(np.isinf(values))[-1])}", style.MUTED))
    lost = np.flatnonzero(keep)[-1] + 1
    if lost < values.size and np.all(values[lost:] <= errors[lost:]):
        notes.append((f"zero from round {lost}", style.MUTED))
    # At least a decade and a half, so that a slow approach looks slow and the axis has ticks to read.
    middle, reach = 0.5 * np.log10(low * high), max(0.53 * np.log10(high / low), 0.75)
    axes.set_ylim(10.0 ** (middle - reach), 10.0 ** (middle + 1.03 * reach))
    axes.yaxis.set_minor_formatter(NullFormatter())
    for j, (text, tone) in enumerate(notes):
        axes.annotate(
            text,
            (0.5 * (j % 2), 1.0),
            xycoords="axes fraction",
            xytext=(0.0, 17.0 - 12.0 * (j // 2)),
            textcoords="offset points",
            ha="left",
            va="bottom",
            color=tone,
            fontsize=9.0,
        )
    return axes


def approach_figure(approaches: Sequence[Approach]) -> Figure:
    """Draw small panels, one a metric, in rows of two or three.

    Parameters
    ----------
    approaches : sequence of Approach

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If there is no metric.

    Examples
    --------
    >>> len(approach_figure([Approach("total variation", [0.4, 0.2]), Approach("KL", [0.3, 0.1])]).axes)
    2
    """
    if not approaches:
        raise InputError("approaches must hold at least one metric, got none.")
    columns = 2 if len(approaches) == 4 else min(3, len(approaches))
    rows = -(-len(approaches) // columns)
    width = {1: style.TEXT, 2: style.TEXT * 1.1}.get(columns, style.WIDE)
    figure, grid = style.panels(rows, columns, width=width, height=0.3 + 2.55 * rows)
    flat = grid.ravel()
    for axes, approach in zip(flat, approaches, strict=False):
        draw_approach(axes, approach=approach)
    for axes in flat[len(approaches) :]:
        axes.set_visible(False)
    for axes in flat[: len(approaches) - columns]:
        axes.set_xlabel("")
    for row in grid:
        row[0].set_ylabel("distance to the limit")
    return figure
