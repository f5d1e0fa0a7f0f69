"""Values of a table with their standard errors, in the unit and the form that cells and names say.

0.09 ± 1 %             beside values up to 1: per cent of the value; of squared distances always; else refused
9 % ± 1 %, (9 ± 1) %   both are per cent
0.09 [0.07, 0.11]      half of an interval, whose level the name of the column says
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..core.errors import InputError
from ..core.types import FloatArray
from .cell_numbers import Number, read_number
from .name_factors import Reading
from .printed_digits import Rounding, have_one_digit, parts_of, rounding_of, units_of
from .roles import is_percent, is_squared
from .tables import Cells

_FROM_PERCENT = (30.0, 101.0)
"""Shares of the data, 1, that are between these in round 0 are per cent."""
_SMALLEST_PERCENT = 0.1
"""Error beside per cent below which it may be a share."""
_LARGEST_PLAIN = 1.0
"""Value beside an error in per cent up to which it is no per cent of the data itself."""


class TableNumbers:
    """The numbers of a table's columns of values, each with its error.

    Parameters
    ----------
    cells : Cells
    readings : sequence of Reading
        Of every column.
    errors : mapping of str to int
        Name of a column of values -> the column of its errors.
    argument : str
        What the table is called in a refusal.
    """

    def __init__(
        self, cells: Cells, readings: Sequence[Reading], errors: Mapping[str, int], argument: str
    ) -> None:
        self.cells, self.readings, self.errors, self.argument = cells, readings, errors, argument
        self.in_percent = False
        self.plain_errors: list[float] = []
        """Errors beside per cent that do not say what they are."""
        self._with_errors: set[int] = set()
        """Columns whose cells have errors."""
        self._largest: dict[int, float] = {}
        """Of columns whose cells have errors in per cent of their values."""

    def entry(self, i: int, j: int) -> tuple[float, float]:
        """Return the value in a cell and its standard error, NaN where it has none."""
        heading, reading = self.cells.names[j], self.readings[j]
        number = self._number(i, j)
        in_percent = number.percent or is_percent(heading)
        self.in_percent = self.in_percent or in_percent
        scale = (0.01 if in_percent and not number.percent else 1.0) * reading.factor
        value = number.value * scale
        if math.isfinite(number.error):
            self._with_errors.add(j)
        if heading in self.errors:
            if math.isfinite(number.error):
                raise InputError(
                    f"{self.argument} must have errors in cells or in a column, got {self.cells.rows[i][j].strip()!r} "
                    f"in row {i + 1} beside {self.cells.names[self.errors[heading]].strip()!r}."
                )
            return value, self._beside(i, j, self.errors[heading], value, in_percent)
        if not number.of_value:
            return value, reading.form.standard_error(number.error * scale, value)
        if in_percent:
            return value, reading.form.standard_error(number.error * reading.factor, value)
        self._require_relative(i, j)
        return value, reading.form.standard_error(number.error * abs(value), value)

    def _number(self, i: int, j: int) -> Number:
        cell, name = self.cells.rows[i][j], self.cells.names[j]
        number = read_number(cell, f"in column {name!r}, row {i + 1}")
        if number.is_interval and not self.readings[j].form.has_level:
            raise InputError(
                f"{self.argument} must say the level of intervals in the name, as in '{name.strip()} (95 %)', got "
                f"{cell.strip()!r} in row {i + 1}."
            )
        return number

    def _require_relative(self, i: int, j: int) -> None:
        """Refuse an error in per cent where its value may be per cent as well."""
        if j not in self._largest:
            column = [self._number(k, j).value for k in range(len(self.cells.rows))]
            self._largest[j] = max((abs(x) for x in column if math.isfinite(x)), default=0.0)
        if self._largest[j] > _LARGEST_PLAIN and not is_squared(self.cells.names[j]):
            raise InputError(
                f"{self.argument} must have errors that can be read in one way, got {self.cells.rows[i][j].strip()!r} "
                f"in row {i + 1}, where both may be per cent, or the error per cent of the value: write '9 % ± 1 %' or "
                "'9 ± 0.09'."
            )

    def _beside(self, i: int, j: int, k: int, value: float, in_percent: bool) -> float:
        """Return the standard error of a value from the column of its errors."""
        cell, reading = self.cells.rows[i][k], self.readings[k]
        beside = f"in column {self.cells.names[k]!r}, row {i + 1}"
        number = read_number(cell, beside)
        if math.isfinite(number.error):
            raise InputError(
                f"{self.argument} must have errors without errors of their own, got {cell.strip()!r} {beside}."
            )
        if number.value < 0.0:
            raise InputError(f"{self.argument} must have errors >= 0, got {cell!r} {beside}.")
        error = number.value * reading.factor
        in_error = number.percent or is_percent(self.cells.names[k])
        if reading.form.is_relative:
            share = 0.01 if in_error and not number.percent else 1.0
            return reading.form.standard_error(share * error, value)
        if in_error and not in_percent and error > 0.0:
            raise InputError(
                f"{self.argument} must have errors in the unit of their values, got {cell.strip()!r} {beside}, per "
                f"cent of something, beside {self.cells.rows[i][j].strip()!r}: write the errors themselves, or say "
                "'(relative)' in the name."
            )
        if in_percent and not in_error:
            self.plain_errors.append(reading.form.standard_error(error, value))
        if in_percent and not number.percent:
            error *= 1e-4 if reading.form.is_square else 0.01
        return reading.form.standard_error(error, value)

    def rounding(
        self,
        where: Mapping[tuple[str, float], tuple[int, int]],
        index: Sequence[float],
        names: Sequence[str],
        errors: FloatArray,
    ) -> Rounding | None:
        """Return how far values and their standard errors (r, m) are rounded, by the digits that they have.

        Parameters
        ----------
        where : mapping of (str, float) to (int, int)
            Curve and round -> row and column of the value.
        index : sequence of float
            Rounds.
        names : sequence of str
            Curves.
        errors : array, shape (r, m)
        """
        units, written, digits = np.zeros((2, *errors.shape)), np.full(errors.shape, np.nan), []
        for column, name in enumerate(names):
            cells = [(r, *where[name, one]) for r, one in enumerate(index) if (name, one) in where]
            texts = [self.cells.rows[i][j] for _, i, j in cells]
            beside = [self.errors.get(self.cells.names[j]) for _, _, j in cells]
            of_errors = [
                parts_of(text)[1] if k is None else self.cells.rows[i][k]
                for text, k, (_, i, _) in zip(texts, beside, cells, strict=True)
            ]
            digits += of_errors
            for (r, i, j), k, text, unit in zip(
                cells, beside, of_errors, units_of(texts, of_errors), strict=True
            ):
                number, form = self._number(i, j), self.readings[j if k is None else k].form
                percent = 0.01 if number.percent or is_percent(self.cells.names[j]) else 1.0
                is_alike = not (form.is_relative or form.is_square or number.of_value)
                units[:, r, column] = unit[0] * percent * self.readings[j].factor, unit[1] * is_alike
                if unit[1] > 0.0:
                    written[r, column] = abs(read_number(text.rstrip("% )"), "").value)
        return rounding_of(units, errors, written, has_one_digit=have_one_digit(digits))

    def from_percent(
        self, values: FloatArray, errors: FloatArray, notes: list[str], *, are_factors: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Read factors that begin at about 100 as per cent; those that say so are divided already."""
        if self.in_percent:
            self._require_percent(self.plain_errors)
            notes.append("Per cent were divided by 100.")
        elif are_factors:
            low, high = _FROM_PERCENT
            if np.all((values[0] > low) & (values[0] < high)):
                self._require_percent(errors[np.isfinite(errors)].tolist())
                notes.append("Shares that begin near 100 were read as per cent.")
                return 0.01 * values, 0.01 * errors
        return values, errors

    def _require_percent(self, errors: list[float]) -> None:
        """Refuse errors beside per cent that are so small that they may be no per cent."""
        if errors and 0.0 < max(errors) < _SMALLEST_PERCENT:
            raise InputError(
                f"{self.argument} must say that its errors are per cent like its values, as in 'error (%)', or have "
                f"both as shares, got errors up to {max(errors):g}."
            )

    def notes(self) -> list[str]:
        """Return sentences on errors that could be meant in another way.

        Raises
        ------
        InputError
            If a name says of errors in its cells what they are, and there are none.
        """
        for j, reading in enumerate(self.readings):
            if reading.form.is_said and j not in {*self._with_errors, *self.errors.values()}:
                raise InputError(
                    f"{self.argument} must have errors in the cells of {self.cells.names[j].strip()!r}, whose name "
                    "says what they are, got none: name the column by its values alone."
                )
        return [
            f"Errors in per cent in {self.cells.names[j].strip()} were read as per cent of the value."
            for j in sorted(self._largest)
        ]
