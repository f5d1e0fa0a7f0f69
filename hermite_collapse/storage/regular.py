"""Files that can be opened at all: a pipe, a socket or a device may never end, or never begin.

Every reader of this package asks here before it opens a file that a user named or that lies in a user's folder.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..core.errors import InputError
from ..core.memory import in_bytes

LARGEST_TEXT = 1 << 26
"""Bytes of a configuration, a record or another text that is held whole: 64 MiB."""

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def require_existing(path: str | os.PathLike[str], name: str) -> None:
    """Refuse the name of a file or folder that is not there.

    Raises
    ------
    InputError
        The sentence gives the name that messages have for it, and the path.
    """
    if not Path(path).exists():
        raise InputError(f"{name} must name an existing file or folder, got {os.fspath(path)!r}.")


def require_regular(path: str | os.PathLike[str], name: str, *, largest: float | None = None) -> None:
    """Refuse what is there but is no regular file, or is larger than its reader takes.

    Parameters
    ----------
    path : str or path
        What is not there is left to whoever opens it.
    name : str
        What messages call the file.
    largest : float, optional
        Bytes.

    Raises
    ------
    InputError
        If the path leads to a pipe, a socket, a device or a folder, or the file is too large.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise InputError(f"{name} must be a regular file, got {_KINDS.get(kind, 'another')}.")
    if largest is not None and status.st_size > largest:
        raise InputError(
            f"{name} must have at most {in_bytes(largest)}, got {in_bytes(float(status.st_size))}."
        )


def read_text(path: str | os.PathLike[str], name: str, *, encoding: str = "utf-8") -> str:
    """Return the text of a regular file of a text's size.

    Raises
    ------
    InputError
        If it is no such file.
    OSError, UnicodeDecodeError
        If it cannot be opened or decoded.
    """
    require_regular(path, name, largest=LARGEST_TEXT)
    return Path(path).read_text(encoding)


def reason_of(problem: BaseException, *, first_line: bool = False) -> str:
    """Return what a library says of a file that it cannot read, on one line: of all its lines, or the first."""
    said = str(problem).strip()
    text = " ".join((said.partition("\n")[0] if first_line else said).split()) or type(problem).__name__
    if "allow_pickle" in text:  # NumPy's advice for whatever is neither array nor archive
        return "it holds no arrays of numbers"
    return (text if len(text) <= 160 else text[:157] + "...").rstrip(".")
