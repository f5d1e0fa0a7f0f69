"""The table of recorded simulations, from validation/records/cpu/summary.md: names in words, what a reader compares."""

from __future__ import annotations

from pathlib import Path

SUMMARY = Path(__file__).parents[2] / "validation" / "records" / "cpu" / "summary.md"


def pages() -> dict[str, str]:
    """Return the text of the table by its path."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in SUMMARY.read_text("utf-8").splitlines()
        if line.startswith("| ")
    ]
    names = rows[0]
    shown = [names.index(name) for name in ("experiment", "as predicted", "verdict")]
    lines = [f"| {' | '.join(names[index] for index in shown)} |", "|---|---|---|"]
    for row in rows[1:]:
        cells = [
            _in_words(row[shown[0]]),
            *(row[index].replace(" = ", "\u00a0=\u00a0") for index in shown[1:]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return {"records_table.md": "\n".join(lines) + "\n"}


def _in_words(experiment: str) -> str:
    """Return a name such as presets/wide_1d/exact with spaces, at which a narrow column breaks it."""
    return " / ".join(part.replace("_", " ") for part in experiment.split("/"))
