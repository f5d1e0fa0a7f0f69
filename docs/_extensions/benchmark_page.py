"""The page of the benchmarks, filled from validation/records/cpu/benchmarks.json: no number is written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

RECORDS = Path(__file__).parents[2] / "validation" / "records" / "cpu"
Row = Mapping[str, object]
LIMITS = {"target": "", "at_least": "at least ", "at_most": "at most "}
TARGETED = {
    "ratio_to_normals": "",
    "attention_faster": "",
    "over_alone": "",
    "ratio": "",
    "gflops": " Gflop/s",
    "per_second": " a second",
    "processor seconds": " s",
    "processor_seconds": " s",
    "seconds": " s",
}
"""Figures that a target is for, the first of a row that is here, and their units."""
SENTENCES = {"met", "case", "what", *LIMITS}
FIGURES = {
    "anonymous_mib": "working memory {} MiB",
    "attention_faster": "attention is {} times faster",
    "components": "{} components",
    "dimension": "dimension {}",
    "error": "largest error {}",
    "exponentials": "exponentials a step: {}",
    "file_mib": "data file {} MiB",
    "gflops": "{} Gflop/s",
    "giga": "{} thousand million a second",
    "kernel": "kernel: {}",
    "matrix_mib": "a matrix of all values would take {} MiB",
    "multiply_adds": "multiply-adds a step: {}",
    "nanoseconds": "{} ns each",
    "nanoseconds_of_normals": "{} ns for its normals",
    "normals": "normals a step: {}",
    "ns_per_particle_step": "{} ns a particle and step",
    "over_alone": "{} times as long as alone",
    "pairs_per_second": "{} pairs a second",
    "particles": "{} particles",
    "peak_gflops": "peak {} Gflop/s",
    "per_second": "{} a second",
    "points": "{} points",
    "processor seconds": "{} s of processor time",
    "processor_seconds": "{} s of processor time",
    "ratio": "ratio {}",
    "ratio_one_thread": "ratio on one thread {}",
    "ratio_to_normals": "{} times its normals",
    "route": "{}",
    "seconds_compiled": "{} s when compiled by torch",
    "seconds_of_compilation": "{} s of compilation",
    "sfc64_per_second": "NumPy's SFC64 {} a second",
    "share_of_measured_float64_peak": "{:.0%} of the measured peak",
    "share_of_peak": "{:.0%} of the measured peak",
    "speed_over_readable": "{} times the readable program",
    "speed_over_sfc64": "{} times NumPy's SFC64",
    "speed_up_compiled": "compiled by torch {} times as fast",
    "speed_up_over_loop": "{} times the readable loop",
    "threads": "{} threads",
    "largest_difference": "largest difference {}",
    "note": "{}",
}
"""Words of the figures of a row; a figure without words is shown under its name."""


def pages() -> dict[str, str]:
    """Return the text of the page by its path."""
    record = json.loads((RECORDS / "benchmarks.json").read_text("utf-8"))
    return {"benchmarks.md": "\n".join(_page(record))}


def _page(record: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    yield from ("# Benchmarks", "")
    environment = dict(record["environment"])
    machine = f"a processor {environment.pop('processor')} with {environment.pop('cores')} cores"
    programs = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in environment.items())
    yield f"Written by `python -m validation.benchmarks` on {machine} ({programs})."
    yield ""
    yield (
        "A ratio is another program's time over ours, or as the row says; a target is what the row was asked to reach, and "
        "rows that miss it say so.  Seconds are by the clock."
    )
    yield ""
    yield (
        "A target that is missed makes no result wrong: the row is slower than was hoped for. Ratios to other programs, whose "
        "speed varies with the machine in its own way, can be met on one machine and missed on another, and so can times; "
        "where a row names a share of the measured peak, that share says how near it is to what this machine can do at all."
    )
    for name, rows in record["benchmarks"].items():
        yield from ("", f"## {name.replace('_', ' ').capitalize()}", "")
        yield from ("| case | seconds | other figures | target |", "|---|---|---|---|")
        yield from (_row(row) for row in rows)
    yield ""


def _row(row: Row) -> str:
    seconds = _number(row["seconds"]) if "seconds" in row else ""
    name = str(row.get("case", row.get("what", ""))).strip()
    settings = "" if "case" in row else _figures(row, settings=True)
    others = _figures(row, settings=False, all_of_them="case" in row)
    words = ", ".join(part for part in (name, settings) if part)
    return f"| {words.replace('|', '/')} | {seconds} | {others} | {_target(row)} |"


def _figures(row: Row, *, settings: bool, all_of_them: bool = False) -> str:
    """Return the settings, or the results, of a row in words."""
    return ", ".join(
        _figure(key, value)
        for key, value in row.items()
        if key not in SENTENCES | {"seconds"} and (all_of_them or _is_setting(value) == settings)
    )


def _figure(key: str, value: object) -> str:
    if isinstance(value, bool):
        return f"{'' if value else 'not '}{key.replace('_', ' ')}"
    words = FIGURES.get(key, key.replace("_", " ") + " {}")
    return words.format(value) if "{:" in words else words.format(_number(value))


def _is_setting(value: object) -> bool:
    return isinstance(value, int | str)


def _target(row: Row) -> str:
    if "met" not in row:
        return ""
    figure = next((key for key in TARGETED if key in row), "")
    unit = TARGETED.get(figure, "")
    limits = "; ".join(
        (words or _side(row, figure)) + _number(row[key]) + unit
        for key, words in LIMITS.items()
        if key in row
    )
    return ": ".join(part for part in (limits, "met" if row["met"] else "**missed**") if part)


def _side(row: Row, figure: str) -> str:
    """Return on which side of its target the figure of a row should be, which the outcome tells."""
    return "at most " if (float(row[figure]) <= float(row["target"])) == row["met"] else "at least "


def _number(value: object) -> str:
    if isinstance(value, float) and (value >= 1e4 or 0.0 < value < 1e-4):
        factor, power = f"{value:.2e}".split("e")
        return f"{float(factor):g} × 10<sup>{int(power)}</sup>"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
