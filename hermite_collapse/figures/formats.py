"""What figures are written as: the kinds of files, and the widths of the columns of a paper."""

from __future__ import annotations

FORMATS = ("svg", "png", "pdf")
"""Kinds of files that `save` writes."""

WIDTHS = {"single": 3.4, "double": 7.0}
"""Widths in inches by the number of columns that a figure spans."""
