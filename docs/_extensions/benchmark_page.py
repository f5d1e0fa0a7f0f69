"""The page of the benchmarks, filled from validation/records/cpu/benchmarks.json: no number is written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

RECORDS = Path(__file__).parents[2] / "validation" / "records" / "cpu"
Row = Mapping[str, object]
LIMITS = {"target": "", "at_least": "at least ", "at_most": "at most "}
SENTENCES = {"met", "case", *LIMITS}


def pages() -> dict[str, str]:
    """Return the text of the page by its path."""
    record = json.loads((RECORDS / "benchmarks.json").read_text("utf-8"))
    return {"benchmarks.md": "\n".join(_page(record))}


def _page(record: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    yield from ("# Benchmarks", "")
    machine = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in record["environment"].items())
    yield f"Written by `python -m validation.benchmarks` on: {machine}."
    yield ""
    yield (
        "A ratio is another program's time over ours, or as the row says; a target is what the row was asked to reach, and "
        "rows that miss it say so."
    )
    for name, rows in record["benchmarks"].items():
        yield from ("", f"## {name.replace('_', ' ').capitalize()}", "")
        yield from ("| case | seconds | other figures | target |", "|---|---|---|---|")
        yield from (_row(row) for row in rows)
    yield ""


def _row(row: Row) -> str:
    seconds = _number(row["seconds"]) if "seconds" in row else ""
    words = str(row.get("case", "")).strip() or ", ".join(
        f"{key.replace('_', ' ')} {_number(value)}" for key, value in row.items() if _is_setting(key, value)
    )
    others = ", ".join(
        f"{key.replace('_', ' ')} {_number(value)}"
        for key, value in row.items()
        if key not in SENTENCES | {"seconds"} and ("case" in row or not _is_setting(key, value))
    )
    return f"| {words.replace('|', '/')} | {seconds} | {others} | {_target(row)} |"


def _is_setting(key: str, value: object) -> bool:
    return isinstance(value, int | str) and key not in SENTENCES


def _target(row: Row) -> str:
    if "met" not in row:
        return ""
    limits = "; ".join(words + _number(row[key]) for key, words in LIMITS.items() if key in row)
    return f"{limits}: {'met' if row['met'] else '**missed**'}"


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
