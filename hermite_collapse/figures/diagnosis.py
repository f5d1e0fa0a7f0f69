"""Measured curves by round, and what fits them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.signature import public
from ..core.types import FloatArray, IntArray
from ..diagnosis.observed.observations import DISTANCE, SQUARED, VARIANCE
from ..diagnosis.result import Diagnosis
from . import style
from .labels import label_line_ends, round_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CURVES = 6
WIDE = 30.0
"""Ratio of the largest to the smallest mean of a curve from which small curves would lie flat on a linear axis."""


@public
@style.style()
def draw_diagnosis(diagnosis: Diagnosis, axes: Axes | None = None) -> Axes:
    """Draw measured curves with their errors, the leading fit, and the plateaus it leads to.

    Parameters
    ----------
    diagnosis : Diagnosis
    axes : Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    Axes

    Notes
    -----
    At most six curves, spread over all.  Points: measured, with standard errors.  Lines: the leading fit, dashed where
    it was not tested or is rejected.  Ticks at the right: its plateaus.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_collapse as hc
    >>> curve = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=8)
    >>> draw_diagnosis(hc.diagnose(curve, standard_errors=np.full(curve.shape, 0.01))).get_xlabel()
    'round'
    """
    from matplotlib.markers import CARETLEFTBASE

    axes = style.own_axes(axes)
    observed, one = diagnosis.observations, diagnosis.leading
    columns = np.unique(np.linspace(0, len(observed.names) - 1, MOST_CURVES).round().astype(int))
    errors = np.zeros_like(observed.values)
    if observed.has_errors:
        covariance = observed.covariance
        variances = covariance if covariance.ndim == 1 else np.diagonal(covariance)
        errors[observed.used] = np.sqrt(variances)
    values, errors = observed.shown(observed.values, errors)
    predicted = observed.shown(one.predicted, np.zeros_like(one.predicted))[0]
    order = np.argsort(observed.rounds, kind="stable")
    ends, triangles = [], 0
    for k, j in enumerate(columns):
        colour = style.CATEGORIES[k % len(style.CATEGORIES)]
        used = observed.used[:, j]
        axes.errorbar(
            observed.rounds[used],
            values[used, j],
            errors[used, j] if observed.has_errors else None,
            fmt=style.MARKERS[k % len(style.MARKERS)],
            color=colour,
            markersize=3.5,
            linewidth=0.9,
        )
        axes.plot(
            observed.rounds[order],
            predicted[order, j],
            color=colour,
            linewidth=1.3,
            linestyle="-" if one.is_accepted else "--",
        )
        if np.isfinite(diagnosis.plateau[j]):
            triangles += 1
            axes.plot(
                1.0,
                diagnosis.plateau[j],
                marker=CARETLEFTBASE,  # inside the axes, clear of the labels at the right
                markersize=7.0,
                linestyle="",
                color=colour,
                transform=axes.get_yaxis_transform(),
            )
        ends.append((float(predicted[order[-1], j]), observed.names[j], colour))
    if len(columns) > 1:
        if _is_wide(values[:, columns], predicted[:, columns]):
            axes.set_yscale("log")
        heights, labels, colours = (list(column) for column in zip(*ends, strict=True))
        label_line_ends(axes, float(axes.get_xlim()[1]), heights, labels, colours)
    round_axis(axes, "round")
    axes.set_ylabel("standard deviation" if observed.are_deviations else _quantity(observed.degrees))
    count = len(observed.names)
    which = f" {len(columns)} of {count} curves, spread over all." if len(columns) < count else ""
    style.describe(
        style.figure_of(axes),
        "diagnosis",
        f"Points: measured{' with standard errors' if observed.has_errors else ''}. Lines: {one.title}"
        f"{'; triangles at the right: where it leads' if triangles else ''}.{which}",
    )
    return axes


def _is_wide(values: FloatArray, predicted: FloatArray) -> bool:
    """Say whether curves are positive and of sizes too different for one linear axis."""
    sizes = np.nanmean(predicted, axis=0)
    smallest = min(np.nanmin(values), np.nanmin(predicted))
    return bool(smallest > 0.0 and sizes.max() > WIDE * sizes.min())


def _quantity(degrees: IntArray) -> str:
    """Return what columns of these degrees are values of."""
    if np.all(degrees > 0):
        return "factor"
    if np.all(degrees == VARIANCE):
        return "variance"
    return "distance to the data" if np.all(np.isin(degrees, (DISTANCE, SQUARED))) else "variance or factor"
