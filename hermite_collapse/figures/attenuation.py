"""Attenuation against Hermite degree: the limit's curve, the rounds on the way to it, and what was measured.

The degree runs continuously in the curves. A recursion at rate theta seen at degree j s equals one at rate
theta s seen at degree j, so a fine grid of degrees is the exact formula at whole degrees and a smaller rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ..core import checks
from ..core.numbers import significant
from ..core.signature import public
from ..core.types import BoolArray, FloatArray, IntArray
from ..core.value import Value
from ..recursion import modes
from ..recursion.regimes import Regime
from ..recursion.schedules import Schedule, as_schedule
from . import style
from .labels import label_line_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GRID = 320


@dataclass(frozen=True, eq=False)
class MeasuredFactors(Value):
    """Measured factors of one round, one entry a mode.

    Parameters
    ----------
    round : int
        The round, >= 0.
    degree : array of int, shape (m,)
        Total degree of each mode.
    factor : array, shape (m,)
        Measured coefficient over the data's coefficient.
    standard_error : array, shape (m,)
        Of the factor, predicted or estimated.
    tested : array of bool, shape (m,)
        Whether the mode entered the test; others are drawn hollow.

    Raises
    ------
    InputError
        If degrees are not whole numbers >= 0.

    Examples
    --------
    >>> MeasuredFactors(2, [1, 2], [0.9, 0.8], [0.01, 0.02], [True, False]).factor.tolist()
    [0.9, 0.8]
    """

    round: int
    degree: IntArray
    factor: FloatArray
    standard_error: FloatArray
    tested: BoolArray

    def __post_init__(self) -> None:
        self._set("degree", checks.degrees(self.degree))
        for name, kind in (("factor", float), ("standard_error", float), ("tested", bool)):
            self._set(name, np.broadcast_to(np.asarray(getattr(self, name), dtype=kind), self.degree.shape))


@public
@style.style()
def draw_attenuation(
    axes: Axes | None = None,
    *,
    fresh_fraction: float | Sequence[float],
    truncation_time: float | Sequence[float] | Schedule,
    rate: float = 0.5,
    regime: str | ArrayLike | Regime = "replace",
    rounds: Sequence[int] = (),
    highest_degree: float = 8,
    measured: Sequence[MeasuredFactors] = (),
    limit: bool = True,
) -> Axes:
    """Draw the factor by which each degree of the data survives.

        f_n(i) in the rounds shown,     g_n in the limit

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    fresh_fraction, truncation, rate, regime
        Of the recursion, as for `mode_factors`.
    rounds : sequence of int
        Rounds whose curves are drawn.
    highest_degree : float
        Right end of the degree axis.
    measured : sequence of MeasuredFactors
        Points with error bars of one standard error; untested modes are hollow.
    limit : bool
        Whether the recursion has a limit whose curve is g_n; it has none without fresh data.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If a parameter of the recursion is out of range.

    Examples
    --------
    >>> axes = draw_attenuation(fresh_fraction=0.3, truncation_time=0.1, rounds=(1, 2, 4), highest_degree=12)
    >>> axes.get_xlabel()
    'Hermite degree $n$'
    """
    axes = style.own_axes(axes, height=3.6)
    top = checks.positive(highest_degree, "highest_degree")
    shown = sorted({checks.integer(i, "rounds") for i in rounds})
    grid = np.linspace(0.0, top, _GRID + 1)
    ends: list[tuple[float, str, str]] = []

    factors = modes.mode_factors(
        np.arange(_GRID + 1),
        fresh_fraction=fresh_fraction,
        truncation_time=truncation_time,
        rounds=max(shown, default=0),
        rate=rate * top / _GRID,
        regime=regime,
    )
    colours = {i: style.round_colour(j, len(shown)) for j, i in enumerate(shown)}
    for i in shown:
        axes.plot(grid, factors[i], color=colours[i], linewidth=1.15, zorder=2.5)
        ends.append((float(factors[i, -1]), f"round {i}", colours[i]))

    level = float(np.atleast_1d(np.asarray(fresh_fraction, dtype=float))[-1])
    final = as_schedule(truncation_time).final
    if limit:
        curve = modes.attenuation(
            np.arange(_GRID + 1), fresh_fraction=level, truncation_time=final, rate=rate * top / _GRID
        )
        axes.plot(grid, curve, color=style.LIMIT, linewidth=2.1, zorder=2.6)
        ends.append((float(curve[-1]), "limit", style.LIMIT))

    _draw_points(axes, measured, colours)
    axes.set_xlim(0.0, top)
    axes.set_ylim(*_vertical_range([height for height, _, _ in ends], measured))
    axes.set_xlabel("Hermite degree $n$")
    axes.set_ylabel("share of the data’s mode kept")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))
    if limit:
        half = modes.half_degree(fresh_fraction=level, truncation_time=final, rate=rate)
        _mark_half(axes, half, top, float(curve[-1]))
    heights, texts, tones = zip(*ends, strict=True) if ends else ((), (), ())
    label_line_ends(axes, top, heights, texts, tones)
    return axes


def _draw_points(axes: Axes, measured: Sequence[MeasuredFactors], colours: dict[int, str]) -> None:
    """Error bars of every round; modes that share a degree stand side by side around it."""
    for points in measured:
        colour = colours.get(points.round, style.INK)
        x = points.degree.astype(float)
        for n in np.unique(points.degree):
            members = np.flatnonzero(points.degree == n)
            x[members] += np.linspace(-0.16, 0.16, members.size + 2)[1:-1]
        for tested in (True, False):
            keep = points.tested == tested
            if not np.any(keep):
                continue
            axes.errorbar(
                x[keep],
                points.factor[keep],
                points.standard_error[keep],
                fmt="o",
                color=colour,
                markerfacecolor=colour if tested else "#ffffff",
                markeredgecolor=colour,
                markeredgewidth=0.9,
                markersize=4.0,
                elinewidth=1.0,
                zorder=3.0 if tested else 2.0,
            )


def _vertical_range(curves: Sequence[float], measured: Sequence[MeasuredFactors]) -> tuple[float, float]:
    """From zero to a little above one; from higher up where nothing falls below 0.6.

    Tested points widen the range, untested ones may lie far off and are cut.
    """
    low, high = min(curves, default=0.0), 1.0
    for points in measured:
        if np.any(points.tested):
            value, error = points.factor[points.tested], points.standard_error[points.tested]
            low, high = min(low, float(np.min(value - error))), max(high, float(np.max(value + error)))
    if 0.6 < low < 1.0 - 1e-6:
        bottom = low - 0.35 * (1.0 - low)
    else:
        bottom = low - 0.04 if low < 0.0 else 0.0
    return bottom, high + 0.04 * (1.0 - bottom)


def _mark_half(axes: Axes, half: float, top: float, beyond: float) -> None:
    """A rule at the half-amplitude degree with its value, or a note that it lies further right.

    beyond : height of the limit curve at the right end, which decides where the words stand.
    """
    floor = axes.get_ylim()[0]
    position, offset, anchor = (0.0, 0.0), (6.0, 6.0), ("left", "bottom")
    if half == np.inf:
        words = "nothing is lost in the limit"
    elif half >= top:
        degree = f"{half:.0f}" if 1e3 <= half < 1e6 else significant(half)
        words = f"half amplitude at degree {degree}, beyond this range"
    else:
        words = f"half amplitude\nat degree {half:.3g}"
        axes.plot(
            [0.0, half, half],
            [0.5, 0.5, floor],
            color=style.MUTED,
            linewidth=0.8,
            dashes=(2.0, 2.0),
            zorder=1.5,
        )
        if half > 0.4 * top:
            position, offset, anchor = (half / top, 0.0), (-6.0, 6.0), ("right", "bottom")
        elif beyond > 0.07:
            position = (half / top, 0.0)
        else:
            words = words.replace("\n", " ")
            position, offset, anchor = (1.0, 1.0), (-4.0, -6.0), ("right", "top")
    axes.annotate(
        words,
        position,
        xycoords="axes fraction",
        xytext=offset,
        textcoords="offset points",
        ha=anchor[0],
        va=anchor[1],
        color=style.MUTED,
        fontsize=9.5,
        linespacing=1.15,
    )
