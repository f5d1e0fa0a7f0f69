"""Commands in processes of their own that are killed, starved of disk or raced; and what is left of their folders.

The children are forked from a server that has imported everything and computed nothing: a start takes milliseconds.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np

PROGRESS = ("simulated ", "drawing figures ")
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
PRELOADED = [
    "torch",
    "xarray",
    "matplotlib.pyplot",
    "cyclopts",
    "hermite_collapse.app.cli.compare",
    "hermite_collapse.app.cli.measure",
    "hermite_collapse.app.cli.sweep",
    "hermite_collapse.simulation",
    "tests.chaos.children",
]


@dataclass
class Ended:
    """How a child ended: its exit status (negative: the signal), its standard error, its changes of files, seconds."""

    status: int
    errors: str
    changes: int
    seconds: float

    @property
    def is_one_sentence(self) -> bool:
        """Whether it ended with one sentence, after the lines on the progress of what had gone well."""
        lines = [line for line in self.errors.splitlines() if not line.startswith(PROGRESS)]
        return self.status == 2 and len(lines) == 1 and lines[0].startswith("hermite-collapse: ")


def start(
    arguments: Sequence[str], folder: Path, *, die_at: int | None = None, largest_file: int | None = None
) -> ForkServerProcess:
    """Start a command in a folder.

    die_at : the change of a file before which the child kills itself.  largest_file : bytes a file may have.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_child, args=(list(arguments), str(folder), die_at, largest_file))
    process.start()
    return process


def end(process: ForkServerProcess, folder: Path, *, kill_after: float | None = None) -> Ended:
    """Wait for a command, or kill it after so many seconds."""
    began = time.perf_counter()
    if kill_after is not None:
        process.join(kill_after)
        process.kill()
    process.join(300)
    assert process.exitcode is not None, "a command hangs"
    stem = folder / f".child-{process.pid}"
    errors = stem.with_suffix(".err").read_text() if stem.with_suffix(".err").exists() else ""
    counted = stem.with_suffix(".count")
    changes = int(counted.read_text()) if counted.exists() else 0
    return Ended(process.exitcode, errors, changes, time.perf_counter() - began)


def run(arguments: Sequence[str], folder: Path, **options: int | None) -> Ended:
    """Start a command and wait for its end."""
    return end(start(arguments, folder, **options), folder)


def _child(arguments: list[str], folder: str, die_at: int | None, largest_file: int | None) -> None:
    stem = Path(folder) / f".child-{os.getpid()}"
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = open(stem.with_suffix(".err"), "w", buffering=1)  # noqa: SIM115
    os.chdir(folder)
    count = 0

    def watch(event: str, details: tuple[object, ...]) -> None:
        nonlocal count
        opens = event == "open" and isinstance(details[2], int) and details[2] & (os.O_WRONLY | os.O_RDWR)
        if not (opens or event in CHANGES) or "numba" in str(details[0]) or "__pycache__" in str(details[0]):
            return
        count += 1
        if count == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    from numba.core.registry import cpu_target

    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
    if largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    sys.addaudithook(watch)
    from hermite_collapse.app.cli.app import run as command

    status = command(arguments)
    if largest_file is None:
        stem.with_suffix(".count").write_text(str(count))
    with contextlib.suppress(OSError):  # no byte may be written
        sys.stderr.flush()
    os._exit(status)


def contents(folder: Path) -> dict[str, object]:
    """What a folder holds, file by file, without the seconds that its work took and the place where it was done."""
    found: dict[str, object] = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(file.relative_to(folder))
        if file.name == "timings.json":
            continue
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as stored:
                found[name] = {key: stored[key].tobytes() for key in stored.files if key != "seconds"}
        elif file.suffix == ".nc":
            import xarray

            with xarray.open_dataset(file) as data, contextlib.suppress(ValueError):
                data = data.drop_vars("seconds")
                found[name] = json.dumps(data.to_dict(), default=str)
            with xarray.open_dataset(file) as data:
                found.setdefault(name, json.dumps(data.to_dict(), default=str))
        else:
            found[name] = file.read_bytes().replace(str(folder.parent).encode(), b"here")
    return found
