"""Figures for papers: each function takes and returns an Axes, `save` writes SVG and PNG."""

from hermite_collapse.figures.style import save

__all__ = ["save"]
