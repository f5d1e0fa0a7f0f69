"""Four kinds of evidence, and the few comparisons they are made of.

symbolic         sympy or an exact field: each step of a derivation that begins with the definition
certified        Arb: enclosures over boxes of parameters, adaptively subdivided
high_precision   mpmath at 30 digits or more
simulated        random numbers with predicted standard errors, or the records of a validation run

Every piece of evidence is a function of the claim.  The same function judges the claim and each of its mutations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import sympy

KINDS = ("symbolic", "certified", "high_precision", "simulated")
SUPPORTS, REFUTES, SILENT = "supports", "refutes", "silent"


class Claim(SimpleNamespace):
    """The named formulas of a statement; `with_` returns a copy in which some are replaced."""

    def with_(self, **changes: Any) -> Claim:
        unknown = set(changes) - set(vars(self))
        if unknown:
            raise KeyError(f"a mutation changes {sorted(unknown)}, which the claim does not have")
        return Claim(**{**vars(self), **changes})


@dataclass(frozen=True)
class Outcome:
    """What one piece of evidence says, how close it comes, and the numbers behind it."""

    status: str
    closeness: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status not in (SUPPORTS, REFUTES, SILENT):
            raise ValueError(f"an outcome supports, refutes or is silent, not {self.status!r}")


@dataclass(frozen=True)
class Evidence:
    """One way to check a claim.

    `covers` is "all" when success settles the claim for every parameter its conditions allow, "cases" when it checks
    instances.  `role` is "truth", "sharpness" (the claim cannot be improved) or "vacuity" (it says nothing here).
    """

    kind: str
    what: str
    run: Callable[[Claim], Outcome]
    covers: str = "cases"
    role: str = "truth"
    quick: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"evidence is one of {KINDS}, not {self.kind!r}")
        if self.covers not in ("all", "cases") or self.role not in ("truth", "sharpness", "vacuity"):
            raise ValueError(f"evidence with covers={self.covers!r}, role={self.role!r} is not understood")
        if self.covers == "all" and self.kind in ("high_precision", "simulated"):
            raise ValueError(f"{self.kind} evidence checks instances; it cannot cover all parameters")


def _maker(kind: str, covers: str) -> Callable[..., Any]:
    def decorate(
        what: str, *, covers: str = covers, role: str = "truth", quick: bool = True
    ) -> Callable[[Callable[[Claim], Outcome]], Evidence]:
        return lambda run: Evidence(kind, what, run, covers, role, quick)

    return decorate


symbolic = _maker("symbolic", "all")
certified = _maker("certified", "cases")
high_precision = _maker("high_precision", "cases")
simulated = _maker("simulated", "cases")


# --------------------------------------------------------------------------- comparisons


def all_of(*outcomes: Outcome) -> Outcome:
    """Refuted by one refutation; supported when all support; the closeness of the first that decides."""
    for status in (REFUTES, SILENT):
        for outcome in outcomes:
            if outcome.status == status:
                return outcome
    numbers: dict[str, float] = {}
    for position, outcome in enumerate(outcomes):
        numbers.update(
            {f"{key}" if key not in numbers else f"{key}_{position}": v for key, v in outcome.numbers.items()}
        )
    return Outcome(SUPPORTS, "; ".join(dict.fromkeys(outcome.closeness for outcome in outcomes)), numbers)


def decided(condition: bool, closeness: str, **numbers: float) -> Outcome:
    """An outcome from one exact yes or no."""
    return Outcome(SUPPORTS if condition else REFUTES, closeness, numbers)


_REDUCTIONS: tuple[Callable[[Any], Any], ...] = (
    sympy.expand,
    lambda e: sympy.cancel(sympy.together(sympy.expand_power_exp(e))),
    sympy.simplify,
    lambda e: sympy.simplify(sympy.expand(sympy.expand_power_exp(e))),
    lambda e: sympy.simplify(sympy.gammasimp(sympy.powsimp(sympy.expand(e)))),
    lambda e: sympy.simplify(sympy.expand_func(sympy.expand(e))),
)


def identity(left: Any, right: Any, label: str = "") -> Outcome:
    """left = right as sympy expressions.

    A difference at a random rational point refutes; only a simplification to zero supports.
    """
    difference = sympy.sympify(left) - sympy.sympify(right)
    name = f"{label}: " if label else ""
    if difference == 0:
        return Outcome(SUPPORTS, f"{name}identical")
    symbols = sorted(difference.free_symbols, key=str)
    for shift in range(3):
        values = {}
        for position, symbol in enumerate(symbols):
            primes = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
            whole = 2 + position + shift
            values[symbol] = (
                sympy.Integer(whole)
                if symbol.is_integer
                else sympy.Rational(3 + position + shift, primes[(position + 2 * shift) % len(primes)])
            )
        number = sympy.N(difference.subs(values), 40)
        if number.is_number and number.is_finite and abs(number) > sympy.Float("1e-25"):
            return Outcome(REFUTES, f"{name}the sides differ by {sympy.N(number, 3)} at {values}")
    # Powers of 1 - alpha only meet when 1 - alpha is one positive symbol.
    rest = {symbol: 1 - sympy.Symbol("beta", positive=True) for symbol in symbols if str(symbol) == "alpha"}
    for form in (difference, difference.subs(rest)) if rest else (difference,):
        for reduce in _REDUCTIONS:
            if reduce(form) == 0:
                return Outcome(SUPPORTS, f"{name}simplifies to zero")
    difference = sympy.simplify(difference)
    return Outcome(SILENT, f"{name}sympy leaves {str(difference)[:80]}")


def agreement(pairs: Iterable[tuple[Any, Any]], digits: float) -> Outcome:
    """Pairs of numbers that must agree to so many relative digits."""
    worst, count, where = mpmath.mpf(0), 0, None
    for left, right in pairs:
        count += 1
        scale = max(abs(left), abs(right))
        gap = abs(mpmath.mpmathify(left) - mpmath.mpmathify(right)) / scale if scale else mpmath.mpf(0)
        if not gap <= worst:
            worst, where = gap, (left, right)
    if count == 0:
        raise ValueError("an agreement of no numbers says nothing")
    if worst <= mpmath.mpf(10) ** (-digits):
        found = -float(mpmath.log10(worst)) if worst > 0 else math.inf
        shown = f"{found:.0f} digits" if found < 300 else "every digit"
        return Outcome(SUPPORTS, f"{shown} at {count} points", {"discrepancy": float(worst), "points": count})
    left, right = (mpmath.nstr(mpmath.mpmathify(value), 8) for value in where)
    return Outcome(REFUTES, f"{left} against {right}", {"discrepancy": float(worst), "points": count})


def ordered(pairs: Iterable[tuple[Any, Any]], slack: float = 1e-12) -> Outcome:
    """Pairs (smaller, larger); `slack` is relative rounding only.  The closeness is the largest quotient."""
    best, count, broken = mpmath.mpf(0), 0, None
    for small, large in pairs:
        count += 1
        small, large = mpmath.mpmathify(small), mpmath.mpmathify(large)
        if small > large + slack * max(abs(small), abs(large)):
            broken = broken or (small, large)
        if large != 0 and mpmath.isfinite(large):
            best = max(best, small / large)
    if count == 0:
        raise ValueError("an inequality between no numbers says nothing")
    if broken:
        small, large = (mpmath.nstr(value, 8) for value in broken)
        return Outcome(REFUTES, f"{small} exceeds its bound {large}", {"points": count})
    return Outcome(
        SUPPORTS,
        f"{count} cases, largest share of the bound {mpmath.nstr(best, 4)}",
        {"largest_share": float(best), "points": count},
    )


def attained(pairs: Iterable[tuple[Any, Any]], within: float) -> Outcome:
    """Sharpness: some pair (value, bound) comes within a relative `within` of equality, none exceeds it."""
    pairs = list(pairs)
    outcome = ordered(pairs)
    if outcome.status == REFUTES:
        return outcome
    best = outcome.numbers["largest_share"]
    return decided(
        best >= 1 - within, f"extremal example reaches {best:.9g} of the bound", largest_share=best
    )


def scores(
    observed: Any, predicted: Any, standard_error: Any, *, accept: float = 1e-3, reject: float = 1e-6
) -> Outcome:
    """Independent Monte Carlo means against predictions: the largest z-score with a Bonferroni correction.

    p >= accept supports, p < reject refutes, between the two the evidence is silent.
    """
    observed, predicted, standard_error = (
        np.asarray(value, float).ravel() for value in (observed, predicted, standard_error)
    )
    if not (standard_error > 0).all():
        raise ValueError("a z-score needs positive standard errors")
    z = np.abs(observed - predicted) / standard_error
    largest, tests = float(z.max()), z.size
    p = min(1.0, tests * math.erfc(largest / math.sqrt(2)))
    status = SUPPORTS if p >= accept else REFUTES if p < reject else SILENT
    return Outcome(
        status,
        f"largest |z| {largest:.2f} over {tests} comparisons (p = {p:.2g})",
        {"z": largest, "p": p, "tests": tests},
    )
