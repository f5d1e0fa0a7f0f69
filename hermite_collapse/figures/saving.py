"""Figures as files: SVG, PNG and PDF, in the widths of a paper's columns, the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import checks
from ..storage.folder import write_atomically
from . import style
from .formats import FORMATS, WIDTHS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST_TEXT = 7.0
"""Points of the text on the ticks of a figure made narrow."""


def save(
    figure: Figure,
    path: str | Path,
    *,
    formats: Sequence[str] = ("svg", "png"),
    width: str | float | None = None,
    dots_per_inch: float = 200.0,
) -> tuple[Path, ...]:
    """Write `path`.svg, `path`.png and `path`.pdf, or some of them, each atomically.

    Parameters
    ----------
    figure : Figure
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
    for name in formats:
        checks.one_of(name, FORMATS, "formats")
    inches = _inches(figure, width)
    base = Path(path)
    base = base.with_suffix("") if base.suffix.removeprefix(".") in FORMATS else base
    base.parent.mkdir(parents=True, exist_ok=True)
    written = []
    with _resized(figure, inches):
        for name in formats:
            file = base.with_name(f"{base.name}.{name}")
            write_atomically(file, _file_bytes(figure, name, dots_per_inch))
            written.append(file)
    return tuple(written)


def _inches(figure: Figure, width: str | float | None) -> float | None:
    if isinstance(width, str):
        checks.one_of(width, tuple(WIDTHS), "width")
        specs = [axes.get_subplotspec() for axes in figure.axes]
        columns = {spec.colspan.start for spec in specs if spec is not None}
        return WIDTHS["double" if len(columns) > 1 else width]
    return None if width is None else checks.positive(width, "width")


def _file_bytes(figure: Figure, name: str, dots_per_inch: float) -> bytes:
    """Return the bytes of a file of that format, free of dates and versions."""
    if name == "svg":
        return svg_text(figure).encode("utf-8")
    stream = BytesIO()
    options: dict[str, Any] = {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}}
    if name == "png":
        options = {"dpi": dots_per_inch, "facecolor": "white", "metadata": {"Software": None}}
    with style.style():
        figure.savefig(stream, format=name, **options)
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
