"""Measured generations for readers: their table, their view in a notebook, and their page."""

from __future__ import annotations

from html import escape

from ..core.estimates import Estimate
from ..core.numbers import grouped, significant, with_error
from ..diagnosis.measuring.measured import Measured
from ..figures.images import sample_figure
from ..figures.measured import draw_measured
from ..figures.style import describe, figure_of
from . import tables
from .result_page import Page
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


def measured_page(measured: Measured, *, source: str = "") -> Page:
    """Return the page of measured generations: their curves, a sheet of samples, and the table of values."""
    figures = {"curves": figure_of(draw_measured(measured))}
    if measured.sheet is not None:
        rounds = [0, *measured.rounds.tolist()]
        sheet = sample_figure({"samples": measured.sheet / 255.0}, rounds=rounds, columns=1)
        words = "Samples, one row a round: row 0 is the data, each row after it a generation."
        figures["samples"] = describe(sheet, "samples", words)
    rows = tuple(
        Row((label, str(int(i)), grouped(int(n))))
        for label, i, n in zip(measured.labels, measured.rounds, measured.samples, strict=True)
    )
    generations = Table(("generation", "round", "samples"), rows, title="Generations", text_columns=(0,))
    biased = f" {measured.clipping.text}" if measured.clipping.is_biased else ""
    first, last = int(measured.rounds.min()), int(measured.rounds.max())
    count = len(measured.names)
    lead = f"{count} curves of rounds {first} to {last}, with the joint covariance of their errors.{biased}"
    return Page(
        title="What the generations measure",
        lead=lead,
        figures=figures,
        tables=(measured_table(measured), generations),
        facts=(
            *([("data", source)] if source else []),
            ("samples of the data", grouped(measured.data_samples)),
            ("units", measured.units),
        ),
        notes=tuple(filter(None, (*measured.notes, measured.clipping.text))),
    )
