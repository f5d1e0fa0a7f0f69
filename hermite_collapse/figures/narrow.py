"""Figures for telephones: the same panels one above the other, in letters that can be read at 400 pixels."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style
from .labels import legend_above

WIDTH = 4.1
"""Width in inches of a figure on a telephone."""
_PAIR = 5.2
"""Width in inches of two columns of panels."""
_BAR = "<colorbar>"
_SHAPE = 0.75
"""Height over width of one panel, at least."""
_COLUMNS = 3
"""Columns of a legend above a narrow panel."""


def narrowed(figure: Figure) -> Figure:
    """Return the figure itself, made narrow: panels of one row are stacked, those of wide grids stand in two columns.

    Two columns and panels that share a colour bar stay as they are.
    """
    width, height = (float(side) for side in figure.get_size_inches())
    panels = [axes for axes in figure.axes if axes.get_label() != _BAR]
    rows, columns = _shape(panels)
    has_bar = len(panels) < len(figure.axes)
    if width <= WIDTH or columns == 0 or (columns > 1 and (has_bar or (columns == 2 and rows > 1))):
        return figure
    tall = max(_SHAPE * WIDTH, 0.9 * height / rows)
    with style.style():
        if columns == 1:
            figure.set_size_inches(WIDTH, max(_SHAPE * WIDTH, 0.9 * height))
        elif rows == 1:
            _place(figure, panels, 1)
            figure.set_size_inches(WIDTH, len(panels) * tall)
        else:
            _place(figure, panels, 2)
            figure.set_size_inches(_PAIR, -(-len(panels) // 2) * height / rows)
        for axes in panels:
            legend = axes.get_legend()
            if legend is not None and legend.get_bbox_to_anchor().y0 >= axes.bbox.y1 - 1.0:
                legend_above(axes, _COLUMNS)
    return figure


def _shape(panels: list[Axes]) -> tuple[int, int]:
    """Return rows and columns of the panels' grid; no columns where they stand in more than one grid or in none."""
    cells = [axes.get_subplotspec() for axes in panels]
    grids = {id(cell.get_gridspec()): cell.get_gridspec() for cell in cells if cell is not None}
    if len(grids) != 1 or None in cells:
        return (1, 1) if len(panels) == 1 else (0, 0)
    (grid,) = grids.values()
    return grid.nrows, grid.ncols


def _place(figure: Figure, panels: list[Axes], columns: int) -> None:
    """Put the panels into a grid of so many columns, row by row."""
    grid = figure.add_gridspec(-(-len(panels) // columns), columns)
    for index, axes in enumerate(panels):
        axes.set_subplotspec(grid[index // columns, index % columns])
        axes.tick_params(labelbottom=True, labelleft=True)
