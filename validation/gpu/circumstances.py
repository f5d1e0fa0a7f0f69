"""What every record says of the machine: device, driver, memory, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from typing import Any

import torch

from hermite_collapse.core.version import __version__

PACKAGES = ("numpy", "scipy", "numba", "torch", "triton")


def describe(device: str) -> dict[str, Any]:
    """Return the device and the versions as JSON values."""
    versions = {"python": platform.python_version(), "hermite_collapse": __version__}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    facts: dict[str, Any] = {"device": _name(device), "cores": os.cpu_count(), "versions": versions}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        facts |= {
            "driver": _driver(),
            "cuda": torch.version.cuda,
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "multiprocessors": properties.multi_processor_count,
            "capability": list(torch.cuda.get_device_capability(0)),
        }
    return facts


def release(device: str) -> None:
    """Give cached memory back, so that the next piece starts with all of it."""
    if device == "cuda":
        torch.cuda.empty_cache()


def _name(device: str) -> str:
    return torch.cuda.get_device_name(0) if device == "cuda" else f"CPU ({platform.machine()})"


def _driver() -> str:
    command = shutil.which("nvidia-smi")
    if command is None:
        return "unknown"
    asked = [command, "--query-gpu=driver_version,clocks.max.sm,power.limit", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
