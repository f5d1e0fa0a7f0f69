"""A divergent sum of energies does not keep the divergence from zero."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import sympy
from mpmath import mpf

from .. import families, subject
from ..evidence import Claim, Outcome, all_of, decided, high_precision, identity, simulated
from ..registry import Displayed, Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    # liminf of D for defects of squared size e_i: zero exactly when the e_i tend to zero.
    floor=lambda last_energy, sum_of_energies, alpha: (
        0 if last_energy < 0.01 else last_energy / (2 - alpha) ** 2
    ),
    memory=lambda alpha: 1 - alpha,
    power=2,
)

alpha, r = sympy.symbols("alpha r", positive=True)


def _memory(claim: Claim) -> Outcome:
    u = sympy.Symbol("u", positive=True)
    # Refresh, then a defect of size r in the worst direction.
    return identity(
        (claim.memory(alpha) * u + r) ** claim.power, ((1 - alpha) * u + r) ** 2, "one round, defects aligned"
    )


STEPS = (
    Step(
        r"In $L^2(1/p_\ast)$ a round refreshes and adds its defect $r_i$, so at worst the lengths add:",
        r"\sqrt{D_{i+1}}\leq(1-\alpha)\sqrt{D_i}+\sqrt{R_i}",
        _memory,
    ),
    Step(
        r"This is a geometric memory applied to $\sqrt{R_i}$: if $R_i\to0$ then $D_i\to0$, even when $\sum R_i=\infty$, as for $R_i=c/(i+1)$. What diverges is "
        r"$\sum D_i$, not $D_i$."
    ),
)


@cache
def _decay(fraction: float) -> tuple[float, float, float]:
    # p* uniform on the circle; every round adds the same wave, smaller and smaller.
    rows = families.circle_recursion(
        fraction,
        [lambda t, size=0.1 * fraction / np.sqrt(i + 1): size * np.sqrt(2) * np.cos(t) for i in range(900)],
    )
    return rows[30]["D"], rows[899]["D"], sum(row["R"] for row in rows)


@high_precision(
    "circle model with energies c/(i+1), 900 rounds of exact trigonometric densities: D falls like 1/i"
)
def circle(claim: Claim) -> Outcome:
    outcomes = []
    for fraction in (0.2, 0.7):
        early, late, _ = _decay(fraction)
        ratio = late / early
        floor = claim.floor(0.0001, 7.0, fraction)
        outcomes.append(
            decided(
                floor <= late and 0.02 < ratio < 0.05,
                f"D falls from {early:.2e} to {late:.2e}",
                early=early,
                late=late,
            )
        )
    return all_of(*outcomes)


@high_precision("shift errors with energies c/(i+1) on N(0,1), 60 rounds: D keeps falling")
def shifts(claim: Claim) -> Outcome:
    rows = families.shift_recursion(mpf("0.5"), [mpf("0.3") / (i + 1) ** mpf("0.5") for i in range(60)])
    early, late = float(rows[9][1]), float(rows[59][1])
    return decided(
        late < early / 4 and late >= claim.floor(0.0001, 5.0, 0.5), f"D falls from {early:.3e} to {late:.3e}"
    )


@simulated(
    "300 000 particles on the line, shifts c/sqrt(i+1): squared mean after 5 and 80 rounds, a lower bound of D"
)
def particles(claim: Claim) -> Outcome:
    rng = np.random.default_rng(17)
    y, seen = rng.standard_normal(300_000), []
    for i in range(80):
        y = np.where(
            rng.random(y.size) < 0.5, rng.standard_normal(y.size), y[rng.integers(0, y.size, y.size)]
        ) + 0.4 / np.sqrt(i + 1)
        seen.append(y.mean() ** 2)
    return decided(
        seen[79] < seen[4] / 6 and claim.floor(0.0001, 5.0, 0.5) <= seen[79],
        f"squared mean {seen[4]:.4f}, then {seen[79]:.4f}",
    )


def _package() -> Iterator[tuple[str, Any, Any]]:
    discounted = subject.fetch("bounds.discounted_divergence")
    rows = families.circle_recursion(
        0.5, [lambda t, size=0.05 / np.sqrt(i + 1): size * np.sqrt(2) * np.cos(t) for i in range(30)]
    )
    found = discounted([row["R"] for row in rows], fresh_fraction=0.5)
    for index in (1, 10, 30):
        yield f"round {index}", found[index], rows[index - 1]["D"]


STATEMENT = Statement(
    id="propagation.vanishing_divergence",
    title="Energies with an infinite sum may still let the divergence vanish",
    source="propagation paper, Proposition 4.1, a reading of it",
    text=r"If the defects tend to zero, so does the divergence from the data, even when their squares add up to infinity.",
    formula=r"R_i\to0\;\Rightarrow\;D_i\to0,\qquad\mathrm{e.g.}\;R_i=\frac{c}{i+1},\;\sum_iR_i=\infty",
    conditions=r"$\alpha>0$, defects measured in $L^2(1/p_\ast)$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "one round with aligned defects"), circle, shifts, particles),
    mutations=(
        Mutation("constant", r"a floor of $10^{-2}$ remains", {"floor": lambda e, total, a: 1e-2 * total}),
        Mutation("exponent", "the memory acts on D to the first power", {"power": 1}),
        Mutation("sign", r"memory $1+\alpha$", {"memory": lambda a: 1 + a}),
        Mutation("dropped condition", r"no fresh data: nothing is forgotten", {"memory": lambda a: 1}),
    ),
    displayed=Displayed(
        r"Read as: $\sum_i\eta_i\varepsilon_i^2=\infty$ keeps $D_i$ away from zero.",
        r"\sum_i\eta_i\varepsilon_i^2=\infty\;\Rightarrow\;\liminf D_i>0",
        {"floor": lambda e, total, a: 1e-2 * total},
        r"Only $\sum D_i=\infty$ follows; $\varepsilon_i^2=1/(i+1)$ lets $D_i\to0$.",
    ),
    expected="false as displayed",
    package=Package(
        "bounds.discounted_divergence", "tests/bounds/propagation/test_innovation.py", _package, digits=9
    ),
)
