"""Certified evidence: Arb balls, boxes of parameters and adaptive subdivision.

python-flint is an optional dependency; without it certified evidence is skipped and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .arithmetic import Arithmetic
from .evidence import REFUTES, SILENT, SUPPORTS, Outcome


def arithmetic() -> Arithmetic:
    """The number system of Arb balls."""
    from flint import arb

    return Arithmetic(
        "arb",
        lambda top, bottom=1: arb(top) / bottom,
        lambda z: arb(z).exp(),
        lambda z: arb(z).expm1(),
        lambda z: arb(z).log(),
        lambda z: arb(z).log1p(),
        lambda z: arb(z).sqrt(),
        lambda z: arb(z).gamma(),
        arb.pi(),
    )


def positive_on(
    function: Callable[..., Any], box: list[tuple[float, float]], *, strict: bool = True, most: int = 20000
) -> Outcome:
    """Enclose `function` on a box, halving until every piece is certainly positive (or, not strict, non-negative).

    A piece whose midpoint is certainly on the wrong side refutes, with that point.
    """
    from flint import arb

    whole = [(arb(low), arb(high)) for low, high in box]
    stack, done, lowest = [whole], 0, math.inf
    while stack:
        piece = stack.pop()
        value = function(*(low.union(high) for low, high in piece))
        if (value > 0) if strict else (value >= 0):
            done += 1
            lowest = min(lowest, float(value.lower()))
            continue
        centre = function(*(((low + high) / 2).mid() for low, high in piece))
        if centre < 0 or (strict and centre <= 0):
            at = ", ".join(f"{float(((low + high) / 2).mid()):.4g}" for low, high in piece)
            return Outcome(REFUTES, f"certainly on the wrong side at ({at})", {"value": float(centre.mid())})
        if done + len(stack) > most:
            return Outcome(SILENT, f"not decided within {most} boxes")
        shares = [
            float((high - low).mid()) / float((top - bottom).mid())
            for (low, high), (bottom, top) in zip(piece, whole, strict=True)
        ]
        axis = shares.index(max(shares))
        low, high = piece[axis]
        middle = ((low + high) / 2).mid()
        for half in ((low, middle), (middle, high)):
            stack.append([*piece[:axis], half, *piece[axis + 1 :]])
    return Outcome(SUPPORTS, f"proved on {done} boxes", {"boxes": done, "lower_bound": lowest})


def exponential_remainder(y: Any, first: int, weight: Callable[[int], Any], terms: int = 40) -> Any:
    """Enclosure of sum over k >= first of weight(k) y^(k - first) / k!, for 0 <= abs(weight(k)) <= k and 0 <= y <= 1.

    The tail after `terms` terms is below 2/(first + terms - 1)!, because y <= 1.
    """
    from flint import arb

    total = arb(0)
    power = arb(1)
    factorial = arb(first).fac() if hasattr(arb, "fac") else (arb(first) + 1).gamma()
    for k in range(first, first + terms):
        total += arb(weight(k)) * power / factorial
        power *= y
        factorial *= k + 1
    tail = (arb(first + terms)).gamma()
    return total + arb(0, 1) * (2 / tail).upper()
