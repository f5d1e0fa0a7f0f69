"""hermite-collapse report: results, figures and page of a folder, written again."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...core.errors import InputError
from ...storage.claims import FolderLock
from ..config import Config
from .again import KeptCall, kept_call
from .compare import outcome
from .options import WITHOUT_FIGURES
from .options import command as _command
from .output import Output

_RUNS = ("simulate", "compare")
"""Commands whose folders hold a simulation, which is read."""

Folder = Annotated[Path | None, Parameter(help="Folder that any command here wrote (also --out).")]


def run(config: Config, output: Output, folder: Folder = None) -> int:
    """Write the results, the figures and the page of a folder again, and print what they say.

    A finished run is not simulated again; what another command left is made again by that command.
    """
    from ..run import load

    where = folder if folder is not None else output.folder
    if where is None:
        raise InputError("report must be given the folder of a run, got none.")
    if folder is not None and output.folder is not None and folder != output.folder:
        raise InputError(
            f"out must be the folder of the report, {str(folder)!r}, or left out, got {str(output.folder)!r}."
        )
    saved = kept_call(where)
    if saved is not None and saved.arguments[0] not in _RUNS:
        return _again(saved, where, output)
    results = load(where)
    lock = FolderLock(results.folder)
    try:
        return outcome(results, output)
    finally:
        lock.release()


def _again(saved: KeptCall, folder: Path, output: Output) -> int:
    """Run the command that made a folder once more, into the same folder."""
    from .app import build_app

    words = [*saved.arguments, "--out", str(folder.resolve())]
    words += ["--json"] if output.as_json else []
    words += ["--yes"] if output.yes else []
    words += ["--resume"] if saved.arguments[0] == "sweep" else []
    if saved.arguments[0] not in WITHOUT_FIGURES:
        words += ["--figure-format", *output.formats]
        words += ["--width", output.width] if output.width is not None else []
    with chdir(saved.directory):
        return int(build_app(words[0])(words) or 0)


command = _command(run, uses=())
