"""Stored numbers to doubles, block by block: a file of bytes larger than the memory is eight times that as doubles.

    x = (p - shift) / scale

What would take more than half of the memory goes to a file without a name in the folder for temporary files, mapped
into memory: the system keeps of it what fits, and removes it with the last use.
"""

from __future__ import annotations

import shutil
import tempfile

import numpy as np
from numpy.typing import NDArray

from ..core import checks
from ..core.errors import InputError
from ..core.memory import in_bytes, memory_of_machine
from ..core.types import FloatArray

_BLOCK = 1 << 24
"""Bytes of doubles that are converted at once."""
_SHARE = 0.5
"""Of the memory, up to which doubles are held there."""


def as_doubles(array: NDArray[np.generic], scale: float, shift: float, name: str) -> FloatArray:
    """Return (p - shift) / scale of stored numbers (n, d), finite.

    Raises
    ------
    InputError
        If an entry is not finite, or neither memory nor disk can hold the doubles.
    """
    result = _room(array.shape, name)
    rows = max(1, _BLOCK // (8 * max(1, array[:1].size)))
    for start in range(0, len(array), rows):
        block = result[start : start + rows]
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(np.asarray(array[start : start + rows], dtype=np.float64), shift, out=block)
            block /= scale
        if not np.isfinite(block).all():
            checks.finite(checks.samples(array, name), name)
            raise InputError(
                f"{name} must be finite after (p - {shift:g}) / {scale:g}, got a number that overflows."
            )
    return result


def _room(shape: tuple[int, ...], name: str) -> FloatArray:
    """Return space for doubles, in memory or on disk."""
    needed = 8.0 * float(np.prod(shape, dtype=np.float64))
    memory = memory_of_machine()
    if needed <= _SHARE * memory:
        return np.empty(shape)
    free = float(shutil.disk_usage(tempfile.gettempdir()).free)
    if needed > 0.9 * free:
        raise InputError(
            f"{name} must fit {in_bytes(memory)} of memory or {in_bytes(free)} of free disk in "
            f"{tempfile.gettempdir()} as doubles, got {in_bytes(needed)}."
        )
    with tempfile.TemporaryFile() as stream:
        stream.truncate(int(needed))
        return np.memmap(stream, np.float64, "r+", shape=shape)
