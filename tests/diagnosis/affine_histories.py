"""Curves of laws v' = A w + B with errors, and how often a verdict names a special case of such a law."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import hermite_collapse as hc
from hermite_collapse.diagnosis.result import Diagnosis

SPECIAL = ("truncation", "blur", "refit")
ROUNDS = 8
FAR = 1.0 / 3.0
"""Part of what a mechanism does from which on what it leaves out makes the name wrong."""


class History(NamedTuple):
    slope: float
    added: float
    starts: np.ndarray
    diagnosis: Diagnosis

    @property
    def name(self) -> str:
        """The identified mechanism, nothing where none is."""
        return self.diagnosis.leading.name if self.diagnosis.verdict == "identified" else ""

    @property
    def bound(self) -> float:
        """What the text says that the named special case leaves out at most."""
        said = re.search(r"What .* leaves out is at most ([0-9.]+) %", self.diagnosis.text)
        return np.inf if said is None else float(said.group(1)) / 100.0

    @property
    def part(self) -> float:
        """What the special case that is named leaves out of the true law, in parts of what it does there."""
        lost = 1.0 - self.slope
        if self.name == "blur":
            return abs(lost) * self.starts.max() / self.added if self.added > 0.0 else np.inf
        if lost <= 0.0:
            return np.inf
        return (
            abs(self.added - lost) / lost
            if self.name == "truncation"
            else self.added / lost / self.starts.min()
        )


def curve(start, slope, added, fresh, rounds=ROUNDS):
    values = [start]
    for i in range(rounds):
        training = start if i == 0 else fresh * start + (1.0 - fresh) * values[-1]
        values.append(slope * training + added)
    return np.array(values)


def law(kind, rng):
    """Return A and B of a truth."""
    slope, added, loss = rng.uniform(0.85, 1.12), rng.uniform(0.0, 0.06), rng.uniform(0.005, 0.06)
    return {
        "truncation": (1.0 - loss, loss),
        "blur": (1.0, added),
        "refit": (1.0 - 2.5 * loss, 0.0),
        "widening": (max(slope, 2.0 - slope), added),
        "general": (slope, added),
    }[kind]


def histories(kind, columns, error, count, seed, *, known=True) -> Iterator[History]:
    """Yield diagnoses of so many curves with relative errors, of starts and fresh fractions at random."""
    rng = np.random.default_rng([seed, columns])
    for _ in range(count):
        starts, fresh = rng.uniform(0.05, 1.2, columns), rng.choice([0.1, 0.25, 0.5])
        slope, added = law(kind, rng)
        exact = np.stack([curve(start, slope, added, fresh) for start in starts], axis=1)
        errors = error * exact
        errors[0] = 0.0
        diagnosis = hc.diagnose(
            exact + errors * rng.normal(size=exact.shape),
            kind="variances",
            standard_errors=errors,
            fresh_fraction=fresh if known else None,
            runs=np.inf,
        )
        yield History(slope, added, starts, diagnosis)


def shares(kind, columns, error, count, seed, *, known=True) -> dict[str, float]:
    """Return in which shares of histories the true mechanism is named, and one that leaves out little or much.

    Keys: "right"; "near" and "far", of special cases of another law, by what they leave out of it; "beyond" half of it;
    "outside" the bound that is said.
    """
    found = list(histories(kind, columns, error, count, seed, known=known))
    wrong = [one for one in found if one.name in SPECIAL and one.name != kind]
    return {
        "right": float(
            np.mean([one.name == ("score_error" if kind == "widening" else kind) for one in found])
        ),
        "near": float(np.sum([one.part <= FAR for one in wrong]) / count),
        "far": float(np.sum([one.part > FAR for one in wrong]) / count),
        "outside": float(np.sum([one.part > one.bound for one in wrong]) / count),
        "beyond": float(np.sum([one.part >= 0.5 for one in wrong]) / count),
    }
