"""Of how many runs the values of a table are means: a column that counts them, or brackets such as "sem (n=3)"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray
from .cell_numbers import read_number
from .error_forms import MOST_RUNS
from .name_factors import Reading
from .roles import RUNS, Role
from .tables import Cells


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
        If a column of numbers of runs holds anything else.
    """
    counts = {role.of: k for k, role in enumerate(roles) if role.role == RUNS}
    said: dict[tuple[int, int], float] = {}
    for j, name in enumerate(cells.names):
        runs = readings[errors.get(name, j)].form.runs
        column = counts.get(name, counts.get(""))
        for i, row in enumerate(cells.rows):
            if column is not None and row[column].strip():
                said[i, j] = _count(row[column], cells.names[column].strip(), i, argument)
            elif runs is not None:
                said[i, j] = runs
    return said


def runs_of_curves(
    said: Mapping[tuple[str, float], float], index: Iterable[float], names: Iterable[str]
) -> FloatArray | None:
    """Return numbers of runs by round and curve, infinite where none is said, None where none is said at all."""
    if not said:
        return None
    columns = list(names)
    return np.array([[said.get((name, i), np.inf) for name in columns] for i in index])


def _count(cell: str, name: str, row: int, argument: str) -> float:
    value = read_number(cell, f"in column {name!r}, row {row + 1}").value
    if math.isnan(value):
        return math.inf
    if not (1.0 <= value <= MOST_RUNS and value == round(value)):
        raise InputError(
            f"{argument} must have numbers of runs within 1 and {MOST_RUNS:g} in {name!r}, got {cell.strip()!r} in row "
            f"{row + 1}: leave it out with --columns '{name}=ignore' if it counts something else."
        )
    return value
