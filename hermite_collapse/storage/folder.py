"""Folders that survive being killed: atomic files, and the rounds of a run written one after another.

    manifest.json         what the run is; a folder is continued only by the run that began it
    particles-00007.npy   the particles after 7 rounds, as long as a later round or the user needs them
    round-00007.npz       the statistics of that round; its presence says that the round is complete
    timings.json          seconds of each round, notes: the only file that differs between two runs of the same seed

Every file is written beside its place, flushed to the disk and renamed, so that a reader sees the old file, the
new one or none.  A round's particles come before its statistics and older particles go after them: at whatever
instant a run is killed, the complete rounds on the disk suffice to continue, and the bytes come out the same.
"""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

MANIFEST = "manifest.json"
TIMINGS = "timings.json"
_UNFINISHED = ".unfinished-"


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that it is seen either whole or not at all, and is on the disk on return."""
    target = Path(path)
    beside = target.with_name(f"{_UNFINISHED}{target.name}-{uuid.uuid4().hex}")
    try:
        with open(beside, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def write_json(path: str | os.PathLike[str], document: object) -> None:
    """Write a JSON document, keys sorted, atomically."""
    write_atomically(path, (json.dumps(document, indent=2, sort_keys=True, allow_nan=True) + "\n").encode())


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an npz file whose bytes depend on the arrays alone, atomically."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return a JSON document; InputError if it cannot be read."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise InputError(
            f"folder must hold a readable {Path(path).name}, got {os.fspath(path)!r}: {problem}."
        ) from None


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file; InputError if it cannot be read."""
    import zipfile

    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as problem:
        raise InputError(
            f"folder must hold a readable {Path(path).name}, got {os.fspath(path)!r}: {problem}."
        ) from None


def write_timings(path: Path, seconds: Mapping[int, float], notes: Iterable[str]) -> None:
    """Write seconds by round, and notes, into a folder's timings.json."""
    write_json(
        path / TIMINGS, {"notes": list(notes), "seconds": {str(i): seconds[i] for i in sorted(seconds)}}
    )


def read_timings(path: Path) -> tuple[dict[int, float], tuple[str, ...]]:
    """Return what `write_timings` wrote; nothing if there is no such file."""
    if not (path / TIMINGS).exists():
        return {}, ()
    document = read_json(path / TIMINGS)
    return {int(i): float(s) for i, s in document["seconds"].items()}, tuple(document["notes"])


class RunFolder:
    """The folder of one run.

    Parameters
    ----------
    path : str or path
        Made if it does not exist.
    manifest : mapping
        Everything that decides the bytes of the run, as JSON values.

    Raises
    ------
    InputError
        If the folder holds another run, or files that are not a run's.
    """

    def __init__(self, path: str | os.PathLike[str], manifest: Mapping[str, object]) -> None:
        self.path = Path(path)
        document = json.loads(json.dumps(manifest))
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"folder must be a directory, got {os.fspath(path)!r}, which is a file.")
        self.path.mkdir(parents=True, exist_ok=True)
        self._clear_unfinished()
        if (self.path / MANIFEST).exists():
            self._require_same(read_json(self.path / MANIFEST), document)
        elif any(self.path.iterdir()):
            raise InputError(
                f"folder must be empty or hold this run, got {os.fspath(path)!r} with other files."
            )
        else:
            write_json(self.path / MANIFEST, document)

    def complete_rounds(self) -> int:
        """Return how many rounds, the zeroth included, are complete: they are always the first ones."""
        count = 0
        while self._statistics(count).exists():
            count += 1
        return count

    def write_round(
        self,
        index: int,
        statistics: Mapping[str, NDArray[Any]],
        particles: NDArray[Any] | None,
        *,
        obsolete: Iterable[int] = (),
    ) -> None:
        """Commit one round: its particles if any, its statistics, then the removal of particles no longer needed."""
        if particles is not None:
            buffer = io.BytesIO()
            np.save(buffer, np.ascontiguousarray(particles))
            write_atomically(self._particles(index), buffer.getvalue())
        write_arrays(self._statistics(index), statistics)
        self.remove_particles(obsolete)

    def remove_particles(self, indices: Iterable[int]) -> None:
        """Remove the particles of some rounds, if they are still there."""
        for index in indices:
            self._particles(index).unlink(missing_ok=True)

    def read_statistics(self, index: int) -> dict[str, NDArray[Any]]:
        """Return the statistics of a complete round."""
        return read_arrays(self._statistics(index))

    def read_particles(self, index: int) -> NDArray[Any]:
        """Return the particles of a complete round; InputError if they are gone."""
        path = self._particles(index)
        try:
            return np.asarray(np.load(path, allow_pickle=False))
        except (OSError, ValueError, EOFError) as problem:
            raise InputError(
                f"folder must hold a readable {path.name}, got {os.fspath(path)!r}: {problem}."
            ) from None

    def write_timing(self, index: int, seconds: float, notes: Iterable[str] = ()) -> None:
        """Note how long a round took, and the notes of the run so far."""
        timings = self.read_timings()
        timings[index] = seconds
        write_timings(self.path, timings, notes)

    def read_timings(self) -> dict[int, float]:
        """Return seconds by round, of the rounds that were noted."""
        return read_timings(self.path)[0]

    def _particles(self, index: int) -> Path:
        return self.path / f"particles-{index:05d}.npy"

    def _statistics(self, index: int) -> Path:
        return self.path / f"round-{index:05d}.npz"

    def _clear_unfinished(self) -> None:
        for path in self.path.glob(f"{_UNFINISHED}*"):
            path.unlink(missing_ok=True)

    def _require_same(self, stored: Mapping[str, object], wanted: Mapping[str, object]) -> None:
        for key in sorted(set(stored) | set(wanted)):
            if stored.get(key) != wanted.get(key):
                raise InputError(
                    f"folder must hold this run, got {os.fspath(self.path)!r} of a run with "
                    f"{key} = {stored.get(key)!r} instead of {wanted.get(key)!r}."
                )


def _sync_directory(path: Path) -> None:
    """Make a rename itself durable; not every file system can."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
