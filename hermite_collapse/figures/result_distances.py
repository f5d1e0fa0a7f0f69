"""Distances of the rounds of a result to its limit: exact ones, and those the simulation can resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..recursion import prediction as theory
from . import style
from .approach import Approach, approach_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..comparison.comparison import Comparison

_WEIGHT = 0.5
"""Weight of a degree against the one before in the distance between coefficients."""


def limit_distances(known: theory.Prediction, comparison: Comparison | None) -> Figure | None:
    """One panel a metric: how the predicted laws, and the simulated ones where they can, approach the limit."""
    if known.limit is None:
        return None
    metrics = _exact_approaches(known)
    measured = _coefficient_approach(known, comparison)
    metrics += [measured] if measured is not None else []
    metrics = [metric for metric in metrics if _is_telling(metric)]
    if not metrics:
        return None
    words = (
        "Distance to the limit by round, on a log axis. Points: the predicted laws, with bars where the distance "
        "itself is estimated. Dashed: what is proved from the first distance on. Dotted: the rate it tends to. "
        "Numbers: factors a round."
    )
    if measured is not None and measured.measured is not None:
        words += (
            " Squares: the distance between the coefficients measured in the simulation and those of the limit, "
            "less its expected noise; bars are at least one standard error, and rounds lost in the noise are left out."
        )
    return style.describe(approach_figure(metrics), "approach", words)


def _is_telling(metric: Approach) -> bool:
    """Whether there is a distance to see: one above rounding, or none because all are infinite."""
    values = np.asarray(metric.values)
    return bool(np.all(np.isinf(values)) or np.any(metric.reliable & (values > 1e-13)))


def _exact_approaches(known: theory.Prediction) -> list[Approach]:
    final = known.final_rates
    metrics = ("total_variation", "kl", "wasserstein2", "chi_square", "wasserstein1")
    rows = known.approach(metrics if known.recursion.dimension == 1 else ("total_variation", "kl", "bures"))
    return [
        Approach(
            name=theory.METRIC_NAMES[name],
            values=[float(e) for e in rows[name]],
            errors=[e.error for e in rows[name]],
            proved_rate=known.rates.get(name),
            asymptotic_rate=final.get(name),
        )
        for name in rows
    ]


def _coefficient_approach(known: theory.Prediction, comparison: Comparison | None) -> Approach | None:
    """Distance between Hermite coefficients up to the degree recorded, weighted by 2^-n, exact and measured.

    The measured square exceeds the true one by the sum of weighted variances, which is taken off. The bar is
    Minkowski's bound of its standard deviation: no covariances between modes are needed for it.
    """
    if known.coefficients is None or known.limit_coefficients is None or known.indices is None:
        return None
    degree = known.indices.sum(axis=1)
    weight = np.where(degree > 0, _WEIGHT**degree, 0.0)
    gap = known.coefficients - known.limit_coefficients
    exact = np.sqrt(gap**2 @ weight)
    seen = bars = None
    if comparison is not None and comparison.measured.shape == gap.shape:
        deviation = comparison.measured - known.limit_coefficients
        error = comparison.standard_error
        square = (deviation**2 - error**2) @ weight
        spread = 2.0 * (np.abs(gap) * error) @ weight + np.sqrt(2.0) * error**2 @ weight
        visible = square > 2.0 * spread
        seen = np.where(visible, np.sqrt(np.maximum(square, 0.0)), np.nan)
        bars = np.where(visible, spread / (2.0 * np.where(visible, seen, 1.0)), 0.0)
    return Approach(
        name=f"Hermite modes to degree {int(degree.max())}",
        values=exact,
        errors=1e-14 * np.sqrt(known.coefficients**2 @ weight),
        proved_rate=known.rates.get("l2_gamma"),
        asymptotic_rate=known.final_rates.get("l2_gamma"),
        measured=seen,
        measured_errors=0.0 if bars is None else bars,
    )
