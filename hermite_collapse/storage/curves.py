"""Measured curves from users' tables: values by round, with standard errors where the table has them.

    round, degree 1, degree 1 error, degree 2, degree 2 error          wide: one column a curve
    generation, direction, variance, sem                               long: one row a curve and round
    metric, gen 0, gen 1, gen 2                                        one row a curve

`tables` reads the cells, `roles` says what the columns mean; what was used as what is part of the answer.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray
from ..core.value import Value
from .cell_numbers import read_number
from .formats import TABLES, readable
from .name_factors import readings_of, require_absolute, require_no_factor
from .printed_digits import Rounding
from .regular import require_existing
from .repetitions import require_repeated_rows
from .roles import (
    AVERAGED,
    ERROR,
    FACTOR,
    IGNORE,
    KIND_OF_ROLE,
    NAME,
    ONE_RUN,
    ROUND,
    RUN,
    RUN_NUMBERS,
    RUNS,
    SAMPLES,
    TIME,
    VALUE,
    VALUES,
    Role,
    plain_name,
    role_of_name,
    roles_of,
)
from .run_counts import counts_decided, finite_count, runs_beside, runs_in, runs_of_curves
from .runs import ErrorFreedom, errors_of_means, mean_of_runs, without_rounding
from .table_numbers import TableNumbers
from .table_rounds import left_for_no_error, rounds_of
from .table_shapes import one_row_a_round, runs_as_rows, without_empty_columns, without_row_numbers
from .tables import Cells, read_cells

NEAR_ONE = 0.1
"""About which columns of no stated kind begin if they are factors."""


@dataclass(frozen=True, eq=False)
class Curve(Value):
    """Curves by round, from a table of numbers.

    Attributes
    ----------
    rounds : array, shape (r,)
        Increasing.
    values : array, shape (r, m)
        NaN where a value is missing.
    standard_errors : array, shape (r, m), or None
        NaN where a value is missing; None where the table has none.
    names : tuple of str, length m
        Names of the curves.
    degrees : tuple of int, length m, or None
        Hermite degrees of factors.
    kind : str or None
        "factors", "variances", "deviations" or "distances"; None where the names do not say.
    columns : mapping of str to str
        What every column of the table was used as.
    notes : tuple of str
        Sentences on what was converted or left out.
    truncation_times : tuple of float or None
        Of rounds 1, 2, ..., where the table has them.
    error_freedom : ErrorFreedom or None
        On how much errors of averaged runs rest; None for errors that the table states.
    runs : array, shape (r, m), or None
        Of how many runs each value is the mean; None where the table does not say.
    rounding : Rounding or None
        How far values and standard errors are rounded, by the digits that they have; None of averaged runs.
    """

    rounds: FloatArray
    values: FloatArray
    standard_errors: FloatArray | None
    names: tuple[str, ...]
    degrees: tuple[int, ...] | None
    kind: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    truncation_times: tuple[float, ...] | None = None
    error_freedom: ErrorFreedom | None = None
    runs: FloatArray | None = None
    rounding: Rounding | None = None


@public
def read_curve(path: str | os.PathLike[str], columns: Mapping[str, str] | None = None) -> Curve:
    """Return measured curves from a text file whose first line names the columns.

        round, degree 1, degree 1 error, degree 2, degree 2 error

    Parameters
    ----------
    path : str or path
        A .csv, .txt, .dat, .tsv, .md, .tex, .json or .jsonl file.  Without names every column is the factor of one
        degree, by round from 0 on.
    columns : mapping of str to str, optional
        Roles of columns whose names do not say them: "round", "degree N", "variance", "deviation", "distance",
        "value", "error of NAME", "name", "run", "runs" (how many), "time" or "ignore".

    Returns
    -------
    Curve

    Raises
    ------
    InputError
        If the file cannot be read, or its columns are not understood or do not go together.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "curve.csv"
    >>> _ = file.write_text("Generation;Variance;SEM\\n0;0,25;0,01\\n1;0,31;0,01\\n")
    >>> curve = read_curve(file)
    >>> curve.kind, curve.values[:, 0].tolist(), curve.columns["SEM"]
    ('variances', [0.25, 0.31], 'standard error of Variance')
    """
    file, argument = Path(path), f"curve ({path})"
    require_existing(file, argument)
    if file.suffix.lower() not in TABLES:
        raise InputError(
            f"{argument} must be a .csv, .txt, .dat, .tsv, .md, .tex, .json or .jsonl file, got another."
        )
    with readable(file, argument):
        cells = read_cells(file)
        if not cells.names:
            return _nameless(cells, argument)
        marks = cells.notes
        cells = one_row_a_round(without_empty_columns(cells))
        cells, notes = without_row_numbers(cells, columns or {}, argument)
        runs = runs_as_rows(cells, dict(columns or {}), argument)
        roles = roles_of(runs.cells.names, runs.asked, argument)
        said = [
            "" if name in runs.asked else role.role
            for name, role in zip(runs.cells.names, roles, strict=True)
        ]
        require_absolute(runs.cells.names, said, argument)
        require_repeated_rows(runs.cells, roles, set(runs.asked), argument)
        curve = _Table(runs.cells, roles, argument, set(runs.asked)).curve([*marks, *notes])
        return curve.replace(columns=runs.used(curve.columns))


def _nameless(cells: Cells, argument: str) -> Curve:
    numbers = [[read_number(c, f"in row {i}") for c in row] for i, row in enumerate(cells.rows, 1)]
    if any(math.isfinite(number.error) for row in numbers for number in row):
        raise InputError(f"{argument} must have a line of names where cells hold errors, got none.")
    values = np.array([[number.value for number in row] for row in numbers])
    rounds, first = np.arange(len(values), dtype=np.float64), 0
    columns: dict[str, str] = {}
    if values.shape[1] > 1 and len(values) > 2 and np.ptp(values[:, 0] - rounds) == 0.0 <= values[0, 0]:
        rounds, first, columns = values[:, 0], 1, {"column 1": "round"}
    count = values.shape[1] - first
    if not np.allclose(values[int(np.argmin(rounds)), first:], 1.0, rtol=0.0, atol=NEAR_ONE):
        names = tuple(f"column {j + first}" for j in range(1, count + 1))
        return Curve(
            rounds, values[:, first:], None, names, None, columns=columns | dict.fromkeys(names, "value")
        )
    names = tuple(f"degree {j}" for j in range(1, count + 1))
    return Curve(
        rounds=rounds,
        values=values[:, first:],
        standard_errors=None,
        names=names,
        degrees=tuple(range(1, len(names) + 1)),
        columns=columns | {f"column {j + first}": f"factor of degree {j}" for j in range(1, len(names) + 1)},
        notes=(
            "The table has no names: its columns were taken for the factors of degrees 1, 2, ..."
            + (", after one of rounds." if first else " of rounds 0, 1, ..."),
            *cells.notes,
        ),
    )


class _Table:
    """Columns with their roles, on the way to curves."""

    def __init__(self, cells: Cells, roles: list[Role], argument: str, asked: set[str]) -> None:
        self.cells, self.argument = cells, argument
        self.roles, self.count_notes = counts_decided(cells, roles, argument)
        for role, what in ((ROUND, "rounds"), (NAME, "names of curves"), (TIME, "truncation times")):
            if len(self._all(role)) > 1:
                shown = ", ".join(cells.names[j] for j in self._all(role))
                raise InputError(f"{argument} must have one column of {what}, got {shown}.")
        self.value_columns = [j for j, role in enumerate(roles) if role.role in VALUES]
        if not self.value_columns:
            raise InputError(f"{argument} must have a column of values, got {', '.join(cells.names)}.")
        self.is_long = bool(self._all(NAME))
        if self.is_long and len(self.value_columns) > 1:
            shown = ", ".join(cells.names[j] for j in self.value_columns)
            raise InputError(
                f"{argument} must have one column of values beside names of curves, got {shown}."
            )
        self.errors = {role.of: j for j, role in enumerate(roles) if role.role == ERROR}
        names = [cells.names[j] for j in self.value_columns]
        if self.errors and set(self.errors) != set(names):
            shown = ", ".join(cells.names[j] for j in self.errors.values())
            raise InputError(
                f"{argument} must have a column of errors for each of {', '.join(names)} or for none, got {shown}."
            )
        kinds = {roles[j].role for j in self.value_columns}
        if len(kinds) > 1:
            shown = ", ".join(f"{cells.names[j]} ({roles[j].role})" for j in self.value_columns)
            raise InputError(
                f"{argument} must have columns of one kind, got {shown}: leave some out with --columns NAME=ignore."
            )
        self.kind = KIND_OF_ROLE.get(kinds.pop())
        if self.is_long and self.kind is None:
            self.kind = self._kind_of_labels()
        self.readings = readings_of(cells.names, roles, argument, asked)
        if self.is_long:
            labels = sorted({row[self._all(NAME)[0]] for row in cells.rows})
            role = next((role for role, kind in KIND_OF_ROLE.items() if kind == self.kind), "")
            require_absolute(labels, [role] * len(labels), argument)
            require_no_factor(labels, argument, role)
        self.numbers = TableNumbers(cells, self.readings, self.errors, argument)

    def _kind_of_labels(self) -> str | None:
        """Return the kind that the names of curves in a long table say, if they agree."""
        column = self._all(NAME)[0]
        labels = sorted({row[column] for row in self.cells.rows})
        if re.fullmatch("degree|mode", plain_name(self.cells.names[column])):
            return "factors"
        kinds = {meaning.role if (meaning := role_of_name(label)) else None for label in labels}
        if len(kinds & set(VALUES)) > 1:
            raise InputError(
                f"{self.argument} must have curves of one kind, got {', '.join(labels)}: leave the rows of some out."
            )
        return KIND_OF_ROLE.get(kinds.pop() or "") if len(kinds) == 1 else None

    def _all(self, role: str) -> list[int]:
        return [j for j, one in enumerate(self.roles) if one.role == role]

    def curve(self, notes: list[str]) -> Curve:
        """Return the curves of the table."""
        where = self._all(ROUND)
        beside = [*self._all(NAME), *self._all(RUN)]
        if beside and not where:
            raise InputError(
                f"{self.argument} must have a column of rounds beside names of curves or runs, got none beside "
                f"{self.cells.names[beside[0]].strip()!r}."
            )
        rounds, taken = rounds_of(self.cells, where[0] if where else None, self.argument)
        notes += [*taken, *self.count_notes]
        runs = [tuple(row[j] for j in self._all(RUN)) for row in self.cells.rows]
        beside_values = runs_beside(self.cells, self.roles, self.readings, self.errors, self.argument)
        self.counted = {j for _, j in beside_values}
        said_runs: dict[tuple[str, float], float] = {}
        entries: dict[tuple[str, float], list[tuple[float, float]]] = {}
        present: set[tuple[str, float, tuple[str, ...]]] = set()
        where_from: dict[tuple[str, float], tuple[int, int]] = {}
        degrees: dict[str, int | None] = {}
        for i, row in enumerate(self.cells.rows):
            for j, name, number, value, error in self._entries(i, row):
                form = self.readings[self.errors.get(self.cells.names[j], j)].form
                if form.is_scatter and j in self.counted and error > 0.0:
                    error /= math.sqrt(finite_count(beside_values.get((i, j)), name, i, self.argument))
                key = (name, rounds[i], runs[i])
                if key in present:
                    raise InputError(
                        f"{self.argument} must have one value of {name} a round, got round {rounds[i]:g} twice: name a "
                        "column of seeds or runs, or leave rows out."
                    )
                present.add(key)
                where_from[name, rounds[i]] = i, j
                degrees.setdefault(name, number)
                entries.setdefault((name, rounds[i]), []).append((value, error))
                if (i, j) in beside_values:
                    said_runs[name, rounds[i]] = beside_values[i, j]
        index = sorted({i for _, i in entries})
        names = tuple(degrees)
        rows, columns = ({key: k for k, key in enumerate(keys)} for keys in (index, names))
        values, errors = np.full((len(index), len(names)), np.nan), np.full((len(index), len(names)), np.nan)
        for (name, position), measured in entries.items():
            at = rows[position], columns[name]
            values[at], errors[at] = mean_of_runs(measured)
        freedom, rounding = None, None
        averaged = [name for name in names if any(len(entries.get((name, i), ())) > 1 for i in index)]
        if self._all(RUN) and averaged:
            errors, freedom = errors_of_means(entries, index, names, errors)
            said_runs = {key: float(len(measured)) for key, measured in entries.items()}
            whose = "" if len(averaged) == len(names) else f" of {', '.join(averaged)}"
            notes.append(
                f"Runs{whose} were averaged; standard errors are those of their mean, from the scatter of runs in all "
                "rounds."
            )
        else:
            rounding = self.numbers.rounding(where_from, index, names, errors)
            said_runs = (dict.fromkeys(entries, 1.0) if self._all(RUN) else {}) | said_runs
        begins = self.kind == "factors" and bool(index) and index[0] == 0.0
        values, errors = self.numbers.from_percent(values, errors, notes, are_factors=begins)
        notes += [
            f"{self.cells.names[j].strip()} was multiplied by {self.readings[j].factor:g}"
            + (", so that images are in [-1, 1]." if self.readings[j].is_unit else ".")
            for j in self.value_columns
            if self.readings[j].factor != 1.0
        ]
        notes += self.numbers.notes()
        gaps = int(np.isnan(values).sum())
        if gaps:
            notes.append(f"{gaps} missing value{'s' * (gaps > 1)} left out.")
        known = np.isfinite(errors) & np.isfinite(values)
        unknown = np.isfinite(values) & ~known
        bare = [name for j, name in enumerate(names) if unknown[:, j].any() and not known[:, j].any()]
        if known.any() and bare and not averaged:
            raise InputError(
                f"{self.argument} must have errors for each of {', '.join(names)} or for none, got none of "
                f"{', '.join(bare)}: add them, or leave it out."
            )
        if known.any() and unknown.any():
            values = np.where(unknown, np.nan, values)
            notes.append(
                f"{int(unknown.sum())} value{'s' * int(unknown.sum() > 1)} without an error left out."
            )
        errors = without_rounding(values, errors)
        if known.any():
            notes += left_for_no_error((errors == 0.0) & np.isfinite(values), index)
        counts, missing = runs_of_curves(said_runs, index, names, errors, self.argument)
        notes += missing
        is_factor = self.kind == "factors"
        return Curve(
            rounds=np.array(index),
            values=values,
            standard_errors=errors if known.any() else None,
            names=names,
            degrees=tuple(n for n in degrees.values() if n is not None) if is_factor else None,
            kind=self.kind,
            error_freedom=freedom,
            columns=self._used(freedom, are_averaged=bool(averaged)),
            notes=tuple(notes),
            truncation_times=self._times(rounds),
            runs=counts,
            rounding=rounding,
        )

    def _entries(self, i: int, row: list[str]) -> list[tuple[int, str, int | None, float, float]]:
        """Return column, name, number, value and error of every curve in a row."""
        entries = []
        for j in self.value_columns:
            name, order = self.cells.names[j].strip(), self.roles[j].number
            value, error = self.numbers.entry(i, j)
            if self.is_long:
                label = row[self._all(NAME)[0]].strip()
                digits = re.search(r"(\d+)(?:\.0)?$", label)
                title = self.cells.names[self._all(NAME)[0]].strip()
                name = f"{title} {label}" if label.replace(".", "").isdigit() else label
                order = int(digits.group(1)) if digits else None
            entries.append((j, name, order, value, error))
        return entries

    def _times(self, rounds: list[float]) -> tuple[float, ...] | None:
        """Return the truncation times of rounds 1, 2, ..., each given once."""
        column = self._all(TIME)
        if not column:
            return None
        times: dict[int, float] = {}
        for i, row in enumerate(self.cells.rows):
            value = read_number(
                row[column[0]], f"in column {self.cells.names[column[0]]!r}, row {i + 1}"
            ).value
            value *= self.readings[column[0]].factor
            if rounds[i] > 0 and math.isfinite(value):
                times[int(rounds[i])] = value
        wanted = range(1, int(max(rounds)) + 1)
        missing = next((i for i in wanted if i not in times), None)
        if missing is not None:
            raise InputError(
                f"{self.argument} must have a truncation time of every round up to {len(wanted)}, got none of "
                f"round {missing}."
            )
        return tuple(times[i] for i in wanted)

    def _used(self, freedom: ErrorFreedom | None, *, are_averaged: bool) -> dict[str, str]:
        """Return what every column was used as."""
        words = {
            ROUND: "round",
            NAME: "name of the curve",
            RUN: AVERAGED if are_averaged else ONE_RUN,
            RUNS: RUN_NUMBERS,
            SAMPLES: "left out",
            TIME: "truncation time",
            IGNORE: "left out",
            VALUE: "value",
        }
        used: dict[str, str] = {}
        for name, role, reading in zip(self.cells.names, self.roles, self.readings, strict=True):
            text = words.get(role.role, role.role)
            if role.role == FACTOR:
                text = f"factor of degree {role.number}"
            elif role.role == "deviation":
                text = "standard deviation"
            elif role.role == ERROR:
                is_unused = freedom is not None and bool(np.isfinite(freedom.values).any())
                is_divided = reading.form.is_scatter and self.cells.names.index(role.of) in self.counted
                text = f"{'standard deviation of runs' if is_divided else reading.form.text} of {role.of.strip()}"
                text = f"left out, as {text}: the scatter of runs says it" if is_unused else text
            elif role.role in VALUES and reading.form.is_said:
                text = f"{text}, with its {reading.form.text}"
            if role.role in (*VALUES, ERROR) and (number := runs_in(reading, role)) is not None:
                text = f"{text}, {number:g} run{'s' * (number > 1)}"
            repeated = sum(name.strip() == other.strip() for other in self.cells.names) > 1
            used[f"{name.strip()} (column {len(used) + 1})" if repeated else name.strip()] = text
        return used
