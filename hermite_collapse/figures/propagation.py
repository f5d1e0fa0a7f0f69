"""How errors propagate: bounds against what happened, and the drift of moments over the rounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..core.errors import InputError
from ..core.signature import public
from . import style
from .labels import label_line_ends, round_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DASH = (4.5, 2.0)


@public
@style.style()
def draw_bounds(
    axes: Axes | None = None,
    *,
    measured: ArrayLike,
    errors: ArrayLike = 0.0,
    lower: Mapping[str, ArrayLike] | None = None,
    upper: Mapping[str, ArrayLike] | None = None,
    ylabel: str = "divergence",
    label: str = "measured",
    first_round: int = 1,
) -> Axes:
    """Draw a measured or exact quantity between its lower and upper bounds, round by round, on a log axis.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    measured : array, shape (rounds,)
    errors : float or array, shape (rounds,)
        Bars of the measurements.
    lower, upper : mapping of str to array, shape (rounds,), optional
        Bounds by name, lower ones dashed and upper ones solid. A name on both sides has one colour and two labels;
        where its values are the same, it is an equality, and one line.
    ylabel : str
    label : str
        What the points are: "measured", or "exact" where they are computed.
    first_round : int
        Round of the first entry.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If measured is not one-dimensional.

    Notes
    -----
    Infinite values leave a gap; a bound that is crossed is not clipped, it is seen to be crossed.

    Examples
    --------
    >>> draw_bounds(measured=[0.1, 0.2], lower={"below": [0.05, 0.1]}, upper={"above": [0.2, 0.4]}).get_yscale()
    'log'
    """
    axes = style.own_axes(axes, height=3.4)
    value = np.asarray(measured, dtype=float)
    if value.ndim != 1:
        raise InputError(f"measured must have shape (rounds,), got {value.shape}.")
    rounds = np.arange(first_round, first_round + value.size)
    bars = np.broadcast_to(np.asarray(errors, dtype=float), value.shape)
    axes.set_yscale("log")
    ends, texts, tones = [], [], []
    names = list(dict.fromkeys([*(lower or {}), *(upper or {})]))
    for name, text, given, dash in _bounds(lower or {}, upper or {}):
        line = np.broadcast_to(np.asarray(given, dtype=float), value.shape)
        shown = np.where(np.isfinite(line) & (line > 0.0), line, np.nan)
        colour = style.CATEGORIES[names.index(name) % len(style.CATEGORIES)]
        drawn = axes.plot(rounds, shown, color=colour, linewidth=1.3)[0]
        if dash:
            drawn.set_dashes(dash)
        if np.any(np.isfinite(shown)):
            ends.append(float(shown[np.isfinite(shown)][-1]))
            texts.append(text)
            tones.append(colour)
    good = np.isfinite(value) & (value > 0.0)
    axes.errorbar(
        rounds[good],
        value[good],
        bars[good],
        fmt="o",
        color=style.INK,
        markersize=4.0,
        elinewidth=1.0,
        zorder=3.0,
    )
    if np.any(good):
        ends.append(float(value[good][-1]))
        texts.append(label)
        tones.append(style.INK)
    axes.set_ylim(*axes.get_ylim())
    axes.set_xlim(rounds[0] - 0.04 * value.size, rounds[-1] + 0.02 * value.size)
    round_axis(axes)
    axes.set_ylabel(ylabel)
    label_line_ends(axes, float(rounds[-1]), ends, texts, tones)
    return axes


def _bounds(
    lower: Mapping[str, ArrayLike], upper: Mapping[str, ArrayLike]
) -> Iterator[tuple[str, str, ArrayLike, tuple[float, ...]]]:
    """Yield name, label, values and dashes of every bound; an equality, which bounds from both sides, once."""
    both = lower.keys() & upper.keys()
    equal = {name for name in both if np.array_equal(lower[name], upper[name], equal_nan=True)}
    for name, given in lower.items():
        if name not in equal:
            yield name, f"{name} (lower)" if name in both else name, given, DASH
    for name, given in upper.items():
        side = "equal" if name in equal else "upper"
        yield name, f"{name} ({side})" if name in both else name, given, ()


@style.style()
def draw_moment_drift(
    axes: Axes | None = None,
    *,
    predicted: Mapping[str, ArrayLike],
    measured: Mapping[str, ArrayLike] | None = None,
    standard_error: Mapping[str, ArrayLike] | None = None,
    limits: Mapping[str, float] | None = None,
    ylabel: str = "change of the second moment",
) -> Axes:
    """Draw moments over the rounds: predicted lines, measured points with bars, the limits as dotted rules.

    Parameters
    ----------
    axes : Axes, optional
        Where to draw; a new figure without it.
    predicted, measured, standard_error : mapping of str to array, shape (rounds + 1,)
        By name, from round 0; all but the first are optional.
    limits : mapping of str to float, optional
        Value in the limit law.
    ylabel : str

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there is no moment.

    Examples
    --------
    >>> draw_moment_drift(predicted={"E x^2": [0.0, 0.1, 0.15]}, limits={"E x^2": 0.2}).get_xlabel()
    'round $i$'
    """
    axes = style.own_axes(axes, height=3.4)
    if not predicted:
        raise InputError("predicted must hold at least one moment, got none.")
    last, ends, texts, tones = 1, [], [], []
    for j, (name, given) in enumerate(predicted.items()):
        line = np.asarray(given, dtype=float)
        colour = style.CATEGORIES[j % len(style.CATEGORIES)]
        rounds = np.arange(line.size)
        axes.plot(rounds, line, color=colour, linestyle=style.DASHES[j % len(style.DASHES)], linewidth=1.3)
        if measured is not None and name in measured:
            points = np.asarray(measured[name], dtype=float)
            bars = None if standard_error is None else np.asarray(standard_error[name], dtype=float)
            axes.errorbar(
                np.arange(points.size),
                points,
                bars,
                fmt=style.MARKERS[j % len(style.MARKERS)],
                color=colour,
                markersize=3.8,
                elinewidth=1.0,
                zorder=3.0,
            )
        last = max(last, line.size - 1)
        ends.append(float(line[-1]))
        texts.append(name)
        tones.append(colour)
    for j, name in enumerate(predicted):
        if limits is not None and name in limits:
            axes.plot(
                [0.0, last],
                [limits[name]] * 2,
                color=style.CATEGORIES[j % len(style.CATEGORIES)],
                dashes=(1.2, 2.2),
                linewidth=0.9,
                zorder=1.5,
            )
    axes.set_xlim(-0.02 * last, last * 1.01)
    axes.set_ylim(*axes.get_ylim())
    round_axis(axes)
    axes.set_ylabel(ylabel)
    label_line_ends(axes, last, ends, texts, tones)
    return axes
