"""Distances of the rounds of a result to its limit: exact ones, and those the simulation can resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..comparison.approach import has_visible_distance, mode_distances, shown_distances
from ..recursion.law_distances import METRIC_NAMES, RATE_NAMES
from ..recursion.prediction import Prediction
from . import style
from .approach import Approach, approach_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..comparison.result import Comparison


def limit_distances(prediction: Prediction, comparison: Comparison | None) -> Figure | None:
    """Return one panel a metric: how the predicted laws, and the simulated ones where they can, approach the limit."""
    if prediction.limit is None:
        return None
    metrics = _exact_approaches(prediction)
    modes = _mode_approach(prediction, comparison)
    metrics += [modes] if modes is not None else []
    metrics = [metric for metric in metrics if has_visible_distance(metric.values, metric.errors)]
    if not metrics:
        return None
    words = (
        "Distance to the limit by round, on a log axis. Points: the predicted laws, with bars where the distance "
        "itself is estimated. Dashed: what is proved from the first distance on. Dotted: the rate it tends to. "
        "Numbers: factors a round."
    )
    if modes is not None and modes.measured is not None:
        words += (
            " Squares: the distance between the coefficients measured in the simulation and those of the limit, "
            "less its expected noise; bars are at least one standard error, and rounds lost in the noise are left out."
        )
    return style.describe(approach_figure(metrics), "approach", words)


def _exact_approaches(prediction: Prediction) -> list[Approach]:
    final = prediction.final_rates
    return [
        Approach(
            name=METRIC_NAMES[name],
            values=[float(e) for e in row],
            errors=[e.error for e in row],
            proved_rate=prediction.rates.get(name),
            asymptotic_rate=final.get(name),
        )
        for name, row in shown_distances(prediction).items()
    ]


def _mode_approach(prediction: Prediction, comparison: Comparison | None) -> Approach | None:
    distances = mode_distances(prediction, comparison)
    if distances is None:
        return None
    return Approach(
        name=f"{RATE_NAMES['l2_gamma']}, modes to degree {distances.degree}",
        values=distances.exact,
        errors=distances.error,
        proved_rate=prediction.rates.get("l2_gamma"),
        asymptotic_rate=prediction.final_rates.get("l2_gamma"),
        measured=distances.measured,
        measured_errors=0.0 if distances.standard_error is None else distances.standard_error,
    )
