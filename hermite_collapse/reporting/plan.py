"""Planned schedules for readers: their table and their view in a notebook."""

from __future__ import annotations

from ..advice.planning import SchedulePlan
from ..core.numbers import significant, spread_rounds
from . import tables
from .tables import Row, Table


def plan_table(plan: SchedulePlan) -> Table:
    """Return the times of some rounds, and the bias and error they leave in each planned degree."""
    count = plan.bias.shape[1]
    names = [""] if count == 1 else [f", degree {j + 1} of the plan" for j in range(count)]
    head = ["round", "time", *(f"{what}{name}" for name in names for what in ("bias", "error"))]
    rows = []
    for i in spread_rounds(len(plan.schedule.values), count=12):
        cells = [str(i), significant(float(plan.schedule.values[i - 1]), 4)]
        for j in range(count):
            cells += [significant(float(plan.bias[i, j]), 4), significant(float(plan.absolute[i, j]), 4)]
        rows.append(Row(tuple(cells)))
    return Table(tuple(head), tuple(rows), f"Planned {plan.route.replace('_', ' ')}.", title="Planned times")


def view_plan(plan: SchedulePlan) -> str:
    """Return what a plan leaves, and its table, as an HTML fragment."""
    said = f"Error after {len(plan.schedule.values)} rounds: {significant(plan.value, 4)}."
    return f"<p>{said}</p>{tables.html(plan_table(plan))}"
