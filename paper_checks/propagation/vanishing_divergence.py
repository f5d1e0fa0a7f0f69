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
    # D after many rounds of aligned defects whose squared size changes slowly and is R now.
    settled=lambda R, alpha: R / alpha**2,
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


def _settled(claim: Claim) -> Outcome:
    u = sympy.sqrt(claim.settled(r**2, alpha))
    return identity((1 - alpha) * u + r, u, "rest point of the lengths")


STEPS = (
    Step(
        r"In $L^2(1/p_\ast)$ a round refreshes and adds its defect $r_i$, so at worst the lengths add:",
        r"\sqrt{D_{i+1}}\leq(1-\alpha)\sqrt{D_i}+\sqrt{R_i}",
        _memory,
    ),
    Step(
        r"Defects of one size rest where a round changes nothing, and slowly varying ones follow that value:",
        r"D_i\approx\frac{R_i}{\alpha^2}",
        _settled,
    ),
    Step(
        r"In general a geometric memory acts on $\sqrt{R_i}$: if $R_i\to0$ then $D_i\to0$, even when $\sum R_i=\infty$, as for $R_i=c/(i+1)$. What diverges is "
        r"$\sum D_i$, not $D_i$."
    ),
)


@cache
def _circle(fraction: float, fading: bool, rounds: int) -> tuple[float, float, float]:
    """First D, last D and last R on the circle: every round adds the same wave, of fading or of constant size."""
    sizes = [0.1 * fraction / np.sqrt(i + 1 if fading else 9.0) for i in range(rounds)]
    rows = families.circle_recursion(fraction, [lambda t, s=s: s * np.sqrt(2) * np.cos(t) for s in sizes])
    return rows[0]["D"], rows[-1]["D"], rows[-1]["R"]


@high_precision(
    "circle model, 900 rounds of exact trigonometric densities: energies c/(i+1), whose sum is infinite, and constant ones"
)
def circle(claim: Claim) -> Outcome:
    outcomes = []
    for fraction in (0.2, 0.7):
        for fading in (True, False):
            first, last, energy = _circle(fraction, fading, 900)
            # The rest point lags behind fading defects by (1 - alpha)/alpha rounds of 900.
            lag = 2 * (1 - fraction) / fraction / 900 if fading else 1e-9
            share = last / claim.settled(energy, fraction)
            outcomes.append(
                decided(abs(share - 1) < lag, f"D from {first:.2e} to {last:.2e}, {share:.4f} of R/alpha^2")
            )
    return all_of(*outcomes)


@high_precision(
    "shift errors with energies c/(i+1) on N(0,1), 60 rounds: D keeps falling towards its small-error value"
)
def shifts(claim: Claim) -> Outcome:
    sizes = [mpf("0.1") / (i + 1) ** mpf("0.5") for i in range(60)]
    rows = families.shift_recursion(mpf("0.5"), sizes)
    early, late = float(rows[9][1]), float(rows[59][1])
    share = late / float(claim.settled(sizes[-1] ** 2, mpf("0.5")))
    return decided(
        late < early / 4 and abs(share - 1) < 0.05, f"D from {early:.3e} to {late:.3e}, share {share:.3f}"
    )


@simulated(
    "300 000 particles on the line, shifts c/sqrt(i+1): squared mean after 80 rounds, a lower bound of D"
)
def particles(claim: Claim) -> Outcome:
    rng = np.random.default_rng(17)
    y = rng.standard_normal(300_000)
    for i in range(80):
        y = np.where(
            rng.random(y.size) < 0.5, rng.standard_normal(y.size), y[rng.integers(0, y.size, y.size)]
        ) + 0.4 / np.sqrt(i + 1)
    share = y.mean() ** 2 / claim.settled(0.4**2 / 80, 0.5)
    return decided(abs(share - 1) < 0.15, f"squared mean {y.mean() ** 2:.5f}, share {share:.3f}")


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
    source="propagation paper, a sentence after Proposition 4.1",
    text=r"If the defects tend to zero, so does the divergence from the data, even when their squares add up to infinity.",
    formula=r"R_i\to0\;\Rightarrow\;D_i\to0,\qquad\mathrm{e.g.}\;R_i=\frac{c}{i+1},\;\sum_iR_i=\infty",
    conditions=r"$\alpha>0$, defects measured in $L^2(1/p_\ast)$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "one round with aligned defects, its rest point"), circle, shifts, particles),
    mutations=(
        Mutation("constant", r"a floor of $10^{-4}$ remains", {"settled": lambda R, a: R / a**2 + 1e-4}),
        Mutation("exponent", r"$R/\alpha$", {"settled": lambda R, a: R / a}),
        Mutation("exponent", "the memory acts on D to the first power", {"power": 1}),
        Mutation("sign", r"memory $1+\alpha$", {"memory": lambda a: 1 + a}),
        Mutation("dropped condition", r"no fresh data: nothing is forgotten", {"memory": lambda a: 1}),
    ),
    displayed=Displayed(
        "arXiv:2602.16601v1, a sentence of section 4.1 after Proposition 4.1 (the proposition itself holds: propagation.divergent_sum)",
        r"With $\sum_i\varepsilon_i^2=\infty$ the divergence $D_i$ cannot converge to $0$; read here as a floor of $10^{-4}$, a hundredth of $D_1$.",
        r"\sum_i\varepsilon_i^2=\infty\;\Rightarrow\;D_i\not\to0",
        {"settled": lambda R, a: R / a**2 + 1e-4},
        r"Only $\sum D_i=\infty$ follows; $\varepsilon_i^2=1/(i+1)$ lets $D_i\to0$ like $1/i$, below every floor.",
    ),
    expected="false as displayed",
    remark="The sentence is given in our own words after a reading of v1, whose text is not part of this repository.",
    package=Package(
        "bounds.discounted_divergence", "tests/bounds/propagation/test_innovation.py", _package, digits=9
    ),
)
