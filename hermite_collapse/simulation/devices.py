"""Which device computes, how much fits on it, and what to record about it."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import torch

from ..core.errors import InputError
from ..core.version import __version__

# A share of free memory that one chunk's temporaries may take: the allocator needs room besides.
_SHARE = 0.25


def choose_device(device: str | torch.device) -> torch.device:
    """The device of that name; "auto" is CUDA if there is one, else the CPU."""
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise InputError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}.") from None
    if chosen.type not in ("cpu", "cuda"):
        raise InputError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}.")
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device must be one that is there, got {str(device)!r} where torch sees no CUDA device."
        )
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device must be one of {torch.cuda.device_count()} CUDA devices, got {str(device)!r}."
        )
    return chosen


def describe_device(device: torch.device) -> str:
    """A name for the record: the kind of device, and which GPU."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"cpu ({platform.machine()})"


def describe_versions() -> dict[str, str]:
    """Versions that decide the bytes of a run."""
    return {
        "hermite_collapse": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def default_chunk(device: torch.device, bytes_per_row: int) -> int:
    """Rows worked on together: about what the caches hold on a CPU, a quarter of the free memory on a GPU."""
    if device.type == "cpu":
        return 8192
    free, _ = torch.cuda.mem_get_info(device)
    return max(8192, int(_SHARE * free) // max(1, bytes_per_row))


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an exception says that memory ran out."""
    if isinstance(problem, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(problem, RuntimeError) and "not enough memory" in str(problem)


def release_memory(device: torch.device) -> Any:
    """Give cached memory back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
