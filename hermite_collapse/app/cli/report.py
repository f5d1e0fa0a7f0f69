"""hermite-collapse report: results, figures and page of a folder, written again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...core.errors import InputError
from ...storage.claims import FolderLock
from ..config import Config
from .compare import outcome
from .options import command as _command
from .output import Output

Folder = Annotated[Path | None, Parameter(help="Folder of a finished run (also --out).")]


def run(config: Config, output: Output, folder: Folder = None) -> int:
    """Write the results, the figures and the page of a finished run again, and print what they say."""
    from ..run import load

    where = folder if folder is not None else output.folder
    if where is None:
        raise InputError("report must be given the folder of a run, got none.")
    results = load(where)
    lock = FolderLock(results.folder)
    try:
        return outcome(results, output)
    finally:
        lock.release()


command = _command(run, uses=())
