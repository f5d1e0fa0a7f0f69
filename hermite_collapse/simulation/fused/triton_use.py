"""Whether a Triton kernel is used: on a CUDA device with Triton, once the kernel agreed there with the torch route.

Every module of kernels has `check_on_device(device)`, the largest difference from torch's own operations at a few
hundred inputs, and `LARGEST_DIFFERENCE`, what rounding may make of it.  A kernel that does not compile or disagrees is
not used in the process, and the records say so.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Hashable

import torch

# What each module's kernels make, in the words of a note.
KERNELS = {
    "triton_random": "Random numbers",
    "triton_channel": "Particles of the channel",
    "triton_reverse": "Reverse diffusions with an exact denoiser",
    "triton_attention": "Weighted means over a pool",
}

WIDEST = 64  # dimensions that fit the registers of a program, with a constant beside them

_notes: dict[str, str] = {}
_problems: dict[tuple[str, str, Hashable], str | None] = {}


def usable(
    kernel: str,
    device: torch.device,
    variant: Hashable = None,
    difference: Callable[[], float] | None = None,
) -> bool:
    """Return whether the kernels of a module, a key of KERNELS, are used on a device.

    Code compiled for special sizes is a variant, whose difference from torch's operations is asked for once.
    """
    if device.type != "cuda" or _problem(kernel, str(device), None, None) is not None:
        return False
    return difference is None or _problem(kernel, str(device), variant, difference) is None


def notes(device: torch.device) -> tuple[str, ...]:
    """Return what a reader of a record should know of kernels that this process could not use on its device."""
    return tuple(_notes.values()) if device.type == "cuda" else ()


def _problem(
    kernel: str, device: str, variant: Hashable, difference: Callable[[], float] | None
) -> str | None:
    """Return why the kernels of a module, or a variant of one, are not used, None if they are."""
    address = (kernel, device, variant)
    if address not in _problems:
        problem = _test(kernel, device, difference)
        _problems[address] = problem
        if problem is not None:
            _notes[kernel] = f"{KERNELS[kernel]} were made by torch's own operations: {problem}."
    return _problems[address]


def _test(kernel: str, device: str, difference: Callable[[], float] | None) -> str | None:
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    try:
        module = importlib.import_module(f".{kernel}", __package__)
        largest = module.check_on_device(torch.device(device)) if difference is None else difference()
    except Exception as error:  # whatever a compiler or a driver may say
        message = (str(error).strip().splitlines() or [""])[0]
        return f"the Triton kernel does not run ({type(error).__name__}: {message})"
    if not largest <= module.LARGEST_DIFFERENCE:
        return f"the Triton kernel differs by {largest:.2g} from them"
    return None
