"""Tables of the terminal: they fit, and columns are aligned."""

from __future__ import annotations

import numpy as np

from hermite_collapse.reporting.terminal import table_lines


def test_tables_fit_and_align():
    columns = ["name", *(f"column {i}" for i in range(12))]
    lines = table_lines(columns, [["a", *np.linspace(0.001, 12.5, 12)], ["bcd", *([float("inf")] * 12)]])
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("name") for line in lines) > 1
    assert table_lines(["a", "b"], [["x", 1.0], ["yy", 20.5]]) == [
        "a         b",
        "x         1",
        "yy  20.5000",
    ]


def test_titles_alone_are_bold_and_brackets_are_text():
    lines = table_lines(["a", "b"], [["[bold]x[/bold]", 1]], bold=True)
    assert "\033[1m" in lines[0] and "\033" not in lines[1]
    assert "[bold]x[/bold]" in lines[1]


def test_the_keys_of_a_wide_table_stand_together_in_every_block():
    columns = ["fresh_fraction", "truncation_time", "rounds", *(f"a long title {i}" for i in range(6))]
    lines = table_lines(columns, [[0.1, 0.2, 3, *([0.5] * 6)]], keys=3)
    heads = [line for line in lines if "title" in line]
    assert len(heads) > 1 and all(line.split()[:3] == columns[:3] for line in heads)
    assert max(map(len, lines)) <= 80
