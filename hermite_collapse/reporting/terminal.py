"""Tables on a terminal: lines of 80 columns; a table too wide goes on in blocks that repeat its first column."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from ..core.numbers import cell, is_number

WIDTH = 80
"""Columns of a terminal that tables and paragraphs fit."""

_GAP = 2


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[object]], *, bold: bool = False) -> list[str]:
    """Return a table as lines, numbers flush right and columns that hold words only flush left.

    Parameters
    ----------
    columns : sequence of str
        Titles.
    rows : sequence of sequence
        One entry a column; numbers are written by `core.numbers.cell`.
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

    cells = [[cell(value) for value in row] for row in rows]
    words = [all(not is_number(row[i]) for row in rows) for i in range(len(columns))]
    widths = [
        max(cell_len(text) for text in (title, *(row[i] for row in cells))) for i, title in enumerate(columns)
    ]
    stream = StringIO()
    console = Console(
        file=stream,
        width=max(WIDTH, 2 * max(widths) + _GAP),
        force_terminal=bold,
        color_system="standard" if bold else None,
    )
    for number, block in enumerate(_blocks(widths)):
        if number:
            console.print()
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for i in block:
            table.add_column(columns[i], justify="left" if words[i] else "right", no_wrap=True)
        for row in cells:
            table.add_row(*(row[i] for i in block))
        console.print(table, markup=False, highlight=False)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def _blocks(widths: Sequence[int]) -> list[list[int]]:
    """Columns that stand beside each other, the first one in every block."""
    blocks, used = [[0]], widths[0]
    for i, width in enumerate(widths[1:], start=1):
        if used + _GAP + width > WIDTH and len(blocks[-1]) > 1:
            blocks.append([0])
            used = widths[0]
        blocks[-1].append(i)
        used += _GAP + width
    return blocks
