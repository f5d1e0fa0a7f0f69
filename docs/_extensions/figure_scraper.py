"""Pictures of the gallery: every figure that a script holds in a variable, drawn with pyplot or without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

SAVED = "_saved_by_the_gallery"


def scrape(block: object, block_vars: Mapping[str, object], gallery: Mapping[str, object]) -> str:
    """Save the figures that a block of a script made, and return the markup that shows them."""
    paths = []
    for figure in _new_figures(block_vars["example_globals"]):
        path = next(block_vars["image_path_iterator"])
        figure.savefig(path, dpi=150, bbox_inches="tight", facecolor="white")
        setattr(figure, SAVED, True)
        paths.append(path)
    return figure_rst(paths, gallery["src_dir"])


def _new_figures(names: Mapping[str, object]) -> Iterator[Figure]:
    for value in list(names.values()):
        values = value.values() if isinstance(value, dict) else [value]
        for item in values:
            figure = item.figure if isinstance(item, Axes) else item
            if isinstance(figure, Figure) and not hasattr(figure, SAVED):
                yield figure
