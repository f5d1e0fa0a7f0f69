"""Text files of numbers alone, as samples come: rows of cells, no roles of columns, fast for long files.

delimiters    tab, semicolon, comma, else blanks, by the first line
decimals      points; commas where the delimiter leaves no doubt
header        a first line without any number
comments      after #

    0,51          a number with a decimal comma, or two columns: refused where leading zeros show which
    -0,73
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np

from ..core.memory import require_memory
from ..core.types import FloatArray
from .cell_numbers import DECIMAL_COMMA
from .tables import decoded

_TIMES_FILE = 10.0
"""Bytes of memory for a byte of text, at the peak."""
_HALF_NUMBERS = re.compile(r"(?:^|,)\s*[+-]?0\s*,\s*\d+\s*(?:,|$)|,\s*0\d+\s*(?:,|$)", re.MULTILINE)
"""Cells between commas that only halves of numbers with decimal commas would be: 0,73 and 1,05."""


def read_matrix(file: Path) -> FloatArray:
    """Return the numbers of a text file, shape (rows, columns).

    Raises
    ------
    InputError
        If the file does not fit in memory.
    ValueError
        If it holds anything else; the message names the line.
    """
    require_memory(_TIMES_FILE * file.stat().st_size, f"samples ({file})")
    lines = decoded(file.read_bytes()).splitlines()
    body = [(number, line.partition("#")[0].strip()) for number, line in enumerate(lines, start=1)]
    body = [
        (number, line) for number, line in body if line.strip(",; \t")
    ]  # spreadsheets write rows of nothing
    if not body:
        raise ValueError("a file without numbers")
    delimiter = next((mark for mark in ("\t", ";", ",") if mark in body[0][1]), None)
    if delimiter == "," and _is_decimal(body[0][1].split()):
        delimiter = None
    names = [cell.strip("\"' ") for cell in body[0][1].split(delimiter)]
    # A row with one bad cell is data with a mistake, not a line of names.
    if any(_is_number(cell) or DECIMAL_COMMA.match(cell) for cell in names):
        names = []
    else:
        body = body[1:]
    if not body:
        raise ValueError("a header without numbers")
    _require_columns(body, names, delimiter)
    text = "\n".join(line for _, line in body)
    if delimiter == ",":
        if "." not in text and _HALF_NUMBERS.search(text):
            raise ValueError(
                "whole numbers with leading zeros between commas: write decimal points, or semicolons"
            )
    elif "," in text:
        text = text.replace(",", ".")
        body = [(number, line.replace(",", ".")) for number, line in body]
    try:
        return np.loadtxt(io.StringIO(text), delimiter=delimiter, ndmin=2, comments=None, quotechar='"')
    except ValueError:
        for number, line in body:
            for cell in line.split(delimiter):
                if not _is_number(cell.strip('" ')):
                    shown = repr(cell.strip()[:40])
                    raise ValueError(f"{shown} on line {number}, which is not a number") from None
        raise


def _require_columns(body: list[tuple[int, str]], names: list[str], delimiter: str | None) -> None:
    width = len(body[0][1].split(delimiter))
    for number, line in body:
        count = len(line.split(delimiter))
        if count != width:
            raise ValueError(f"line {number} with {count} columns where the first row has {width}")
    twice = [name for i, name in enumerate(names) if name in names[:i] and name]
    if twice:
        raise ValueError(f"columns of the same name: {', '.join(dict.fromkeys(twice))}")
    if names and len(names) != width and delimiter is not None:
        raise ValueError(f"{len(names)} names of columns where the first row has {width}")


def _is_decimal(cells: list[str]) -> bool:
    """Return whether cells between blanks are numbers of which some have a decimal comma."""
    commas = [bool(DECIMAL_COMMA.match(cell)) for cell in cells]
    return (
        len(cells) > 1 and any(commas) and all(commas[i] or _is_number(cells[i]) for i in range(len(cells)))
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python's literals allow it, files do not
