"""The diagnosis of measured curves for readers: its table and its view in a notebook."""

from __future__ import annotations

from html import escape

import numpy as np

from ..core.numbers import significant
from ..diagnosis.diagnosis import Diagnosis
from ..diagnosis.sentences import parameters
from . import tables
from .tables import Row, Table


def diagnosis_table(diagnosis: Diagnosis) -> Table:
    """Return every mechanism that was tried, with its fit and what it would mean."""
    rows = []
    for one in diagnosis.fits_by_mechanism.values():
        kind = "reject" if one.is_rejected else "" if one.is_accepted else "untested"
        verdict = {"reject": "rejected", "": "not rejected", "untested": "not tested"}[kind]
        means = "" if one.is_rejected or one.name == "affine" else parameters(one)
        cells = (
            one.title,
            significant(one.chi_square),
            str(one.freedom),
            "–" if np.isnan(one.p_value) else significant(one.p_value, 2),
            verdict,
            means,
        )
        rows.append(Row(cells, kind))
    return Table(
        head=("mechanism", "chi-square", "freedom", "p", "verdict", "parameters"),
        rows=tuple(rows),
        words="Each mechanism alone, fitted to all curves together.",
        more="",
        title="Mechanisms",
        text_columns=(0, 4, 5),
    )


def view_diagnosis(diagnosis: Diagnosis) -> str:
    """Return the diagnosis in sentences, and the table of mechanisms, as an HTML fragment."""
    return f"<p>{escape(diagnosis.text)}</p>{tables.html(diagnosis_table(diagnosis))}"
