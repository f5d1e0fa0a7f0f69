"""Notebook views for whatever has one.

Views are made of tables and words from the top of the house; objects below only say that they have one, and it is
looked up by its public name when a notebook asks.
"""

from __future__ import annotations

import importlib


class Displayed:
    """Gives a class the HTML view that `hermite_collapse.notebook_view` knows for it."""

    def _repr_html_(self) -> str:
        return importlib.import_module("hermite_collapse").notebook_view(self)
