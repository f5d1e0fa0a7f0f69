"""Whole files or none: written beside their place, flushed to the disk and renamed.

A reader sees the old file, the new one or none, whatever is killed and however full the disk is.
"""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .regular import read_text, reason_of, require_regular

UNFINISHED = ".unfinished-"


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that it is seen either whole or not at all, and is on the disk on return."""
    target = Path(path)
    beside = target.with_name(f"{UNFINISHED}{target.name}-{uuid.uuid4().hex}")
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
    write_atomically(path, json_bytes(document))


def json_bytes(document: object) -> bytes:
    """Return a JSON document as it is written, keys sorted."""
    return (json.dumps(document, indent=2, sort_keys=True, allow_nan=True) + "\n").encode()


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an npz file whose bytes depend on the arrays alone, atomically."""
    write_atomically(path, array_bytes(arrays))


def array_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as an npz file whose bytes depend on them alone."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})  # type: ignore[arg-type]
    return buffer.getvalue()


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return a JSON document; InputError if it cannot be read."""
    name = f"folder's {Path(path).name}"
    try:
        return json.loads(read_text(path, name))
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as problem:
        raise InputError(
            f"folder must hold a readable {Path(path).name}, got {os.fspath(path)!r}: {reason_of(problem)}."
        ) from None


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file; InputError if it cannot be read."""
    name = f"folder's {Path(path).name}"
    require_regular(path, name)
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except Exception as problem:  # archives can be damaged in any way
        raise InputError(
            f"folder must hold a readable {Path(path).name}, got {os.fspath(path)!r}: {reason_of(problem)}."
        ) from None


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
