"""Records of the pieces: one JSON file each with its arrays beside it, one archive of all, and one table.

Files of a folder:

    NAME.json, NAME.npz     a piece: device, versions, size, predicted, measured, z, verdict, seconds
    summary.md              the table of all pieces, those that the minutes did not reach among them
    records.tar.gz          everything above in one file, written again after every piece
    state/NAME/             what an unfinished piece goes on with; not in the archive
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hermite_collapse.storage.folder import read_json, write_arrays, write_atomically, write_json

from .piece import Outcome, Piece

ARCHIVE = "records.tar.gz"
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
    """

    def __init__(self, folder: Path, circumstances: Record) -> None:
        self.folder, self.circumstances = folder, circumstances
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, piece: Piece) -> Record | None:
        """Return the record of a piece, None where there is none."""
        path = self.folder / f"{piece.file_name}.json"
        return read_json(path) if path.exists() else None

    def is_done(self, piece: Piece, small: bool) -> bool:
        """Return whether a piece is complete, without an error, at such a size or a larger one."""
        record = self.read(piece)
        if record is None or not record["is_complete"] or "error" in record:
            return False
        return small or bool(record["size"] != "small")

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
        """Write that a piece failed, with its traceback; an earlier unfinished record of it keeps its numbers."""
        last = error.strip().splitlines()[-1] if error.strip() else "no message"
        outcome = Outcome(f"not done: {last}", None, {"error": error}, is_complete=False)
        return self.write(piece, outcome, **more)

    def write_archive(self) -> None:
        """Pack everything but the unfinished states into one file."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for path in sorted(self.folder.iterdir()):
                if path.is_file() and path.name != ARCHIVE and not path.name.startswith("."):
                    archive.add(path, arcname=path.name)
        write_atomically(self.folder / ARCHIVE, packed.getvalue())

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
