"""Parsers of users' files: the bytes of one format become one array.

    .npy                      memory-mapped
    .npz                      its only array, or the one that is named; refused where it does not fit in memory
    .csv .txt .dat .tsv       rows of numbers, as `matrices` reads them
    IDX (.idx*, *-ubyte, .gz) the format of MNIST and its relatives
    a folder                  its images, or those of its folders, as `pictures` reads them; needs Pillow

A file that breaks the rules of its format raises ValueError with what it is instead; `readable` makes a sentence
of that and of whatever else a parser of foreign bytes may raise.
"""

from __future__ import annotations

import gzip
import math
import struct
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from ..core import checks
from ..core.errors import InputError
from ..core.memory import require_memory
from .matrices import read_matrix
from .pictures import read_images
from .regular import reason_of, require_existing, require_regular

TEXT = {".csv", ".txt", ".dat", ".tsv"}
TABLES = TEXT | {".md", ".tex", ".json", ".jsonl"}
"""Suffixes of tables of curves."""
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


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
        return read_matrix(file)
    return _read_idx(file)


def is_known(file: Path) -> bool:
    """Return whether there is a parser for files of this name, or a folder."""
    suffix = file.suffix.lower()
    idx = suffix == ".gz" or suffix.startswith(".idx") or file.name.endswith(("-ubyte", "-idx"))
    return file.is_dir() or suffix in {".npy", ".npz"} | TEXT or idx


@contextmanager
def readable(file: Path, name: str) -> Iterator[None]:
    """Turn every failure to read a file into one sentence about it under this name."""
    require_existing(file, name)
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
        reason = reason_of(error, first_line=True)
        raise InputError(f"{name} must be a readable {_kind(file)}, got: {reason}.") from None


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
        require_memory(_announced(archive.zip, name), f"samples ({file})")
        return cast("NDArray[np.generic]", archive[name])


def _announced(archive: zipfile.ZipFile, name: str) -> float:
    """Return how many bytes a member says it has: compressed ones are a thousandth of what they become."""
    member = f"{name}.npy" if f"{name}.npy" in archive.namelist() else name
    with archive.open(member) as stream:
        major, _ = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    return max(float(math.prod(shape)) * dtype.itemsize, float(archive.getinfo(member).file_size))


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
        if compressed:
            require_memory(float(expected), f"samples ({file})")
            data = _read_at_most(stream, expected + 1)
            size = len(data)
        else:
            size = file.stat().st_size - 4 - 4 * axes
    if size != expected:
        what = "is truncated" if size < expected else "goes on after its last number"
        raise ValueError(f"a file that {what}: {expected} bytes announced by the shape {shape}")
    if expected == 0:
        return np.empty(shape, dtype)
    if compressed:
        return np.frombuffer(data, dtype=dtype).reshape(shape)
    return np.memmap(file, dtype, "c", offset=4 + 4 * axes, shape=shape)


def _read_at_most(stream: IO[bytes], count: int) -> bytearray:
    """Up to `count` bytes, block by block: a header may announce more than the file holds."""
    data = bytearray()
    while len(data) < count:
        block = stream.read(min(count - len(data), 1 << 24))
        if not block:
            break
        data += block
    return data


def _kind(file: Path) -> str:
    if file.is_dir():
        return "folder of images"
    suffix = file.suffix.lower()
    return f"{suffix} file" if suffix in {".npy", ".npz", ".nc"} | TABLES else "IDX file"
