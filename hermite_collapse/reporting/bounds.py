"""Proved bounds for readers: their tables and their views in a notebook."""

from __future__ import annotations

import numpy as np

from ..bounds.collapse import CollapseBounds
from ..bounds.propagation.rows import BoundColumns
from ..bounds.rates import ObservedRates
from ..core.estimates import Estimate
from ..core.numbers import significant, with_error
from . import tables
from .tables import Row, Table


def collapse_table(bounds: CollapseBounds) -> Table:
    """Return the distance of the limit to the data and the bounds on it that there are."""
    named: dict[str, Estimate | float | None] = {
        "the distance itself": bounds.distance,
        "at least (Bures)": bounds.bures,
        "at most (relative Fisher information)": bounds.fisher,
        "at most (second moment)": bounds.coupling,
        "for small times, about": bounds.small_time,
        "relative Fisher information of the data": bounds.information,
    }
    rows = tuple(
        Row((name, with_error(value) if isinstance(value, Estimate) else significant(value, 4)))
        for name, value in named.items()
        if value is not None
    )
    words = "Wasserstein-2 distance of the limit law to the data."
    return Table(("", "value"), rows, words, title="How far the limit is from the data", text_columns=(0,))


def view_collapse(bounds: CollapseBounds) -> str:
    """Return the distance and its bounds as an HTML fragment."""
    table = collapse_table(bounds)
    return f"<p>{table.words}</p>{tables.html(table)}"


def view_observed_rates(observed: ObservedRates) -> str:
    """Return the distances of the rounds and the factors between them as an HTML fragment."""
    rows = []
    for j, distance in enumerate(observed.distances):
        known = j < len(observed.ratios) and np.isfinite(observed.ratios[j])
        factor = significant(float(observed.ratios[j]), 4) if known else "\u2013"
        rows.append(Row((str(observed.first + j), with_error(distance), factor)))
    table = Table(
        ("round", f"{observed.metric.replace('_', ' ')} to the limit", "factor of the next round"),
        tuple(rows),
    )
    final = "" if observed.final is None else f", {significant(observed.final, 4)} in the end"
    said = f"A round multiplies the distance to the limit by at most {significant(observed.bound, 4)} (proved){final}."
    return f"<p>{said}</p>{tables.html(table)}"


def view_bound_columns(columns: BoundColumns) -> str:
    """Return a quantity by round between its lower and its upper bounds as an HTML fragment."""
    sides = [*columns.lower.items(), *columns.upper.items()]
    rows = tuple(
        Row((str(i), significant(value, 4), *(significant(line[i], 4) for _, line in sides)))
        for i, value in enumerate(columns.measured)
    )
    head = [
        "round",
        "value",
        *(f"at least: {n}" for n in columns.lower),
        *(f"at most: {n}" for n in columns.upper),
    ]
    return tables.html(Table(tuple(head), rows))
