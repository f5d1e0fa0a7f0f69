"""What a folder was made by, so that `report` can write its results, figures and page again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ...core.errors import InputError
from ...storage.folder import read_json, write_json
from ...storage.left import marks, require_unedited, written_since

CALL = "command.json"


class KeptCall(NamedTuple):
    """The words of a command, without its name and --out, where it was called, and digests of what it left."""

    arguments: tuple[str, ...]
    directory: Path
    files: Mapping[str, object]


@contextmanager
def kept(folder: Path, line: Sequence[str]) -> Iterator[None]:
    """Leave the words of a command in its folder once it is done, with digests of the files that it left.

    Files that somebody edited since the last such call are refused; one that is interrupted leaves no digests.
    """
    saved = _read(folder) if (folder / CALL).is_file() else None
    if saved is not None and saved.files:
        require_unedited(folder, saved.files)
        keep_call(folder, line)
    before = marks(folder)
    yield
    written = written_since(folder, before)
    written.pop(CALL, None)
    keep_call(folder, line, files=written)


def keep_call(folder: Path, line: Sequence[str], *, files: Mapping[str, str | None] | None = None) -> None:
    """Leave the words of a command in its folder, and where it was called; nothing where the folder is not there."""
    if folder.is_dir():
        document = {"arguments": list(line), "directory": os.getcwd()}
        write_json(folder / CALL, document | ({} if files is None else {"files": dict(files)}))


def kept_call(folder: Path) -> KeptCall | None:
    """Return the words of the command that made a folder, and where it was called; None if it does not say.

    Raises
    ------
    InputError
        If the file that says so holds something else, or the place is gone.
    """
    if not (folder / CALL).is_file():
        return None
    saved = _read(folder)
    if not saved.directory.is_dir():
        raise InputError(
            f"folder must come from a command whose directory is there, got {str(saved.directory)!r}."
        )
    return saved


def _read(folder: Path) -> KeptCall:
    document = read_json(folder / CALL)
    words = document.get("arguments") if isinstance(document, dict) else None
    where = document.get("directory") if isinstance(document, dict) else None
    files = document.get("files", {}) if isinstance(document, dict) else None
    if (
        not isinstance(words, list)
        or not words
        or not all(isinstance(w, str) for w in words)
        or not isinstance(where, str)
        or not isinstance(files, dict)
    ):
        raise InputError(f"folder must hold a {CALL} with arguments and a directory, got {str(folder)!r}.")
    return KeptCall(tuple(words), Path(where), files)
