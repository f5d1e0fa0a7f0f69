"""The laws of a result as figures: data, rounds and limit in the manner their dimension asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..core.numbers import spread_rounds
from ..laws.empirical import EmpiricalLaw
from ..laws.mixture import DensityLaw, Law
from ..recursion.prediction import Prediction
from ..recursion.recursion import Recursion
from . import style
from .density import contour_key, draw_densities, draw_density_contours, plane_window, with_density
from .heatmap import coefficient_figure
from .projections import projection_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..storage.record import SimulatedRecursion

MOST_SAMPLES = {1: 1500}
"""Samples, by dimension, whose density is drawn without thinning; 400 in higher dimensions."""


def density_figure(
    recursion: Recursion, prediction: Prediction, simulated: SimulatedRecursion | None
) -> Figure | None:
    """Return data, two rounds and the limit as lines, contours or projections; None without any density."""
    drawn = _thinned(recursion)
    try:
        early = {i: with_density(drawn.law(i)) for i in spread_rounds(prediction.rounds, count=3)[:2]}
        limit = None if prediction.limit is None else with_density(drawn.limit())
    except InputError:  # no law after these rounds can be drawn
        return None
    laws = {i: law for i, law in early.items() if law is not None}
    if not laws and limit is None:
        return None
    samples = None
    if simulated is not None and simulated.samples is not None:
        samples = simulated.samples[0, -1]
    data = recursion.target
    if recursion.dimension == 1:
        axes = draw_densities(data=data, rounds=laws, limit=limit, samples=samples)
        figure = style.figure_of(axes)
        words = (
            "Density of the data (filled), after the rounds given (thin lines) and in the limit (thick line)."
        )
    elif recursion.dimension == 2:
        figure = _contour_panels(data, laws, limit)
        words = (
            "Regions that hold 25, 50, 75 and 95 % of the probability: filled for the data, lines for the law named "
            "above each panel."
        )
    else:
        figure = projection_figure(data=data, rounds=laws, limit=limit, samples=samples)
        words = (
            "Densities along three directions: the data (filled), the rounds given (thin lines) and the limit (thick "
            "line). Projections of the recursion are recursions themselves, so these are exact."
        )
    if samples is not None and recursion.dimension != 2:
        words += " Steps: the particles of the last round."
    if isinstance(drawn.target, EmpiricalLaw) and drawn is not recursion:
        words += f" Drawn from {len(drawn.target.samples)} of the samples, evenly chosen."
    return style.describe(figure, "density", words)


def _contour_panels(data: Law, laws: Mapping[int, DensityLaw], limit: DensityLaw | None) -> Figure:
    panels = [(f"round {i}", laws[i], style.ROUNDS[1 + 2 * j]) for j, i in enumerate(sorted(laws))]
    panels += [] if limit is None else [("limit", limit, style.LIMIT)]
    figure, grid = style.panels(1, len(panels), width=2.4 * len(panels), height=3.3)
    window = plane_window([data, panels[-1][1]])
    for axes, (title, law, colour) in zip(grid[0], panels, strict=True):
        draw_density_contours(axes, data=data, law=law, title=title, colour=colour, window=window, key=False)
    for axes in grid[0, 1:]:
        axes.set_ylabel("")
    filled = with_density(data) is not None
    contour_key(figure, colour=style.INK, name="law above", data_has_density=filled, columns=4)
    return figure


def heat_map(recursion: Recursion, prediction: Prediction) -> Figure | None:
    """Return Hermite coefficients of data and limit, for a law in the plane whose degrees do not mix; else None."""
    if recursion.dimension != 2 or prediction.attenuation is None:
        return None
    degree = max(int(prediction.degrees[-1]), 10)
    figure = coefficient_figure(
        coefficients=recursion.target.hermite_coefficients(degree),
        fresh_fraction=recursion.regime.final_fraction,
        truncation_time=recursion.schedule.final,
        rate=recursion.rate,
    )
    return style.describe(
        figure,
        "heat_map",
        "Hermite coefficients of the data and of the limit. The recursion multiplies all modes of one degree, along a "
        "dotted diagonal, by the same factor. Colours are linear up to a hundredth of the largest, then logarithmic.",
    )


def _thinned(recursion: Recursion) -> Recursion:
    """The recursion itself, or one on fewer samples where a density from all of them would take long to draw."""
    target = recursion.target
    most = MOST_SAMPLES.get(recursion.dimension, 400)
    if not isinstance(target, EmpiricalLaw) or len(target.samples) <= most:
        return recursion
    samples = target.samples[np.lexsort(target.samples.T[::-1])]
    selected = np.rint((np.arange(most) + 0.5) / most * len(samples) - 0.5).astype(int)
    return recursion.replace(target=EmpiricalLaw(samples[selected], scale=1.0))
