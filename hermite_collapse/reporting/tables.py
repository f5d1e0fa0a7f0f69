"""The tables of a page: head, rows and the words above them, numbers already written for people.

`html` is the one place where a table becomes HTML; the page's template calls the same macro.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..comparison.step_size import step_size_effect
from ..core.estimates import Estimate
from ..core.numbers import is_number, significant, spread_rounds, true_minus, with_error
from ..recursion.law_distances import RATE_NAMES

if TYPE_CHECKING:
    from ..comparison.result import Comparison
    from ..recursion.prediction import Prediction

LONGEST = 60
"""Rows beyond which a table shows the most telling ones and says so."""


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes
    ----------
    cells : tuple of str
    kind : str
        Any of the classes "untested", "reject" and "group", the first row of a group.
    """

    cells: tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table with the sentence above it and, where rows were left out, the one below.

    Attributes
    ----------
    head : tuple of str
    rows : tuple of Row
    words : str
        The sentence above.
    more : str
        The sentence below.
    title : str
    text_columns : tuple of int
        Columns that hold words, set flush left.
    """

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    words: str = ""
    more: str = ""
    title: str = ""
    text_columns: tuple[int, ...] = ()

    def first(self, count: int) -> Table:
        """Return the table with its first rows only, and the number of the others below it."""
        left_out = len(self.rows) - count
        if left_out <= 0:
            return self
        return replace(self, rows=self.rows[:count], more=f"and {left_out} more rows")


def html(table: Table) -> str:
    """Return a table as an HTML fragment."""
    from .page import environment

    return str(environment().get_template("table.html.j2").module.grid(table))


def written(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Return a table of values as people read them, words flush left."""
    cells = tuple(Row(tuple(_cell(value) for value in row)) for row in rows)
    words = tuple(
        i
        for i in range(len(columns))
        if all(isinstance(row[i], str) and not _is_numeral(row[i]) for row in rows)
    )
    return Table(tuple(columns), cells, text_columns=words)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Estimate):
        return with_error(value)
    if isinstance(value, str | int):
        return true_minus(str(value)) if _is_numeral(value) else str(value)
    return significant(float(value), 4) if is_number(value) else str(value)


def _is_numeral(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def comparison_table(comparison: Comparison) -> Table:
    """Return predicted and measured factors of each degree and round, or coefficients where degrees mix."""
    statistics, shown = comparison.statistics, spread_rounds(comparison.rounds)
    z, tested, by_degree = statistics.z, statistics.tested, statistics.kind == "degree"
    entries = statistics.random_entries(shown)
    selected, more = entries, ""
    if len(entries) > LONGEST:
        # The largest deviations, in order: a table of thousands of rows is read by nobody.
        strongest = sorted(entries, key=lambda e: -abs(z[e]) if tested[e] else 0.0)[:LONGEST]
        selected = sorted(strongest)
        more = f"The {LONGEST} strongest deviations of {len(entries)} rows; all are in the results file."
    effect = step_size_effect(comparison, by_degree=by_degree)
    critical = comparison.verdict.critical_z or np.inf
    rows, before = [], None
    for i, s in selected:
        cells = [
            "" if i == before else str(i),
            statistics.labels[s],
            f"{statistics.expected[i, s]:z.5f}",
            f"{statistics.measured[i, s]:z.5f}",
            f"{statistics.standard_error[i, s]:.5f}",
        ]
        if effect is not None:
            cells.append(f"{effect[0][i, s]:+.5f} ± {effect[1][i, s]:.5f}")
        cells.append(f"{z[i, s]:+.2f}" if tested[i, s] else "not tested")
        kind = "" if i == before else "group"
        if not tested[i, s]:
            kind += " untested"
        elif abs(z[i, s]) > critical:
            kind += " reject"
        rows.append(Row(tuple(map(true_minus, cells)), kind.strip()))
        before = i
    head = ["round", statistics.kind, "predicted", "measured", "standard error"]
    head += ["step-size effect"] if effect is not None else []
    what = "share of the degree kept" if by_degree else "coefficient"
    words = f"The {what}, predicted and measured, with the predicted standard error and the deviation in units of it."
    left_out = [str(i) for i in range(comparison.rounds + 1) if i not in shown]
    if left_out and not more:
        more = "Rounds shown: " + ", ".join(map(str, shown)) + "; all are in the results file."
    return Table((*head, "z"), tuple(rows), words, more)


def prediction_table(prediction: Prediction) -> Table | None:
    """Return the share of each degree after some rounds and in the limit; None where degrees mix."""
    if prediction.factors is None:
        return None
    shown = spread_rounds(prediction.rounds)
    head = ["degree", *(f"round {i}" for i in shown)]
    columns = [prediction.factors[i] for i in shown]
    if prediction.attenuation is not None:
        head.append("limit")
        columns.append(prediction.attenuation)
    rows = tuple(
        Row((str(int(n)), *(f"{column[j]:.4f}" for column in columns)))
        for j, n in enumerate(prediction.degrees)
        if n > 0
    )
    return Table(tuple(head), rows, "Share of each Hermite degree of the data that is kept.")


def distance_table(prediction: Prediction) -> Table | None:
    """Return distances of the limit law to the data and the rates of approach; None without either."""
    to_data = prediction.distances_to_data()
    names = [name for name in RATE_NAMES if name in to_data or name in prediction.rates]
    if not names:
        return None
    final = prediction.final_rates
    rows = []
    for name in names:
        distance = with_error(to_data[name]) if name in to_data else "–"
        proved = significant(prediction.rates[name], 4) if name in prediction.rates else "–"
        tends = significant(final[name], 4) if name in final else "–"
        rows.append(Row((RATE_NAMES[name], distance, proved, tends)))
    words = "Distance of the limit law to the data, and the factor by which one round brings the law closer to it."
    return Table(
        ("metric", "limit to data", "proved factor", "factor in the end"),
        tuple(rows),
        words,
        title="Distances and rates",
        text_columns=(0,),
    )


def budget_table(budget: Mapping[str, Estimate | float]) -> Table:
    """Return the parts of the last round's distance to the data, as `comparison.shares.error_shares` gives them."""
    rows = tuple(
        Row((name, with_error(value) if isinstance(value, Estimate) else significant(float(value))))
        for name, value in budget.items()
    )
    words = (
        "What moves the Hermite coefficients of the last round away from the data's, as lengths over all modes up to "
        "the highest degree tested. What is left over is zero, within its error, if nothing else is at work."
    )
    return Table(("source", "contribution"), rows, words, text_columns=(0,))
