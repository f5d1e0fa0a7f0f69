"""`python -m paper_checks`: check the statements, print a table, write a report.

The long form also multiplies every formula of every claim by 1.01, 0.99, 1.5 and 0.6: the evidence must reject it, or
the statement says which weaker true statement it became.

Exit status: 0 when every statement comes out as expected, 1 when one does not, 2 for a name that does not exist.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import registry, runner
from .report import document, terminal


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {registry.HOME}",
        description="Check every statement of the two papers and of the additions to them.",
    )
    parser.add_argument("--list", action="store_true", help="name the statements and stop")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="one statement or folder; may be repeated"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="leave out slow evidence and the multiples of formulas (a minute)",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON document on standard output, nothing else there"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write report.html and report.json there")
    parser.add_argument(
        "--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N", help="processes (default: 2)"
    )
    return parser


def _multiples(counts: dict[str, int]) -> str:
    if not counts:
        return ""
    words = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    return f"{sum(counts.values())} multiples of formulas: {words}; "


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        chosen = registry.select(options.only)
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    if options.list:
        if options.json:
            print(
                json.dumps(
                    [
                        {"id": item.id, "title": item.title, "source": item.source, "expected": item.expected}
                        for item in chosen
                    ]
                )
            )
        else:
            for item in chosen:
                print(f"{item.id:34} {item.title} ({item.source})")
        return 0
    say = sys.stderr if options.json else sys.stdout
    start = time.perf_counter()
    results = []
    print(terminal.heading(), file=say)
    for result in runner.run_all(chosen, quick=options.quick, jobs=options.jobs):
        results.append(result)
        print(terminal.line(result), file=say, flush=True)
    seconds = time.perf_counter() - start
    if options.only and not options.json:
        for statement, result in zip(chosen, results, strict=True):
            print(terminal.details(statement, result))
    data = document.document(chosen, results, quick=options.quick, seconds=seconds)
    if options.json:
        print(json.dumps(data, indent=1))
    if options.out:
        from .report.page import page

        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "report.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        text = page(chosen, results, quick=options.quick, seconds=seconds)
        (options.out / "report.html").write_text(text, encoding="utf-8")
        print(f"wrote {options.out / 'report.html'} and {options.out / 'report.json'}", file=say)
    unexpected = [result for result in results if not result.as_expected]
    rejected = data["mutations"]["rejected"]
    print(
        f"{len(results)} statements, {len(unexpected)} other than expected; {rejected} of {data['mutations']['tried']} mutations "
        f"rejected; {_multiples(data['multiples'])}{seconds:.0f} s",
        file=say,
    )
    for result in unexpected:
        for complaint in result.complaints:
            print(f"{result.id}: {complaint}", file=sys.stderr)
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
