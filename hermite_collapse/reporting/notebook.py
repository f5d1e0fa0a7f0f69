"""Short views of results in notebooks.

Laws, recursions, predictions, comparisons and records show themselves as small tables in a notebook, through
`notebook_view`; the objects themselves know nothing of tables.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..comparison.comparison import Comparison
from ..core.errors import InputError
from ..laws.protocol import Law
from ..recursion.prediction import Prediction
from ..recursion.recursion import Recursion
from ..storage.record import SimulatedRecursion
from . import tables, words
from .page import significant

if TYPE_CHECKING:
    from .tables import Table

MOST_ROWS = 12
"""Rows of a table that a view shows."""


def notebook_view(value: Any) -> str:
    """HTML fragment that says what a law, recursion, prediction, comparison or record holds.

    Colours and fonts are the notebook's own, so it reads in light and dark alike.

    Raises : InputError for anything else.
    """
    for kind, view in _VIEWS.items():
        if isinstance(value, kind):
            return view(value)
    names = ", ".join(kind.__name__ for kind in _VIEWS)
    raise InputError(f"value must be one of {names}, got {type(value).__name__}.")


def _law(law: Law) -> str:
    shown = range(min(law.dimension, MOST_ROWS))
    mean, spread = law.mean, np.sqrt(np.diag(law.covariance))
    facts = [
        (f"axis {j + 1}", f"{significant(mean[j], 4)} \u00b1 {significant(spread[j], 4)}") for j in shown
    ]
    left_out = law.dimension - len(shown)
    more = f"<p>and {left_out} more axes</p>" if left_out > 0 else ""
    return _facts(repr(law), facts) + more


def _recursion(recursion: Recursion) -> str:
    said = " ".join(words.prediction(recursion))
    return _facts("Recursion", words.question(recursion)) + f"<p>{escape(said)}</p>"


def _prediction(known: Prediction) -> str:
    table = tables.prediction_table(known)
    said = " ".join(words.prediction(known.recursion))
    return f"<p>{escape(said)}</p>" + ("" if table is None else _grid(table))


def _comparison(comparison: Comparison) -> str:
    verdict = comparison.verdict
    head = "Not tested" if verdict.strongest is None else "Agreement" if verdict.passed else "Disagreement"
    return f"<p><b>{head}.</b> {escape(verdict.text)}</p>" + _grid(tables.comparison_table(comparison))


def _record(simulated: SimulatedRecursion) -> str:
    facts = [
        ("generator", simulated.generator),
        ("rounds", str(simulated.rounds)),
        ("particles", f"{simulated.particles:,}".replace(",", "\u202f")),
        ("runs", str(simulated.runs)),
        ("dimension", str(simulated.dimension)),
        ("highest degree", str(simulated.degree)),
        ("seed", str(simulated.seed)),
        ("device", simulated.device),
        ("wall time", f"{significant(float(simulated.wall_seconds[simulated.wall_seconds > 0].sum()), 2)} s"),
    ]
    return _facts("Simulated recursion", facts)


def _facts(title: str, facts: list[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><td style="text-align:left;opacity:.7">{escape(name)}</td>'
        f'<td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in facts
    )
    return f"<p><b>{escape(title)}</b></p><table>{rows}</table>"


def _grid(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row.cells) + "</tr>"
        for row in table.rows[:MOST_ROWS]
    )
    left_out = len(table.rows) - MOST_ROWS
    more = f"<p>and {left_out} more rows</p>" if left_out > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"


_VIEWS: dict[type, Callable[[Any], str]] = {
    Law: _law,
    Recursion: _recursion,
    Prediction: _prediction,
    Comparison: _comparison,
    SimulatedRecursion: _record,
}
