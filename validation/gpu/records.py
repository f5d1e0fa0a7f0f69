"""Records of the pieces: one JSON file each with its arrays beside it, one archive of all, and one table.

Files of a folder:

    NAME.json, NAME.npz     a piece: device, versions, size, predicted, measured, z, verdict, seconds
    summary.md              the table of all pieces, those that the minutes did not reach among them
    state/NAME/             what an unfinished piece goes on with

Archives, in the same folder or another one, written again after every piece:

    records.tar.gz          all records
    state.NAME.tar.gz       the state of an unfinished piece, where it is small enough to be handed on
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hermite_collapse.storage.folder import read_json, write_arrays, write_atomically, write_json

from .piece import STAGES, Outcome, Piece

ARCHIVE = "records.tar.gz"
LARGEST_STATE = 15 * 2**20  # bytes
Record = dict[str, Any]

WORDS = {True: "agrees", False: "DISAGREES", None: "measured"}


class Records:
    """The records of one folder.

    Parameters
    ----------
    folder : path
        Made if need be.
    circumstances : mapping
        What every record says: device, driver, versions.
    archives : path, optional
        Where the archives are; in a new folder, what they hold is unpacked first.
    """

    def __init__(self, folder: Path, circumstances: Record, archives: Path | None = None) -> None:
        self.folder, self.circumstances = folder, circumstances
        self.archives = folder if archives is None else archives
        is_new = not folder.exists() or not any(folder.glob("*.json"))
        for path in (self.folder, self.archives):
            path.mkdir(parents=True, exist_ok=True)
        if is_new:
            for path in sorted(self.archives.glob("*.tar.gz")):
                with tarfile.open(path) as archive:
                    archive.extractall(self.folder, filter="data")

    def read(self, piece: Piece) -> Record | None:
        """Return the record of a piece, None where there is none."""
        path = self.folder / f"{piece.file_name}.json"
        return read_json(path) if path.exists() else None

    def is_done(self, piece: Piece, small: bool) -> bool:
        """Return whether a piece is complete, without an error, at such a size or a larger one."""
        record = self.read(piece)
        if record is None or not record["is_complete"] or "error" in record:
            return False
        return small or bool(record["size"] != STAGES[0])

    def write(self, piece: Piece, outcome: Outcome, **more: Any) -> Record:
        """Write the record of a piece, its arrays first and the JSON file last, and the archive."""
        record = {
            "piece": piece.name,
            "summary": piece.summary,
            **self.circumstances,
            "passed": outcome.passed,
            "verdict": outcome.verdict,
            "is_complete": outcome.is_complete,
            **more,
            **plain(outcome.numbers),
        }
        path = self.folder / f"{piece.file_name}.json"
        if outcome.arrays:
            write_arrays(path.with_suffix(".npz"), dict(outcome.arrays))
        write_json(path, record)
        self.write_archive()
        return record

    def write_failure(self, piece: Piece, error: str, **more: Any) -> Record:
        """Write that a piece failed, with its traceback."""
        last = error.strip().splitlines()[-1] if error.strip() else "no message"
        outcome = Outcome(f"not done: {last}", None, {"error": error}, is_complete=False)
        return self.write(piece, outcome, **more)

    def write_archive(self) -> None:
        """Pack everything but the unfinished states into one file."""
        files = [path for path in sorted(self.folder.iterdir()) if path.is_file() and path.suffix != ".gz"]
        _pack(files, self.folder, self.archives / ARCHIVE)

    def write_state(self, piece: Piece) -> None:
        """Pack the state of an unfinished piece, where it is small enough; remove that of a finished one."""
        state = self.folder / "state" / piece.file_name
        target = self.archives / f"state.{piece.file_name}.tar.gz"
        record = self.read(piece)
        if record is not None and record["is_complete"]:
            shutil.rmtree(state, ignore_errors=True)
        files = [path for path in sorted(state.rglob("*")) if path.is_file()]
        if files and sum(path.stat().st_size for path in files) <= LARGEST_STATE:
            _pack(files, self.folder, target)
        else:
            target.unlink(missing_ok=True)

    def write_table(self, pieces: Sequence[Piece], reasons: dict[str, str]) -> str:
        """Write and return the table of all pieces; reasons say why one was not reached."""
        rows = []
        for piece in pieces:
            record = self.read(piece)
            if record is None:
                rows.append((piece.name, "not reached", "", 0.0, reasons.get(piece.name, "")))
                continue
            word = "failed" if "error" in record else WORDS[record["passed"]]
            word += "" if record["is_complete"] or "error" in record else ", goes on"
            rows.append((piece.name, word, record["size"], record["seconds"], record["verdict"]))
        document = ["# Theory against a GPU", "", f"{self.circumstances['device']}", ""]
        document += ["| piece | outcome | size | seconds | verdict |", "|---|---|---|---|---|"]
        for name, word, size, seconds, verdict in rows:
            cell = verdict.replace("|", "\\|").replace("\n", " ")
            document.append(f"| {name} | {word} | {size} | {seconds:.1f} | {cell} |")
        write_atomically(self.folder / "summary.md", ("\n".join(document) + "\n").encode())
        self.write_archive()
        return "\n".join(
            f"{name:34s} {word:12s} {size:8s} {seconds:7.1f} s  {verdict}"
            for name, word, size, seconds, verdict in rows
        )


def _pack(files: Sequence[Path], root: Path, target: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for path in files:
            archive.add(path, arcname=str(path.relative_to(root)))
    write_atomically(target, packed.getvalue())


def plain(value: Any) -> Any:
    """Return NumPy numbers and arrays as JSON values of six digits; NaN and infinity become null."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.8g}") if np.isfinite(value) else None
    return value


def read_folder(folder: Path) -> dict[str, Record]:
    """Return all records of a folder by the names of their pieces."""
    records = (json.loads(path.read_text()) for path in sorted(folder.glob("*.json")))
    return {record["piece"]: record for record in records if "piece" in record}
