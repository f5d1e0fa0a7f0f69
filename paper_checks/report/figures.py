"""Figures of the page, as inline SVG."""

from __future__ import annotations

import io
import re
from typing import Any


def axes(*, width: float = 6.4, height: float = 3.0) -> tuple[Any, Any]:
    """A figure with one pair of axes in the page's style, without any global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    ax = figure.subplots()
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25, lw=0.5)
    return figure, ax


def inline(figure: Any, identifier: str) -> str:
    """The figure as an `svg` element; its internal names are made unique by the identifier."""
    import matplotlib as mpl

    for ax in figure.axes:
        ax.title.set_fontsize(10)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": identifier, "svg.fonttype": "path", "mathtext.fontset": "cm"}):
        figure.savefig(
            buffer,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
            transparent=True,
        )
    source = buffer.getvalue()
    source = source[source.index("<svg") :]
    prefix = re.sub(r"\W", "-", identifier)
    source = re.sub(r"<metadata>.*?</metadata>", "", source, flags=re.S)
    source = re.sub(r'\bid="', f'id="{prefix}-', source)
    source = re.sub(r'(href="#|url\(#)', lambda match: match.group(1) + prefix + "-", source)
    return re.sub(
        r'^<svg [^>]*?viewBox="([^"]*)"[^>]*>',
        r'<svg class="figure" viewBox="\1" role="img">',
        source,
        count=1,
        flags=re.S,
    )
