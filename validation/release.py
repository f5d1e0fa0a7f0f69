"""Release check: what a user gets from the wheel, from the source archive and from the README works by itself.

    python -m validation.release                     all three, minutes; `make release` does the same
    python -m validation.release --only wheel        wheel, sdist or clone (repeatable)
    python -m validation.release --keep dist         leave the two archives there

The last commit is cloned, the archives are built from the clone, and their contents are looked through.  Then each
archive is installed in a fresh environment, and the commands of CHECKS run from an empty folder, where nothing of the
checkout can be imported.  The clone is installed by the lines that the README gives.  Exit status 1 where a step fails.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parent.parent
KINDS = ("wheel", "sdist", "clone")
LIMIT = 1800  # seconds for one command; an installation may fetch gigabytes

IN_WHEEL = (
    "hermite_collapse/__init__.py",
    "hermite_collapse/py.typed",
    "hermite_collapse/_paper_checks/__init__.py",
    "hermite_collapse/diagnosis/examples/ring.csv",
)
IN_SDIST = (
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "CITATION.cff",
    "pyproject.toml",
    "constraints.txt",
    "hermite_collapse/__init__.py",
    "paper_checks/__init__.py",
    "tests/test_readme.py",
    "docs/demo.png",
)

FRESH_FRACTION, TRUNCATION_TIME = 0.2, 0.05
STATEMENTS = ("limit.attenuation", "propagation.refresh", "additions.genealogy")
ORIGIN = "import hermite_collapse, pathlib; print(pathlib.Path(hermite_collapse.__file__).parent)"


class ReleaseError(Exception):
    """A step of the check failed; the message says how."""


@dataclass(frozen=True)
class Installation:
    """An environment with the package in it, and the empty folder from which commands run."""

    environment: Path
    folder: Path

    def run(self, *command: str) -> str:
        """Return what a program of the environment prints."""
        return run([str(self.environment / "bin" / command[0]), *command[1:]], self.folder)


def run(command: Sequence[str], folder: Path) -> str:
    """Return what a command prints; variables that lead to a checkout or another environment are left out."""
    left_out = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    environment = {key: value for key, value in os.environ.items() if key not in left_out}
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env={**environment, "MPLBACKEND": "Agg"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ReleaseError(f"{shlex.join(command)} took more than {LIMIT} s") from error
    if result.returncode:
        lines = (result.stdout + result.stderr).strip().splitlines()
        raise ReleaseError(
            f"{shlex.join(command)} ended with status {result.returncode}: " + "\n".join(lines[-15:])
        )
    return result.stdout


def version_of(source: Path) -> str:
    """Return the version that the package states."""
    text = (source / "hermite_collapse" / "core" / "version.py").read_text("utf-8")
    match = re.search(r'^__version__ = "(.+)"$', text, re.M)
    if not match:
        raise ReleaseError("hermite_collapse/core/version.py states no version")
    return match.group(1)


def faults_of_wheel(names: Sequence[str]) -> list[str]:
    """Return what is missing in a wheel, and which files do not belong there."""
    tops = {name.split("/")[0] for name in names}
    return [
        *(f"{name} is missing" for name in IN_WHEEL if name not in names),
        *(f"{top} does not belong there" for top in sorted(tops) if not belongs(top)),
        *(f"{name} does not belong there" for name in names if "__pycache__" in name or "/tests/" in name),
        *([] if any(name.endswith("/licenses/LICENSE") for name in names) else ["the licence is missing"]),
        *([] if any(name.endswith("/entry_points.txt") for name in names) else ["the command is missing"]),
    ]


def belongs(top: str) -> bool:
    """Say whether a folder may stand at the top of the wheel."""
    return top == "hermite_collapse" or re.fullmatch(r"hermite_collapse-[\w.]+\.dist-info", top) is not None


def faults_of_sdist(names: Sequence[str]) -> list[str]:
    """Return what is missing in a source archive, below its one folder, and which files do not belong there."""
    inner = {name.partition("/")[2] for name in names}
    strange = (name for name in sorted(inner) if "__pycache__" in name or name.startswith((".venv", "runs/")))
    return [
        *(f"{name} is missing" for name in IN_SDIST if name not in inner),
        *(f"{name} does not belong there" for name in strange),
    ]


def installation_lines(readme: str) -> list[str]:
    """Return the commands of the README's first shell block."""
    block = re.search(r"^```sh\n(.*?)^```", readme, re.M | re.S)
    if not block:
        raise ReleaseError("README.md has no block of shell commands")
    return block.group(1).strip().splitlines()


def check_origin(installed: Installation) -> None:
    """Refuse a package that does not come from the environment."""
    origin = Path(installed.run("python", "-c", ORIGIN).strip())
    if not origin.is_relative_to(installed.environment):
        raise ReleaseError(f"the package comes from {origin}, not from the new environment")


def check_predict(installed: Installation) -> None:
    """Hold the shares of `predict` against alpha / (alpha + e^(n t0 / 2) - 1), the truncation written out."""
    options = f"--fresh-fraction {FRESH_FRACTION} --truncation-time {TRUNCATION_TIME} --json"
    answer = json.loads(installed.run("hermite-collapse", "predict", *options.split()))
    for degree, factor in zip(answer["degrees"], answer["attenuation"], strict=True):
        expected = FRESH_FRACTION / (FRESH_FRACTION + math.exp(degree * TRUNCATION_TIME / 2) - 1)
        if not math.isclose(factor, expected, rel_tol=1e-12):
            raise ReleaseError(f"predict keeps {factor} of degree {degree}, not {expected}")


def check_compare(installed: Installation) -> None:
    """Ask for a comparison that agrees, and that leaves its page and its results."""
    options = "--rounds 6 --particles 20000 --runs 2 --out run --json"
    answer = json.loads(installed.run("hermite-collapse", "compare", *options.split()))
    if answer["verdict"]["passed"] is not True:
        raise ReleaseError(f"compare says: {answer['verdict']}")
    for name in ("report.html", "results.nc", "config.toml"):
        if not (installed.folder / "run" / name).stat().st_size:
            raise ReleaseError(f"compare left an empty {name}")


def check_diagnose(installed: Installation) -> None:
    """Read a curve that the package brings along."""
    path = installed.run("python", "-c", ORIGIN).strip() + "/diagnosis/examples/ring.csv"
    json.loads(installed.run("hermite-collapse", "diagnose", path, "--fresh-fraction", "0.25", "--json"))


def check_verify(installed: Installation) -> None:
    """Check one statement of each paper and one addition, which is enough to see that all files are there."""
    options = [word for name in STATEMENTS for word in ("--only", name)]
    answer = json.loads(installed.run("hermite-collapse", "verify", *options, "--json"))
    expected = {item["id"]: item["as_expected"] for item in answer["statements"]}
    if expected != dict.fromkeys(STATEMENTS, True):
        raise ReleaseError(f"verify says: {answer}")


CHECKS: tuple[tuple[str, Callable[[Installation], None]], ...] = (
    ("origin", check_origin),
    ("predict", check_predict),
    ("compare", check_compare),
    ("diagnose", check_diagnose),
    ("verify", check_verify),
)


def clone(folder: Path) -> Path:
    """Return a clone of the last commit."""
    source = folder / "source"
    run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(source)], folder)
    return source


def build(source: Path, folder: Path) -> dict[str, Path]:
    """Return the source archive of a clone, and the wheel that is built from that archive."""
    builder, archives = folder / "builder", folder / "archives"
    run([sys.executable, "-m", "venv", str(builder)], folder)
    run([str(builder / "bin" / "pip"), "install", "--quiet", "build"], folder)
    run([str(builder / "bin" / "python"), "-m", "build", "--outdir", str(archives), str(source)], folder)
    version = version_of(source)
    built = {
        "wheel": archives / f"hermite_collapse-{version}-py3-none-any.whl",
        "sdist": archives / f"hermite_collapse-{version}.tar.gz",
    }
    missing = [path.name for path in built.values() if not path.is_file()]
    if missing:
        raise ReleaseError(f"{', '.join(missing)} was not built")
    return built


def look_through(kind: str, archive: Path) -> None:
    """Refuse an archive that lacks a file, or holds one that does not belong there."""
    if kind == "wheel":
        with zipfile.ZipFile(archive) as wheel:
            faults = faults_of_wheel(wheel.namelist())
    else:
        with tarfile.open(archive) as sdist:
            faults = faults_of_sdist(sdist.getnames())
    if faults:
        raise ReleaseError("; ".join(faults))


def install(kind: str, archive: Path, source: Path, folder: Path, index: Sequence[str]) -> Installation:
    """Return a fresh environment with an archive, or with the clone by the lines of the README."""
    empty = folder / f"empty-{kind}"
    empty.mkdir()
    if kind == "clone":
        lines = installation_lines((source / "README.md").read_text("utf-8"))
        run(["bash", "-euc", "\n".join(lines)], source)
        return Installation(source / ".venv", empty)
    environment = folder / f"environment-{kind}"
    run([sys.executable, "-m", "venv", str(environment)], folder)
    pinned = ["--quiet", "-c", str(source / "constraints.txt"), *index]
    run([str(environment / "bin" / "pip"), "install", *pinned, f"{archive}[torch]"], folder)
    return Installation(environment, empty)


def steps(
    kinds: Sequence[str], folder: Path, keep: Path | None, index: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the name and the fault, "" where there is none, of each step; a step that fails ends those that need it."""
    try:
        source = clone(folder)
        archives = build(source, folder) if set(kinds) != {"clone"} else {}
    except ReleaseError as error:
        yield "build", str(error)
        return
    yield "build", ""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for path in archives.values():
            shutil.copy2(path, keep)
    for kind in kinds:
        archive = archives.get(kind, source)
        if kind != "clone":
            yield f"{kind}: contents", fault(partial(look_through, kind, archive))
        try:
            installed = install(kind, archive, source, folder, index)
        except ReleaseError as error:
            yield f"{kind}: install", str(error)
            continue
        yield f"{kind}: install", ""
        for name, check in CHECKS:
            yield f"{kind}: {name}", fault(partial(check, installed))


def fault(step: Callable[[], None]) -> str:
    """Return how a step failed, or nothing."""
    try:
        step()
    except ReleaseError as error:
        return str(error)
    except (KeyError, TypeError, ValueError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 where every step holds, 1 where one fails."""
    parser = argparse.ArgumentParser(
        prog="python -m validation.release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", choices=KINDS, help="check these (repeatable)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave wheel and source archive there")
    parser.add_argument(
        "--torch-index", metavar="URL", help="where PyTorch comes from, as TORCH_INDEX of make"
    )
    options = parser.parse_args(arguments)

    index = ["--extra-index-url", options.torch_index] if options.torch_index else []
    failed = 0
    with tempfile.TemporaryDirectory(prefix="release-") as temporary:
        start = time.perf_counter()
        for name, trouble in steps(options.only or KINDS, Path(temporary), options.keep, index):
            now = time.perf_counter()
            print(
                f"{'failed' if trouble else 'holds':7s}{name:18s}{now - start:7.1f} s  {trouble}", flush=True
            )
            start, failed = now, failed + bool(trouble)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
