"""Distance to the limit against the round, on a log axis: what happens, what is proved, what it tends to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from . import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Approach:
    """Distances d_0, d_1, ... of the rounds to the limit in one metric.

    name : the metric in words, as a title.
    values : (rounds + 1,) distances; infinite ones are left out and said to be infinite.
    errors : (rounds + 1,) bound or standard error of each.
    proved_rate : factor a round that cannot be exceeded, d_i <= rate^i d_0; None where nothing is proved.
    asymptotic_rate : factor a round in the end, where known.
    measured, measured_errors : the same distances from a simulation, if any.
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
        object.__setattr__(self, "values", values)
        object.__setattr__(
            self, "errors", np.broadcast_to(np.asarray(self.errors, dtype=float), values.shape)
        )

    @property
    def reliable(self) -> NDArray[np.bool_]:
        """Rounds whose distance is finite, positive and known to half of itself."""
        values, errors = np.asarray(self.values), np.asarray(self.errors)
        return np.isfinite(values) & (values > 0.0) & (errors <= 0.5 * values)

    @property
    def observed_rate(self) -> float | None:
        """Factor of the last round between two reliable distances; None without such a pair."""
        values, errors = np.asarray(self.values), np.asarray(self.errors)
        sharp = self.reliable & (errors <= 0.003 * np.where(np.isfinite(values), values, 0.0))
        pairs = np.flatnonzero(sharp[1:] & sharp[:-1])
        if pairs.size == 0:
            return None
        return float(values[pairs[-1] + 1] / values[pairs[-1]])


@style.style()
def draw_approach(axes: Axes | None = None, *, approach: Approach, colour: str = style.ROUNDS[3]) -> Axes:
    """One metric: distances as points, the proved rate a dashed line from the first, the asymptotic dotted.

    The words above the axes give the factors by which a round multiplies the distance.
    The dashed line is a bound of the points: none of them may lie above it.
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
        seen = np.asarray(approach.measured, dtype=float)
        bars = np.broadcast_to(np.asarray(approach.measured_errors, dtype=float), seen.shape)
        good = np.isfinite(seen) & (seen > 0.0)
        axes.errorbar(
            np.arange(seen.size)[good],
            seen[good],
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
    gone = np.flatnonzero(keep)[-1] + 1
    if gone < values.size and np.all(values[gone:] <= errors[gone:]):
        notes.append((f"zero from round {gone}", style.MUTED))
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
    """Small panels, one a metric, in rows of two or three."""
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
