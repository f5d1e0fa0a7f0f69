"""The figures of a result: which ones a recursion and its simulation call for, each with its caption."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from ..core.errors import InputError
from ..core.numbers import grouped, spread_rounds
from ..core.types import BoolArray, FloatArray
from ..recursion.prediction import Prediction, predict
from ..recursion.recursion import Recursion
from . import style
from .attenuation import MeasuredFactors, draw_attenuation, draw_z_scores
from .modes import draw_mode_values
from .propagation import draw_moment_drift
from .result_distances import limit_distances
from .result_laws import density_figure, heat_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ..comparison.comparison import Comparison
    from ..recursion.regimes import Regime
    from ..recursion.schedules import Schedule
    from ..storage.record import SimulatedRecursion


def comparison_figures(
    comparison: Comparison,
    recursion: Recursion,
    simulated: SimulatedRecursion,
    *,
    prediction: Prediction | None = None,
) -> dict[str, Figure]:
    """Return the figures of a simulated recursion beside its prediction, in the order they should be read.

    Parameters
    ----------
    comparison : Comparison
    recursion : Recursion
    simulated : SimulatedRecursion
    prediction : Prediction, optional
        Of as many rounds and degrees; made here where not given.

    Returns
    -------
    dict of str to Figure
        "attenuation" (or "coefficients" where degrees mix), "density" and "approach" where the laws allow them,
        "heat_map" in two dimensions and "moments" above.  A figure's label is its caption.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation=0.1)
    >>> run = hc.simulation.simulate(recursion, rounds=2, particles=1000, degree=3, generator="channel", seed=1)
    >>> list(comparison_figures(hc.compare(recursion, run), recursion, run))
    ['attenuation', 'density', 'approach']
    """
    if prediction is None:
        prediction = predict(recursion, rounds=simulated.rounds, degree=max(1, simulated.degree))
    return _drawn(recursion, prediction, comparison, simulated)


def prediction_figures(prediction: Prediction) -> dict[str, Figure]:
    """Return the figures of a prediction alone, without anything measured.

    Parameters
    ----------
    prediction : Prediction

    Returns
    -------
    dict of str to Figure
        As for `comparison_figures`.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation=0.1)
    >>> list(prediction_figures(hc.predict(recursion, rounds=2, degree=3)))
    ['attenuation', 'density', 'approach']
    """
    return _drawn(prediction.recursion, prediction, None, None)


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
    >>> recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation=0.1)
    >>> hc.predict(recursion, rounds=2, degree=3).plot().get_xlabel()
    'Hermite degree $n$'
    """
    if prediction.factors is None:
        raise InputError(
            "prediction must be of a recursion that keeps Hermite degrees apart, got one that mixes them."
        )
    return draw_attenuation(axes, **_curves(prediction), highest_degree=_highest_degree(prediction))


def _drawn(
    recursion: Recursion,
    prediction: Prediction,
    comparison: Comparison | None,
    simulated: SimulatedRecursion | None,
) -> dict[str, Figure]:
    recipes: dict[str, Callable[[], Figure | None]] = {
        "attenuation": lambda: _attenuation(prediction, comparison),
        "coefficients": lambda: _coefficients(recursion, comparison),
        "density": lambda: density_figure(recursion, prediction, simulated),
        "approach": lambda: limit_distances(prediction, comparison),
        "heat_map": lambda: heat_map(recursion, prediction),
        "moments": lambda: _moments(recursion, prediction, comparison),
    }
    figures = {name: draw() for name, draw in recipes.items()}
    return {name: figure for name, figure in figures.items() if figure is not None}


class _Curves(TypedDict):
    """Arguments of `draw_attenuation` that a prediction decides."""

    fresh_fraction: tuple[float, ...]
    truncation: Schedule
    rate: float
    regime: Regime
    rounds: tuple[int, ...]
    limit: bool


def _curves(prediction: Prediction) -> _Curves:
    recursion = prediction.recursion
    return {
        "fresh_fraction": recursion.regime.fresh_fractions,
        "truncation": recursion.schedule,
        "rate": recursion.rate,
        "regime": recursion.regime,
        "rounds": spread_rounds(prediction.rounds),
        "limit": prediction.attenuation is not None and recursion.regime.final_fraction > 0.0,
    }


def _attenuation(prediction: Prediction, comparison: Comparison | None) -> Figure | None:
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
    assert comparison.factor_standard_error is not None
    near_normal = comparison.degrees.is_testable(comparison.runs)
    points, colours = [], []
    for j, i in enumerate(shown):
        keep = _measurable(comparison, i)
        points.append(
            MeasuredFactors(
                round=i,
                degree=np.flatnonzero(keep),
                factor=comparison.measured_factors[i, keep],
                standard_error=comparison.factor_standard_error[i, keep],
                tested=near_normal[i, keep],
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
        "Share of each Hermite mode of the data that survives, by degree: blue lines after the rounds given"
    )
    caption += ", red line in the limit." if limit else "; there is no limit curve without fresh data."
    if comparison is None or comparison.degrees is None:
        return caption
    return (
        f"{caption} Points: measured with {grouped(comparison.particles)} particles"
        + (f" in each of {comparison.runs} runs" if comparison.runs > 1 else "")
        + "; bars: one predicted standard error; hollow: too far from normal to be tested. Below: deviations in "
        "predicted standard errors; grey band ±1.96, dashed: what a single one must pass to be rejected "
        "among all tests."
    )


def _coefficients(recursion: Recursion, comparison: Comparison | None) -> Figure | None:
    """Where degrees mix or the start is not the data, coefficients themselves take the place of factors."""
    if comparison is None or comparison.degrees is not None:
        return None
    shown = spread_rounds(comparison.rounds)
    axes = draw_mode_values(
        indices=comparison.indices,
        rounds=shown,
        predicted=comparison.modes.expected,
        measured=comparison.measured,
        standard_error=comparison.standard_error,
        tested=comparison.tested,
    )
    why = (
        "this recursion mixes Hermite degrees"
        if not recursion.is_diagonal
        else "modes have no common factor here"
    )
    return style.describe(
        style.figure_of(axes),
        "coefficients",
        f"Hermite coefficients after the rounds given, predicted (rules) and measured (points, with bars of one "
        f"predicted standard error), since {why}. The largest modes are shown.",
    )


def _moments(recursion: Recursion, prediction: Prediction, comparison: Comparison | None) -> Figure | None:
    """Second moments E x_j^2 = 1 + sqrt(2) c_(2 e_j) of coordinates that move differently, from round 0."""
    if recursion.dimension < 3 or comparison is None:
        return None
    row_of = {
        int(np.flatnonzero(k)[0]): row
        for row, k in enumerate(comparison.indices)
        if k.sum() == 2 and np.count_nonzero(k) == 1
    }
    if not row_of:
        return None
    second = np.array([row_of[j] for j in range(recursion.dimension)])
    start = comparison.modes.expected[0, second]
    change = np.sqrt(2.0) * (comparison.modes.expected[:, second] - start)
    measured = np.sqrt(2.0) * (comparison.measured[:, second] - start)
    error = np.sqrt(2.0) * comparison.standard_error[:, second]
    shown = _different(change[-1])
    if not shown:
        return None
    names = {j: f"$E\\,x_{{{j + 1}}}^2$" for j in shown}
    end = None
    if prediction.limit is not None:
        law = prediction.limit
        end = np.diag(law.covariance) + law.mean**2 - (1.0 + np.sqrt(2.0) * start)
    axes = draw_moment_drift(
        predicted={names[j]: change[:, j] for j in shown},
        measured={names[j]: measured[:, j] for j in shown},
        standard_error={names[j]: error[:, j] for j in shown},
        limits=None if end is None else {names[j]: float(end[j]) for j in shown},
        ylabel="change of the second moment",
    )
    return style.describe(
        style.figure_of(axes),
        "moments",
        "Drift of second moments from the data’s: lines predicted, points measured with bars of one predicted "
        "standard error, dotted the limit. Coordinates that move alike are shown once.",
    )


def _different(change: FloatArray, most: int = 3) -> list[int]:
    """Up to three coordinates whose moments move by clearly different amounts, in order."""
    selected: list[int] = []
    size = float(np.max(np.abs(change), initial=0.0))
    for j in np.argsort(-np.abs(change), kind="stable"):
        if abs(change[j]) > 1e-12 and all(abs(change[j] - change[k]) > 0.05 * size for k in selected):
            selected.append(int(j))
        if len(selected) == most:
            break
    return sorted(selected)
