"""Mutations of the package: each changes one place, and some test must notice.

    python -m validation.mutations                 all of them, minutes; a table into validation/records/mutations.md
    python -m validation.mutations --only NAME     some of them (repeatable; parts of names)
    python -m validation.mutations --list

The package, the statements and the tests are copied to a temporary folder; each mutation is written there, the tests
that should notice it are run, and the text is put back.  A mutation that no test notices survives: it is listed, and
unless `mutation_list` says why it may, the exit status is 1.  So it is where the text that a mutation changes is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Queue

from .mutation import Mutation
from .mutation_list import MUTATIONS

ROOT = Path(__file__).parent.parent
RECORD = Path(__file__).parent / "records" / "mutations.md"
COPIED = ("hermite_collapse", "paper_checks", "tests", "validation", "pyproject.toml", "README.md")
LIMIT = 600  # seconds for the tests of one mutation


@dataclass(frozen=True)
class Result:
    """What became of a mutation: "noticed", "survived" or "broken" (its text is gone, or the tests did not run)."""

    name: str
    file: str
    says: str
    outcome: str
    by: str
    seconds: float

    def is_as_it_should(self, mutation: Mutation) -> bool:
        """Noticed; or survived, with a reason."""
        return self.outcome == "noticed" or (self.outcome == "survived" and bool(mutation.survives))


def copied(folder: Path) -> Path:
    """A copy of the package, the statements and the tests."""
    ignore = shutil.ignore_patterns("__pycache__", "*.npz", "_build")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy2(source, folder / name)
    return folder


def tested(folder: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Exit status of the tests in a copy, and the first test that failed (or the last line that was printed)."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "slow or not slow",
        *tests,
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "numba")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # a change of the same second and size would not be seen
    try:
        run = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"the tests took more than {LIMIT} s"
    failed = re.search(r"^(?:FAILED|ERROR) (\S+(?: .*?\])?)", run.stdout, re.M)
    lines = (run.stdout + run.stderr).strip().splitlines()
    return run.returncode, failed.group(1) if failed else (lines[-1] if lines else "")


def judged(mutation: Mutation, folder: Path) -> Result:
    """Apply a mutation to a copy, run its tests, put the text back."""
    start = time.perf_counter()

    def result(outcome: str, by: str) -> Result:
        return Result(
            mutation.name, mutation.file, mutation.says, outcome, by, round(time.perf_counter() - start, 1)
        )

    path = folder / mutation.file
    text = path.read_text("utf-8") if path.is_file() else ""
    if text.count(mutation.old) != 1:
        return result("broken", f"the text to change stands {text.count(mutation.old)} times in the file")
    try:
        path.write_text(text.replace(mutation.old, mutation.new), "utf-8")
        status, by = tested(folder, mutation.tests)
    finally:
        path.write_text(text, "utf-8")
    # 1: a test failed; 2: the changed module could not even be imported by the tests.
    if status in (1, 2):
        return result("noticed", by)
    if status == 0:
        return result("survived", mutation.survives or "no test noticed it")
    return result("broken", by)


def run_all(mutations: Sequence[Mutation], jobs: int) -> Iterator[Result]:
    """Results in the order of the mutations; each of `jobs` copies takes one at a time."""
    with tempfile.TemporaryDirectory(prefix="mutations-") as temporary:
        copies: Queue[Path] = Queue()
        for number in range(jobs):
            copies.put(copied(Path(temporary) / str(number)))

        def take(mutation: Mutation) -> Result:
            folder = copies.get()
            try:
                return judged(mutation, folder)
            finally:
                copies.put(folder)

        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(take, mutations)


def unchanged(mutations: Sequence[Mutation]) -> str:
    """The first test that fails without any mutation, or nothing: a control, without which no failure says anything."""
    tests = sorted({test for mutation in mutations for test in mutation.tests})
    with tempfile.TemporaryDirectory(prefix="mutations-") as temporary:
        status, by = tested(copied(Path(temporary) / "control"), tests)
    return "" if status == 0 else by


def table(mutations: Sequence[Mutation], results: Sequence[Result]) -> str:
    """The results so far as a page."""
    noticed = sum(item.outcome == "noticed" for item in results)
    left = f"; {len(mutations) - len(results)} have not been tried" if len(results) < len(mutations) else ""
    lines = [
        "# Mutations of the package",
        "",
        f"{noticed} of {len(results)} were noticed by a test{left}.  `python -m validation.mutations` writes this page.",
        "",
        "| mutation | file | what it makes wrong | outcome | by | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for item in results:
        cells = (item.name, f"`{item.file}`", item.says, item.outcome, item.by, f"{item.seconds:.0f}")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 where every mutation is noticed or may survive, 1 where one is not, 2 for a name of none."""
    parser = argparse.ArgumentParser(
        prog="python -m validation.mutations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", action="store_true", help="name the mutations")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="run these (repeatable; parts of names)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where the table goes (default: with all of them, the records)",
    )
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N")
    parser.add_argument(
        "--no-control", action="store_true", help="leave out the tests of the unchanged package"
    )
    options = parser.parse_args(arguments)

    chosen = [m for m in MUTATIONS if not options.only or any(part in m.name for part in options.only)]
    if not chosen:
        print(f"--only must be part of a name (see --list), got {options.only}.", file=sys.stderr)
        return 2
    if options.list:
        for mutation in chosen:
            print(f"{mutation.name:44s} {mutation.says}")
        return 0
    if not options.no_control:
        failing = unchanged(chosen)
        if failing:
            print(f"Without any mutation a test fails already: {failing}", file=sys.stderr)
            return 1
    out = options.out or (None if options.only else RECORD)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    for result in run_all(chosen, max(1, options.jobs)):
        results.append(result)
        print(
            f"{result.outcome:9s} {result.name:44s} {result.seconds:6.1f} s  {result.by}",
            file=sys.stderr,
            flush=True,
        )
        if out is not None:  # after each, so that a run that is cut off leaves what it found
            out.write_text(table(chosen, results), encoding="utf-8")
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    wrong = [r.name for m, r in zip(chosen, results, strict=True) if not r.is_as_it_should(m)]
    print(
        f"{sum(r.outcome == 'noticed' for r in results)} of {len(results)} noticed."
        + "".join(f"\n  not as it should be: {name}" for name in wrong),
        file=sys.stderr,
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
