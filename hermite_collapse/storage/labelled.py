"""Samples with their names and classes: folders of images, folders of class folders, arrays with a file of labels.

    photos/a.png, photos/b.png                    names a.png and b.png
    photos/cats/a.png, photos/dogs/b.png          names cats/a.png and dogs/b.png, classes 0 and 1
    latents.npy, labels.npy                       rows in their order, one whole number each
    photos/a.png, photos/b.png, labels.csv        lines such as "a.png,0", classes by name, in any order

Units are those of `units`: images of 8 and 16 bits become [-1, 1].
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from .formats import TEXT
from .image_folders import class_folders, image_files
from .samples import read_samples, require_source
from .tables import decoded


@dataclass(frozen=True, eq=False)
class LabelledSamples(Value):
    """Samples with the names of their files and their classes.

    Attributes
    ----------
    samples : array, shape (n, d)
        In the units of the model.
    names : tuple of str
        Of the files, relative to the folder; of no entries for arrays.
    labels : array of int, shape (n,), or None
    """

    samples: FloatArray
    names: tuple[str, ...] = ()
    labels: IntArray | None = None

    def paired(self, other: LabelledSamples, name: str) -> FloatArray:
        """Return the samples of another set that bear the same names, in the same order.

        Raises
        ------
        InputError
            If names or shapes differ.
        """
        mine, theirs = set(self.names), set(other.names)
        if mine != theirs:
            odd = sorted(mine ^ theirs)
            raise InputError(
                f"{name} must hold the same names as samples, got {len(odd)} that only one of them has, such as "
                f"{odd[0]!r}."
            )
        if self.samples.shape != other.samples.shape:
            raise InputError(
                f"{name} must have the shape of samples, {self.samples.shape}, got {other.samples.shape}."
            )
        if not self.names:
            return other.samples
        row = {file: i for i, file in enumerate(other.names)}
        return other.samples[[row[file] for file in self.names]]


def read_labelled(
    path: str | os.PathLike[str],
    labels: str | os.PathLike[str] | None = None,
    *,
    scale: float | None = None,
    name: str = "samples",
) -> LabelledSamples:
    """Return the samples of a file, a folder of images or a folder of class folders.

    Parameters
    ----------
    path : str or path
        As `read_samples` takes, or a folder of folders of images.
    labels : str or path, optional
        File with one whole number a sample, in the order of the rows or of the names; or text with the name of an image
        and its class on each line.
    scale : float, optional
        > 0, by which the numbers in the file are divided; nothing is taken from them first.
    name : str
        Argument that gave the samples, for messages.

    Returns
    -------
    LabelledSamples

    Raises
    ------
    InputError
        If something cannot be read or does not fit; the sentence names the file.
    """
    folder = Path(path)
    if labels is not None:
        require_source(labels, f"labels ({labels})")
    classes = class_folders(folder)
    with _called(name):
        samples = np.asarray(read_samples(path, scale=scale, shift=None if scale is None else 0.0))
    if classes:
        if labels is not None:
            raise InputError(
                f"labels must be left out where samples ({path}) are in class folders, got {str(labels)!r}."
            )
        deep = [sub for sub in classes if sub.parent != folder]
        if deep:
            raise InputError(
                f"{name} must have one folder for each class, got {deep[0].relative_to(folder).as_posix()!r} in "
                f"{path}: name a folder in which they lie side by side."
            )
        files = [image_files(sub) for sub in classes]
        names = tuple(f"{file.parent.name}/{file.name}" for part in files for file in part)
        numbers = np.repeat(np.arange(len(files)), [len(part) for part in files])
        return LabelledSamples(samples, names, numbers)
    names = tuple(file.name for file in image_files(folder)) if folder.is_dir() else ()
    if labels is None:
        return LabelledSamples(samples, names)
    by_name = _classes_by_name(Path(labels), names)
    return LabelledSamples(samples, names, _labels(labels, len(samples)) if by_name is None else by_name)


@contextmanager
def _called(name: str) -> Iterator[None]:
    """Let refusals of samples speak of the argument that gave them."""
    try:
        yield
    except InputError as problem:
        rest = str(problem).removeprefix("samples ")
        if name == "samples" or rest == str(problem):
            raise
        raise InputError(f"{name} {rest}") from None


def _classes_by_name(path: Path, names: tuple[str, ...]) -> IntArray | None:
    """Return the classes in a text of names and classes; None for other files."""
    if not names or path.suffix.lower() not in TEXT or not path.is_file():
        return None
    lines = [line for line in decoded(path.read_bytes()).splitlines() if line.strip()]
    delimiter = next((mark for mark in ("\t", ";", ",") if lines and mark in lines[-1]), None)
    rows = [[cell.strip().strip("\"'") for cell in line.rsplit(delimiter, 1)] for line in lines]
    known = set(names)
    if any(len(row) != 2 for row in rows) or not any(row[0] in known for row in rows):
        return None
    entries = rows if rows[0][0] in known else rows[1:]  # below names of columns
    classes = dict(entries)  # type: ignore[arg-type]
    odd = sorted(known ^ classes.keys()) or [
        row[0] for row in entries if [r[0] for r in entries].count(row[0]) > 1
    ]
    if odd:
        raise InputError(
            f"labels ({path}) must name each file of samples once, got {len(odd)} that it does not, such as {odd[0]!r}."
        )
    return np.unique([classes[name] for name in names], return_inverse=True)[1].astype(np.int64)


def _labels(path: str | os.PathLike[str], count: int) -> IntArray:
    with _called("labels"):
        values = np.asarray(read_samples(path, scale=1.0))
    name = f"labels ({path})"
    if values.shape != (count, 1):
        raise InputError(f"{name} must be one whole number for each of {count} samples, got {values.shape}.")
    numbers = values[:, 0]
    checks.finite(numbers, name)
    wrong = (numbers != np.round(numbers)) | (np.abs(numbers) >= 2.0**53)
    if np.any(wrong):
        raise InputError(f"{name} must be whole numbers, got {float(numbers[wrong][0])!r}.")
    return numbers.astype(np.int64)
