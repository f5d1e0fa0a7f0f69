"""Small drawings in place of figures, for tests of the command that look at no picture."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager

import pytest

SKETCH = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt" viewBox="0 0 72 36"></svg>'


@contextmanager
def sketches(formats: Container[str] = ("svg", "png", "pdf")) -> Iterator[None]:
    """Figures are built but not rendered in these formats, which is most of the cost of a comparison."""
    from hermite_collapse.figures.style import StyledFigure

    render = StyledFigure.savefig

    def savefig(figure, stream, *, format, **options):
        if format not in formats:
            render(figure, stream, format=format, **options)
        else:
            stream.write(SKETCH if format == "svg" else SKETCH.encode())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StyledFigure, "savefig", savefig)
        yield
