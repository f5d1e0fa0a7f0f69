"""The attenuation of a result: curves of the theory, and what a simulation measured of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from ..core.errors import InputError
from ..core.numbers import grouped, spread_rounds
from ..core.signature import public
from ..core.types import BoolArray, FloatArray
from ..recursion.prediction import Prediction
from . import style
from .attenuation import MeasuredFactors, draw_attenuation
from .z_scores import draw_z_scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ..comparison.result import Comparison
    from ..recursion.regimes import Regime
    from ..recursion.schedules import Schedule


@public
@style.style()
def draw_prediction(prediction: Prediction, axes: Axes | None = None) -> Axes:
    """Draw the share of each degree that the rounds and the limit keep.

    Parameters
    ----------
    prediction : Prediction
    axes : Axes, optional
        A new figure without it.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If degrees mix, so that no share belongs to a degree.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> hc.predict(recursion, rounds=2, degree=3).plot().get_xlabel()
    'Hermite degree $n$'
    """
    if prediction.factors is None:
        raise InputError(
            "prediction must be of a recursion that keeps Hermite degrees apart, got one that mixes them."
        )
    return draw_attenuation(axes, **_curves(prediction), highest_degree=_highest_degree(prediction))


class _Curves(TypedDict):
    """Arguments of `draw_attenuation` that a prediction decides."""

    fresh_fraction: tuple[float, ...]
    truncation_time: Schedule
    rate: float
    regime: Regime
    rounds: tuple[int, ...]
    limit: bool


def _curves(prediction: Prediction) -> _Curves:
    recursion = prediction.recursion
    return {
        "fresh_fraction": recursion.regime.fresh_fractions,
        "truncation_time": recursion.schedule,
        "rate": recursion.rate,
        "regime": recursion.regime,
        "rounds": spread_rounds(prediction.rounds),
        "limit": prediction.attenuation is not None and recursion.regime.final_fraction > 0.0,
    }


def attenuation_figure(prediction: Prediction, comparison: Comparison | None) -> Figure | None:
    """Return the shares kept by degree, predicted and measured; None where degrees mix."""
    if prediction.factors is None:
        return None
    curves, top = _curves(prediction), _highest_degree(prediction)
    caption = _attenuation_caption(curves["limit"], comparison)
    if comparison is None or comparison.degrees is None:
        figure = style.figure_of(draw_prediction(prediction))
        return style.describe(figure, "attenuation", caption)
    points, colours = _factor_points(comparison, curves["rounds"])
    figure, grid = style.panels(2, 1, width=style.TEXT, height=5.0, height_ratios=[3.1, 1.0], sharex=True)
    upper, lower = grid[:, 0]
    draw_attenuation(upper, **curves, highest_degree=top, measured=points)
    upper.set_xlabel("")
    draw_z_scores(
        lower,
        degree=np.concatenate([p.degree for p in points]),
        z=_factor_z(comparison, curves["rounds"]),
        tested=np.concatenate([p.tested for p in points]),
        colour=colours,
        critical=comparison.verdict.critical_z,
    )
    lower.set_xlim(0.0, top)
    return style.describe(figure, "attenuation", caption)


def _highest_degree(prediction: Prediction) -> float:
    """Right end of the degree axis: a little beyond the last degree, or beyond half amplitude if not far."""
    last = float(prediction.degrees[-1])
    half = prediction.half_degree
    return max(last, 1.15 * half if half is not None and half < 2.5 * last else last) + 0.35


def _factor_points(
    comparison: Comparison, shown: tuple[int, ...]
) -> tuple[list[MeasuredFactors], NDArray[np.object_]]:
    assert comparison.degrees is not None and comparison.measured_factors is not None
    assert comparison.factor_standard_error is not None and comparison.factor_tested is not None
    points, colours = [], []
    for j, i in enumerate(shown):
        keep = _measurable(comparison, i)
        points.append(
            MeasuredFactors(
                round=i,
                degree=np.flatnonzero(keep),
                factor=comparison.measured_factors[i, keep],
                standard_error=comparison.factor_standard_error[i, keep],
                tested=comparison.factor_tested[i, keep],
            )
        )
        colours.append(np.full(int(keep.sum()), style.round_colour(j, len(shown)), dtype=object))
    return points, np.concatenate(colours)


def _measurable(comparison: Comparison, i: int) -> BoolArray:
    """Degrees of one round that have a measured factor at all: those the data have energy in, from degree 1."""
    assert comparison.measured_factors is not None and comparison.factor_standard_error is not None
    keep = np.isfinite(comparison.measured_factors[i]) & (comparison.factor_standard_error[i] > 0.0)
    keep[0] = False
    return keep


def _factor_z(comparison: Comparison, shown: tuple[int, ...]) -> FloatArray:
    assert comparison.factor_z is not None
    return np.concatenate([comparison.factor_z[i, _measurable(comparison, i)] for i in shown])


def _attenuation_caption(limit: bool, comparison: Comparison | None) -> str:
    caption = (
        "Share of each Hermite mode of the data that survives, by degree: thin lines after the rounds given"
    )
    caption += ", thick line in the limit." if limit else "; there is no limit curve without fresh data."
    if comparison is None or comparison.degrees is None:
        return caption
    return (
        f"{caption} Points: measured with {grouped(comparison.particles)} particles"
        + (f" in each of {comparison.runs} runs" if comparison.runs > 1 else "")
        + "; bars: one predicted standard error; hollow: too far from normal to be tested, some perhaps off the axis. "
        "Below: deviations in "
        "predicted standard errors; band ±1.96, dashed: what a single one must pass to be rejected "
        "among all tests."
    )
