"""Which device computes, how much fits on it, and what to record about it."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version

import numpy as np
import torch

from ..core.errors import InputError
from ..core.version import __version__

HOST = torch.device("cpu")
# Share of the free memory that the temporaries of one chunk may take; the allocator needs some besides.
_SHARE = 0.25
# Bytes of one core's cache that a chunk may take.
_CACHE = 1 << 21


def choose_device(device: str | torch.device) -> torch.device:
    """Return the device of that name; "auto" is CUDA if there is one, else the CPU."""
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        requested = torch.device(device)
    except (RuntimeError, TypeError):
        raise InputError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}.") from None
    if requested.type not in ("cpu", "cuda"):
        raise InputError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}.")
    if requested.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device must be one that is there, got {str(device)!r} where torch sees no CUDA device."
        )
    if requested.type == "cuda" and (requested.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device must be one of {torch.cuda.device_count()} CUDA devices, got {str(device)!r}."
        )
    return requested


def describe_device(device: torch.device) -> str:
    """Return a name for the record: the kind of device, and which GPU."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"cpu ({platform.machine()})"


def describe_versions() -> dict[str, str]:
    """Return the versions that decide the bytes of a run."""
    return {
        "hermite_collapse": __version__,
        "numba": _numba(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


@cache
def _numba() -> str:
    """Return Numba's version without importing it; reading it from a file takes milliseconds."""
    return version("numba")


def works_in_blocks(device: torch.device) -> bool:
    """Return whether operations take a block of particles each: on a CPU, whose caches a block fits.

    Elsewhere an operation takes all rows of a chunk at once: launching it costs as much as thousands of particles.
    """
    return device.type == "cpu"


def default_chunk(device: torch.device, bytes_per_row: int) -> int:
    """Return how many rows to work on together: what fits the caches of a CPU, a quarter of a GPU's free memory.

    On a CPU whole blocks.  On a GPU a power of two: what little else is in the memory does not change the shapes, nor
    the last bits.
    """
    if works_in_blocks(device):
        return 8192 * max(1, _CACHE // (8192 * bytes_per_row))
    free, _ = torch.cuda.mem_get_info(device)
    rows = int(_SHARE * free) // max(1, bytes_per_row)
    return max(8192, 1 << max(0, rows.bit_length() - 1))


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that timings include the queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def release_memory(device: torch.device) -> None:
    """Give cached memory back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
