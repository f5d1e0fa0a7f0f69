"""Figures as files: SVG, PNG and PDF, in the widths of a paper's columns, the same bytes every time."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..core import checks
from ..storage.folder import write_atomically
from . import style
from .formats import FORMATS, WIDTHS
from .narrow import narrowed

SMALLEST_TEXT = 7.0
"""Points of the text on the ticks of a figure made narrow."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """A finished figure whose SVG text is drawn once, for its file and for a page, and once more for narrow screens.

    Attributes
    ----------
    figure : Figure
        Not to be changed any more.
    """

    figure: Figure

    @cached_property
    def svg(self) -> str:
        """The figure as one SVG document in its own width."""
        return svg_text(self.figure)

    @cached_property
    def narrow_svg(self) -> str | None:
        """The figure made narrow for telephones, as one SVG document.

        None where it is narrow already, and for a figure that cannot be copied, such as one with functions as labels.
        """
        try:
            copied = pickle.loads(pickle.dumps(self.figure))
        except (pickle.PicklingError, AttributeError, TypeError):
            return None
        before = tuple(copied.get_size_inches())
        return None if tuple(narrowed(copied).get_size_inches()) == before else svg_text(copied)


def drawing(figure: Figure | Drawing) -> Drawing:
    """Return the drawing of a figure; a drawing is returned as it is."""
    return figure if isinstance(figure, Drawing) else Drawing(checks.instance(figure, Figure, "figure"))


def drawings(figures: Mapping[str, Figure | Drawing]) -> dict[str, Drawing]:
    """Return figures by name as drawings, for all that shows them to share."""
    return {name: drawing(figure) for name, figure in figures.items()}


def save(
    figure: Figure | Drawing,
    path: str | Path,
    *,
    formats: Sequence[str] = ("svg", "png"),
    width: str | float | None = None,
    dots_per_inch: float = 200.0,
) -> tuple[Path, ...]:
    """Write `path`.svg, `path`.png and `path`.pdf, or some of them, each atomically.

    Parameters
    ----------
    figure : Figure or Drawing
    path : path
        With or without one of the suffixes; its folder is made where it is missing.
    formats : sequence of str
        Of "svg", "png" and "pdf".
    width : {"single", "double"} or float, optional
        Columns of a paper that the figure spans, or inches; its own width without it.  Panels side by side are not
        legible in one column: they span two where "single" is asked for.
    dots_per_inch : float
        Of the PNG file.

    Returns
    -------
    tuple of Path
        One for each format.

    Raises
    ------
    InputError
        If a format or a width is unknown.

    Notes
    -----
    The vector files have a transparent ground and, as SVG, text as outlines; the pixel file has a white ground.  None
    holds a date or a version, and identifiers in the SVG file are salted hashes of what they name: the same figure
    gives the same bytes.

    Examples
    --------
    >>> import tempfile
    >>> from hermite_collapse.figures import new_figure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in save(new_figure(), f"{folder}/empty", formats=("svg", "pdf"), width="single")]
    ['empty.svg', 'empty.pdf']
    """
    for name in checks.items(formats, "formats"):
        checks.one_of(name, FORMATS, "formats")
    drawn = drawing(figure)
    inches = _inches(drawn.figure, width)
    base = Path(path)
    base = base.with_suffix("") if base.suffix.removeprefix(".") in FORMATS else base
    base.parent.mkdir(parents=True, exist_ok=True)
    written = []
    if inches is not None:
        drawn = Drawing(drawn.figure)
    with _resized(drawn.figure, inches):
        for name in formats:
            file = base.with_name(f"{base.name}.{name}")
            write_atomically(file, _file_bytes(drawn, name, dots_per_inch))
            written.append(file)
    return tuple(written)


def _inches(figure: Figure, width: str | float | None) -> float | None:
    if isinstance(width, str):
        checks.one_of(width, tuple(WIDTHS), "width")
        specs = [axes.get_subplotspec() for axes in figure.axes]
        columns = {spec.colspan.start for spec in specs if spec is not None}
        return WIDTHS["double" if len(columns) > 1 else width]
    return None if width is None else checks.positive(width, "width")


def _file_bytes(drawn: Drawing, name: str, dots_per_inch: float) -> bytes:
    """Return the bytes of a file of that format, free of dates and versions."""
    if name == "svg":
        return drawn.svg.encode("utf-8")
    stream = BytesIO()
    options: dict[str, Any] = {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}}
    if name == "png":
        options = {"dpi": dots_per_inch, "facecolor": "white", "metadata": {"Software": None}}
    with style.style():
        drawn.figure.savefig(stream, format=name, **options)
    return stream.getvalue()


@contextmanager
def _resized(figure: Figure, width: float | None) -> Iterator[None]:
    """Give a figure another width for a while: heights follow by less, and text no more than half of the way."""
    if width is None:
        yield
        return
    from matplotlib.text import Text

    before, texts = figure.get_size_inches().copy(), figure.findobj(Text)
    share = width / float(before[0])
    sizes = [float(text.get_fontsize()) for text in texts]
    scale = min(1.0, max(share**0.5, SMALLEST_TEXT / 9.5))
    for text, size in zip(texts, sizes, strict=True):
        text.set_fontsize(scale * size)
    figure.set_size_inches(width, float(before[1]) * (share if share >= 1.0 else share**0.6))
    try:
        yield
    finally:
        for text, size in zip(texts, sizes, strict=True):
            text.set_fontsize(size)
        figure.set_size_inches(*before)


def svg_text(figure: Figure) -> str:
    """Return the figure as one SVG document, byte for byte what `save` writes."""
    stream = StringIO()
    with style.style():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()
