"""The folder of one simulation: rounds written one after another, continued after a kill at any instant.

    manifest.json         what the run is; a folder is continued only by the run that began it
    particles-00007.npy   the particles after 7 rounds, as long as a later round or the user needs them
    round-00007.npz       the statistics of that round; its presence says that the round is complete
    digests.txt           digests of the rest, so that a run goes on from no round that was edited since
    timings.json          seconds of each round, notes: the only file that differs between two runs of the same seed

A round's particles come before its statistics and older particles go after them: the complete rounds on the disk
suffice to continue, and the bytes come out the same.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .claims import Claim
from .folder import array_bytes, read_arrays, read_json, write_json
from .regular import reason_of, require_regular
from .written import WrittenFiles

MANIFEST = "manifest.json"
TIMINGS = "timings.json"


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
    try:
        seconds = {int(i): float(s) for i, s in document["seconds"].items()}
        return seconds, tuple(map(str, document["notes"]))
    except (TypeError, ValueError, KeyError, AttributeError):
        raise InputError(
            f"folder must hold seconds and notes in its {TIMINGS}, got others in {path}."
        ) from None


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
        If the folder holds another run, files that are not a run's, or rounds that were edited since.
    """

    def __init__(self, path: str | os.PathLike[str], manifest: Mapping[str, object]) -> None:
        self.path = Path(path)
        self._claim = Claim(self.path, manifest, record=MANIFEST, name="folder")
        try:
            self._files = WrittenFiles(self.path)
            self._files.require_unedited()
        except BaseException:
            self._claim.release()
            raise

    def close(self) -> None:
        """Let other processes have the folder."""
        self._claim.release()

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
            self._files.write(self._particles(index).name, buffer.getvalue())
        self._files.write(self._statistics(index).name, array_bytes(statistics))
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
        require_regular(path, f"folder's {path.name}")
        try:
            return np.asarray(np.load(path, allow_pickle=False))
        except (OSError, ValueError, EOFError, SyntaxError) as problem:
            raise InputError(
                f"folder must hold a readable {path.name}, got {os.fspath(path)!r}: {reason_of(problem)}."
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
