"""Infinitely many ages, replaced exactly by a few: the Gauss rule of the age law."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf

from .. import definition, enclosures, subject
from ..evidence import (
    REFUTES,
    Claim,
    Outcome,
    agreement,
    all_of,
    certified,
    decided,
    high_precision,
    scores,
    simulated,
    symbolic,
)
from ..registry import Mutation, Package, Statement, Step

# Everything is rational in c = 1 - alpha and a = exp(-theta t0): D(j) = 1 - c a^j.
CLAIM = Claim(
    A=lambda n, a, c: a**n * (1 - c * a**n) ** 2 / ((1 - c * a ** (2 * n)) * (1 - c * a ** (2 * n + 1))),
    C=lambda n, a, c: (
        (c * a ** (n - 1) * (1 - a**n) ** 2 / ((1 - c * a ** (2 * n - 1)) * (1 - c * a ** (2 * n))))
        if n
        else 0 * c
    ),
    exact_below=lambda M: 2 * M,
    distinct=True,  # alpha < 1; at alpha = 1 the rule has one node
)


@cache
def _moments_in_field(count: int) -> list[Any]:
    """E a^(n(K-1)) = sum over k of alpha (1 - alpha)^(k-1) a^(n(k-1)), a geometric series, in the field Q(a, c)."""
    from sympy import QQ, field

    _, a, c = field("a,c", QQ)
    return [(1 - c) / (1 - c * a**n) for n in range(count)]


@symbolic(
    "M = 1 to 8 in the exact field Q(a, alpha): the polynomials of the three-term recursion are orthogonal to all lower powers"
)
def orthogonality(claim: Claim) -> Outcome:
    from sympy import QQ, field

    _, a, c = field("a,c", QQ)
    largest = 8
    g = _moments_in_field(2 * largest + 1)
    before, now, norm = [], [a**0], None
    for n in range(largest + 1):
        # <x^j, P_n> = sum of p_k g_{j+k} = 0 for j < n; for j = n it is the squared norm.
        for j in range(n):
            value = sum((p * g[j + k] for k, p in enumerate(now)), 0 * a)
            if value != 0:
                return Outcome(REFUTES, f"degree {n} is not orthogonal to x^{j}")
        length = sum((p * g[n + k] for k, p in enumerate(now)), 0 * a)
        if n and length != norm * claim.A(n - 1, a, c) * claim.C(n, a, c):
            return Outcome(REFUTES, f"the squared norm of degree {n} is not the product of the off-diagonals")
        norm = length
        if n == largest:
            break
        diagonal = claim.A(n, a, c) + claim.C(n, a, c)
        below = claim.A(n - 1, a, c) * claim.C(n, a, c) if n else 0 * a
        after = [0 * a] * (len(now) + 1)
        for k, p in enumerate(now):
            after[k + 1] += p
            after[k] -= diagonal * p
        for k, p in enumerate(before):
            after[k] -= below * p
        before, now = now, after
    exact = claim.exact_below(largest) == 2 * largest
    return decided(exact, "identities in Q(a, alpha): orthogonality to every lower power, M = 1 to 8")


@certified(
    r"for alpha in [1e-6, 1] and theta t0 in [1e-8, 10], M <= 8: every denominator of the exact identity is positive, so it holds on the whole rectangle, and "
    r"off-diagonals are real; boxes of (log alpha, log theta t0), D(j) = alpha + (1 - alpha)(-expm1(-j theta t0))"
)
def positive(claim: Claim) -> Outcome:
    m = enclosures.arithmetic()
    box = [(float(np.log(1e-6)), 0.0), (float(np.log(1e-8)), float(np.log(10.0)))]

    def denominator(j: int) -> Any:
        return lambda u, v: m.exp(u) - (1 - m.exp(u)) * m.expm1(-j * m.exp(v))

    outcomes = [enclosures.positive_on(denominator(j), box) for j in range(18)]
    outcomes.append(
        enclosures.positive_on(lambda u, v: -m.expm1(-m.exp(v)), box)
    )  # 1 - a, the smallest 1 - a^n
    outcomes.append(
        decided(claim.exact_below(8) == 16 and claim.distinct, "the rule is used below degree 16")
    )
    return all_of(*outcomes)


@certified(
    "M = 2 and 8 at 60 thin boxes that reach into the corners (alpha to 1e-6, theta t0 to 1e-8): |moment - g_n| enclosed below 1e-20",
    covers="cases",
)
def thin_boxes(claim: Claim) -> Outcome:
    from flint import arb, ctx

    m = enclosures.arithmetic()
    precision, ctx.prec = ctx.prec, 1200
    try:
        widest = 0.0
        for u in (-6, -3, -1, "-0.1", "-0.0001"):
            for v in (-8, -5, -2, "-0.5", "0.3", 1):
                alpha = arb(10) ** arb(u) * (1 + arb(0, 1e-300))
                time = arb(10) ** arb(v) * (1 + arb(0, 1e-300))
                a, c = m.exp(-time), 1 - alpha
                for M in (2, 8):
                    vector = [arb(1)] + [arb(0)] * (M - 1)
                    diagonal = [claim.A(n, a, c) + claim.C(n, a, c) for n in range(M)]
                    below = [claim.A(n - 1, a, c) * claim.C(n, a, c) for n in range(1, M)]
                    for n in range(claim.exact_below(M)):
                        E = m.expm1(n * time)
                        gap = m.exp(-n * time) * vector[0] - alpha / (alpha + E)
                        if not gap.contains(0):
                            return Outcome(
                                REFUTES, f"M = {M}, n = {n}: the enclosure of moment - g_n excludes zero"
                            )
                        widest = max(widest, float(abs(gap).upper()))
                        # Monic form: J has ones above and the products below.
                        vector = [
                            diagonal[k] * vector[k]
                            + (below[k] * vector[k + 1] if k + 1 < M else 0)
                            + (vector[k - 1] if k else 0)
                            for k in range(M)
                        ]
        return decided(
            widest < 1e-20,
            f"every enclosure of moment - g_n contains zero; widest {widest:.1e}",
            widest=widest,
        )
    finally:
        ctx.prec = precision


def rule(claim: Claim, M: int, alpha: Any, time: Any) -> tuple[list[Any], list[Any]]:
    a, c = mpmath.exp(-mpf(time)), 1 - mpf(alpha)
    J = mpmath.zeros(M)
    for n in range(M):
        J[n, n] = claim.A(n, a, c) + claim.C(n, a, c)
        if n + 1 < M:
            J[n, n + 1] = J[n + 1, n] = mpmath.sqrt(claim.A(n, a, c) * claim.C(n + 1, a, c))
    values, vectors = mpmath.eigsy(J)
    return [a * values[k] for k in range(M)], [vectors[0, k] ** 2 for k in range(M)]


@high_precision(
    "eigenvalues of the tridiagonal matrix, M = 3, 8, 16 at 50 digits: all moments below 2M, and the first one missed"
)
def eigenvalues(claim: Claim) -> Outcome:
    pairs, missed = [], []
    with mpmath.workdps(60):
        for M, alpha, time in ((3, "0.3", "0.2"), (8, "0.1", "0.02"), (16, "0.5", "0.05"), (8, "0.01", "1")):
            nodes, weights = rule(claim, M, mpf(alpha), mpf(time))
            if any(mpmath.im(w) != 0 or mpmath.re(w) <= 0 for w in weights):
                return Outcome(REFUTES, "a weight is not positive")
            for n in range(claim.exact_below(M)):
                direct = (
                    mpmath.nsum(
                        lambda k, n=n, A=mpf(alpha), t=mpf(time): (
                            A * (1 - A) ** (k - 1) * mpmath.exp(-n * k * t)
                        ),
                        [1, mpmath.inf],
                    )
                    if (M, n) in ((3, 2), (3, 5))
                    else mpf(alpha) / (mpf(alpha) + mpmath.expm1(n * mpf(time)))
                )
                pairs.append((mpmath.fsum(w * s**n for s, w in zip(nodes, weights, strict=True)), direct))
            n = 2 * M
            exact = mpf(alpha) / (mpf(alpha) + mpmath.expm1(n * mpf(time)))
            missed.append(abs(mpmath.fsum(w * s**n for s, w in zip(nodes, weights, strict=True)) / exact - 1))
        return all_of(
            agreement(pairs, 40 if claim.distinct else 60),
            decided(min(missed) > mpf(10) ** -30, "degree 2M is missed, as it must be"),
        )


@high_precision(
    "density of the limit from 32 ages against 2 000 rounds' worth of ages, five points, alpha = 0.3 and 0.02"
)
def density(claim: Claim) -> Outcome:
    pairs = []
    target = definition.two_modes()
    for alpha, time, count in (("0.3", "0.1", 120), ("0.02", "0.05", 2400)):
        nodes, weights = rule(claim, 32, mpf(alpha), mpf(time))
        for point in (-2, "-0.4", 1):
            few = mpmath.fsum(
                w * definition.density(definition.channel(target, s, 1 - s * s), mpf(point))
                for s, w in zip(nodes, weights, strict=True)
            )
            many = mpmath.fsum(
                mpf(alpha)
                * (1 - mpf(alpha)) ** (k - 1)
                * definition.density(definition.truncate(target, k * mpf(time)), mpf(point))
                for k in range(1, count)
            )
            pairs.append((few, many))
    return agreement(pairs, 11)


@simulated("400 000 geometric ages: moments of the scale a^K against the eight-node rule")
def ages(claim: Claim) -> Outcome:
    rng = np.random.default_rng(8)
    K = rng.geometric(0.1, 400_000)
    nodes, weights = rule(claim, 8, mpf("0.1"), mpf("0.05"))
    found, error, predicted = [], [], []
    for n in (1, 2, 5, 11):
        sample = np.exp(-0.05 * n * K)
        found.append(sample.mean())
        error.append(sample.std() / np.sqrt(sample.size))
        predicted.append(float(mpmath.fsum(w * s**n for s, w in zip(nodes, weights, strict=True))))
    return scores(found, predicted, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    mixture, recursion = subject.fetch("GaussianMixture"), subject.fetch("Recursion")
    limit = recursion(mixture([1.0], [2.0], [0.3]), fresh_fraction=0.01, truncation_time=0.1).limit()
    alpha, time = mpf("0.01"), mpf("0.05")
    g = [definition.mode_trajectory(n, alpha, [time] * 6000)[-1] for n in (1, 2)]
    yield "mean", subject.number(limit.mean), g[0] * 2
    yield "variance", subject.number(limit.covariance), g[1] * mpf("0.3") + 1 - g[1] + (g[1] - g[0] ** 2) * 4


STEPS = (
    Step(
        r"The age $K$ of a sample of the limit is geometric, and everything the limit does to data depends on its scale $a^K=aS$, $a=e^{-\theta t_0}$, $S=a^{K-1}\in(0,1]$. "
        r"The moments of $S$ are a geometric series:",
        r"E\,S^n=\sum_{k\geq1}\alpha(1-\alpha)^{k-1}a^{n(k-1)}=\frac{\alpha}{1-(1-\alpha)a^n}=\frac{g_n}{a^n}",
    ),
    Step(
        r"These are the moments of a little $q$-Jacobi weight with $q=a$, whose monic orthogonal polynomials obey a three-term recursion with diagonal "
        r"$A_n+C_n$ and products $A_{n-1}C_n$; $D(j)=1-(1-\alpha)a^j$:",
        r"A_n=\frac{a^nD(n)^2}{D(2n)D(2n+1)},\qquad C_n=\frac{(1-\alpha)a^{n-1}(1-a^n)^2}{D(2n-1)D(2n)}",
    ),
    Step(
        r"Checked exactly: for $n\leq8$ the polynomial $P_n$ so defined satisfies $\sum_kp_{n,k}\,E\,S^{j+k}=0$ for every $j<n$, an identity between rational functions "
        r"of $a$ and $\alpha$. By Favard and Gauss, the symmetric tridiagonal matrix $J$ with diagonal $A_n+C_n$ and off-diagonal "
        r"$\sqrt{A_nC_{n+1}}$ has $e_1^TJ^ne_1=g_n/a^n$ for $n<2M$; its eigenvalues $s_m$ are the nodes, squared first components the weights, $a\,s_m$ the scales."
    ),
    Step(
        r"So the identity holds wherever no denominator vanishes. What makes enclosures close on the whole rectangle $\alpha\in[10^{-6},1]$, $\theta t_0\in[10^{-8},10]$: every factor, written "
        r"$D(j)=\alpha+(1-\alpha)(1-e^{-j\theta t_0})$ or $1-a^n$, is a sum of non-negative terms, so nothing cancels; the matrix is real, the nodes lie in $(0,1]$, the weights are non-negative (at $\alpha=1$ all but one vanish)."
    ),
)

STATEMENT = Statement(
    id="additions.age_quadrature",
    title="The limit law of any data is a small mixture of ages",
    source="new",
    text=(
        r"The limit, an infinite mixture of ages, has the same Hermite coefficients up to degree $2M-1$ as a mixture of $M$ real ages with positive weights: "
        r"eigenvalues and first components of an explicit tridiagonal matrix."
    ),
    formula=r"g_n=a^n\,e_1^TJ^ne_1\;\;(n<2M),\qquad J_{nn}=A_n+C_n,\;J_{n,n+1}=\sqrt{A_nC_{n+1}}",
    conditions=r"$0<\alpha<1$, $t_0>0$ (at $\alpha=1$ one node); exact identities for $M\leq8$, numerical beyond",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(orthogonality, positive, thin_boxes, eigenvalues, density, ages),
    mutations=(
        Mutation("constant", r"$A_n$ doubled", {"A": lambda n, a, c: 2 * CLAIM.A(n, a, c)}),
        Mutation("exponent", r"$a^{n}$ in $C_n$", {"C": lambda n, a, c: CLAIM.C(n, a, c) * a}),
        Mutation("sign", r"$D(j)=1+(1-\alpha)a^j$ in $A_n$", {"A": lambda n, a, c: CLAIM.A(n, a, -c)}),
        Mutation("dropped condition", r"exact also at degree $2M$", {"exact_below": lambda M: 2 * M + 1}),
    ),
    expected="holds",
    package=Package("Recursion.limit", "tests/laws/test_ages.py", _package, digits=11),
)
