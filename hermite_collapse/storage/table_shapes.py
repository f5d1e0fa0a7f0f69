"""Shapes of tables: rows and columns turned until each row is a round, or a round of a run.

,round,variance                            a column without a name that counts the rows, as pandas and R write it
index,variance                             labels of a frame: the rounds
metric,gen 0,gen 1,gen 2                   one row a curve
Step,run-1 - fid,run-2 - fid               one column a run, as logs of training runs are exported
generation,fid seed 1,fid seed 2           the same as people write it; "seed 1, seed 2" are runs of a value
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.errors import InputError
from .repetitions import NUMBERED, require_repetitions
from .roles import AVERAGED, IGNORE, ROUND, role_of_name, round_in_name
from .tables import Cells

_INDEX = "index"
_NAMELESS = {"", "unnamed: 0", _INDEX, "unnamed 0"}
_RUN = "run"
_BETWEEN = " - "
"""Between the name of a run and that of what it logged."""


def _of_columns(cells: Cells, columns: list[int]) -> Cells:
    return Cells(tuple(cells.names[j] for j in columns), [[row[j] for j in columns] for row in cells.rows])


def without_empty_columns(cells: Cells) -> Cells:
    """Leave out columns with neither a name nor a value, as spreadsheets write them."""
    used = [
        j for j, name in enumerate(cells.names) if name.strip() or any(row[j].strip() for row in cells.rows)
    ]
    return _of_columns(cells, used)


def one_row_a_round(cells: Cells) -> Cells:
    """Turn a table with one row a curve, whose columns are "gen 0", "gen 1", ..., to one with a row a round."""
    rounds = [round_in_name(name) for name in cells.names[1:]]
    heading = cells.names[0].strip().casefold() if cells.names else ""
    is_rounds = round_in_name(f"{heading} 0") or heading in _NAMELESS  # as pandas writes a turned frame
    if is_rounds and all(n.isdigit() for n in cells.names[1:]):
        rounds = list(cells.names[1:])  # "generation, 0, 1, 2, ..."
    if len(rounds) < 2 or any(number is None for number in rounds):
        return cells
    columns = [[row[j] for row in cells.rows] for j in range(len(cells.names))]
    rows = [[str(number), *column] for number, column in zip(rounds, columns[1:], strict=True)]
    return Cells(("round", *columns[0]), rows)


def without_row_numbers(cells: Cells, asked: Mapping[str, str], argument: str) -> tuple[Cells, list[str]]:
    """Leave out a column without a name that counts rows, as pandas and R write it, or take it for the rounds.

    Beside a column of rounds it says nothing, and 0, 1, 2, ... says what the rows do.  Labels of frames from 1 on are
    the rounds, and so are rounds in another order.

    Raises
    ------
    InputError
        If a column that has no name at all counts from 1: the first of its rows may be the data.
    """
    counts = [str(i) for i in range(len(cells.rows) + 1)]
    by_name = [role.role for name in cells.names if (role := role_of_name(name)) is not None]
    has_rounds = ROUND in by_name or ROUND in [role for name, role in asked.items() if name != _INDEX]
    for j, name in enumerate(cells.names):
        column = [row[j].strip().removesuffix(".0") for row in cells.rows]
        is_label = name.strip().casefold() in _NAMELESS and name.strip() not in asked
        if not is_label or len(set(column)) < max(len(column), 2) or not all(map(str.isdecimal, column)):
            continue
        names = list(cells.names)
        names[j] = _INDEX  # a name to ask for its role by
        if names[j] in asked:
            return Cells(tuple(names), cells.rows), []
        if has_rounds or column == counts[:-1]:
            left = _of_columns(cells, [k for k in range(len(cells.names)) if k != j])
            return left, ["A column without a name that counts the rows was left out."]
        is_from_one = sorted(map(int, column)) == list(range(1, len(column) + 1))
        if is_from_one and name.strip().casefold() != _INDEX:
            raise InputError(
                f"{argument} must say whether a column without a name counts rows, the first being the data, or "
                f"rounds, got {column[0]}, {column[1]}, ...: say --columns {_INDEX}=ignore, or {_INDEX}=round."
            )
        if is_from_one or sorted(map(int, column)) == list(range(len(column))):
            names[j] = "round"
            note = f"A column without a name was taken for the rounds, {column[0]}, {column[1]}, ...; the data have 0."
            return Cells(tuple(names), cells.rows), [note]
        return Cells(tuple(names), cells.rows), []
    return cells, []


@dataclass(frozen=True)
class RunColumns:
    """A table whose columns were those of several runs, turned to rows of one run each.

    Attributes
    ----------
    cells : Cells
    asked : dict of str to str
        Roles that the user gave, by the names of the turned table.
    origins : mapping of str to (str, str)
        Name of a column as it stood in the file -> what was logged and the run; "" as run where it was left out.
    """

    cells: Cells
    asked: dict[str, str]
    origins: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def used(self, columns: Mapping[str, str]) -> dict[str, str]:
        """Return what every column of the file was used as."""
        if not self.origins:
            return dict(columns)
        turned = {_RUN, *(logged for logged, _ in self.origins.values())}
        used = {name: text for name, text in columns.items() if name not in turned}
        for name, (logged, run) in self.origins.items():
            text = columns.get(logged, "left out")
            run_used = columns.get(_RUN, AVERAGED).replace(_RUN, f"{_RUN} {run}", 1)
            used[name] = f"{text}, {run_used}" if run and text != "left out" else "left out"
        return used


def _run_and_logged(name: str) -> tuple[str, str]:
    """Return the run that a name says and what was logged of it; both "" where it says no run."""
    run, sign, what = name.rpartition(_BETWEEN)
    if sign:
        return run, what
    if match := re.fullmatch(rf"(?:(.+?)[ _/-]+)?({NUMBERED})", name, re.IGNORECASE):
        return match[2], match[1] or "value"
    if match := re.fullmatch(rf"({NUMBERED})[ _/-]+(.+)", name, re.IGNORECASE):
        return match[1], match[2]
    return "", ""


def runs_as_rows(cells: Cells, asked: dict[str, str], argument: str) -> RunColumns:
    """Turn columns such as "run-1 - fid" and "run-2 - fid" to a column of runs and one of what they logged.

    Raises
    ------
    InputError
        If the names before what was logged do not say that the runs are repetitions of one.
    """
    ignored = {name for name, role in asked.items() if role == IGNORE and name in map(str.strip, cells.names)}
    origins = {name: (name, "") for name in ignored}
    roles = {name: role for name, role in asked.items() if name not in ignored}
    cells = _of_columns(cells, [j for j, name in enumerate(cells.names) if name.strip() not in ignored])
    parts = [_run_and_logged(name.strip()) for name in cells.names]
    logged = [what for _, what in parts]
    shared = {what for what in logged if what and logged.count(what) > 1}
    runs = list(dict.fromkeys(run for run, what in parts if what in shared and run))
    if len(runs) < 2:
        return RunColumns(cells, roles, origins)
    advice = f"leave all but one out with --columns NAME={IGNORE}, or name the columns so if they are"
    require_repetitions(runs, argument, advice, in_order=True)
    columns: dict[tuple[str, str], int] = {}
    for j, (name, (run, what)) in enumerate(zip(cells.names, parts, strict=True)):
        if run not in runs or not what:
            continue
        if (what, run) in columns:
            raise InputError(
                f"{argument} must have one column of each name, got {name.strip()!r} more than once."
            )
        columns[what, run] = j
        origins[name.strip()] = (what, run)
        if role := roles.pop(name.strip(), ""):
            roles[what] = role
    others = [j for j, name in enumerate(cells.names) if name.strip() not in origins]
    values = list(dict.fromkeys(what for what, _ in columns))
    rows = []
    for run in dict.fromkeys(run for _, run in columns):
        for row in cells.rows:
            entries = [row[columns[what, run]] if (what, run) in columns else "" for what in values]
            if any(entry.strip() for entry in entries):
                rows.append([*(row[j] for j in others), run, *entries])
    return RunColumns(Cells((*(cells.names[j] for j in others), _RUN, *values), rows), roles, origins)
