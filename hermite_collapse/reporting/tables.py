"""The tables of a report: head, rows, and the words above them; numbers already written for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.estimates import Estimate
from ..figures.comparison import critical_z
from ..figures.style import select_rounds
from ..recursion.prediction import METRIC_NAMES
from ..recursion.sampling_error import degree_combinations
from .page import significant

if TYPE_CHECKING:
    from ..comparison.comparison import Comparison
    from ..recursion.prediction import Prediction

LONGEST = 60
"""Rows beyond which a table shows the most telling ones and says so."""


@dataclass(frozen=True)
class Row:
    """Cells of one row; `kind` is any of the classes "untested", "reject" and "group", the first of a group."""

    cells: tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table with the sentence above it and, where rows were left out, the one below.

    text_columns : columns that hold words, set flush left.
    """

    head: tuple[str, ...]
    rows: tuple[Row, ...]
    words: str = ""
    more: str = ""
    title: str = ""
    text_columns: tuple[int, ...] = field(default=())


def comparison_table(comparison: Comparison) -> Table:
    """Predicted and measured factor of each degree and round, or coefficients of modes where degrees mix."""
    if comparison.degrees is not None and comparison.measured_factors is not None:
        what, name = "share of the degree kept", "degree"
        labels = [str(n) for n in range(comparison.degrees.expected.shape[1])]
        expected, measured = comparison.degrees.expected, comparison.measured_factors
        error, z = comparison.factor_standard_error, comparison.factor_z
        tested = comparison.degrees.is_testable(comparison.runs)
    else:
        what, name = "coefficient", "mode"
        labels = [",".join(map(str, k)) for k in comparison.indices.tolist()]
        expected, measured, error = comparison.modes.expected, comparison.measured, comparison.standard_error
        z, tested = comparison.z, comparison.tested
    assert error is not None and z is not None
    shown = select_rounds(comparison.rounds)
    places = [
        (i, s) for i in shown for s in range(len(labels)) if np.isfinite(expected[i, s]) and error[i, s] > 0.0
    ]
    kept, more = places, ""
    if len(places) > LONGEST:
        # The largest deviations, in order: a table of thousands of rows is read by nobody.
        strongest = sorted(places, key=lambda p: -abs(z[p]) if tested[p] else 0.0)[:LONGEST]
        kept = sorted(strongest)
        more = f"The {LONGEST} strongest deviations of {len(places)} rows; all are in the results file."
    effect = _step_size_effect(comparison, by_degree=name == "degree")
    critical = critical_z(comparison) or np.inf
    rows, before = [], None
    for i, s in kept:
        cells = [
            "" if i == before else str(i),
            labels[s],
            f"{expected[i, s]:.5f}",
            f"{measured[i, s]:.5f}",
            f"{error[i, s]:.5f}",
        ]
        if effect is not None:
            cells.append(f"{effect[0][i, s]:+.5f} ± {effect[1][i, s]:.5f}")
        cells.append(f"{z[i, s]:+.2f}" if tested[i, s] else "not tested")
        kind = "" if i == before else "group"
        if not tested[i, s]:
            kind += " untested"
        elif abs(z[i, s]) > critical:
            kind += " reject"
        rows.append(Row(tuple(c.replace("-", "−") for c in cells), kind.strip()))
        before = i
    head = ["round", name, "predicted", "measured", "standard error"]
    head += ["step-size effect"] if effect is not None else []
    words = f"The {what}, predicted and measured, with the predicted standard error and the deviation in units of it."
    words += _implied(comparison)
    left_out = [str(i) for i in range(comparison.rounds + 1) if i not in shown]
    if left_out and not more:
        more = "Rounds shown: " + ", ".join(map(str, shown)) + "; all are in the results file."
    return Table((*head, "z"), tuple(rows), words, more)


def _step_size_effect(
    comparison: Comparison, *, by_degree: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Effect of the sampler's step size and its standard error, on modes or on the factors of degrees.

    For a degree the standard error is Minkowski's bound: errors of its modes may all point the same way.
    """
    effect, error = comparison.discretisation, comparison.discretisation_error
    if effect is None or error is None:
        return None
    if not by_degree:
        return effect, error
    rows = degree_combinations(comparison.indices, comparison.modes.expected[0])
    return effect @ rows.T, error @ np.abs(rows).T


def _implied(comparison: Comparison) -> str:
    """What fresh fraction and truncation the measurements themselves imply."""
    parts = []
    if comparison.implied_fresh_fraction is not None:
        parts.append(f"a fresh fraction of {_with_error(comparison.implied_fresh_fraction)}")
    if comparison.implied_truncation is not None:
        parts.append(
            f"truncation times of {_with_error(comparison.implied_truncation)} times those asked for"
        )
    return f" Taken together, the measurements imply {' and '.join(parts)}." if parts else ""


def prediction_table(known: Prediction) -> Table | None:
    """Share of each degree after some rounds and in the limit."""
    if known.factors is None:
        return None
    shown = select_rounds(known.rounds)
    head = ["degree", *(f"round {i}" for i in shown)]
    columns = [known.factors[i] for i in shown]
    if known.attenuation is not None:
        head.append("limit")
        columns.append(known.attenuation)
    rows = tuple(
        Row((str(int(n)), *(f"{column[j]:.4f}" for column in columns)))
        for j, n in enumerate(known.degrees)
        if n > 0
    )
    return Table(tuple(head), rows, "Share of each Hermite degree of the data that is kept.")


def distance_table(known: Prediction) -> Table | None:
    """Distances of the limit law to the data, and the rates of approach, proved and in the end."""
    to_data = known.distances_to_data()
    names = [name for name in METRIC_NAMES if name in to_data or name in known.rates]
    if not names:
        return None
    final = known.final_rates
    rows = []
    for name in names:
        distance = _with_error(to_data[name]) if name in to_data else "–"
        proved = significant(known.rates[name], 4) if name in known.rates else "–"
        tends = significant(final[name], 4) if name in final else "–"
        rows.append(Row((METRIC_NAMES[name], distance, proved, tends)))
    words = "Distance of the limit law to the data, and the factor by which one round brings the law closer to it."
    return Table(
        ("metric", "limit to data", "proved factor", "factor in the end"),
        tuple(rows),
        words,
        title="Distances and rates",
        text_columns=(0,),
    )


def budget_table(budget: Mapping[str, Any]) -> Table:
    """Parts of the distance of the last round's coefficients to the data's, as `shares.error_shares` finds them."""
    rows = tuple(
        Row((name, _with_error(value) if isinstance(value, Estimate) else significant(float(value))))
        for name, value in budget.items()
    )
    words = (
        "What moves the Hermite coefficients of the last round away from the data's, as lengths over all modes up to "
        "the highest degree tested. What is left over is zero, within its error, if nothing else is at work."
    )
    return Table(("source", "contribution"), rows, words, text_columns=(0,))


def _with_error(estimate: Estimate) -> str:
    """A value with as many digits as its error supports, at most five significant ones."""
    value, error = float(estimate), float(estimate.error)
    if not np.isfinite(value):
        return significant(value)
    if error <= 1e-5 * abs(value):
        return significant(value, 4)
    if error >= abs(value):
        # Only a bound of the size is known: a value below its own error has no digits to print.
        return (
            f"at most {significant(abs(value) + error, 2)}"
            if estimate.kind == "bound"
            else f"0 ± {significant(error, 2)}"
        )
    digits = int(np.clip(np.ceil(np.log10(abs(value) / error)) + 2, 1, 5)) if value else 1
    return f"{significant(value, digits)} ± {significant(error, 2)}"
