"""Old ages are almost Gaussian: the tail of the mixture of ages."""

from __future__ import annotations

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, enclosures, families
from ..evidence import (
    Claim,
    Outcome,
    all_of,
    attained,
    certified,
    high_precision,
    identity,
    ordered,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    bound=lambda a2, second, d: a2 * (second + d) / (2 * (1 - a2)),
    transport=lambda a, distance: a * distance,
)

u, q, d, y, m = sympy.symbols("u q d y m", positive=True)


def _component(claim: Claim) -> Outcome:
    # KL(N(a x, 1 - a^2) || N(0,1)) in one dimension by integration, u = a^2.
    z = sympy.Symbol("z", real=True)
    w = sympy.Symbol("w", positive=True)
    p = sympy.exp(-((z - m) ** 2) / (2 * w)) / sympy.sqrt(2 * sympy.pi * w)
    logs = -sympy.log(w) / 2 - (z - m) ** 2 / (2 * w) + z**2 / 2
    value = sympy.integrate(p * logs, (z, -sympy.oo, sympy.oo))
    return identity(sympy.expand(sympy.simplify(value)), (m**2 + w - 1 - sympy.log(w)) / 2, "one component")


def _series(claim: Claim) -> Outcome:
    # The sums of u^k, k >= 2, and of u^k/k in closed form: the identity is one of all orders.
    difference = 2 * claim.bound(u, q, d) - u * q - d * (-u - sympy.log(1 - u))
    powers, shares = u**2 / (1 - u), -u - sympy.log(1 - u)
    series = sympy.series(shares, u, 0, 6).removeO() - sum(u**j / j for j in range(2, 6))
    return all_of(
        identity(series, 0, "shares"),
        identity(difference, d * u + (q + d) * powers - d * shares, "the slack, all orders"),
    )


STEPS = (
    Step(
        r"KL is convex, so it is at most the average over the data point of the KL of one Gaussian $N(ax,(1-a^2)I)$:",
        r"\mathrm{KL}(N(m,w)\|N(0,1))=\frac12\left(m^2+w-1-\log w\right)",
        _component,
    ),
    Step(
        r"With $u=a^2$ this is $\frac12(u\,E\|X\|^2+d(-u-\log(1-u)))$; compare power series in $u$:",
        r"\frac{u(E\|X\|^2+d)}{1-u}-uE\|X\|^2-d(-u-\log(1-u))=d\,u+\sum_{k\geq2}\left(E\|X\|^2+d\left(1-\frac1k\right)\right)u^k\geq0",
        _series,
    ),
    Step(
        r"In $W_2$ the channel leaves $\gamma$ in place and contracts: $W_2(C_Tp,\gamma)\leq a_TW_2(p,\gamma)$."
    ),
)


@certified(
    "slack of the KL bound divided by u, for u in [1e-3, 0.999] and E X^2 up to 100 in one dimension: it is linear in E X^2"
)
def slack(claim: Claim) -> Outcome:
    m_ = enclosures.arithmetic()
    return all_of(
        *(
            enclosures.positive_on(
                lambda t, s=s: 2 * claim.bound(t, s, 1) / t - s - (-t - m_.log1p(-t)) / t, [(1e-3, 0.999)]
            )
            for s in (0, 100)
        )
    )


@high_precision("KL and W2 of two mixtures and a far point at four times")
def cases(claim: Claim) -> Outcome:
    pairs = []
    base = definition.law((1, 0, 1))
    for p in (definition.two_modes(), definition.three_modes(), definition.law((1, 4, "0.05"))):
        second = definition.raw_moments(p, 2)[2]
        start = definition.wasserstein(p, base, step=0.05)
        for time in ("0.05", "0.4", "1.5", "4"):
            moved = definition.truncate(p, mpf(time))
            pairs.append((families.kl(moved, base), claim.bound(mpmath.exp(-2 * mpf(time)), second, 1)))
            pairs.append(
                (
                    definition.wasserstein(moved, base, step=0.05),
                    claim.transport(mpmath.exp(-mpf(time)), start) * (1 + mpf("1e-9")),
                )
            )
    return ordered(pairs, 1e-9)


@high_precision("normal laws of variance one off centre: the contraction of W2 is attained")
def translated(claim: Claim) -> Outcome:
    base, outcomes = definition.law((1, 0, 1)), []
    for mean, time in ((2, "0.1"), (5, "1.5")):
        moved = definition.truncate(definition.law((1, mean, 1)), mpf(time))
        bound = claim.transport(mpmath.exp(-mpf(time)), mpf(mean))
        outcomes.append(
            attained([(definition.wasserstein(moved, base, step=0.1), bound * (1 + mpf("1e-9")))], 1e-8)
        )
    return all_of(*outcomes)


@simulated("KL of 60 cells of 400 000 aged samples against the bound")
def cells(claim: Claim) -> Outcome:
    from scipy.special import ndtr

    rng = np.random.default_rng(18)
    pairs = []
    for time in (0.2, 1.0):
        x = definition.draw(rng, definition.law((1, 2, "0.1")), (400_000,))
        x = np.exp(-time) * x + np.sqrt(-np.expm1(-2 * time)) * rng.standard_normal(x.size)
        cuts = np.linspace(-3, 5, 59)
        p = np.bincount(np.searchsorted(cuts, x), minlength=60) / x.size
        q = np.diff(np.concatenate([[0], ndtr(cuts), [1]]))
        pairs.append(((p * np.log(np.maximum(p, 1e-300) / q)).sum(), claim.bound(np.exp(-2 * time), 4.1, 1)))
    return ordered(pairs)


STATEMENT = Statement(
    id="additions.age_tail",
    title="Old ages are nearly Gaussian",
    source="new",
    text=r"The part of the limit beyond an age $T$ is within an explicit KL and $W_2$ distance of the standard normal law, with second moments alone.",
    formula=r"\mathrm{KL}(C_Tp\|\gamma)\leq\frac{a_T^2(E\|X\|^2+d)}{2(1-a_T^2)},\qquad W_2(C_Tp,\gamma)\leq a_TW_2(p,\gamma)",
    conditions=r"$T>0$, second moments",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "one component, power series of the slack"), slack, cases, translated, cells),
    mutations=(
        Mutation("constant", r"one tenth", {"bound": lambda a2, s, d: a2 * (s + d) / (20 * (1 - a2))}),
        Mutation("exponent", r"$a^4$", {"bound": lambda a2, s, d: a2**2 * (s + d) / (2 * (1 - a2))}),
        Mutation("sign", r"$E\|X\|^2-d$", {"bound": lambda a2, s, d: a2 * (s - d) / (2 * (1 - a2))}),
        Mutation(
            "dropped condition",
            r"without second moments",
            {"bound": lambda a2, s, d: a2 * d / (2 * (1 - a2))},
        ),
        Mutation("exponent", r"$W_2$ with $a^2$", {"transport": lambda a, w: a * a * w}),
    ),
    expected="holds",
    package=Package("Recursion.limit", "tests/recursion/test_recursion.py", None),
)
