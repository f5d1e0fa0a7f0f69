"""What a folder was made by, so that `report` can write its results, figures and page again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.errors import InputError
from ...storage.folder import read_json, write_json

CALL = "command.json"


class KeptCall(NamedTuple):
    """The words of a command, without its name and --out, and the directory it was called in."""

    arguments: tuple[str, ...]
    directory: Path


def keep_call(folder: Path, line: Sequence[str]) -> None:
    """Leave the words of a command in its folder, and where it was called; nothing where the folder is not there."""
    if folder.is_dir():
        write_json(folder / CALL, {"arguments": list(line), "directory": os.getcwd()})


def kept_call(folder: Path) -> KeptCall | None:
    """Return the words of the command that made a folder, and where it was called; None if it does not say.

    Raises
    ------
    InputError
        If the file that says so holds something else, or the place is gone.
    """
    file = folder / CALL
    if not file.is_file():
        return None
    document = read_json(file)
    words = document.get("arguments") if isinstance(document, dict) else None
    where = document.get("directory") if isinstance(document, dict) else None
    if (
        not isinstance(words, list)
        or not words
        or not all(isinstance(w, str) for w in words)
        or not isinstance(where, str)
    ):
        raise InputError(f"folder must hold a {CALL} with arguments and a directory, got {str(folder)!r}.")
    if not Path(where).is_dir():
        raise InputError(f"folder must come from a command whose directory is there, got {where!r}.")
    return KeptCall(tuple(words), Path(where))
