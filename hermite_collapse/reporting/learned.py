"""Learned scores beside the ideal recursion, for readers: the table, the view in a notebook, and one page."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

import numpy as np

from ..comparison.learned import LearnedComparison
from ..core.estimates import Estimate
from ..core.numbers import grouped, significant, with_error
from ..figures.learned import draw_learned
from ..figures.style import figure_of
from ..storage.folder import write_atomically
from . import page, tables
from .report import REPORT
from .tables import Row, Table


def learned_table(comparison: LearnedComparison) -> Table:
    """Return factors, defects, contraction and bound of the last round by degree."""
    rows = []
    for j, degree in enumerate(comparison.degrees):
        measured = Estimate(
            float(comparison.measured[-1, j]), float(comparison.standard_error[-1, j]), "standard_error"
        )
        largest = int(np.argmax(np.abs(comparison.defects[:, j])))
        rows.append(
            Row(
                (
                    str(degree),
                    significant(float(comparison.ideal[-1, j]), 4),
                    with_error(measured),
                    significant(float(comparison.accumulated[-1, j])),
                    significant(float(comparison.bound[-1, j])),
                    significant(float(comparison.defects[largest, j])),
                    significant(float(comparison.contraction[-1, j]), 4),
                )
            )
        )
    return Table(
        head=("degree", "ideal", "measured", "off by", "bound", "largest defect", "contraction"),
        rows=tuple(rows),
        words=f"Factors of Hermite degrees after {comparison.rounds} rounds, and what the networks missed.",
        more="",
        title="In the last round",
        text_columns=(),
    )


def view_learned(comparison: LearnedComparison) -> str:
    """Return the sentences and the table as an HTML fragment."""
    return f"<p>{escape(comparison.text)}</p>{tables.html(learned_table(comparison))}"


def write_learned(
    folder: str | os.PathLike[str], comparison: LearnedComparison, *, title: str = "", command: str = ""
) -> Path:
    """Write `report.html` into a folder and return its path.

    Parameters
    ----------
    folder : path
        Made where it is missing; the page is written atomically.
    comparison : LearnedComparison
    title : str
        What was asked.
    command : str
        The command line that repeats it.
    """
    path = Path(folder) / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = figure_of(draw_learned(comparison))
    text = page.render(
        "audit.html.j2",
        title="Learned scores beside the ideal recursion",
        kicker="hermite_collapse",
        lead=comparison.text,
        facts=[
            ("recursion", title),
            ("generator", comparison.generator),
            ("particles", grouped(comparison.particles)),
            ("runs", grouped(comparison.runs)),
        ],
        figure={"svg": page.inline_svg(figure, name="learned"), "caption": figure.get_label()},
        table=learned_table(comparison),
        notes=[],
        command=command,
        colophon="This page is one file and loads nothing.",
    )
    write_atomically(path, text.encode("utf-8"))
    return path
