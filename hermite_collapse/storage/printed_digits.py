r"""How far the numbers of a table are rounded: the unit of their last digit.

    0.53 ± 0.02      value within 0.005, error within 0.015 ... 0.025
    0.5312 ± 0.01    the error was not cut to the digits of its value: as stated
    0.53(2), 5.3e-3  the same for the last digits that stand there

Columns without powers of ten have the unit of their finest number: 0.5 beside 0.53 is 0.50.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.types import FloatArray
from ..core.value import Value
from .cell_numbers import PLUS_MINUS

_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,](\d*))?|[.,](\d+))(?:[eE]([+-]?\d+))?")
_LAST_DIGITS = re.compile(r"([+-]?[\d.,]+)\((\d+)\)([eE][+-]?\d+)?")
_IN_BRACKETS = re.compile(r"\S+\s*\(\s*(?:±|\+/-|\+-)?\s*([\d.,eE+-]+)\s*%?\s*\)")
_LARGEST_EXPONENT = 150


@dataclass(frozen=True, eq=False)
class Rounding(Value):
    """Units of last digits, 0 where numbers are not rounded.

    Attributes
    ----------
    values : array, shape (r, m)
        Of values, in their standard errors.
    errors : array, shape (r, m)
        Of errors, in the error itself, at most 1.
    has_one_digit : bool
        Whether all errors have one digit and values more than these.
    """

    values: FloatArray
    errors: FloatArray
    has_one_digit: bool = False


def exponent_of(text: str) -> tuple[int, bool] | None:
    """Return the power of ten of the last digit of a number, and whether it is written with a power; None of others."""
    match = _NUMBER.fullmatch(text.strip().replace("−", "-").rstrip("%").strip())
    if match is None:
        return None
    return int(match[3] or 0) - len(match[1] or match[2] or ""), match[3] is not None


def parts_of(cell: str) -> tuple[str, str]:
    """Return how the value in a cell is written, and its error, "" where there is none."""
    text = cell.strip().replace("−", "-")
    if match := _LAST_DIGITS.fullmatch(text):
        value = match[1] + (match[3] or "")
        return value, _as_last_digits(match[2], match[1]) + (match[3] or "")
    if match := _IN_BRACKETS.fullmatch(text):
        return re.split(r"\s*\(", text)[0], match[1]
    value, *error = PLUS_MINUS.split(re.sub(r"^\(|\)(?:\s*%)?$", "", text).strip())
    return value, error[0] if len(error) == 1 else ""


def _as_last_digits(digits: str, number: str) -> str:
    """Return 0.02 for the 2 in 0.95(2)."""
    decimals = len(re.split("[.,]", number)[1]) if re.search("[.,]", number) else 0
    return f"{int(digits) / 10**decimals:.{decimals}f}"


def exponents_of(numbers: Sequence[str]) -> list[int | None]:
    """Return the power of ten of the last digit of each number of a column; the finest of those without powers."""
    read = [exponent_of(number) for number in numbers]
    fixed = [one[0] for one in read if one is not None and not one[1]]
    finest = min(fixed, default=0)
    return [None if one is None else one[0] if one[1] else finest for one in read]


def units_of(values: Sequence[str], errors: Sequence[str]) -> list[tuple[float, float]]:
    """Return the units of the last digits of values and of their errors, as written.

    Parameters
    ----------
    values : sequence of str
        Cells of one curve.
    errors : sequence of str
        Errors as they are written.

    Returns
    -------
    list of (float, float)
        0 where nothing is known, and of errors with fewer decimals than their values, which are not cut like these.
    """
    of_values = exponents_of([parts_of(cell)[0] for cell in values])
    of_errors = exponents_of(errors)
    return [
        (0.0 if v is None else _power(v), 0.0 if v is None or e is None or e > v else _power(e))
        for v, e in zip(of_values, of_errors, strict=True)
    ]


def _power(exponent: int) -> float:
    """Return a power of ten; 0 for one that is no double, or whose square is none."""
    return 10.0**exponent if abs(exponent) <= _LARGEST_EXPONENT else 0.0


def have_one_digit(errors: Sequence[str]) -> bool:
    """Return whether all errors, as written, have one digit that counts."""
    digits = [re.sub(r"[eE].*|[^\d]", "", error).strip("0") for error in errors]
    return any(digits) and all(len(one) <= 1 for one in digits)


def rounding_of(
    units: FloatArray, errors: FloatArray, written: FloatArray, *, has_one_digit: bool
) -> Rounding | None:
    """Return units of last digits in errors.

    Parameters
    ----------
    units : array, shape (2, r, m)
        Of values, in the unit of `errors`, and of errors, in that of `written`.
    errors : array, shape (r, m)
        Standard errors.
    written : array, shape (r, m)
        Errors as the table writes them.
    has_one_digit : bool
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        of_values, of_errors = units[0] / errors, units[1] / written
    known = np.isfinite(of_values) & (errors > 0.0)
    of_values = np.where(known, of_values, 0.0)
    of_errors = np.where(known & np.isfinite(of_errors), np.minimum(of_errors, 1.0), 0.0)
    if not of_values.any():
        return None
    return Rounding(of_values, of_errors, has_one_digit and not of_errors.any())
