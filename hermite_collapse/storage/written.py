"""Finished pieces of work with their digests, so that work goes on from none that somebody edited since.

`digests.txt` holds a line for each file, its SHA-256 and its name, as `sha256sum --check` reads them.  The line comes
before the file, and lines of what it held earlier stay: a process that is killed between them leaves a file that one of
its lines names, or a line of a file that is not there.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from .folder import write_atomically
from .left import require_content
from .regular import read_text

DIGESTS = "digests.txt"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)\n")


class WrittenFiles:
    """The files of one folder that are written by their digests.

    Parameters
    ----------
    folder : str or path
        Its earlier digests are read; a last line that was cut off is removed with the next that is written.
    digests : str
        Name of the file of digests: one for each of several processes that write other files into the same folder.
    """

    def __init__(self, folder: str | os.PathLike[str], digests: str = DIGESTS) -> None:
        self._folder = Path(folder)
        self._file = self._folder / digests
        # A byte is a character: lines that were damaged name no file, whatever is in them.
        said = f"folder's {digests}"
        text = read_text(self._file, said, encoding="latin-1") if self._file.exists() else ""
        lines = list(_LINE.finditer(text))
        self._digests: dict[str, set[str]] = {}
        for line in lines:
            self._digests.setdefault(line[2], set()).add(line[1])
        self._size = lines[-1].end() if lines else 0

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the folder atomically, after its digest; what is known already is not noted again."""
        digest = hashlib.sha256(data).hexdigest()
        known = self._digests.setdefault(name, set())
        if digest not in known:
            line = f"{digest}  {name}\n".encode()
            with open(self._file, "ab") as stream:
                stream.truncate(self._size)
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
            self._size += len(line)
            known.add(digest)
        write_atomically(self._folder / name, data)

    def require_unedited(self, argument: str = "folder", names: Iterable[str] | None = None) -> None:
        """Refuse a file, any or of these, that has changed since it was written; InputError.

        Files without a digest are taken.
        """
        for name in self._digests if names is None else names:
            if name in self._digests:
                require_content(self._folder, name, self._digests[name], argument)
