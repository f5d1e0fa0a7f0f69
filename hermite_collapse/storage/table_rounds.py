"""The rounds of a table: the number of every row, and rounds that fits leave out."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from ..core.errors import InputError
from ..core.types import BoolArray
from .cell_numbers import plain_float
from .roles import plain_name
from .tables import Cells

_DATA = re.compile(
    r"(?:real|true|training|original)(?: (?:data|images|samples|set))?|data|reference|ground truth"
)
"""What may stand for round 0."""
_STEPS = {"step", "iteration", "iterations", "iter", "epoch"}
"""Names of rounds that may count steps of training."""
_LARGEST = 1e15
"""Numbers of rounds up to which whole numbers are exact."""


def rounds_of(cells: Cells, column: int | None, argument: str) -> tuple[list[float], list[str]]:
    """Return the round of every row, and notes; steps of training in equal portions are rounds of one portion each."""
    if column is None:
        note = "No column says the rounds: rows were taken for rounds 0 (the data), 1, 2, ..."
        return [float(i) for i in range(len(cells.rows))], [note]
    heading = cells.names[column].strip()
    rounds = []
    for i, row in enumerate(cells.rows):
        cell = row[column].strip()
        value = 0.0 if is_data(cell) else _whole(cell)
        if not value >= 0.0:
            raise InputError(
                f"{argument} must have whole numbers >= 0 as {heading}, got {cell[:40]!r} in row {i + 1}."
            )
        rounds.append(value)
    portion = math.gcd(*(int(value) for value in rounds))
    portions = sorted({int(value) // portion for value in rounds}) if portion > 1 else []
    is_regular = bool(portions) and portions == list(range(portions[0], portions[0] + len(portions)))
    if is_regular and plain_name(heading) in _STEPS:
        return [value / portion for value in rounds], [f"{portion} of {heading} were taken for one round."]
    return rounds, []


def is_data(cell: str) -> bool:
    """Return whether a cell of a column of rounds says the data, round 0."""
    return _DATA.fullmatch(cell.strip().casefold()) is not None or _whole(cell.strip()) == 0.0


def _whole(cell: str) -> float:
    """Return the whole number in a cell, in any notation and after a word; NaN for other cells."""
    match = re.fullmatch(r"(?:[A-Za-z_.#][A-Za-z_ .#-]*=?)?(-?\d.*)", cell)
    try:
        value = plain_float(match[1]) if match else math.nan
    except ValueError:
        return math.nan
    return value if abs(value) <= _LARGEST and value == round(value) else math.nan


def left_for_no_error(exact: BoolArray, rounds: Sequence[float]) -> list[str]:
    """Return what to say of values (r, m) with an error of 0, which fits leave out but in round 0."""
    exact = exact & (np.array(rounds) > 0.0)[:, None]
    if not exact.any():
        return []
    first, count = rounds[int(np.flatnonzero(exact.any(axis=1))[0])], int(exact.sum())
    what = (
        f"{count} values with errors of 0 left out, the first"
        if count > 1
        else "1 value with an error of 0 left out,"
    )
    advice = f"; where round {first:g} is the data, give it the number 0" if first == rounds[0] else ""
    return [f"{what} in round {first:g}: only the data, in round 0, may be known exactly{advice}."]
