"""Figures for telephones: the same panels one above the other, in letters that can be read at 400 pixels."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style
from .labels import legend_above

WIDTH = 4.1
"""Width in inches of a figure on a telephone."""
_SHAPE = 0.75
"""Height over width of one panel, at least."""
_COLUMNS = 3
"""Columns of a legend above a narrow panel."""


def narrowed(figure: Figure) -> Figure:
    """Return the figure itself, made narrow: its panels stacked unless they share a colour bar or a larger grid."""
    width, height = (float(side) for side in figure.get_size_inches())
    if width <= WIDTH:
        return figure
    panels = _one_row(figure)
    with style.style():
        if len(panels) > 1:
            grid = figure.add_gridspec(len(panels), 1)
            for index, axes in enumerate(panels):
                axes.set_subplotspec(grid[index])
                axes.tick_params(labelbottom=True, labelleft=True)
            figure.set_size_inches(WIDTH, len(panels) * max(_SHAPE * WIDTH, 0.9 * height))
        elif len(figure.axes) == 1:
            figure.set_size_inches(WIDTH, max(_SHAPE * WIDTH, 0.9 * height))
        else:
            return figure
        for axes in figure.axes:
            legend = axes.get_legend()
            if legend is not None and legend.get_bbox_to_anchor().y0 >= axes.bbox.y1 - 1.0:
                legend_above(axes, _COLUMNS)
    return figure


def _one_row(figure: Figure) -> list[Axes]:
    """Return the panels of a figure that is one row of panels and nothing else, else an empty list."""
    panels: list[Axes] = []
    for axes in figure.axes:
        place = axes.get_subplotspec()
        if place is None or place.get_gridspec().nrows != 1 or axes.get_label() == "<colorbar>":
            return []
        panels.append(axes)
    return panels
