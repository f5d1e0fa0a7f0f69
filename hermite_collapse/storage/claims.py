"""One rule for every folder that is written to: empty, its own and asked for the same, or refused.

    asked.json    what was asked: the command, its configuration, digests of the files it read
    config.toml   its digest is added to asked.json: one that was edited since is not removed
    .lock         held while a process works in the folder; the system releases it when the process dies

A start that was interrupted or refused left no work behind: its folder counts as empty, for any other call too, unless
somebody edited its configuration since.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

from ..core.errors import InputError
from .folder import UNFINISHED, read_json, write_atomically, write_json

ASKED = "asked.json"
CONFIG = "config.toml"
LOCK = ".lock"
# What a start leaves before the first finished piece of work; particles count with the statistics of their round.
_TRACES = (
    ASKED,
    LOCK,
    CONFIG,
    "manifest.json",
    "digests.txt",
    "timings.json",
    "particles-*.npy",
    f"{UNFINISHED}*",
)

_DIGESTS = "digests"
"""Key of asked.json beside what was asked: digests of files that the start wrote."""
_EXCERPT = 40
"""Characters of a value that a refusal shows."""


def digest(path: str | os.PathLike[str]) -> str | None:
    """Return the digest of a file, or of all files in a folder; None for what is neither (devices, pipes, nothing)."""
    source = Path(path)
    if source.is_dir():
        total = hashlib.sha256()
        for file in sorted(entry for entry in source.rglob("*") if entry.is_file()):
            total.update(f"{file.relative_to(source)}\0{digest(file)}\0".encode("utf-8", "surrogateescape"))
        return total.hexdigest()
    if not source.is_file():
        return None
    try:
        with open(source, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except PermissionError:
        return None


def holds_work(
    folder: str | os.PathLike[str],
    asked: Mapping[str, object],
    *,
    record: str = ASKED,
    name: str = "out",
) -> bool:
    """Return whether a folder holds work on what is asked; False for a new or empty one.

    Parameters
    ----------
    folder : str or path
    asked : mapping
        Everything that decides what the folder holds, as JSON values.
    record : str
        File of the folder that says what it was asked for.
    name : str
        Argument that named the folder, for messages.

    Raises
    ------
    InputError
        If the folder holds something else, or is a file.
    """
    path = Path(folder)
    if (path.exists() or path.is_symlink()) and not path.is_dir():
        what = "file" if path.exists() else "link to nothing"
        raise InputError(f"{name} must be a folder, got the {what} {str(folder)!r}.")
    if not path.exists() or all(fnmatch(e.name, f"{UNFINISHED}*") or e.name == LOCK for e in path.iterdir()):
        return False
    if not (path / record).is_file():
        raise InputError(
            f"{name} must be empty or hold what this call asks for, got {str(folder)!r} with other files."
        )
    if not has_work(path):
        if _is_edited(path, record):
            raise InputError(
                f"{name} must be empty or hold what this call asks for, got {str(folder)!r} with a {CONFIG} that was "
                "edited since a start left it: move it, or give another folder."
            )
        return False
    difference = first_difference(read_asked(path, record), json.loads(json.dumps(asked)))
    if difference is not None:
        raise InputError(
            f"{name} must be empty or hold what this call asks for, got {str(folder)!r} with {difference}."
        )
    return True


def read_asked(folder: str | os.PathLike[str], record: str = ASKED) -> object:
    """Return what a folder was asked for, without the digests of what was written then."""
    document = read_json(Path(folder, record))
    if isinstance(document, dict):
        document.pop(_DIGESTS, None)
    return document


def write_config_text(folder: Path, text: str) -> None:
    """Write the configuration of a claimed folder, after its digest."""
    data = text.encode()
    if (folder / ASKED).is_file():
        document = read_json(folder / ASKED)
        write_json(folder / ASKED, document | {_DIGESTS: {CONFIG: hashlib.sha256(data).hexdigest()}})
    write_atomically(folder / CONFIG, data)


def _is_edited(folder: Path, record: str) -> bool:
    """Return whether a folder without work holds a configuration that no start left as it is."""
    if not (folder / CONFIG).exists():
        return False
    document = read_json(folder / record) if (folder / record).is_file() else None
    digests = document.get(_DIGESTS) if isinstance(document, dict) else None
    return not isinstance(digests, dict) or digests.get(CONFIG) != digest(folder / CONFIG)


def first_difference(stored: object, wanted: object) -> str | None:
    """Return the first key in which two documents differ and its two values, in words; None if they are equal."""
    one, other = _flat({"": stored}), _flat({"": wanted})
    for key in sorted(one | other):
        if one.get(key) != other.get(key):
            position, ours, theirs = _differing(one.get(key), other.get(key))
            return f"{key}{position} = {' instead of '.join(_brief(_shown(ours), _shown(theirs)))}"
    return None


class Claim:
    """The right to write into a folder, until it is released.

    Parameters
    ----------
    folder, asked, record, name
        As for `holds_work`; the folder is made if it does not exist, and what an abandoned start left in it is removed.

    Raises
    ------
    InputError
        If another process works there, or `holds_work` refuses the folder.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        asked: Mapping[str, object],
        *,
        record: str = ASKED,
        name: str = "out",
    ) -> None:
        self.folder = Path(folder)
        self._record = record
        holds_work(self.folder, asked, record=record, name=name)
        self._made = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.folder, name=name)
        try:
            if holds_work(self.folder, asked, record=record, name=name):  # nobody else writes from here on
                _tidy(self.folder)
            else:
                self._clear()
                write_json(self.folder / record, asked)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let other processes have the folder."""
        self._lock.release()

    def abandon(self) -> None:
        """Release the folder, and remove it as far as it was made here if it holds no work, nor what users edited."""
        if has_work(self.folder) or _is_edited(self.folder, self._record):
            self.release()
            return
        self._clear()
        self.release()
        for path in self._made:
            try:
                path.rmdir()
            except OSError:  # somebody else's files, or gone
                break

    def _clear(self) -> None:
        """Remove traces of a start that left no work."""
        for path in self.folder.iterdir():
            if path.name == LOCK:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def claimed(
    folder: str | os.PathLike[str], asked: Mapping[str, object], *, name: str = "out"
) -> Iterator[Path]:
    """Hold a folder while a command works in it; a command that fails before its first result leaves nothing."""
    claim = Claim(folder, asked, name=name)
    try:
        yield claim.folder
    except BaseException:
        claim.abandon()
        raise
    claim.release()


class FolderLock:
    """An exclusive lock on a folder, released by `release` or by the end of the process.

    Raises
    ------
    InputError
        If another process, or another lock of this one, has it.
    """

    def __init__(self, folder: Path, *, name: str = "folder") -> None:
        self._free = weakref.finalize(self, _unlock, *_lock(folder, name))

    def release(self) -> None:
        """Give the lock back; once is enough."""
        self._free()


def _lock(folder: Path, name: str) -> tuple[Path, int | None]:
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return folder / LOCK, None
    while True:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise InputError(
                f"{name} must be free, got {str(folder)!r}, where another process is at work."
            ) from None
        except OSError:  # a file system without locks
            return folder / LOCK, handle
        try:
            if os.path.samestat(os.fstat(handle), os.stat(folder / LOCK)):
                return folder / LOCK, handle
        except FileNotFoundError:
            pass
        os.close(handle)  # its last holder removed the file before this process locked it


def _unlock(file: Path, handle: int | None) -> None:
    if handle is None:
        return
    with suppress(OSError):
        file.unlink(missing_ok=True)
    os.close(handle)


def _tidy(folder: Path) -> None:
    """Remove what killed processes left beside the work of a folder; where one is at work further down, nothing."""
    for path in folder.glob(f"{UNFINISHED}*"):
        path.unlink(missing_ok=True)
    for inner in [entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink()]:
        if (inner / LOCK).exists():
            try:
                FolderLock(inner).release()  # takes the file away
            except InputError:
                continue
        _tidy(inner)


def has_work(folder: Path) -> bool:
    """Return whether a folder holds a file that no start leaves."""
    return any(
        not any(fnmatch(entry.name, pattern) for pattern in _TRACES)
        for entry in folder.rglob("*")
        if not entry.is_dir() or entry.is_symlink()
    )


def _flat(document: object, prefix: str = "") -> dict[str, object]:
    """Return the leaves of nested mappings by their path."""
    if not isinstance(document, Mapping):
        return {prefix: document}
    flat: dict[str, object] = {}
    for key, value in document.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _differing(one: object, other: object) -> tuple[str, object, object]:
    """Return the place of the first entries in which two long lists differ, and these; other values as they are."""
    if not (isinstance(one, list) and isinstance(other, list) and len(one) == len(other)):
        return "", one, other
    if max(len(repr(one)), len(repr(other))) <= _EXCERPT:
        return "", one, other
    i = next(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    position, first, second = _differing(one[i], other[i])
    return f"[{i}]{position}", first, second


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)


def _brief(one: str, other: str) -> tuple[str, str]:
    """Return excerpts of two texts from where they differ."""
    if max(len(one), len(other)) <= _EXCERPT:
        return one, other
    shared = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    start = 0 if shared < _EXCERPT // 2 else shared - _EXCERPT // 4

    def part(text: str) -> str:
        end = start + _EXCERPT - 3
        return "..." * (start > 0) + text[start:end] + "..." * (len(text) > end)

    return part(one), part(other)
