"""Samples with their names and classes: folders of images, folders of class folders, arrays with a file of labels.

    photos/a.png, photos/b.png                    names a.png and b.png
    photos/cats/a.png, photos/dogs/b.png          names cats/a.png and dogs/b.png, classes 0 and 1
    latents.npy, labels.npy                       rows in their order, one whole number each

Units are those of `units`: images of 8 and 16 bits become [-1, 1].
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from .pictures import class_folders, image_files
from .samples import read_samples


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
) -> LabelledSamples:
    """Return the samples of a file, a folder of images or a folder of class folders.

    Parameters
    ----------
    path : str or path
        As `read_samples` takes, or a folder of folders of images.
    labels : str or path, optional
        File with one whole number a sample, in the order of the rows or of the names.
    scale : float, optional
        > 0, by which the numbers in the file are divided.

    Returns
    -------
    LabelledSamples

    Raises
    ------
    InputError
        If something cannot be read or does not fit; the sentence names the file.
    """
    folder = Path(path)
    classes = class_folders(folder)
    samples = np.asarray(read_samples(path, scale=scale))
    if classes:
        if labels is not None:
            raise InputError(
                f"labels must be left out where samples ({path}) are in class folders, got {str(labels)!r}."
            )
        files = [image_files(sub) for sub in classes]
        names = tuple(f"{file.parent.name}/{file.name}" for part in files for file in part)
        numbers = np.repeat(np.arange(len(files)), [len(part) for part in files])
        return LabelledSamples(samples, names, numbers)
    names = tuple(file.name for file in image_files(folder)) if folder.is_dir() else ()
    return LabelledSamples(samples, names, None if labels is None else _labels(labels, len(samples)))


def _labels(path: str | os.PathLike[str], count: int) -> IntArray:
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
