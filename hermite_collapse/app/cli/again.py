"""What a folder was made by, so that `report` can write its results, figures and page again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ...core.errors import InputError
from ...storage.claims import has_work
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

    Files that somebody edited since the last such call are refused.  One that is interrupted leaves the digests of what
    it wrote, and of what it did not come to; after one that was killed those of the call before it stand.
    """
    earlier = _read(folder).files if (folder / CALL).is_file() else {}
    require_unedited(folder, earlier)
    before = marks(folder)

    try:
        yield
    except BaseException:
        with suppress(OSError):  # what interrupted the work is what is said
            if has_work(folder) and (written := written_since(folder, before)):
                keep_call(folder, line, files={**earlier, **written})
        raise
    written = written_since(folder, before)
    written.pop(CALL, None)
    keep_call(folder, line, files={**earlier, **written})


def require_directory() -> None:
    """Refuse a working directory that was deleted, before work whose folder has to say where it was called."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise InputError(
            "the working directory must be there where out is given, got one that was deleted: change to another."
        ) from None


def keep_call(folder: Path, line: Sequence[str], *, files: Mapping[str, object] | None = None) -> None:
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
