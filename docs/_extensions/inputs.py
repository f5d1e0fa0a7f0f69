"""Files that commands on the pages read: a measured curve, a configuration, and a sampler of diffusers."""

from __future__ import annotations

import json
from pathlib import Path

RING = (
    "round,variance across the ring,error",
)


def write(folder: Path) -> None:
    """Write the files into a folder."""
