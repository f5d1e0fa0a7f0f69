"""Which files of a folder are its images: those at its top, or those of the folders in it at any depth, never both.

Masks, thumbnails and previews lie beside images in folders of their own: images at both places are refused, since no
rule says which ones are meant.  Hidden files and folders are not asked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from .order import natural_key

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
_OTHER_SAMPLES = {
    *(".npy", ".npz", ".pt", ".pth", ".safetensors", ".h5", ".hdf5", ".zip", ".tar", ".parquet"),
    *(".avif", ".heic", ".jp2", ".jxl", ".pgm", ".ppm", ".pnm", ".tga", ".exr"),
}
"""What may hold samples too, and is not read of a folder."""
_SHOWN = 4
"""Folders that are named one by one."""
_TRAINING = {"train", "training"}
_OTHERS = {"val", "valid", "validation", "test", "testing", "eval", "dev", "held_out", "holdout"}


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder.

    Attributes
    ----------
    files : tuple of Path
        In natural order, folder by folder.
    counts : dict of str to int
        Images of each folder inside, by its path from the top; empty where they lie at the top.
    others : dict of str to int
        Files that may hold samples and are not read, by suffix.
    """

    files: tuple[Path, ...]
    counts: dict[str, int]
    others: dict[str, int]

    @property
    def text(self) -> str:
        """What was read where, and what was not; empty where all is as expected."""
        parts = [f"the images of {_listed(self.counts)}"] if self.counts else []
        if self.others:
            parts.append(f"not {', '.join(f'{n} {suffix}' for suffix, n in sorted(self.others.items()))}")
        return ", ".join(parts)

    @property
    def splits(self) -> tuple[str, str] | None:
        """The folders of a training set and of another one, with their counts; None where they are no such split."""
        tops: dict[str, int] = {}
        for name, count in self.counts.items():
            top = Path(name).parts[0]
            tops[top] = tops.get(top, 0) + count
        training = [name for name in tops if name.casefold() in _TRAINING]
        others = [name for name in tops if name.casefold() in _OTHERS]
        if not training or not others:
            return None
        return f"{training[0]} ({tops[training[0]]})", f"{others[0]} ({tops[others[0]]})"


def image_files(folder: Path) -> list[Path]:
    """Return the images at the top of a folder in the order of their names, by the numbers in them."""
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if os.path.splitext(entry.name)[1].lower() in SUFFIXES
            and not entry.name.startswith(".")
            and not entry.is_dir()
        ]
    return [folder / name for name in sorted(names, key=natural_key)]


def class_folders(folder: Path) -> list[Path]:
    """Return the folders of images in a folder, at any depth, in the order of their names."""
    if not folder.is_dir():
        return []
    visited = {os.path.realpath(folder)}
    return [sub for sub in _folders_in(folder, visited) if image_files(sub)]


def image_folder(folder: Path) -> ImageFolder:
    """Return the images of a folder, and where they lie.

    Raises
    ------
    InputError
        If images lie at its top, or at that of a folder in it, and in folders below as well.
    """
    top = image_files(folder)
    inside = {sub: image_files(sub) for sub in class_folders(folder)}
    for above, files in {folder: top, **inside}.items():
        below = {sub: len(part) for sub, part in inside.items() if files and above in sub.parents}
        if below:
            raise InputError(
                f"samples ({folder}) must lie at the top of a folder or in folders inside, got {len(files)} images in "
                f"{above.name} and {sum(below.values())} in "
                f"{_listed({_name(sub, above): n for sub, n in below.items()})}: "
                "name the folder that is meant, or move the others away."
            )
    others: dict[str, int] = {}
    for each in (folder, *inside):
        with os.scandir(each) as entries:
            for entry in entries:
                suffix = os.path.splitext(entry.name)[1].lower()
                if suffix in _OTHER_SAMPLES and not entry.name.startswith(".") and entry.is_file():
                    others[suffix] = others.get(suffix, 0) + 1
    return ImageFolder(
        tuple(top or [file for files in inside.values() for file in files]),
        {_name(sub, folder): len(files) for sub, files in inside.items()},
        others,
    )


def _folders_in(folder: Path, visited: set[str]) -> list[Path]:
    """Return all folders inside, without hidden ones; one to which two ways lead stands once."""
    folders = []
    for sub in sorted((sub for sub in folder.iterdir() if sub.is_dir()), key=natural_key):
        real = os.path.realpath(sub)
        if not sub.name.startswith(".") and real not in visited:
            visited.add(real)
            folders += [sub, *_folders_in(sub, visited)]
    return folders


def _name(sub: Path, folder: Path) -> str:
    return sub.relative_to(folder).as_posix()


def _listed(counts: dict[str, int]) -> str:
    """Return folders with their numbers of images."""
    if len(counts) <= _SHOWN:
        return ", ".join(f"{name} ({count})" for name, count in counts.items())
    sizes = counts.values()
    return f"{len(counts)} folders ({min(sizes)} to {max(sizes)} each)"
