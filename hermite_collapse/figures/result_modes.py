"""Single modes of a result: coefficients where no factor belongs to a degree, and second moments of coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.numbers import spread_rounds
from ..core.types import FloatArray
from ..recursion.prediction import Prediction
from ..recursion.recursion import Recursion
from . import style
from .modes import draw_mode_values
from .propagation import draw_moment_drift

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..comparison.result import Comparison


def coefficient_values(recursion: Recursion, comparison: Comparison | None) -> Figure | None:
    """Return the coefficients themselves where degrees mix or the start is not the data; None elsewhere."""
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


def moment_drift(
    recursion: Recursion, prediction: Prediction, comparison: Comparison | None
) -> Figure | None:
    """Return the drift of second moments of coordinates that move differently; None below three dimensions.

    E x_j^2 = 1 + sqrt(2) c_(2 e_j)
    """
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
