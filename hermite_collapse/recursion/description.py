"""A recursion as JSON values: what a record says it is of, and what a finished run is held against."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ..laws.empirical import EmpiricalLaw
from ..laws.mixture import Law
from .recursion import Recursion


def describe_recursion(recursion: Recursion, rounds: int) -> dict[str, Any]:
    """Return the parameters of a recursion as JSON values, its laws by digest."""
    regime, fraction = recursion.regime, recursion.fresh_fraction
    described = {
        "blur": float(recursion.blur),
        "dimension": int(recursion.dimension),
        "fresh_fraction": list(fraction) if isinstance(fraction, tuple) else float(fraction),
        "initial": None if recursion.initial is None else _digest(recursion.initial),
        "process": repr(recursion.process),
        "regime": regime.name,
        "target": _digest(recursion.target),
        "truncation": [float(t) for t in recursion.schedule.times(rounds)],
    }
    if regime.table is not None:
        described["weights"] = hashlib.sha256(np.ascontiguousarray(regime.table).tobytes()).hexdigest()
    return described


def _digest(law: Law) -> str:
    if isinstance(law, EmpiricalLaw):
        arrays: list[np.ndarray | None] = [law.samples]
    else:
        mixture = law.as_mixture()
        arrays = [mixture.weights, mixture.means, mixture.variances, mixture.frames, mixture.frame_of]
    digest = hashlib.sha256(type(law).__name__.encode())
    for array in arrays:
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
