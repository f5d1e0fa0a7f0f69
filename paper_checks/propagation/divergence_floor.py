"""Errors that do not fade keep the model away from the data: a floor under limsup D."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
import sympy
from mpmath import mpf

from .. import families, subject
from ..evidence import Claim, Outcome, high_precision, identity, ordered, simulated
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    printed=lambda alpha, h, e: alpha * h * e / (16 * (1 + (1 - alpha) ** 2)),
    improved=lambda alpha, h, e: alpha * h * e / (8 * (2 - alpha) ** 2),
)

alpha, h, e, D = sympy.symbols("alpha h e D", positive=True)


def _printed(claim: Claim) -> Outcome:
    rest = claim.printed(alpha, h, e)
    return identity(rest + (1 - alpha) ** 2 * rest, alpha / 2 * h * e / 8, "printed floor")


def _improved(claim: Claim) -> Outcome:
    rest = claim.improved(alpha, h, e)
    return identity((sympy.sqrt(rest) * (1 + (1 - alpha))) ** 2, alpha * h * e / 8, "improved floor")


def _order(claim: Claim) -> Outcome:
    quotient = sympy.simplify(claim.improved(alpha, h, e) / claim.printed(alpha, h, e))
    return identity(quotient, 1 + alpha**2 / (2 - alpha) ** 2, "improvement")


STEPS = (
    Step(
        r"Eventually $\eta_i\varepsilon_i^2\geq he$, so $I_i\geq he/8$ and innovation gives $D_{i+1}+(1-\alpha)^2D_i\geq\alpha he/16$. If all late $D_i$ were "
        r"below $m$, then $m(1+(1-\alpha)^2)\geq\alpha he/16$:",
        r"\limsup D_i\geq\frac{\alpha he}{16(1+(1-\alpha)^2)}",
        _printed,
    ),
    Step(
        r"Use the first form of innovation, before the parallelogram, $\sqrt{D_{i+1}}+(1-\alpha)\sqrt{D_i}\geq\sqrt{\alpha I_i}$:",
        r"\limsup D_i\geq\frac{\alpha he}{8(2-\alpha)^2}",
        _improved,
    ),
    Step(
        r"which is never smaller:",
        r"\frac{16(1+(1-\alpha)^2)}{8(2-\alpha)^2}=1+\frac{\alpha^2}{(2-\alpha)^2}",
        _order,
    ),
)


def _least_late(fraction: float, size: float, alternate: bool) -> tuple[float, float]:
    shifts = [size * ((-1) ** j if alternate else 1) for j in range(40)]
    rows = families.shift_recursion(fraction, shifts)
    late = max(float(after) for _, after in rows[-6:])
    visible = size**2 / (1 + 30 * size**2)  # J of q_i is at least 1/Var(q_i)
    return late, visible


@high_precision(
    "shift errors of fixed size for 40 rounds, equal and alternating: the largest late divergence against both floors"
)
def shifts(claim: Claim) -> Outcome:
    pairs = []
    for fraction in (0.3, 0.6, 1.0):
        for alternate in (True, False):
            late, visible = _least_late(fraction, 0.1, alternate)
            for floor in (claim.printed, claim.improved):
                pairs.append((floor(mpf(fraction), 1, mpf(visible)), late))
    return ordered(pairs)


@simulated(
    "circle model, 400 random sequences of defects of one size: the largest late divergence against both floors"
)
def circle(claim: Claim) -> Outcome:
    # In the circle model the chi-square divergence of a round is itself the visible energy, up to higher order.
    import numpy as np

    rng = np.random.default_rng(44)
    pairs = []
    for fraction in (0.3, 0.8):
        for _ in range(200):
            size, rows = 0.02, []
            u = np.zeros(3)
            for _ in range(30):
                turn = rng.standard_normal(3)
                r = size * turn / np.linalg.norm(turn)
                u = (1 - fraction) * u + r
                rows.append(float(u @ u))
            pairs += [
                (floor(fraction, 1, size**2), max(rows[-8:])) for floor in (claim.printed, claim.improved)
            ]
    return ordered(pairs)


def _package() -> Iterator[tuple[str, Any, Any]]:
    floor = subject.fetch("bounds.persistence_floor")
    for fraction, e, h in ((0.2, 0.1, 0.5), (1.0, 0.4, 0.9)):
        printed, improved = floor(e, h, fresh_fraction=fraction)
        # Rest points of the two forms of innovation with I = h e/8, by iteration.
        b, level = 1 - mpf(fraction), mpf(fraction) * mpf(e) * mpf(h) / 8
        yield (
            "printed",
            subject.number(printed),
            mpmath.findroot(lambda m, b=b, L=level: m + b * b * m - L / 2, level),
        )
        yield (
            "improved",
            subject.number(improved),
            mpmath.findroot(lambda m, b=b, L=level: mpmath.sqrt(m) * (1 + b) - mpmath.sqrt(L), level),
        )


STATEMENT = Statement(
    id="propagation.divergence_floor",
    title="Persistent visible errors put a floor under the divergence",
    source="propagation paper, Proposition 4.1, second part; the improved constant is new",
    text=(
        r"If eventually $\varepsilon_i^2\geq e$ and $\eta_i\geq h$ (small errors), the divergence from the data returns for ever to at least the printed floor, and "
        r"even to the improved one, which is up to twice as high."
    ),
    formula=r"\limsup_iD_i\geq\frac{\alpha he}{8(2-\alpha)^2}\geq\frac{\alpha he}{16(1+(1-\alpha)^2)}",
    conditions=r"small errors in the sense of Proposition 3.3; $0<\alpha\leq1$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "rest points of the two forms of innovation, their quotient"), shifts, circle),
    mutations=(
        Mutation(
            "constant",
            r"$\alpha he/(4(2-\alpha)^2)$",
            {"improved": lambda a, h, e: a * h * e / (4 * (2 - a) ** 2)},
        ),
        Mutation("exponent", r"$(2-\alpha)^{-1}$", {"improved": lambda a, h, e: a * h * e / (8 * (2 - a))}),
        Mutation(
            "sign", r"$1-(1-\alpha)^2$", {"printed": lambda a, h, e: a * h * e / (16 * (1 - (1 - a) ** 2))}
        ),
        Mutation(
            "dropped condition",
            r"without fresh data: $\alpha=1$ in front",
            {"improved": lambda a, h, e: h * e / (8 * (2 - a) ** 2)},
        ),
    ),
    expected="holds",
    package=Package("bounds.persistence_floor", "tests/bounds/propagation/test_innovation.py", _package),
)
