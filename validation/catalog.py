"""What there is to validate: experiments by name, and the settings they run with."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.01  # probability that all records together reject anything that is true


@dataclass(frozen=True)
class Settings:
    """How an experiment runs: "full" size on a GPU, "small" on a CPU, and which share of LEVEL its verdict has."""

    size: str
    device: str
    seed: int = 0
    level: float = LEVEL

    @property
    def is_full(self) -> bool:
        return self.size == "full"


@dataclass(frozen=True)
class Outcome:
    """What an experiment found.

    verdict : one or two sentences.  passed : whether what was predicted was measured (for a control: rejected).
    numbers : what is worth reading, JSON values.  arrays : everything else, for an NPZ file beside the record.
    """

    passed: bool
    verdict: str
    numbers: Mapping[str, Any]
    arrays: Mapping[str, NDArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """One experiment: a name with slashes from general to particular, and the function that runs it.

    is_long : minutes on a CPU; run there only when named.
    """

    name: str
    summary: str
    run: Callable[[Settings], Outcome]
    is_long: bool = False


def experiments() -> list[Experiment]:
    """All of them, in the order in which they run."""
    from .experiments import (
        annealing,
        budget,
        controls,
        figures_of_the_papers,
        final_steps,
        identity,
        neural_errors,
        neural_images,
        neural_mixtures,
        planned_schedules,
        presets,
        ten_dimensions,
    )

    modules = (
        presets,
        controls,
        final_steps,
        budget,
        identity,
        figures_of_the_papers,
        annealing,
        planned_schedules,
        ten_dimensions,
        neural_mixtures,
        neural_errors,
        neural_images,
    )
    return [experiment for module in modules for experiment in module.experiments()]


def chosen(names: list[str] | None, *, long_ones: bool) -> list[Experiment]:
    """The experiments that names select: a name, a part in front of a slash, the last part, or a pattern with stars.

    Without names all of them, the long ones only if asked for.  Raises KeyError with a name that selects nothing.
    """
    everything = experiments()
    if not names:
        return [e for e in everything if long_ones or not e.is_long]
    result: list[Experiment] = []
    for name in names:
        found = [e for e in everything if _matches(e.name, name)]
        if not found:
            raise KeyError(name)
        result += [e for e in found if e not in result]
    return result


def _matches(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(wanted + "/") or fnmatch.fnmatchcase(name, wanted)


def holm(z: NDArray[np.float64], level: float) -> tuple[bool, float]:
    """Whether no two-sided normal test is rejected by Holm's rule, and the adjusted p-value of the strongest."""
    from math import erfc, sqrt

    p = np.sort([erfc(abs(value) / sqrt(2.0)) for value in np.ravel(z)])
    if not len(p):
        return True, 1.0
    adjusted = min(1.0, float(p[0]) * len(p))
    return adjusted >= level, adjusted
