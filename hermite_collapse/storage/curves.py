"""Measured curves from users' tables: values by round, with standard errors where the table has them.

round, degree 1, degree 1 error, degree 2, degree 2 error
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray
from ..core.value import Value
from .formats import TEXT, read_table, readable


@dataclass(frozen=True, eq=False)
class Curve(Value):
    """A curve by round, from a table of numbers.

    Attributes
    ----------
    rounds : array, shape (r,)
    values : array, shape (r, m)
    standard_errors : array, shape (r, m), or None
        None where the table has none.
    names : tuple of str, length m
        Names of the columns.
    degrees : tuple of int, length m, or None
        The numbers at the end of the names; None unless every name ends with one.
    """

    rounds: FloatArray
    values: FloatArray
    standard_errors: FloatArray | None
    names: tuple[str, ...]
    degrees: tuple[int, ...] | None


def read_curve(path: str | os.PathLike[str]) -> Curve:
    """Return a measured curve from a .csv or .txt file whose first line names the columns.

        round, degree 1, degree 1 error, degree 2, degree 2 error

    Parameters
    ----------
    path : str or path
        `round` may be left out (then 0, 1, ...), and so may all columns of standard errors, which are named like
        the column they belong to, with "error" at the end.  Without names there is one column for each curve.

    Returns
    -------
    Curve

    Raises
    ------
    InputError
        If the file cannot be read, or its columns do not go together.
    """
    file, argument = Path(path), f"curve ({path})"
    if file.suffix.lower() not in TEXT:
        raise InputError(f"{argument} must be a .csv, .txt, .dat or .tsv file, got another.")
    with readable(file, argument):
        table = read_table(file)
    values = checks.samples(table.values, argument)
    names = table.names or tuple(f"degree {j + 1}" for j in range(values.shape[1]))
    if len(names) != values.shape[1]:
        raise InputError(
            f"{argument} must have one name for each of {values.shape[1]} columns, got {len(names)}."
        )
    columns = dict(zip(names, values.T, strict=True))
    rounds = columns.pop("round", np.arange(len(values), dtype=np.float64))
    errors = {_measured(name): columns.pop(name) for name in names if name.endswith("error")}
    if not columns:
        raise InputError(f"{argument} must have a column of values, got {', '.join(names)}.")
    if errors and set(errors) != set(columns):
        shown = ", ".join(name for name in names if name.endswith("error"))
        raise InputError(
            f"{argument} must have a column of errors for each of {', '.join(columns)} or for none, got {shown}."
        )
    ends = [re.search(r"(\d+)$", name) for name in columns]
    return Curve(
        rounds=np.asarray(rounds),
        values=np.stack(list(columns.values()), axis=1),
        standard_errors=np.stack([errors[name] for name in columns], axis=1) if errors else None,
        names=tuple(columns),
        degrees=tuple(int(end.group(1)) for end in ends if end) if all(ends) else None,
    )


def _measured(name: str) -> str:
    """Return the name of the column that a column of errors belongs to."""
    return name.removesuffix("error").rstrip(" _")
