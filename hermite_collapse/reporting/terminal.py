"""Tables on a terminal: lines of 80 columns; a table too wide goes on in blocks that repeat its keys."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from ..core.numbers import cell, is_number
from ..core.printable import printable

WIDTH = 80
"""Columns of a terminal that tables and paragraphs fit."""

_GAP = 2


def table_lines(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, keys: int = 1, bold: bool = False
) -> list[str]:
    """Return a table as lines, numbers flush right and columns that hold words only flush left.

    Parameters
    ----------
    columns : sequence of str
        Titles.
    rows : sequence of sequence
        One entry a column; numbers are written by `core.numbers.cell`.
    keys : int
        Number of columns that say what a row is about: they stand together at the start of every block.
    bold : bool
        Titles in bold, for terminals that take it.

    Returns
    -------
    list of str

    Examples
    --------
    >>> print("\\n".join(table_lines(["metric", "rate"], [["kl", 0.5], ["total variation", 0.25]])))
    metric             rate
    kl               0.5000
    total variation  0.2500
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table

    columns = [printable(title) for title in columns]
    cells = [[printable(cell(value)) for value in row] for row in rows]
    words = [not any(_is_numeral(row[i]) for row in rows) for i in range(len(columns))]
    widths = [
        max(cell_len(text) for text in (title, *(row[i] for row in cells))) for i, title in enumerate(columns)
    ]
    stream = StringIO()
    console = Console(
        file=stream,
        width=max(WIDTH, sum(widths[:keys]) + max(widths) + _GAP * (keys + 1)),
        force_terminal=bold,
        emoji=False,
        color_system="standard" if bold else None,
    )
    for number, block in enumerate(_blocks(widths, keys)):
        if number:
            console.print()
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for i in block:
            table.add_column(columns[i], justify="left" if words[i] else "right", no_wrap=True)
        for row in cells:
            table.add_row(*(row[i] for i in block))
        console.print(table, markup=False, highlight=False)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def _is_numeral(value: object) -> bool:
    """Whether a cell holds a number, written out or not."""
    if not isinstance(value, str):
        return is_number(value)
    try:
        float(value)
    except ValueError:
        return False
    return True


def _blocks(widths: Sequence[int], keys: int) -> list[list[int]]:
    """Columns that stand beside each other, the keys in every block."""
    first = list(range(min(keys, len(widths))))
    start = sum(widths[: len(first)]) + _GAP * (len(first) - 1)
    blocks, used = [first.copy()], start
    for i, width in enumerate(widths[len(first) :], start=len(first)):
        if used + _GAP + width > WIDTH and len(blocks[-1]) > len(first):
            blocks.append(first.copy())
            used = start
        blocks[-1].append(i)
        used += _GAP + width
    return blocks
