"""Records of validation runs, where the repository has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .evidence import SILENT, Outcome

FOLDER = Path(__file__).resolve().parent.parent / "validation" / "records"
ABSENT = Outcome(SILENT, "skipped: no records of validation runs here")


def read(name: str) -> Any | None:
    """The record of that name as plain data, or None without one."""
    path = FOLDER / name
    return json.loads(path.read_text("utf-8")) if path.is_file() else None
