"""Two-sided recursions for the divergence, in lengths."""

from __future__ import annotations

import numpy as np
import sympy

from .. import families
from ..evidence import (
    Claim,
    Outcome,
    all_of,
    attained,
    high_precision,
    identity,
    ordered,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    upper=lambda D, R, alpha: ((1 - alpha) * D**0.5 + R**0.5) ** 2,
    lower=lambda D, R, alpha: (R**0.5 - (1 - alpha) * D**0.5) ** 2,
    innovation=lambda I, alpha: alpha * I,
    keep=lambda alpha: 1 - alpha,
)

alpha, u, r = sympy.symbols("alpha u r", positive=True)
theta = sympy.Symbol("theta", real=True)


def _cosine(claim: Claim) -> Outcome:
    # Lengths (1 - alpha) u and r at an angle: the squared length of the sum.
    k = claim.keep(alpha)
    square = (k * u) ** 2 + r**2 + 2 * k * u * r * sympy.cos(theta)
    half = sympy.Rational(1, 2)
    up = ((1 - alpha) * u + r) ** 2
    return all_of(
        identity(
            sympy.nsimplify(sympy.expand(up - square)),
            2 * (1 - alpha) * u * r * (1 - sympy.cos(theta)),
            "below the sum",
        ),
        identity(
            sympy.nsimplify(sympy.expand(square - (r - (1 - alpha) * u) ** 2)),
            4 * half * (1 - alpha) * u * r * (1 + sympy.cos(theta)),
            "above the difference",
        ),
    )


STEPS = (
    Step(
        r"In $L^2(1/p_\ast)$ a round adds a vector of length $\sqrt{R_i}$ to one of length $(1-\alpha)\sqrt{D_i}$, at some angle $\vartheta$; $1\pm\cos\vartheta\geq0$:",
        r"\left|\sqrt{R_i}-(1-\alpha)\sqrt{D_i}\right|\leq\sqrt{D_{i+1}}\leq(1-\alpha)\sqrt{D_i}+\sqrt{R_i}",
        _cosine,
    ),
    Step(r"The training law is at least $\alpha p_\ast$, so $\alpha I_i\leq R_i$."),
)


def _pairs(claim: Claim, rows: list[dict[str, float]], fraction: float) -> list[tuple[float, float]]:
    pairs = []
    for row in rows:
        pairs.append((row["D"], claim.upper(row["before"], row["R"], fraction)))
        pairs.append((claim.lower(row["before"], row["R"], fraction), row["D"] * (1 + 1e-12) + 1e-18))
        pairs.append((claim.innovation(row["I"], fraction), row["R"]))
    return pairs


@high_precision(
    "circle model, three kinds of defects, two fresh fractions, 25 exact rounds; shifts of a normal law"
)
def circle(claim: Claim) -> Outcome:
    rng = np.random.default_rng(3)
    pairs = []
    for fraction in (0.2, 0.7):
        for kind in range(3):
            defects = []
            for k in range(25):
                size = 0.04 * (1, (-1) ** k, rng.standard_normal() / 2)[kind]
                defects.append(
                    lambda t, size=size, k=k, kind=kind: size * np.cos((1 if kind < 2 else 1 + k % 3) * t)
                )
            pairs += _pairs(claim, families.circle_recursion(fraction, defects), fraction)
    return ordered(pairs, 1e-9)


@high_precision("aligned and opposed defects on the circle: both sides are attained", role="sharpness")
def extremal(claim: Claim) -> Outcome:
    aligned = families.circle_recursion(0.3, [lambda t: 0.05 * np.cos(t)] * 6)[-1]
    opposed = families.circle_recursion(0.3, [lambda t: 0.05 * np.cos(t), lambda t: -0.02 * np.cos(t)])[-1]
    return all_of(
        attained([(aligned["D"], claim.upper(aligned["before"], aligned["R"], 0.3) * (1 + 1e-12))], 1e-9),
        attained([(claim.lower(opposed["before"], opposed["R"], 0.3), opposed["D"] * (1 + 1e-9))], 1e-8),
    )


@high_precision(
    "two points, the model without the rare one and the round adding to it: the innovation is attained"
)
def visible(claim: Claim) -> Outcome:
    outcomes = []
    for fraction in (0.2, 0.7):
        rare = 1e-7
        target, model = np.array([1 - rare, rare]), np.array([1.0, 0.0])
        mixed = fraction * target + (1 - fraction) * model
        learned = mixed + np.array([-1.0, 1.0]) * rare
        I, R = ((learned - mixed) ** 2 / mixed).sum(), ((learned - mixed) ** 2 / target).sum()
        outcomes.append(attained([(claim.innovation(I, fraction), R)], 1e-6))
    return all_of(*outcomes)


@simulated("60 000 random triples of laws on four points")
def random_laws(claim: Claim) -> Outcome:
    rng = np.random.default_rng(35)
    target, model, learned = (rng.dirichlet(np.full(4, c), 60_000) + 1e-9 for c in (2.0, 0.5, 0.5))
    fraction = rng.uniform(0.05, 0.95, 60_000)
    mixed = fraction[:, None] * target + (1 - fraction[:, None]) * model
    D, after = (((p - target) ** 2 / target).sum(1) for p in (model, learned))
    R, I = ((learned - mixed) ** 2 / target).sum(1), ((learned - mixed) ** 2 / mixed).sum(1)
    tiny = 1e-9 * (1 + R + D)
    worst = [
        (float((after - claim.upper(D, R, fraction) - tiny).max()), 0.0),
        (float((claim.lower(D, R, fraction) - after - tiny).max()), 0.0),
        (float((claim.innovation(I, fraction) - R - tiny).max()), 0.0),
    ]
    return ordered(worst)


STATEMENT = Statement(
    id="additions.sharper_recursions",
    title="Divergence adds in lengths, within two sharp sides",
    source="new",
    text=r"Where the divergences are finite, the root of the divergence obeys a two-sided recursion, sharp on both sides, and the innovation is at most $R_i/\alpha$.",
    formula=r"\left|\sqrt{R_i}-(1-\alpha)\sqrt{D_i}\right|\leq\sqrt{D_{i+1}}\leq(1-\alpha)\sqrt{D_i}+\sqrt{R_i},\qquad\alpha I_i\leq R_i",
    conditions=r"$D_i,R_i<\infty$, $R_i=\int(\hat p_{i+1}-q_i)^2/p_\ast$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "lengths of a sum of two vectors"), circle, extremal, visible, random_laws),
    mutations=(
        Mutation("constant", r"$R_i/2$", {"upper": lambda D, R, a: ((1 - a) * D**0.5 + (R / 2) ** 0.5) ** 2}),
        Mutation(
            "sign", "lower side with a plus", {"lower": lambda D, R, a: (R**0.5 + (1 - a) * D**0.5) ** 2}
        ),
        Mutation("exponent", r"$\sqrt\alpha I_i\leq R_i$", {"innovation": lambda I, a: a**0.5 * I}),
        Mutation("dropped condition", "no fresh data in front of the old part", {"keep": lambda alpha: 1}),
    ),
    expected="sharp",
    package=Package("bounds.propagation_table", "tests/bounds/propagation/test_innovation.py", None),
)
