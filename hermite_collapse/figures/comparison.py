"""The figures of a result: which ones a recursion and its simulation call for, each with its caption."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..recursion import prediction as theory
from ..recursion.recursion import Recursion
from . import style
from .attenuation import MeasuredFactors, draw_attenuation, draw_z_scores
from .modes import draw_mode_values
from .propagation import draw_moment_drift
from .result_distances import limit_distances
from .result_laws import density_figure, heat_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..comparison.comparison import Comparison
    from ..storage.record import SimulatedRecursion


def comparison_figures(
    comparison: Comparison,
    recursion: Recursion,
    simulated: SimulatedRecursion,
    *,
    prediction: theory.Prediction | None = None,
) -> dict[str, Figure]:
    """The figures of a simulated recursion beside its prediction, by name, in the order they should be read.

    "attenuation" (or "coefficients" where degrees mix), "density" and "approach" come always where the laws
    allow them; "heat_map" in two dimensions and "moments" above, in addition.

    Each figure's label is its caption; `save` writes it. `prediction` is that of as many rounds and degrees, made
    here where not given.
    """
    known = prediction
    if known is None:
        known = theory.predict(recursion, rounds=simulated.rounds, degree=max(1, simulated.degree))
    return _collected(recursion, known, comparison, simulated)


def prediction_figures(known: theory.Prediction) -> dict[str, Figure]:
    """The figures of a prediction alone, without anything measured."""
    return _collected(known.recursion, known, None, None)


def _collected(
    recursion: Recursion,
    known: theory.Prediction,
    comparison: Comparison | None,
    simulated: SimulatedRecursion | None,
) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    recipes: list[tuple[str, Callable[[], Figure | None]]] = [
        ("attenuation", lambda: _attenuation(recursion, known, comparison)),
        ("coefficients", lambda: _coefficients(recursion, comparison)),
        ("density", lambda: density_figure(recursion, known, simulated)),
        ("approach", lambda: limit_distances(known, comparison)),
        ("heat_map", lambda: heat_map(recursion, known)),
        ("moments", lambda: _moments(recursion, known, comparison)),
    ]
    for name, draw in recipes:
        figure = draw()
        if figure is not None:
            figure.set_gid(name)
            found[name] = figure
    return found


def _attenuation(
    recursion: Recursion, known: theory.Prediction, comparison: Comparison | None
) -> Figure | None:
    if known.factors is None:
        return None
    shown = style.select_rounds(known.rounds)
    regime = recursion.regime.name if recursion.regime.table is None else recursion.regime.table
    settings: dict[str, Any] = {
        "fresh_fraction": recursion.regime.fresh_fractions,
        "truncation": recursion.schedule,
        "rate": recursion.rate,
        "regime": regime,
        "rounds": shown,
        "limit": known.attenuation is not None and recursion.regime.final_fraction > 0.0,
    }
    top = _highest_degree(known)
    if comparison is None or comparison.degrees is None:
        axes = draw_attenuation(**settings, highest_degree=top)
        figure = style.figure_of(axes)
        return style.describe(figure, "attenuation", _attenuation_caption(settings["limit"], None))
    points, tested, colours = _factor_points(comparison, shown)
    figure, grid = style.panels(2, 1, width=style.TEXT, height=5.0, height_ratios=[3.1, 1.0], sharex=True)
    upper, lower = grid[:, 0]
    draw_attenuation(upper, **settings, highest_degree=top, measured=points)
    upper.set_xlabel("")
    degree, z = np.concatenate([p.degree for p in points]), _factor_z(comparison, shown)
    draw_z_scores(lower, degree=degree, z=z, tested=tested, colour=colours, critical=critical_z(comparison))
    lower.set_xlim(0.0, top)
    return style.describe(figure, "attenuation", _attenuation_caption(settings["limit"], comparison))


def _highest_degree(known: theory.Prediction) -> float:
    """Right end of the degree axis: a little beyond the last degree, or beyond half amplitude if not far."""
    last = float(known.degrees[-1])
    half = known.half_degree
    return max(last, 1.15 * half if half is not None and half < 2.5 * last else last) + 0.35


def _factor_points(
    comparison: Comparison, shown: tuple[int, ...]
) -> tuple[list[MeasuredFactors], NDArray[np.bool_], NDArray[np.object_]]:
    assert comparison.degrees is not None and comparison.measured_factors is not None
    assert comparison.factor_standard_error is not None
    near_normal = comparison.degrees.is_testable(comparison.runs)
    points, colours = [], []
    for j, i in enumerate(shown):
        keep = _seen(comparison, i)
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
    return points, np.concatenate([p.tested for p in points]), np.concatenate(colours)


def _seen(comparison: Comparison, i: int) -> NDArray[np.bool_]:
    """Degrees of one round that have a measured factor at all: those the data have energy in, from degree 1."""
    assert comparison.measured_factors is not None and comparison.factor_standard_error is not None
    keep = np.isfinite(comparison.measured_factors[i]) & (comparison.factor_standard_error[i] > 0.0)
    keep[0] = False
    return keep


def _factor_z(comparison: Comparison, shown: tuple[int, ...]) -> NDArray[np.float64]:
    assert comparison.factor_z is not None
    return np.concatenate([comparison.factor_z[i, _seen(comparison, i)] for i in shown])


def critical_z(comparison: Comparison) -> float | None:
    """Size a single z-score must pass for the first step of the weighted Holm correction to reject it.

    The tests of implied parameters carry half of the level between them where there are any.
    """
    verdict = comparison.verdict
    implied = sum(e is not None for e in (comparison.implied_fresh_fraction, comparison.implied_truncation))
    single = verdict.tests - implied
    if single <= 0:
        return None
    share = verdict.level / single / (2.0 if implied else 1.0)
    return NormalDist().inv_cdf(1.0 - share / 2.0)


def _attenuation_caption(limit: bool, comparison: Comparison | None) -> str:
    words = (
        "Share of each Hermite mode of the data that survives, by degree: blue lines after the rounds given"
    )
    words += ", red line in the limit." if limit else "; there is no limit curve without fresh data."
    if comparison is None:
        return words
    return (
        words
        + f" Points: measured with {comparison.particles:,} particles".replace(",", "\u202f")
        + (f" in each of {comparison.runs} runs" if comparison.runs > 1 else "")
        + "; bars: one predicted standard error; hollow: too far from normal to be tested. Below: deviations in "
        "predicted standard errors; grey band ±1.96, dashed: what a single one must pass to be rejected "
        "among all tests."
    )


def _coefficients(recursion: Recursion, comparison: Comparison | None) -> Figure | None:
    """Where degrees mix or the start is not the data, coefficients themselves take the place of factors."""
    if comparison is None or comparison.degrees is not None:
        return None
    shown = style.select_rounds(comparison.rounds)
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


def _moments(recursion: Recursion, known: theory.Prediction, comparison: Comparison | None) -> Figure | None:
    """Second moments E x_j^2 = 1 + sqrt(2) c_(2 e_j) of coordinates that move differently, from round 0."""
    if recursion.dimension < 3 or comparison is None:
        return None
    place = {
        int(np.flatnonzero(k)[0]): row
        for row, k in enumerate(comparison.indices)
        if k.sum() == 2 and np.count_nonzero(k) == 1
    }
    if not place:
        return None
    second = np.array([place[j] for j in range(recursion.dimension)])
    start = comparison.modes.expected[0, second]
    change = np.sqrt(2.0) * (comparison.modes.expected[:, second] - start)
    seen = np.sqrt(2.0) * (comparison.measured[:, second] - start)
    error = np.sqrt(2.0) * comparison.standard_error[:, second]
    shown = _different(change[-1])
    if not shown:
        return None
    names = {j: f"$E\\,x_{{{j + 1}}}^2$" for j in shown}
    end = None
    if known.limit is not None:
        law = known.limit
        end = np.diag(law.covariance) + law.mean**2 - (1.0 + np.sqrt(2.0) * start)
    axes = draw_moment_drift(
        predicted={names[j]: change[:, j] for j in shown},
        measured={names[j]: seen[:, j] for j in shown},
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


def _different(change: NDArray[np.float64], most: int = 3) -> list[int]:
    """Up to three coordinates whose moments move by clearly different amounts, in order."""
    chosen: list[int] = []
    size = float(np.max(np.abs(change), initial=0.0))
    for j in np.argsort(-np.abs(change), kind="stable"):
        if abs(change[j]) > 1e-12 and all(abs(change[j] - change[k]) > 0.05 * size for k in chosen):
            chosen.append(int(j))
        if len(chosen) == most:
            break
    return sorted(chosen)
