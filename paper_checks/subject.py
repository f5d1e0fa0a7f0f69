"""The only door from the checks to the package they check.

Nothing else under paper_checks may import hermite_collapse: what checks a number must not share code with it.
"""

from __future__ import annotations

import importlib
from typing import Any


class Absent(LookupError):
    """The installed package has no such name."""


def installed() -> bool:
    """Whether the package is there at all."""
    from importlib.util import find_spec

    return find_spec("hermite_collapse") is not None


def fetch(name: str) -> Any:
    """The public object of that dotted name, for example "attenuation" or "bounds.ball_radius"."""
    parts = name.split(".")
    try:
        found: Any = importlib.import_module("hermite_collapse")
    except ImportError as error:
        raise Absent("hermite_collapse is not installed") from error
    path = "hermite_collapse"
    for part in parts:
        path = f"{path}.{part}"
        try:
            found = getattr(found, part)
        except (AttributeError, ImportError) as error:
            try:
                found = importlib.import_module(path)
            except ImportError:
                raise Absent(f"hermite_collapse has no {name}") from error
    return found


def number(value: Any) -> float:
    """The float of a number, a one-element array or an estimate."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return float(value.reshape(-1)[0]) if value.size == 1 else float("nan")
    return float(value)
