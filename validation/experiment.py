"""What an experiment is: its name, the settings it runs with, the result it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermite_collapse.core import significance

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
class Result:
    """What an experiment found.

    verdict : one or two sentences.  passed : whether what was predicted was measured (for a control: rejected).
    numbers : what is worth reading, JSON values.  arrays : everything else, for an NPZ file beside the record.
    page : tables in Markdown, for a page beside the record.
    """

    passed: bool
    verdict: str
    numbers: Mapping[str, Any]
    arrays: Mapping[str, NDArray] = field(default_factory=dict)
    page: str = ""


@dataclass(frozen=True)
class Experiment:
    """One experiment: a name with slashes from general to particular, and the function that runs it.

    is_long : minutes on a CPU; run there only when named.
    """

    name: str
    summary: str
    run: Callable[[Settings], Result]
    is_long: bool = False


def holm(z: NDArray[np.float64], level: float) -> tuple[bool, float]:
    """Whether there are normal tests of two sides and Holm's rule rejects none, and the strongest adjusted p-value."""
    verdict = significance.holm(
        [significance.normal_test("", float(value)) for value in np.ravel(z)], level, untested=0
    )
    return verdict.passed, verdict.adjusted_p_value
