"""Of how many runs the values of a table are means: a column that counts them, or brackets such as "sem (n=3)".

runs, num_seeds, (3 seeds)      runs
n, count, (n=3), (mean of 3)    runs, if they are few and, in a column, about the same in all rows; may be samples
n_samples, num_images           samples: left out
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray
from .brackets import bracketed
from .cell_numbers import read_number
from .error_forms import FEW_RUNS, MOST_RUNS, error_form
from .name_factors import Reading
from .roles import COUNT, ERROR, FACTOR, NAME, ROUND, RUN, RUNS, SAMPLES, VALUES, Role
from .table_rounds import is_data
from .tables import Cells

_LEAST_SHARE = 0.5
"""Of the largest number of a column, from which numbers that nobody says what they count are about the same."""


def counts_decided(cells: Cells, roles: Sequence[Role], argument: str) -> tuple[list[Role], list[str]]:
    """Return roles in which columns that count runs or samples are one or the other, and sentences on them.

    Raises
    ------
    InputError
        If a column may count either.
    """
    decided, notes = list(roles), []
    counted = {role.of for role in roles if role.role == RUNS}
    has_runs = any(role.role == RUN for role in roles)
    has_rounds = any(role.role == ROUND for role in roles)
    for k, role in enumerate(roles):
        name = cells.names[k].strip()
        if role.role == SAMPLES or (role.role == COUNT and (has_runs or counted & {role.of, ""})):
            decided[k] = role._replace(role=SAMPLES)
            what = "" if role.role == SAMPLES else " beside runs"
            notes.append(f"{name} was left out: it counts samples{what}.")
        elif role.role == COUNT:
            _require_few(cells, roles, k, argument, has_rounds=has_rounds)
            decided[k] = role._replace(role=RUNS)
            notes.append(
                f"{name} was taken for numbers of runs: say --columns '{name}=ignore' if it counts something else."
            )
    return decided, notes


def _data_rows(cells: Cells, roles: Sequence[Role]) -> list[int]:
    """Return the rows of the data, round 0, where errors are 0 or missing: their numbers say nothing of other rows."""
    rounds = next((k for k, role in enumerate(roles) if role.role == ROUND), None)
    first = [i for i, row in enumerate(cells.rows) if (i == 0 if rounds is None else is_data(row[rounds]))]

    def error_in(i: int, k: int) -> float:
        number = read_number(cells.rows[i][k], f"in column {cells.names[k]!r}, row {i + 1}")
        return number.value if roles[k].role == ERROR else number.error

    beside = [k for k, role in enumerate(roles) if role.role in (ERROR, *VALUES)]
    return [i for i in first if not any(error_in(i, k) > 0.0 for k in beside)]


def _require_few(
    cells: Cells, roles: Sequence[Role], column: int, argument: str, *, has_rounds: bool
) -> None:
    """Refuse numbers that may be of samples or rounds: large ones, and those that differ from row to row."""
    name = cells.names[column].strip()
    written = [row[column].strip() for row in cells.rows]
    numbers = [read_number(cell, f"in column {name!r}, row {i}").value for i, cell in enumerate(written, 1)]
    data = _data_rows(cells, roles)
    later = [number for i, number in enumerate(numbers) if i not in data and math.isfinite(number)]
    known = later or [number for number in numbers if math.isfinite(number)]
    least, most = min(known, default=1.0), max(known, default=1.0)
    are_whole = all(number == round(number) for number in known)
    are_alike = least >= _LEAST_SHARE * most and len(set(known)) < max(len(known), 2)
    if not (are_whole and least >= 1.0 and most <= FEW_RUNS and are_alike):
        shown = ", ".join(dict.fromkeys(cell for cell in written if cell))
        also = "" if has_rounds else f"'{name}=round' if it numbers the rounds, "
        shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
        raise InputError(
            f"{argument} must say whether {name!r} counts the runs whose mean each value is, got {shown}: say "
            f"--columns '{name}=runs' if so, {also}or '{name}=ignore' if it counts samples or something else."
        )


def runs_beside(
    cells: Cells, roles: Sequence[Role], readings: Sequence[Reading], errors: Mapping[str, int], argument: str
) -> dict[tuple[int, int], float]:
    """Return the numbers of runs that are said, by row and column of a value.

    Parameters
    ----------
    cells : Cells
    roles, readings : sequence of Role, of Reading
        Of every column.
    errors : mapping of str to int
        Name of a column of values -> the column of its errors.
    argument : str
        What the table is called in a refusal.

    Raises
    ------
    InputError
        If a column of numbers of runs holds anything else, or names and columns say different numbers.
    """
    counts = {role.of: k for k, role in enumerate(roles) if role.role == RUNS}
    labels = next((k for k, role in enumerate(roles) if role.role == NAME), None)
    data = _data_rows(cells, roles) if counts else []
    said: dict[tuple[int, int], float] = {}
    for j, name in enumerate(cells.names):
        if roles[j].role not in VALUES:
            continue
        by_name = {cells.names[k].strip(): runs_in(readings[k], roles[j]) for k in (j, errors.get(name, j))}
        column = counts.get(name, counts.get(""))
        if column is None and errors.get(name) is not None:
            _require_said(name, readings[j], cells.names[errors[name]], readings[errors[name]], argument)
        for i, row in enumerate(cells.rows):
            numbers = dict(by_name)
            if labels is not None:
                numbers[row[labels].strip()] = error_form(
                    row[labels], bracketed(row[labels]), in_cells=True
                ).runs
            if column is not None and row[column].strip():
                numbers[cells.names[column].strip()] = _count(
                    row[column], cells.names[column].strip(), i, argument, is_needed=i not in data
                )
            known = {source: number for source, number in numbers.items() if number is not None}
            if len(set(known.values()) - {math.inf}) > 1:
                shown = " and ".join(f"{number:g} by {source!r}" for source, number in known.items())
                raise InputError(
                    f"{argument} must say one number of runs for each value, got {shown} in row {i + 1}."
                )
            if known:
                said[i, j] = min(known.values())
    return said


def runs_in(reading: Reading, role: Role) -> float | None:
    """Return the number of runs that a name says; "degree 2 (n=2)" names the degree."""
    form = reading.form
    is_degree = role.role == FACTOR and form.count == role.number and not form.counts_runs
    return None if is_degree else form.runs


def _require_said(name: str, values: Reading, error_name: str, errors: Reading, argument: str) -> None:
    """Refuse a scatter beside values whose name says a number that may be of runs or of samples."""
    count = values.form.count
    if errors.form.is_scatter and values.form.runs is None and count is not None and count <= MOST_RUNS:
        raise InputError(
            f"{argument} must say whether {name.strip()!r} counts the runs whose scatter {error_name.strip()!r} is, "
            f"got n = {count:g}: write '({count:g} runs)' or '({count:g} samples)'."
        )


def finite_count(count: float | None, name: str, row: int, argument: str) -> float:
    """Return a number of runs, by whose root their scatter is divided.

    Raises
    ------
    InputError
        If the table does not say it in this row.
    """
    if count is None or not math.isfinite(count):
        raise InputError(
            f"{argument} must have a number of runs wherever it has their scatter, got none for {name} in row "
            f"{row + 1}."
        )
    return count


def runs_of_curves(
    said: Mapping[tuple[str, float], float],
    index: Sequence[float],
    names: Sequence[str],
    errors: FloatArray,
    argument: str,
) -> tuple[FloatArray | None, list[str]]:
    """Return numbers of runs by round and curve, None where none is said at all, and sentences on missing ones.

    A missing number is that of the other rounds of its curve, where these agree; infinite where none is needed.

    Parameters
    ----------
    said : mapping of (str, float) to float
        By name and round.
    index, names : sequence
        Rounds and curves.
    errors : array, shape (r, m)
        Standard errors; 0 or NaN for values whose number of runs nobody needs.
    argument : str
        What the table is called in a refusal.

    Raises
    ------
    InputError
        If a number is missing where the others differ.
    """
    if not said:
        return None, []
    runs, notes = np.full((len(index), len(names)), np.inf), []
    for j, name in enumerate(names):
        own = [said.get((name, i), math.nan) for i in index]
        known = {number for number in own if not math.isnan(number)}
        later = {number for i, number in zip(index, own, strict=True) if i > 0.0 and not math.isnan(number)}
        known = later or known
        missing = [
            i
            for i, number, error in zip(index, own, errors[:, j], strict=True)
            if math.isnan(number) and error > 0.0
        ]
        if len(known) > 1 and missing:
            raise InputError(
                f"{argument} must have a number of runs for each value where the numbers differ, got none for {name} "
                f"in round {missing[0]:g} beside {', '.join(f'{number:g}' for number in sorted(known))}."
            )
        if missing:
            notes.append(_on_missing(name, missing, known))
        only = known.pop() if len(known) == 1 else math.inf
        runs[:, j] = [only if math.isnan(number) else number for number in own]
    return runs, notes


def _on_missing(name: str, rounds: Sequence[float], known: Collection[float]) -> str:
    """Return what is made of rounds of a curve without a number of runs."""
    if not known:
        return (
            f"Errors of {name} were taken as exact: the table does not say of how many runs it is the mean."
        )
    shown = ", ".join(f"{i:g}" for i in rounds)
    return (
        f"No number of runs stands beside {name} in round{'s' * (len(rounds) > 1)} {shown}: {next(iter(known)):g}, as "
        "in the other rounds, was taken."
    )


def _count(cell: str, name: str, row: int, argument: str, *, is_needed: bool) -> float | None:
    """Return the number of runs in a cell, None where it holds none, or one of something else that nobody needs."""
    value = read_number(cell, f"in column {name!r}, row {row + 1}").value
    is_count = 1.0 <= value <= MOST_RUNS and value == round(value)
    if math.isnan(value) or not (is_count or is_needed):
        return None
    if not is_count:
        raise InputError(
            f"{argument} must have numbers of runs within 1 and {MOST_RUNS:g} in {name!r}, got {cell.strip()!r} in row "
            f"{row + 1}: leave it out with --columns '{name}=ignore' if it counts something else."
        )
    return value
