"""What every figure must satisfy to be readable: texts apart from each other and on the page."""

from __future__ import annotations

import itertools

from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import BboxBase

Texts = list[tuple[str, BboxBase]]


def visible_texts(figure: Figure) -> Texts:
    """Every text that is drawn, with its box in pixels; tick labels outside their axis are not drawn."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    hidden = set()
    for axes in figure.axes:
        if not axes.get_visible():
            hidden |= {id(text) for text in axes.findobj(Text)}
        for axis in axes.findobj(Axis):
            drawn = {id(tick) for tick in axis._update_ticks()}
            for tick in (*axis.majorTicks, *axis.minorTicks):
                if id(tick) not in drawn:
                    hidden |= {id(tick.label1), id(tick.label2)}
    matches = []
    for text in figure.findobj(Text):
        if id(text) not in hidden and text.get_visible() and text.get_text().strip():
            matches.append((text.get_text(), text.get_window_extent(renderer)))
    return matches


def overlaps(texts: Texts, *, slack: float = 1.0) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes share more than `slack` pixels in both directions."""
    matches = []
    for (a, first), (b, second) in itertools.combinations(texts, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        if width > slack and height > slack:
            matches.append((a, b))
    return matches


def off_the_page(figure: Figure, texts: Texts, *, slack: float = 1.5) -> list[str]:
    """Texts that reach beyond the edge of the figure."""
    page = figure.bbox
    return [
        words
        for words, box in texts
        if box.x0 < page.x0 - slack
        or box.x1 > page.x1 + slack
        or box.y0 < page.y0 - slack
        or box.y1 > page.y1 + slack
    ]


def assert_readable(figure: Figure) -> None:
    texts = visible_texts(figure)  # the figure is drawn once
    assert not overlaps(texts), overlaps(texts)
    assert not off_the_page(figure, texts), off_the_page(figure, texts)
