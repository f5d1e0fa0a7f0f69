"""Figures for telephones: the same panels one above the other, in letters that can be read at 400 pixels."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from . import style
from .labels import legend_above

WIDTH = 4.1
"""Width in inches of a figure on a telephone."""
_PAIR = 5.2
"""Width in inches of two columns of panels."""
_BAR = "<colorbar>"
_SHAPE = 0.75
"""Height over width of one panel, at least."""
_TITLE = 0.35
"""Inches of a title above a picture."""
_COLUMNS = 3
"""Columns of a legend above a narrow panel, at most."""
_SHARE_OF_LEGEND = 0.87
"""Of the figure's width, at most."""


def narrowed(figure: Figure) -> Figure:
    """Return the figure itself, made narrow: panels of one row are stacked, those of grids stand in two columns.

    A colour bar that panels share stays at their right.  A figure of another layout stays as it is.
    """
    width, height = (float(side) for side in figure.get_size_inches())
    panels = [axes for axes in figure.axes if axes.get_label() != _BAR]
    rows, columns = _shape(panels)
    if width <= (WIDTH if rows == 1 or columns == 1 else _PAIR) or columns == 0:
        return figure
    tall = _height(panels, max(_SHAPE * WIDTH, 0.9 * height / rows))
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
                _fit_legend(axes, float(figure.bbox.width))
        for key in list(figure.legends):
            _fit_key(figure, key)
    return figure


def _height(panels: list[Axes], tall: float) -> float:
    """Return the height of a stacked panel: less where all keep the shape of flat pictures."""
    flat = [
        axes.get_data_ratio() * float(axes.get_aspect()) for axes in panels if axes.get_aspect() != "auto"
    ]
    return min(tall, WIDTH * max(flat) + _TITLE) if len(flat) == len(panels) else tall


def _fit_legend(axes: Axes, width: float) -> None:
    """Put the legend above the panel in as many columns as fit beside the numbers at its left."""
    for columns in range(_COLUMNS, 0, -1):
        legend_above(axes, columns)
        legend = axes.get_legend()
        if legend is not None and legend.get_window_extent().width <= _SHARE_OF_LEGEND * width:
            return


def _fit_key(figure: Figure, key: Legend) -> None:
    """Put the key of all panels, which stands below or above them, in as many columns as fit."""
    below = key.get_window_extent().y1 < 0.5 * figure.bbox.height
    artists, texts = list(key.legend_handles), key.get_texts()
    for columns in range(_COLUMNS, 0, -1):
        key.remove()
        key = figure.legend(
            [artist for artist in artists if artist is not None],
            [text.get_text() for text in texts],
            loc="outside lower center" if below else "outside upper left",
            ncols=columns,
            fontsize=texts[0].get_fontsize(),
            columnspacing=1.2,
        )
        if key.get_window_extent().width <= figure.bbox.width:
            return


def _shape(panels: list[Axes]) -> tuple[int, int]:
    """Return rows and columns of the panels' grid; no columns where they stand in more than one grid or in none."""
    cells = [axes.get_subplotspec() for axes in panels]
    grids = {id(cell.get_gridspec()): cell.get_gridspec() for cell in cells if cell is not None}
    if len(grids) != 1 or None in cells:
        return (1, 1) if len(panels) == 1 else (0, 0)
    (grid,) = grids.values()
    return grid.nrows, grid.ncols


def _place(figure: Figure, panels: list[Axes], columns: int) -> None:
    """Put panels into a grid of so many columns, row by row; labels that the panel at the left had stand again."""
    grid = figure.add_gridspec(-(-len(panels) // columns), columns)
    label = ""
    for index, axes in enumerate(panels):
        axes.set_subplotspec(grid[index // columns, index % columns])
        label = axes.get_ylabel() or label
        if index % columns == 0:
            axes.set_ylabel(label)
        axes.tick_params(labelbottom=True, labelleft=True)
