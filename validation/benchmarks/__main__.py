"""Run the benchmarks: python -m validation.benchmarks [--list] [--only NAME] [--json] [--out DIR].

All of them in one process: pools of threads of several libraries beside each other are what users have.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

from . import timing


def names() -> list[str]:
    """Benchmarks of this folder: the modules that have a function `run`."""
    folder = [str(Path(__file__).parent)]
    modules = sorted(
        module.name for module in pkgutil.iter_modules(folder) if not module.name.startswith("_")
    )
    return [name for name in modules if name != "timing"]


def run(name: str) -> list[dict[str, Any]]:
    """The rows of one benchmark."""
    return importlib.import_module(f"{__package__}.{name}").run()


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as aligned text, one column for each key that occurs."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns] + [[_text(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, 1 if a row misses its target (`met` is false), 2 for a benchmark that does not exist."""
    parser = argparse.ArgumentParser(prog="python -m validation.benchmarks", description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the benchmarks")
    parser.add_argument("--only", action="append", metavar="NAME", help="run this benchmark (repeatable)")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write benchmarks.json there")
    options = parser.parse_args(arguments)
    known = names()
    if options.list:
        print("\n".join(known))
        return 0
    unknown = [name for name in options.only or [] if name not in known]
    if unknown:
        print(f"--only must name a benchmark ({', '.join(known)}), got {unknown[0]!r}.", file=sys.stderr)
        return 2
    record: dict[str, Any] = {"environment": timing.environment(), "benchmarks": {}}
    selected = options.only or known
    for name in selected:
        print(f"{name} ...", file=sys.stderr)
        rows = run(name)
        record["benchmarks"][name] = rows
        if not options.json:
            print(f"\n{name}\n\n{table(rows)}\n")
    if options.json:
        print(json.dumps(record, indent=2))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "benchmarks.json").write_text(json.dumps(record, indent=2) + "\n")
    rows = [row for part in record["benchmarks"].values() for row in part]
    return 1 if any(row.get("met") is False for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
