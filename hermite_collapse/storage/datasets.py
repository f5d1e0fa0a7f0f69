"""Labelled arrays on disk: one netCDF file, seen whole or not at all, and read back in one piece."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import InputError
from .folder import write_atomically
from .formats import readable

if TYPE_CHECKING:
    from xarray import Dataset


def write_dataset(dataset: Dataset, path: str | os.PathLike[str]) -> None:
    """Write a netCDF file that is seen either whole or not at all.

    It is made in memory: the library below it crashes the process where a disk is full.  Attributes that are text may
    repeat names of files: what is no Unicode in them is spelled.
    """
    texts = {key: value for key, value in dataset.attrs.items() if isinstance(value, str)}
    dataset = dataset.assign_attrs(
        {key: value.encode("utf-8", "backslashreplace").decode() for key, value in texts.items()}
    )
    with _threads():
        data = bytes(dataset.to_netcdf(engine="h5netcdf"))
    write_atomically(path, data)


def read_dataset(path: str | os.PathLike[str], dimensions: Mapping[str, tuple[str, ...]]) -> Dataset:
    """Return a netCDF file, in memory; arrays of text hold objects.

    Parameters
    ----------
    path : str or path
    dimensions : mapping of str to tuple of str
        Variables that must be there, and the dimensions of each.

    Raises
    ------
    InputError
        If it cannot be read, or a variable is missing or of other dimensions.
    """
    import xarray

    file = Path(path)
    with readable(file, f"path ({file})"):
        _read_through(file)
        # Decoding texts would load Dask, which takes longer than everything else here.
        with xarray.open_dataset(file, engine="h5netcdf", decode_cf=False) as stored:
            dataset = stored.load()
    for name, expected in dimensions.items():
        shape = dataset[name].dims if name in dataset else None
        if shape != expected:
            shown = "none" if shape is None else f"({', '.join(map(str, shape))})"
            raise InputError(
                f"path ({file}) must hold the variable {name} by ({', '.join(expected)}), got {shown}."
            )
    return dataset


def _read_through(file: Path) -> None:
    """Read every number and attribute once: the libraries above h5py leave files half open where they fail."""
    import h5py

    with h5py.File(file, "r") as stored:
        dict(stored.attrs)
        for variable in stored.values():
            dict(variable.attrs)
            variable[...]


def _threads() -> AbstractContextManager[object]:
    """Keep xarray from asking the scheduler of a Dask cluster for a lock on a file in memory."""
    if "dask" not in sys.modules:
        return nullcontext()
    import dask

    return dask.config.set(scheduler="threads")
