"""New errors cannot be hidden by old ones: the innovation inequality."""

from __future__ import annotations

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import families
from ..evidence import (
    Claim,
    Outcome,
    all_of,
    attained,
    decided,
    high_precision,
    identity,
    ordered,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    total=lambda after, before, alpha: after + (1 - alpha) ** 2 * before,
    least=lambda I, alpha: alpha * I / 2,
)

alpha, q, s, u, v, I = sympy.symbols("alpha q s u v I", positive=True)


def _floor(claim: Claim) -> Outcome:
    # q = alpha s + (1 - alpha) p, p >= 0.
    p = sympy.Symbol("p", positive=True)
    return identity(
        (alpha * s + (1 - alpha) * p) - alpha * s, (1 - alpha) * p, "q is at least alpha times the target"
    )


def _square(claim: Claim) -> Outcome:
    before = v / (1 - alpha)
    total = claim.total(u**2, before**2, alpha)
    # (u + v)^2 is the largest alpha I can be.
    return identity(total - claim.least((u + v) ** 2 / alpha, alpha), (u - v) ** 2 / 2, "square")


STEPS = (
    Step(
        r"The training law is at least $\alpha p_\ast$ everywhere, so a divergence relative to it is at most $1/\alpha$ times one relative to $p_\ast$:",
        r"q_i\geq\alpha p_\ast\;\Rightarrow\;\alpha I_i\leq\int\frac{(\hat p_{i+1}-q_i)^2}{p_\ast}",
        _floor,
    ),
    Step(
        r"$\hat p_{i+1}-q_i=(\hat p_{i+1}-p_\ast)-(q_i-p_\ast)$, two vectors of $L^2(1/p_\ast)$ with squared lengths $D_{i+1}$ and (refresh) $(1-\alpha)^2D_i$:",
        r"\alpha I_i\leq\left(\sqrt{D_{i+1}}+(1-\alpha)\sqrt{D_i}\right)^2\leq2\left(D_{i+1}+(1-\alpha)^2D_i\right)",
        _square,
    ),
)


@high_precision(
    "shifts of a normal law recycled for ten rounds, fixed and alternating, three fresh fractions"
)
def shifts(claim: Claim) -> Outcome:
    pairs = []
    for fraction in (0.1, 0.5, 0.9):
        for sign in (1, -1):
            before = mpf(0)
            for I_i, after in families.shift_recursion(fraction, [0.3 * sign**j for j in range(10)]):
                pairs.append((claim.least(I_i, mpf(fraction)), claim.total(after, before, mpf(fraction))))
                before = after
    return ordered(pairs, 1e-9)


@high_precision(
    "two points, the rare one forgotten and then overshot: the constant 1/2 is attained", role="sharpness"
)
def extremal(claim: Claim) -> Outcome:
    outcomes = []
    for fraction in (mpf("0.1"), mpf("0.6")):
        rare = mpf("1e-9")
        target, model = (1 - rare, rare), (mpf(1), mpf(0))
        mixed = tuple(fraction * t + (1 - fraction) * p for t, p in zip(target, model, strict=True))
        jump = 2 * (1 - fraction) * rare
        learned = (mixed[0] - jump, mixed[1] + jump)

        def chi(p: tuple, q: tuple) -> object:
            return mpmath.fsum((x - y) ** 2 / y for x, y in zip(p, q, strict=True))

        total = claim.total(chi(learned, target), chi(model, target), fraction)
        outcomes.append(attained([(claim.least(chi(learned, mixed), fraction), total)], 1e-8))
    return all_of(*outcomes)


@simulated("100 000 random triples of laws on two to six points")
def random_laws(claim: Claim) -> Outcome:
    rng = np.random.default_rng(5)
    worst, count = 0.0, 0
    for points in (2, 3, 6):
        target, model, learned = (rng.dirichlet(np.full(points, c), 33_333) for c in (0.7, 0.4, 0.4))
        target = (target + 1e-6) / (1 + points * 1e-6)
        fraction = rng.random((33_333, 1)) * 0.98 + 0.01
        mixed = fraction * target + (1 - fraction) * model
        I_i = ((learned - mixed) ** 2 / mixed).sum(1)
        after, before = (((p - target) ** 2 / target).sum(1) for p in (learned, model))
        share = claim.least(I_i, fraction[:, 0]) / claim.total(after, before, fraction[:, 0])
        worst, count = max(worst, float(share.max())), count + share.size
    return decided(
        worst <= 1 + 1e-12,
        f"largest share of the bound {worst:.4f} over {count} triples",
        largest_share=worst,
    )


STATEMENT = Statement(
    id="propagation.innovation",
    title="Old and new divergence together are at least the innovation",
    source="propagation paper, the innovation lemma",
    text=(
        r"A round that differs from its training law must show: the divergence after it and the refreshed divergence before it add up to at least "
        r"$\alpha/2$ times what the round added."
    ),
    formula=r"D_{i+1}+(1-\alpha)^2D_i\geq\frac{\alpha}{2}I_i,\qquad I_i=\chi^2(\hat p_{i+1}\|q_i)",
    conditions=r"$I_i$ is relative to the training law $q_i$ itself, so it contains the truncation as well as the errors",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "the floor of the training law and a parallelogram"),
        shifts,
        extremal,
        random_laws,
    ),
    mutations=(
        Mutation("constant", r"$\alpha I$", {"least": lambda I, alpha: alpha * I}),
        Mutation(
            "sign",
            r"$D_{i+1}-(1-\alpha)^2D_i$",
            {"total": lambda after, before, alpha: after - (1 - alpha) ** 2 * before},
        ),
        Mutation(
            "exponent",
            r"$\sqrt\alpha I/2$",
            {
                "least": lambda I, alpha: (
                    alpha**0.5 * I / 2 if not isinstance(I, sympy.Expr) else sympy.sqrt(alpha) * I / 2
                )
            },
        ),
        Mutation("dropped condition", "no share of fresh data needed", {"least": lambda I, alpha: I / 2}),
    ),
    expected="sharp",
    package=Package("bounds.propagation_table", "tests/bounds/propagation/test_innovation.py", None),
)
