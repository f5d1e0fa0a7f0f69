"""How much memory there is, and one sentence for whoever needs more.

Work that does not fit is refused before it begins: the system kills a process without a word, and takes others with it.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from .errors import InputError

SHARE = 0.9  # of the machine's memory that one piece of work may take


def memory_of_machine() -> float:
    """Return the bytes of memory that this process may use; infinity where the system does not tell."""
    try:
        total = float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf
    try:
        return min(total, float(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return total


def require_memory(needed: float, name: str, *, keys: str = "") -> None:
    """Refuse what this machine's memory cannot hold.

    Parameters
    ----------
    needed : float
        Bytes, as a number that may be huge.
    name : str
        What would need them, as messages call it.
    keys : str
        What to reduce, where the caller can.

    Raises
    ------
    InputError
        If it is more than nine tenths of the memory.
    """
    memory = memory_of_machine()
    if needed > SHARE * memory:
        advice = f": reduce {keys}" if keys else ""
        raise InputError(
            f"{name} must fit this machine's memory of {in_bytes(memory)}, got {in_bytes(needed)}{advice}."
        )


def in_bytes(count: float) -> str:
    """Return a number of bytes as text of two digits."""
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= 0.1 * size:
            return f"{count / size:.2g} {unit}"
    return f"{count:.0f} bytes"
