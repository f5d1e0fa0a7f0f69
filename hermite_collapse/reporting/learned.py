"""Learned scores beside the ideal recursion, for readers: the table, the view in a notebook, and the page."""

from __future__ import annotations

from html import escape

import numpy as np

from ..comparison.learned import LearnedComparison
from ..core.estimates import Estimate
from ..core.numbers import grouped, significant, with_error
from ..figures.learned import draw_learned
from ..figures.style import figure_of
from . import tables
from .result_page import Page
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


def learned_page(comparison: LearnedComparison, *, title: str = "") -> Page:
    """Return the page of a comparison with learned scores; `title` says what was asked."""
    return Page(
        title="Learned scores beside the ideal recursion",
        lead=comparison.text,
        figures={"learned": figure_of(draw_learned(comparison))},
        tables=(learned_table(comparison),),
        facts=(
            ("recursion", title),
            ("generator", comparison.generator),
            ("particles", grouped(comparison.particles)),
            ("runs", grouped(comparison.runs)),
        ),
    )
