"""What the cells of tables hold: a value, and its error where the cell says one.

0.95 ± 0.02, 0.95 +/- 0.02, 0.95 (0.02), 0.95 (±0.02)      a value and its error
0.95(2)                                                    the error of its last digit, 0.95 ± 0.02
0.95 +0.02 -0.02                                           errors up and down, refused where they differ
0.95 [0.91, 0.99], 0.95 (0.91–0.99)                        an interval, of a level that the name of the column says
95 %, 95 % ± 2 %, (95 ± 2) %, 95 ± 2 with % in the name    per cent
0.95 ± 2 %                                                 per cent of the value
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

MISSING = {"", "na", "n/a", "nan", "null", "none", "-", "--", "–", "missing"}
PLUS_MINUS = re.compile(r"\s*(?:±|\+/-|\+-)\s*")
DECIMAL_COMMA = re.compile(r"^[+-]?\d+,\d+(?:[eE][+-]?\d+)?$")
_ERROR_IN_BRACKETS = re.compile(
    r"^(\S+)\s*\((?:\s*(?:±|\+/-|\+-)\s*([\d.,]+(?:[eE][+-]?\d+)?\s*%?)|(\d*[.,]\d+(?:[eE][+-]?\d+)?\s*%?|\d+\s*%))\s*\)$"
)
"""A value and its error in brackets; without a point there, the last digits may be meant."""
_LAST_DIGITS = re.compile(r"^([+-]?\d*(?:[.,]\d+)?)\((\d+)\)([eE][+-]?\d+)?$")
_ENDS = re.compile(
    r"^(\S+)\s*(?:\[([^\[\]]+)\]|\(([^()]+)\))$",
)
_BETWEEN = re.compile(r"\s*(?:;|\bto\b|\.\.+|…|–|—|(?<=\d)\s*-\s*(?=\d))\s*|,\s+|,(?=[+-]?\d*\.)")
_UP_AND_DOWN = re.compile(
    r"^(\S+?)\s*\^?\+\s*([\d.,]+(?:[eE][+-]?\d+)?)\s*[/,]?\s*_?-\s*([\d.,]+(?:[eE][+-]?\d+)?)$"
)
_TEN = re.compile(r"\s*[×x*·]\s*10\s*\^?\s*([+-]?\d+)$")
_GROUPED = re.compile(r"^[+-]?\d{1,3}(?:([ '’\u00a0\u202f.,])\d{3})(?:\1\d{3})*(?:(?!\1)[.,]\d+)?$")
"""Digits in groups of three."""
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_ALIKE = 0.25
"""Share of their mean by which errors up and down may differ."""


class Number(NamedTuple):
    """What a cell holds; value and error are NaN where missing.

    Attributes
    ----------
    value, error : float
    percent : bool
        Whether the value is written as per cent, and with it the error; both are divided by 100 then.
    of_value : bool
        Whether the error alone is written as per cent; it is divided by 100 then.
    is_interval : bool
        Whether the error is half of an interval.
    """

    value: float
    error: float = math.nan
    percent: bool = False
    of_value: bool = False
    is_interval: bool = False


def read_number(cell: str, where: str) -> Number:
    """Return what a cell holds; ValueError that names the place of anything else."""
    text = cell.strip().replace("−", "-")
    if text.casefold() in MISSING:
        return Number(math.nan)
    try:
        return _number(text)
    except ValueError as error:
        reason = str(error) or "which is not a number"
    raise ValueError(f"{cell.strip()[:40]!r} {where}, {reason}")


def _number(text: str) -> Number:
    """Return what a cell holds; ValueError with a reason, or none, for anything else."""
    if match := re.fullmatch(r"[(\[]\s*([^()\[\]]*)[)\]]\s*(%|[×x*·]\s*10\^?\S+)", text):  # (9 ± 1) %
        inner = _number(match[1].strip())
        if inner.percent or inner.of_value or inner.is_interval:
            raise ValueError
        scale = 0.01 if match[2] == "%" else float(plain_float("1" + match[2]))
        return inner._replace(value=inner.value * scale, error=inner.error * scale, percent=match[2] == "%")
    if match := _LAST_DIGITS.fullmatch(text):
        digits = re.split("[.,]", match[1])
        unit = 10.0 ** -(len(digits[1]) if len(digits) > 1 else 0)
        power = float(f"1{match[3] or ''}")
        return Number(plain_float(match[1]) * power, float(match[2]) * unit * power)
    if match := _UP_AND_DOWN.fullmatch(re.sub(r"[${}]", "", text)):
        value, up, down = (plain_float(part) for part in match.groups())
        return Number(value, _alike(up, down, "errors up and down that differ"))
    if (match := _ENDS.fullmatch(text)) and "%" not in text:
        ends = [part for part in _BETWEEN.split(match[2] or match[3]) if part]
        if len(ends) == 2:
            value, low, high = (plain_float(part) for part in (match[1], *ends))
            if not low <= value <= high:
                raise ValueError("which is no interval about its value")
            return Number(
                value,
                _alike(high - value, value - low, "an interval that is not centred"),
                is_interval=True,
            )
    text = _with_sign(text)
    parts = [part.strip() for part in PLUS_MINUS.split(text.strip("() "))]
    if len(parts) not in (1, 2):
        raise ValueError
    percent = parts[0].endswith("%") or ("%" in parts[0])
    of_value = len(parts) == 2 and "%" in parts[1] and not percent
    numbers = [plain_float(part.replace("%", "").strip("() ")) for part in parts]
    scale = 0.01 if percent else 1.0
    error = numbers[1] * (0.01 if of_value else scale) if len(numbers) == 2 else math.nan
    return Number(numbers[0] * scale, error, percent, of_value)


def _with_sign(text: str) -> str:
    """Return a cell with ± before an error that stands in brackets."""
    return _ERROR_IN_BRACKETS.sub(lambda match: f"{match[1]} ± {match[2] or match[3]}", text)


def _alike(up: float, down: float, what: str) -> float:
    """Return the mean of two errors; ValueError where they differ too much for one to say both."""
    mean = 0.5 * (up + down)
    if abs(up - down) > _ALIKE * mean:
        raise ValueError(f"with {what}: write one error")
    return mean


def plain_float(text: str) -> float:
    """Return the number that a text without signs of errors writes; ValueError for others."""
    stripped = re.sub(r"(?<=\d)[dD](?=[+-]?\d+$)", "e", text.strip().replace("−", "-"))  # as Fortran writes
    stripped = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+$", lambda match: "^" + match[0].translate(_SUPERSCRIPTS), stripped)
    stripped = _TEN.sub(r"e\1", stripped)
    if (grouped := _GROUPED.match(stripped)) and (
        grouped[1] not in ".," or re.search(r"[.,]\d+[.,]", stripped)
    ):
        stripped = stripped.replace(grouped[1], "")
    if DECIMAL_COMMA.match(stripped):
        stripped = stripped.replace(",", ".")
    if "_" in stripped:  # Python's literals allow it, files do not
        raise ValueError
    try:
        return float(stripped)
    except ValueError:
        raise ValueError from None


def numbers_as_written(cell: str) -> list[str]:
    """Return the numbers of a cell as they are written, those of a value and its error."""
    text = _with_sign(cell.strip())
    parts = PLUS_MINUS.split(text.replace("%", "").strip("() "))
    return [part.strip() for part in parts if re.fullmatch(r"[+-]?[\d.,].*", part.strip())]
