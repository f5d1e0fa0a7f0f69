"""The diagnosis of measured curves for readers: its tables, its view in a notebook, and its page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..core.numbers import p_value, significant
from ..diagnosis.result import Diagnosis
from ..diagnosis.sentences import outcome, parameters
from ..diagnosis.verdict import IDENTIFIED, REJECTED
from ..figures.diagnosis import draw_diagnosis
from ..figures.style import figure_of
from . import tables
from .result_page import Page
from .tables import Row, Table


def diagnosis_table(diagnosis: Diagnosis) -> Table:
    """Return every mechanism that was tried, with its fit and what it would mean."""
    rows = []
    for title, one in diagnosis.every_fit:
        verdict = outcome(one, diagnosis.observations)
        kind = {"rejected": "reject", "not rejected": ""}.get(verdict, "untested")
        means = "" if one.is_rejected or one.name == "affine" else parameters(one)
        cells = (
            title,
            f"{significant(one.chi_square)} on {one.freedom}",
            p_value(one.p_value),
            verdict,
            means,
        )
        rows.append(Row(cells, kind))
    return Table(
        head=("mechanism", "chi-square", "p", "verdict", "parameters"),
        rows=tuple(rows),
        words="Each mechanism alone, fitted to all curves together; chi-square on its degrees of freedom.",
        more="",
        title="Mechanisms",
        text_columns=(0, 3, 4),
    )


def view_diagnosis(diagnosis: Diagnosis) -> str:
    """Return the diagnosis in sentences, and the table of mechanisms, as an HTML fragment."""
    return f"<p>{escape(diagnosis.text)}</p>{tables.html(diagnosis_table(diagnosis))}"


def plateau_table(diagnosis: Diagnosis) -> Table:
    """Return where each curve leads, and the rounds until it is there to one per cent."""
    rows = [Row((name, plateau, significant(rounds))) for name, plateau, rounds in diagnosis.long_run]
    return Table(
        head=("curve", "plateau", "rounds to 99 %"),
        rows=tuple(rows),
        words="Where the leading mechanism takes each curve, with standard errors.",
        title="In the long run",
        text_columns=(0,),
    )


def diagnosis_page(diagnosis: Diagnosis, *, source: str = "", notes: Sequence[str] = ()) -> Page:
    """Return the page of a diagnosis: its sentences, its figure, the mechanisms and the plateaus.

    Parameters
    ----------
    diagnosis : Diagnosis
    source : str
        Where the curves come from.
    notes : sequence of str
        What to know of them.

    Returns
    -------
    Page
    """
    observed = diagnosis.observations
    return Page(
        title="What explains these curves?",
        lead=diagnosis.text,
        figures={"diagnosis": figure_of(draw_diagnosis(diagnosis))},
        tables=(diagnosis_table(diagnosis), plateau_table(diagnosis)),
        facts=(
            (
                "curves",
                f"{len(observed.names)}: {', '.join(observed.names[:6])}{', …' * (len(observed.names) > 6)}",
            ),
            ("rounds", f"{observed.rounds.min():g} to {observed.rounds.max():g}"),
            *([("from", source)] if source else []),
        ),
        notes=tuple(notes),
        tone={REJECTED: "bad", IDENTIFIED: "good"}.get(diagnosis.verdict, "open"),
    )
