"""Parsers of users' files: the bytes of one format become one array.

    .npy                      memory-mapped
    .npz                      its only array, or the one that is named
    .csv .txt .dat .tsv       numbers separated by commas, semicolons, tabs or blanks; one line of column
                              names and comments after # are allowed
    IDX (.idx*, *-ubyte, .gz) the format of MNIST and its relatives
    a folder                  its images, or those of its folders, as `pictures` reads them; needs Pillow

A file that breaks the rules of its format raises ValueError with what it is instead; `readable` makes a sentence
of that and of whatever else a parser of foreign bytes may raise.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray
from .pictures import read_images
from .regular import require_regular

TEXT = {".csv", ".txt", ".dat", ".tsv"}
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class Table(NamedTuple):
    """Numbers under column names; no names where the file has none.

    names : (c,) ; values : (r, c).
    """

    names: tuple[str, ...]
    values: FloatArray


def read_array(file: Path, member: str | None) -> NDArray[np.generic]:
    """Return the array in a file or the images of a folder; `member` chooses one of several in a .npz file."""
    suffix = file.suffix.lower()
    if file.is_dir():
        return read_images(file)
    if suffix == ".npy":
        return _read_npy(file)
    if suffix == ".npz":
        return _read_npz(file, member)
    if suffix in TEXT:
        return read_table(file).values
    return _read_idx(file)


def is_known(file: Path) -> bool:
    """Return whether there is a parser for files of this name, or a folder."""
    suffix = file.suffix.lower()
    idx = suffix == ".gz" or suffix.startswith(".idx") or file.name.endswith(("-ubyte", "-idx"))
    return file.is_dir() or suffix in {".npy", ".npz"} | TEXT or idx


@contextmanager
def readable(file: Path, name: str) -> Iterator[None]:
    """Turn every failure to read a file into one sentence about it under this name."""
    if not file.exists():
        raise InputError(f"{name} must name an existing file or folder, got {str(file)!r}.")
    if not file.is_dir():
        require_regular(file, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old .npy headers; what matters is checked by the caller
            yield
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{name} must be readable, got a file without read permission.") from None
    except ModuleNotFoundError as error:
        raise InputError(
            f"{name} must be readable, got images but no {error.name}: "
            'pip install "hermite-collapse[images]".'
        ) from None
    except Exception as error:  # parsers of foreign bytes fail in many ways; all of them are the file's fault
        raise InputError(f"{name} must be a readable {_kind(file)}, got: {_one_line(error)}.") from None


def read_table(file: Path) -> Table:
    """Return the numbers of a text file and the names in its first line, if that holds no number."""
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    body = [(number, line.partition("#")[0].strip()) for number, line in enumerate(lines, start=1)]
    body = [(number, line) for number, line in body if line]
    if not body:
        raise ValueError("a file without numbers")
    delimiter = next((mark for mark in (",", ";", "\t") if mark in body[0][1]), None)
    names: tuple[str, ...] = ()
    # A row with one bad cell is data with a mistake, not a line of names.
    if not any(_is_number(cell) for cell in body[0][1].split(delimiter)):
        names = tuple(cell.strip() for cell in body[0][1].split(delimiter))
        body = body[1:]
    if not body:
        raise ValueError("a header without numbers")
    width = len(body[0][1].split(delimiter))
    for number, line in body:
        count = len(line.split(delimiter))
        if count != width:
            raise ValueError(f"line {number} with {count} columns where the first row has {width}")
    try:
        text = io.StringIO("\n".join(line for _, line in body))
        return Table(names, np.loadtxt(text, delimiter=delimiter, ndmin=2, comments=None))
    except ValueError:
        for number, line in body:
            for cell in line.split(delimiter):
                if not _is_number(cell):
                    shown = repr(cell.strip()[:40])
                    raise ValueError(f"{shown} on line {number}, which is not a number") from None
        raise


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python's literals allow it, files do not


def _read_npy(file: Path) -> NDArray[np.generic]:
    if file.stat().st_size == 0:
        raise ValueError("an empty file")
    with open(file, "rb") as stream:
        if stream.read(6) != b"\x93NUMPY":  # np.load would take it for a pickle and advise to trust it
            raise ValueError("a file that NumPy did not write")
    try:
        # Copy on write: nothing reaches the file, and kernels take the array, which must be writable, as it is.
        return cast("NDArray[np.generic]", np.load(file, mmap_mode="c", allow_pickle=False))
    except ValueError as error:
        if "Python objects" in str(error):
            raise ValueError("an array of Python objects") from None
        raise


def _read_npz(file: Path, member: str | None) -> NDArray[np.generic]:
    if not zipfile.is_zipfile(file):
        raise ValueError("a file that is truncated or not a zip archive")
    # Opened here, since NumPy leaves the file open when the archive turns out to be damaged.
    with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
        names = list(archive.files)
        if not names:
            raise ValueError("an archive without arrays")
        if member is None and len(names) > 1:
            shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
            raise InputError(
                f"samples ({file}) must name one array, as in {file.name}:{names[0]}, got the arrays {shown}."
            )
        name = names[0] if member is None else checks.one_of(member, names, f"the array of {file.name}")
        return cast("NDArray[np.generic]", archive[name])


def _read_idx(file: Path) -> NDArray[np.generic]:
    compressed = file.suffix.lower() == ".gz"
    with cast("IO[bytes]", gzip.open(file, "rb") if compressed else open(file, "rb")) as stream:
        head = stream.read(4)
        if len(head) < 4:
            raise ValueError("a file shorter than its header")
        zero, code, axes = struct.unpack(">HBB", head)
        if zero != 0 or code not in _IDX_TYPES or axes == 0:
            raise ValueError(f"the magic number 0x{head.hex()}, which is not IDX")
        sizes = stream.read(4 * axes)
        if len(sizes) < 4 * axes:
            raise ValueError("a file shorter than its header")
        shape = struct.unpack(f">{axes}I", sizes)
        dtype = np.dtype(_IDX_TYPES[code])
        expected = math.prod(shape) * dtype.itemsize
        data = _read_at_most(stream, expected + 1)
    if len(data) != expected:
        what = "is truncated" if len(data) < expected else "goes on after its last number"
        raise ValueError(f"a file that {what}: {expected} bytes announced by the shape {shape}")
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _read_at_most(stream: IO[bytes], count: int) -> bytes:
    """Up to `count` bytes, block by block: a header may announce more than the memory holds."""
    blocks, size = [], 0
    while size < count:
        block = stream.read(min(count - size, 1 << 24))
        if not block:
            break
        blocks.append(block)
        size += len(block)
    return b"".join(blocks)


def _kind(file: Path) -> str:
    if file.is_dir():
        return "folder of images"
    suffix = file.suffix.lower()
    return f"{suffix} file" if suffix in {".npy", ".npz", ".nc"} | TEXT else "IDX file"


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return (text if len(text) <= 160 else text[:157] + "...").rstrip(".")
