"""Readers of users' files: one function, one array out, one sentence when the file is no good.

    file                      read as
    .npy                      memory-mapped
    .npz                      its only array, or the one named after a colon: "data.npz:train"
    .csv .txt .dat .tsv       numbers separated by commas, semicolons, tabs or blanks; one line of column
                              names and comments after # are allowed
    IDX (.idx*, *-ubyte, .gz) the format of MNIST and its relatives
    a folder                  its images (.png .jpg .jpeg .bmp .gif .tif .tiff .webp) in order of their names,
                              all of one size; needs Pillow

Whatever the file holds beyond two axes is flattened: 60 000 images of 28 x 28 are (60 000, 784).
"""

from __future__ import annotations

import gzip
import io
import math
import os
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core import checks
from ..core.checks import FloatArray
from ..core.errors import InputError

_TEXT = {".csv", ".txt", ".dat", ".tsv"}
_IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
_CONVERTED = {"1": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGBA": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_samples(path: str | os.PathLike[str], *, scale: float | None = None) -> FloatArray:
    """Samples in a file or a folder of images, in the units of the diffusion.

    Parameters
    ----------
    path : a .npy, .npz, .csv, .txt or IDX file (the last also gzipped), or a folder of images.  One array
        of a .npz file is chosen with a colon: "data.npz:train".
    scale : the samples are divided by it, > 0, in the units of the file.  Without it they must look like a
        diffusion's own coordinates: no second moment E x_j^2 above 25, their average not below 0.01.

    Returns
    -------
    samples : array of float64, shape (n, d), finite.  A .npy file of float64 in C order that needs no
        scale is memory-mapped; any other is read whole.

    Raises
    ------
    InputError : the file is missing, unreadable, truncated, empty, of an unknown kind, holds something that
        is not a finite real number, or is in other units; the sentence names the file.
    """
    divisor = None if scale is None else checks.positive(scale, "scale")
    file, member = _split(Path(path))
    where = f"samples ({path})"
    samples = _read(file, member, where)
    if divisor is not None:
        return samples / divisor
    checks.diffusion_units(samples, where)
    return samples


def _read(file: Path, member: str | None, where: str) -> FloatArray:
    """The array in a file, flattened to (n, d), finite; every failure as one sentence."""
    reader = _reader(file)
    if not file.exists():
        raise InputError(f"{where} must name an existing file or folder, got {str(file)!r}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old .npy headers; what matters is checked below
            array = reader(file, member)
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"{where} must be readable, got a file without read permission.") from None
    except ModuleNotFoundError as error:
        raise InputError(
            f"{where} must be readable, got images but no {error.name}: "
            'pip install "hermite-collapse[images]".'
        ) from None
    except Exception as error:  # parsers of foreign bytes fail in many ways; all of them are the file's fault
        raise InputError(f"{where} must be a readable {_kind(file)}, got: {_one_line(error)}.") from None
    return _flattened(array, where)


@dataclass(frozen=True)
class Curve:
    """A curve by round, from a table of numbers.

    rounds : (r,) ; values : (r, m) ; standard_errors : (r, m), or None where the table has none.
    names : (m,) of the columns; degrees : (m,) where every name ends with a number, else None.
    """

    rounds: FloatArray
    values: FloatArray
    standard_errors: FloatArray | None
    names: tuple[str, ...]
    degrees: tuple[int, ...] | None


def read_curve(path: str | os.PathLike[str]) -> Curve:
    """A measured curve from a .csv or .txt file whose first line names the columns.

        round, degree 1, degree 1 error, degree 2, degree 2 error

    `round` may be left out (then 0, 1, ...), and so may all columns of standard errors, which are named like the
    column they belong to, with "error" at the end.  A file without names has one column for each curve.

    Raises
    ------
    InputError : the file cannot be read (as `read_samples`), or its columns do not go together.
    """
    file = Path(path)
    if file.suffix.lower() not in _TEXT:
        raise InputError(f"curve ({path}) must be a .csv, .txt, .dat or .tsv file, got another.")
    table = _read(file, None, f"curve ({path})")
    names = _column_names(file) or [f"degree {j + 1}" for j in range(table.shape[1])]
    if len(names) != table.shape[1]:
        raise InputError(
            f"curve ({path}) must have one name for each of {table.shape[1]} columns, got {len(names)}."
        )
    columns = dict(zip(names, table.T, strict=True))
    rounds = columns.pop("round", np.arange(len(table), dtype=float))
    errors = {name: columns.pop(name) for name in list(columns) if name.endswith("error")}
    if not columns:
        raise InputError(f"curve ({path}) must have a column of values, got {', '.join(names)}.")
    if errors and {name.removesuffix("error").rstrip(" _") for name in errors} != set(columns):
        raise InputError(
            f"curve ({path}) must have a column of errors for each of {', '.join(columns)} or for none, got "
            f"{', '.join(errors)}."
        )
    by_name = {name.removesuffix("error").rstrip(" _"): column for name, column in errors.items()}
    ends = [re.search(r"(\d+)$", name) for name in columns]
    return Curve(
        rounds=np.asarray(rounds),
        values=np.stack(list(columns.values()), axis=1),
        standard_errors=np.stack([by_name[name] for name in columns], axis=1) if errors else None,
        names=tuple(columns),
        degrees=tuple(int(end.group(1)) for end in ends if end) if all(ends) else None,
    )


def _column_names(file: Path) -> list[str]:
    """Names in the first line that is not empty or a comment; none if that line has numbers."""
    for line in file.read_text(encoding="utf-8-sig").splitlines():
        text = line.partition("#")[0].strip()
        if text:
            delimiter = _delimiter(text)
            return [] if _is_number_row(text, delimiter) else [cell.strip() for cell in text.split(delimiter)]
    return []


def _split(path: Path) -> tuple[Path, str | None]:
    """ "data.npz:train" as file and member; a path that exists as it stands has no member."""
    text = str(path)
    if ".npz:" in text and not path.exists():
        head, _, member = text.rpartition(".npz:")
        return Path(head + ".npz"), member
    return path, None


def _reader(file: Path) -> Callable[[Path, str | None], Any]:
    suffix = file.suffix.lower()
    if file.is_dir():
        return _read_images
    if suffix == ".npy":
        return _read_npy
    if suffix == ".npz":
        return _read_npz
    if suffix in _TEXT:
        return _read_text
    if suffix == ".gz" or suffix.startswith(".idx") or file.name.endswith(("-ubyte", "-idx")):
        return _read_idx
    raise InputError(
        f"samples ({file}) must be .npy, .npz, .csv, .txt, .dat, .tsv, an IDX file or a folder of images, "
        f"got {'a file without a suffix' if not suffix else 'a ' + suffix + ' file'}."
    )


def _kind(file: Path) -> str:
    if file.is_dir():
        return "folder of images"
    suffix = file.suffix.lower()
    return f"{suffix} file" if suffix in {".npy", ".npz"} | _TEXT else "IDX file"


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return (text if len(text) <= 160 else text[:157] + "...").rstrip(".")


def _flattened(array: Any, where: str) -> FloatArray:
    array = np.asanyarray(array)
    if array.ndim > 2 and array.size:
        array = array.reshape(len(array), -1)
    return checks.samples(array, where)


def _read_npy(file: Path, member: str | None) -> Any:
    if file.stat().st_size == 0:
        raise ValueError("an empty file")
    with open(file, "rb") as stream:
        if stream.read(6) != b"\x93NUMPY":  # np.load would take it for a pickle and advise to trust it
            raise ValueError("a file that NumPy did not write")
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "Python objects" in str(error):
            raise ValueError("an array of Python objects") from None
        raise


def _read_npz(file: Path, member: str | None) -> Any:
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
        chosen = names[0] if member is None else checks.one_of(member, names, f"the array of {file.name}")
        return archive[chosen]


def _read_text(file: Path, member: str | None) -> Any:
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    body = [(number, line.partition("#")[0].strip()) for number, line in enumerate(lines, start=1)]
    body = [(number, line) for number, line in body if line]
    if not body:
        raise ValueError("a file without numbers")
    delimiter = _delimiter(body[0][1])
    if not _is_number_row(body[0][1], delimiter):
        body = body[1:]  # column names
    if not body:
        raise ValueError("a header without numbers")
    width = len(body[0][1].split(delimiter))
    for number, line in body:
        count = len(line.split(delimiter))
        if count != width:
            raise ValueError(f"line {number} with {count} columns where the first row has {width}")
    try:
        text = io.StringIO("\n".join(line for _, line in body))
        return np.loadtxt(text, delimiter=delimiter, ndmin=2, comments=None)
    except ValueError:
        for number, line in body:
            for cell in line.split(delimiter):
                if not _is_number(cell):
                    shown = repr(cell.strip()[:40])
                    raise ValueError(f"{shown} on line {number}, which is not a number") from None
        raise


def _delimiter(line: str) -> str | None:
    return next((mark for mark in (",", ";", "\t") if mark in line), None)


def _is_number_row(line: str, delimiter: str | None) -> bool:
    """Whether any cell is a number: a row with one bad cell is data with a mistake, not a header."""
    return any(_is_number(cell) for cell in line.split(delimiter))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python's literals allow it, files do not


def _read_idx(file: Path, member: str | None) -> Any:
    opener: Any = gzip.open if file.suffix.lower() == ".gz" else open
    with opener(file, "rb") as stream:
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


def _read_at_most(stream: Any, count: int) -> bytes:
    """Up to `count` bytes, block by block: a header may announce more than the memory holds."""
    blocks, got = [], 0
    while got < count:
        block = stream.read(min(count - got, 1 << 24))
        if not block:
            break
        blocks.append(block)
        got += len(block)
    return b"".join(blocks)


def _read_images(folder: Path, member: str | None) -> Any:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in _IMAGES)
    if not files:
        raise InputError(f"samples ({folder}) must be a folder with images, got one without any.")
    from PIL import Image

    rows: list[Any] = []
    for file in files:
        try:
            with Image.open(file) as image:
                target = _CONVERTED.get(image.mode)
                pixels = np.asarray(image.convert(target) if target else image)
        except OSError as error:
            raise ValueError(f"{file.name}: {_one_line(error)}") from None
        if rows and pixels.shape != rows[0].shape:
            raise ValueError(f"{file.name} of shape {pixels.shape} where {files[0].name} has {rows[0].shape}")
        rows.append(pixels)
    return np.stack(rows)
