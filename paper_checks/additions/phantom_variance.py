"""Mean and covariance of the limit: off-centre data gain phantom variance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..evidence import (
    Claim,
    Outcome,
    agreement,
    all_of,
    high_precision,
    identity,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    mean=lambda g1, mu: g1 * mu,
    variance=lambda g1, g2, mu, v: g2 * v + 1 - g2 + (g2 - g1**2) * mu**2,
    exploding=lambda v, noise, alpha: v + noise / alpha,
)

a, alpha, mu, v, s = sympy.symbols("a alpha mu v s", positive=True)


def _moments(claim: Claim) -> Outcome:
    # First and second raw moments of the fixed point, solved from one round.
    m1, m2 = sympy.symbols("m1 m2")
    first = sympy.solve(m1 - a * (alpha * mu + (1 - alpha) * m1), m1)[0]
    second = sympy.solve(m2 - (a**2 * (alpha * (v + mu**2) + (1 - alpha) * m2) + 1 - a**2), m2)[0]
    g1, g2 = (alpha * r / (1 - (1 - alpha) * r) for r in (a, a**2))
    return all_of(
        identity(first, claim.mean(g1, mu), "mean"),
        identity(sympy.simplify(second - first**2), claim.variance(g1, g2, mu, v), "variance"),
    )


def _exploding(claim: Claim) -> Outcome:
    m2 = sympy.Symbol("m2")
    second = sympy.solve(m2 - (alpha * (v + mu**2) + (1 - alpha) * m2 + s), m2)[0]
    return identity(second - mu**2, claim.exploding(v, s, alpha), "scale one")


STEPS = (
    Step(
        r"Raw moments of the fixed point solve linear equations; $g_1,g_2$ are their contractions:",
        r"E X=g_1\mu,\qquad\mathrm{Cov}=g_2\mathrm{Cov}_\ast+(1-g_2)I+(g_2-g_1^2)\,\mu\mu^T",
        _moments,
    ),
    Step(
        r"$g_2-g_1^2=\mathrm{Var}(a^K)\geq0$: ages shrink the mean by different amounts, and the spread of the shrunken means is variance that neither data nor noise had. At scale one only the noise adds up:",
        r"\mathrm{Cov}_\ast+\frac{v}{\alpha}I",
        _exploding,
    ),
)


@high_precision("moments after 70 rounds of mixture laws, off-centre target; scale-one recursion iterated")
def moments(claim: Claim) -> Outcome:
    pairs = []
    for fraction, time in ((mpf("0.6"), mpf("0.3")), (mpf("0.8"), mpf("0.1"))):
        target = definition.law((0.5, 3, "0.4"), (0.5, 5, "0.2"))
        limit = definition.raw_moments(definition.rounds(target, fraction, [time] * 70)[-1], 2)
        data = definition.raw_moments(target, 2)
        g1, g2 = (definition.mode_trajectory(n, fraction, [time] * 300)[-1] for n in (1, 2))
        pairs.append((limit[1], claim.mean(g1, data[1])))
        pairs.append((limit[2] - limit[1] ** 2, claim.variance(g1, g2, data[1], data[2] - data[1] ** 2)))
    value = mpf(1)
    for _ in range(900):
        value = mpf("0.1") * 1 + mpf("0.9") * value + mpf("0.2")
    pairs.append((value, claim.exploding(mpf(1), mpf("0.2"), mpf("0.1"))))
    return agreement(pairs, 20)


@simulated("200 runs of 2 000 particles from N(4, 0.1) data, 25 rounds: mean and variance")
def particles(claim: Claim) -> Outcome:
    rng = np.random.default_rng(60)
    target = definition.law((1, 4, "0.1"))
    kept = definition.particles(
        rng,
        target,
        0.4,
        [0.1] * 25,
        runs=200,
        count=2000,
        keep=lambda y: np.stack([y.mean(-1), (y**2).mean(-1)]),
    )[-1]
    g1, g2 = (float(definition.mode_trajectory(n, 0.4, [0.1] * 200)[-1]) for n in (1, 2))
    mean, error = definition.over_runs(kept, 1)
    first = claim.mean(g1, 4.0)
    return scores(mean, [first, claim.variance(g1, g2, 4.0, 0.1) + first**2], error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    mixture, recursion = subject.fetch("GaussianMixture"), subject.fetch("Recursion")
    limit = recursion(
        mixture([0.5, 0.5], [3.0, 5.0], [0.4, 0.2]), fresh_fraction=0.6, truncation_time=0.6
    ).limit()
    exact = definition.raw_moments(
        definition.rounds(definition.law((0.5, 3, "0.4"), (0.5, 5, "0.2")), mpf(0.6), [mpf(0.6) / 2] * 60)[
            -1
        ],
        2,
    )
    yield "mean", subject.number(limit.mean), exact[1]
    yield "variance", subject.number(limit.covariance), exact[2] - exact[1] ** 2


STATEMENT = Statement(
    id="additions.phantom_variance",
    title="Off-centre data gain phantom variance",
    source="new",
    text=r"The covariance of the limit contains $(g_2-g_1^2)\,\mu\mu^T$, the spread of a mean that different ages have shrunk differently; for data far from the origin this term dominates.",
    formula=r"\mathrm{Cov}_\infty=g_2\,\mathrm{Cov}_\ast+(1-g_2)\,I+(g_2-g_1^2)\,\mu\mu^T",
    conditions=r"second moments; variance-exploding units: $\mathrm{Cov}_\ast+\frac{v}{\alpha}I$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "moments of the fixed point solved by sympy"), moments, particles),
    mutations=(
        Mutation("constant", "no phantom variance", {"variance": lambda g1, g2, mu, v: g2 * v + 1 - g2}),
        Mutation(
            "sign", r"$g_1^2-g_2$", {"variance": lambda g1, g2, mu, v: g2 * v + 1 - g2 - (g2 - g1**2) * mu**2}
        ),
        Mutation(
            "exponent",
            r"$g_1$ for $g_1^2$",
            {"variance": lambda g1, g2, mu, v: g2 * v + 1 - g2 + (g2 - g1) * mu**2},
        ),
        Mutation(
            "dropped condition", "scale one without compounding", {"exploding": lambda v, s, alpha: v + s}
        ),
    ),
    expected="holds",
    package=Package("Recursion.limit", "tests/recursion/test_recursion.py", _package, digits=11),
)
