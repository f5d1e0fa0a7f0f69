"""The files that a call left in a folder, so that a later one writes over none that somebody edited since.

Pages and figures are views of the rest: they are drawn again whatever became of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from ..core.errors import InputError
from .claims import LOCK, digest

VIEWS = ("figures", "report.html")

Marks = dict[str, tuple[int, int]]
"""Files by name, with what changes when one is written."""


def marks(folder: str | os.PathLike[str]) -> Marks:
    """Return the files of a folder that hold results, each with its node and the time of its last change."""
    root = Path(folder)
    return {
        file.relative_to(root).as_posix(): (file.stat().st_ino, file.stat().st_mtime_ns)
        for file in sorted(root.rglob("*"))
        if file.is_file() and file.name != LOCK and file.relative_to(root).parts[0] not in VIEWS
    }


def written_since(folder: str | os.PathLike[str], before: Marks) -> dict[str, str | None]:
    """Return the digests of the files that are new or were written since, by name."""
    return {
        name: digest(Path(folder, name)) for name, mark in marks(folder).items() if before.get(name) != mark
    }


def require_unedited(folder: str | os.PathLike[str], left: Mapping[str, object]) -> None:
    """Refuse a folder in which a file has changed since a call left it: the same call would write over it.

    Raises
    ------
    InputError
        Naming the first such file.  One that was deleted can be written again.
    """
    for name, content in left.items():
        require_content(folder, name, {content})


def require_content(
    folder: str | os.PathLike[str], name: str, digests: Collection[object], argument: str = "out"
) -> None:
    """Refuse a folder with a file that has none of the digests it was left with; InputError."""
    file = Path(folder, name)
    if file.exists() and digest(file) not in digests:
        raise InputError(
            f"{argument} must be empty or hold what this call left there, got {str(folder)!r} with {name} edited "
            "since: restore or remove it, or give another folder."
        )
