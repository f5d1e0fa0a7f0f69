"""Pictures of the gallery: every figure that a script holds in a variable, drawn with pyplot or without it.

Each is saved twice, as the script left it and made narrow for telephones; the style sheet shows the one that fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hermite_collapse.figures.narrow import narrowed

SAVED = "_saved_by_the_gallery"


def scrape(block: object, block_vars: Mapping[str, object], gallery: Mapping[str, object]) -> str:
    """Save the figures that a block of a script made, and return the markup that shows them."""
    images = []
    for figure in _new_figures(block_vars["example_globals"]):
        setattr(figure, SAVED, True)
        words = figure.get_label() or "Figure of the script"
        for shown in ("wide-screen", "narrow-screen"):
            path = next(block_vars["image_path_iterator"])
            if shown == "narrow-screen":
                narrowed(figure)
            figure.savefig(path, dpi=150, bbox_inches="tight", facecolor="white")
            place = Path(path).relative_to(gallery["src_dir"]).as_posix()
            images.append(
                f".. image-sg:: /{place}\n   :alt: {words}\n   :srcset: /{place}\n   :class: {shown}\n\n"
            )
    return "".join(images)


def _new_figures(names: Mapping[str, object]) -> Iterator[Figure]:
    for value in list(names.values()):
        values = value.values() if isinstance(value, dict) else [value]
        for item in values:
            figure = item.figure if isinstance(item, Axes) else item
            if isinstance(figure, Figure) and not hasattr(figure, SAVED):
                yield figure
