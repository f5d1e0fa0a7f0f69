"""Measured generations for readers: their table and their view in a notebook."""

from __future__ import annotations

from html import escape

from ..core.estimates import Estimate
from ..core.numbers import significant, with_error
from ..diagnosis.measured import Measured
from . import tables
from .tables import Row, Table


def measured_table(measured: Measured) -> Table:
    """Return the values of the data, of the first and of the last generation, curve by curve."""
    errors = measured.standard_errors
    shown = sorted({0, len(measured.rounds) - 1})
    rows = []
    for j, name in enumerate(measured.names):
        cells = [
            with_error(Estimate(float(measured.values[i, j]), float(errors[i, j]), "standard_error"))
            for i in shown
        ]
        rows.append(Row((name, significant(float(measured.data[j]), 4), *cells)))
    return Table(
        head=("curve", "data", *(f"round {measured.rounds[i]}" for i in shown)),
        rows=tuple(rows),
        words="With the standard errors of the samples of each generation.",
        more="",
        title="Curves",
        text_columns=(0,),
    )


def view_measured(measured: Measured) -> str:
    """Return what was measured, in sentences and a table, as an HTML fragment."""
    sentences = [f"{measured.units.capitalize()}.", *measured.notes, measured.clipping.text]
    return f"<p>{escape(' '.join(filter(None, sentences)))}</p>{tables.html(measured_table(measured))}"
