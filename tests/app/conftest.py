"""Fixtures of the command's tests."""

from __future__ import annotations

import pytest

SKETCH = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt" viewBox="0 0 72 36"></svg>'


@pytest.fixture
def sketched(monkeypatch):
    """Figures are built but not rendered: that is most of the cost of a comparison, and no matter of some tests."""
    from hermite_collapse.figures.style import StyledFigure

    def savefig(figure, stream, *, format, **options):
        stream.write(SKETCH if format == "svg" else SKETCH.encode())

    monkeypatch.setattr(StyledFigure, "savefig", savefig)
