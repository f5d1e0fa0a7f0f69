"""Distance of one truncation from second moments alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..arithmetic import MPMATH, SYMPY
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

CLAIM = Claim(square=lambda m, second, d, x: m.expm1(-x) ** 2 * second - m.expm1(-2 * x) * d)

x, q, d = sympy.symbols("x q d", positive=True)


def _cost(claim: Claim) -> Outcome:
    # E norm((1 - a) X - sqrt(1 - a^2) Z)^2 with E norm(X)^2 = q, E norm(Z)^2 = d, E X.Z = 0.
    a = sympy.exp(-x)
    return identity((1 - a) ** 2 * q + (1 - a**2) * d, claim.square(SYMPY, q, d, x), "cost of the coupling")


STEPS = (
    Step(
        r"Couple $X\sim p$ with $aX+\sqrt{1-a^2}Z$. The cross term vanishes because $Z$ is independent with mean zero:",
        r"W_2(C_tp,p)^2\leq E\|(1-a)X-\sqrt{1-a^2}\,Z\|^2=(1-a)^2E\|X\|^2+(1-a^2)\,d",
        _cost,
    ),
)


@high_precision("W2 by quantiles for three laws and four times")
def cases(claim: Claim) -> Outcome:
    pairs = []
    for p in (definition.two_modes(), definition.three_modes(), definition.law((1, 1, "0.01"))):
        second = definition.raw_moments(p, 2)[2]
        for time in (0.001, 0.05, 0.4, 2.0):
            pairs.append(
                (
                    definition.wasserstein(definition.truncate(p, time), p, step=0.05),
                    mpmath.sqrt(claim.square(MPMATH, second, 1, mpf(time))),
                )
            )
    return ordered(pairs, 1e-6)


@high_precision("a point mass in d dimensions: equality, since there is only one coupling", role="sharpness")
def extremal(claim: Claim) -> Outcome:
    pairs = []
    for far, d, time in ((mpf(0), 1, mpf("0.1")), (mpf(3), 5, mpf("0.4")), (mpf(10), 100, mpf(2))):
        a = mpmath.exp(-time)
        pairs.append(((1 - a) ** 2 * far**2 + (1 - a * a) * d, claim.square(MPMATH, far**2, d, time)))
    return all_of(*(attained([pair], 1e-20) for pair in pairs))


@simulated("sorted samples of a point mass carried through the channel")
def samples(claim: Claim) -> Outcome:
    rng = np.random.default_rng(8)
    pairs = []
    for point, time in ((0.0, 0.1), (2.0, 0.5)):
        after = np.exp(-time) * point + np.sqrt(-np.expm1(-2 * time)) * rng.standard_normal(400_000)
        measured = ((after - point) ** 2).mean()
        error = ((after - point) ** 2).std() / np.sqrt(after.size)
        pairs.append((measured - 4 * error, claim.square(MPMATH, mpf(point) ** 2, 1, mpf(time))))
    return ordered(pairs)


def _package() -> Iterator[tuple[str, Any, Any]]:
    bound = subject.fetch("bounds.coupling_bound")
    for second, dimension, time in ((2.0, 1, 0.1), (30.0, 10, 1.5)):
        # Without recursion (fresh fraction one) the limit is one truncation: the cost of the coupling term by term.
        a = mpmath.exp(-mpf(time) / 2)
        cost = (1 - a) ** 2 * second + (1 - a * a) * dimension
        found = bound(second, dimension=dimension, fresh_fraction=1.0, truncation_time=time)
        yield f"second moment {second}", subject.number(found), mpmath.sqrt(cost)


STATEMENT = Statement(
    id="limit.second_moment",
    title="How far one truncation moves any law",
    source="limit paper, Appendix E, second case",
    text=r"Without any smoothness the displacement of one truncation is of order $\sqrt{t}$ and bounded by second moments.",
    formula=r"W_2(C_tp,p)\leq\sqrt{(1-a)^2E\|X\|^2+(1-a^2)\,d},\qquad a=e^{-\theta t}",
    conditions=r"$E\|X\|^2<\infty$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "cost of the synchronous coupling"), cases, extremal, samples),
    mutations=(
        Mutation(
            "exponent",
            r"$(1-a)\,d$",
            {"square": lambda m, second, d, x: m.expm1(-x) ** 2 * second - m.expm1(-x) * d},
        ),
        Mutation(
            "constant",
            r"$d/2$",
            {"square": lambda m, second, d, x: m.expm1(-x) ** 2 * second - m.expm1(-2 * x) * d / 2},
        ),
        Mutation(
            "sign",
            r"minus the first term",
            {"square": lambda m, second, d, x: -(m.expm1(-x) ** 2) * second - m.expm1(-2 * x) * d},
        ),
        Mutation(
            "dropped condition", "no second moment", {"square": lambda m, second, d, x: -m.expm1(-2 * x) * d}
        ),
    ),
    expected="sharp",
    package=Package("bounds.coupling_bound", "tests/bounds/test_fisher.py", _package),
)
