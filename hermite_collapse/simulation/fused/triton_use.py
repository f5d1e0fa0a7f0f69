"""Whether a Triton kernel is used: on a CUDA device with Triton, once the kernel agreed there with the torch route.

Every module of kernels has `check_on_device(device)`, the largest difference from torch's own operations at a few
hundred inputs, and `LARGEST_DIFFERENCE`, what rounding may make of it.  A kernel that does not compile or disagrees is
not used in the process, and the records say so.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache

import torch

# What each module's kernels make, in the words of a note.
KERNELS = {
    "triton_random": "Random numbers",
    "triton_reverse": "Reverse diffusions with an exact denoiser",
    "triton_attention": "Weighted means over a pool",
}

WIDEST = 64  # dimensions that fit the registers of a program, with a constant beside them

_notes: dict[str, str] = {}


def usable(kernel: str, device: torch.device) -> bool:
    """Return whether the kernels of a module, a key of KERNELS, are used on a device."""
    return device.type == "cuda" and _problem(kernel, str(device)) is None


def notes(device: torch.device) -> tuple[str, ...]:
    """Return what a reader of a record should know of kernels that this process could not use on its device."""
    return tuple(_notes.values()) if device.type == "cuda" else ()


@cache
def _problem(kernel: str, device: str) -> str | None:
    """Return why the kernels of a module are not used, None if they are."""
    problem = None
    if importlib.util.find_spec("triton") is None:
        problem = "Triton is not installed"
    else:
        try:
            module = importlib.import_module(f".{kernel}", __package__)
            difference = module.check_on_device(torch.device(device))
            if not difference <= module.LARGEST_DIFFERENCE:
                problem = f"the Triton kernel differs by {difference:.2g} from them"
        except Exception as error:  # whatever a compiler or a driver may say
            message = (str(error).strip().splitlines() or [""])[0]
            problem = f"the Triton kernel does not run ({type(error).__name__}: {message})"
    if problem is not None:
        _notes[kernel] = f"{KERNELS[kernel]} were made by torch's own operations: {problem}."
    return problem
