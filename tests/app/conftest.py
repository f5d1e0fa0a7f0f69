"""Fixtures of the command's tests."""

from __future__ import annotations

import pytest

from tests.app.sketches import sketches


@pytest.fixture
def sketched():
    """Figures are built but not rendered."""
    with sketches():
        yield
