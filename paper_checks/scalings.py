"""Every formula of every claim, multiplied by a constant: the evidence must reject it.

A formula that survives a factor is either a condition or a bound that the factor weakens, and its statement then says
which weaker true statement it became (`registry.Weaker`), or a formula that no evidence is tied to: a complaint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from .evidence import Claim

FACTORS = ((101, 100), (99, 100), (3, 2), (3, 5))


@dataclass(frozen=True)
class Scaling:
    """One formula of a statement times one factor, and what became of it.

    outcome : "rejected", "weaker" (a true statement that says less), "no number" (the formula decides or counts),
        "survives" or "unused" (no evidence calls it); the last two are complaints.
    """

    formula: str
    factor: float
    outcome: str
    by: str

    @property
    def is_as_it_should(self) -> bool:
        return self.outcome not in ("survives", "unused")


class Scaled:
    """A formula times top/bottom, in the number system of whatever it returns; counts its calls."""

    def __init__(self, formula: Callable[..., Any], top: int, bottom: int) -> None:
        self.formula, self.top, self.bottom = formula, top, bottom
        self.calls = self.numbers = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        return self._times(self.formula(*arguments, **named))

    def _times(self, value: Any) -> Any:
        if isinstance(value, sympy.Expr):
            self.numbers += 1
            return value * sympy.Rational(self.top, self.bottom)
        if value is None or isinstance(value, bool | np.bool_ | int | str | sympy.Basic):
            return value  # yes or no, or a count
        if isinstance(value, tuple | list):
            return type(value)(self._times(part) for part in value)
        if isinstance(value, dict):
            return {key: self._times(part) for key, part in value.items()}
        self.numbers += 1
        if isinstance(value, float | np.generic | np.ndarray):
            return value * (self.top / self.bottom)
        return value * self.top / self.bottom


def scaled_claims(claim: Claim) -> Iterator[tuple[str, float, Scaled | None, Claim]]:
    """(formula, factor, the counting formula or None for a constant, changed claim) for all of them."""
    for name, value in vars(claim).items():
        for top, bottom in FACTORS:
            if callable(value):
                formula = Scaled(value, top, bottom)
                yield name, top / bottom, formula, claim.with_(**{name: formula})
            elif isinstance(value, float | sympy.Rational) and not isinstance(value, sympy.Integer):
                yield name, top / bottom, None, claim.with_(**{name: value * top / bottom})
