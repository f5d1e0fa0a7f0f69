"""Second moments of Hermite functions without cancellation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
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
from .variance_channel import second_moment

CLAIM = Claim(
    q=lambda v: 2 * v - 1,
    generating=lambda r, q, m, exp, sqrt: exp(m**2 * r / (1 - q * r)) / sqrt((1 - r) * (1 - q * r)),
    term=lambda j, q, m, half: half + q ** (j + 1) * half + m**2 * (j + 1) * q**j,
)

r, m, z = sympy.symbols("r m z", real=True)
v = sympy.Symbol("v", positive=True)
j = sympy.Symbol("j", integer=True, nonnegative=True)


def _integral(claim: Claim) -> Outcome:
    # Diagonal Mehler kernel: sum r^n h_n(x)^2 = (1 - r^2)^(-1/2) exp(r x^2/(1 + r)); average over N(m, v).
    R = sympy.Symbol("r", positive=True)
    s = R / (1 + R)
    # E exp(s X^2) = (1 - 2 v s)^(-1/2) exp(m^2 s/(1 - 2 v s))
    t = 1 - 2 * v * s
    average = sympy.exp(m**2 * s / t) / sympy.sqrt(t * (1 - R**2))
    claimed = claim.generating(R, claim.q(v), m, sympy.exp, sympy.sqrt)
    return all_of(
        identity(
            sympy.simplify(sympy.log(average**2).expand(force=True).diff(R)),
            sympy.simplify(sympy.log(claimed**2).expand(force=True).diff(R)),
            "logarithmic derivatives",
        ),
        identity(claimed.subs(R, 0), 1, "at zero"),
    )


def _gaussian(claim: Claim) -> Outcome:
    s = sympy.Symbol("s", negative=True)
    integral = sympy.integrate(
        sympy.exp(s * z**2 - (z - m) ** 2 / (2 * v)), (z, -sympy.oo, sympy.oo)
    ) / sympy.sqrt(2 * sympy.pi * v)
    t = 1 - 2 * v * s
    return identity(
        sympy.simplify(integral / (sympy.exp(m**2 * s / t) / sympy.sqrt(t))),
        1,
        "Gaussian average of exp(s x^2)",
    )


def _terms(claim: Claim) -> Outcome:
    # d/dr log G = sum s_j r^j.
    q = sympy.Symbol("q", real=True)
    logarithm = -sympy.log(1 - r) / 2 - sympy.log(1 - q * r) / 2 + m**2 * r / (1 - q * r)
    series = sympy.series(sympy.diff(logarithm, r), r, 0, 5).removeO()
    return all_of(
        *(
            identity(
                sympy.expand(series).coeff(r, k),
                claim.term(k, q, m, sympy.Rational(1, 2)),
                f"coefficient of r^{k}",
            )
            for k in range(5)
        )
    )


STEPS = (
    Step(
        r"On the diagonal Mehler's kernel is $\sum_nr^nh_n(x)^2=(1-r^2)^{-1/2}e^{rx^2/(1+r)}$. The Gaussian average it needs is",
        r"E\,e^{sX^2}=\frac{1}{\sqrt{1-2vs}}\exp\frac{m^2s}{1-2vs}",
        _gaussian,
    ),
    Step(
        r"With $s=r/(1+r)$ and $q=2v-1$ the factors combine:",
        r"\sum_nr^nE\,h_n(X)^2=\frac{1}{\sqrt{(1-r)(1-qr)}}\exp\frac{m^2r}{1-qr}",
        _integral,
    ),
    Step(
        r"Its logarithmic derivative has the coefficients $s_j=\frac12+\frac{q^{j+1}}2+m^2(j+1)q^j$, so",
        r"(n+1)G_{n+1}=\sum_{j\leq n}s_j\,G_{n-j}",
        _terms,
    ),
)


def recursive(claim: Claim, mean: Any, variance: Any, degree: int) -> list[Any]:
    q, half = claim.q(variance), mpf(1) / 2
    G = [mpf(1)]
    for k in range(degree):
        G.append(mpmath.fsum(claim.term(i, q, mean, half) * G[k - i] for i in range(k + 1)) / (k + 1))
    return G


@high_precision(
    "degrees to 30, four normal laws, against raw moments at high precision; the generating function at r = 0.3"
)
def by_moments(claim: Claim) -> Outcome:
    pairs = []
    for mean, variance in (("0", "1"), ("1.2", "0.2"), ("-0.5", "1.7"), ("3", "0.01")):
        G = recursive(claim, mpf(mean), mpf(variance), 30)
        with mpmath.workdps(90):
            p = definition.law((1, mean, variance))
            pairs += [(G[k], second_moment(p, k)) for k in (1, 2, 7, 18, 30)]
        G = recursive(claim, mpf(mean), mpf(variance), 120)
        rho = mpf("0.2")
        pairs.append(
            (
                mpmath.fsum(rho**k * g for k, g in enumerate(G)),
                claim.generating(rho, claim.q(mpf(variance)), mpf(mean), mpmath.exp, mpmath.sqrt),
            )
        )
    return agreement(pairs, 20)


@simulated("1 000 000 normal samples, degrees 1 to 5")
def samples(claim: Claim) -> Outcome:
    rng = np.random.default_rng(10)
    x = 0.5 + np.sqrt(0.3) * rng.standard_normal(1_000_000)
    squares = definition.hermite_table(x, 5)[1:] ** 2
    return scores(
        squares.mean(1),
        [float(g) for g in recursive(claim, mpf("0.5"), mpf("0.3"), 5)[1:]],
        squares.std(1) / 1000,
    )


def _package() -> Iterator[tuple[str, Any, Any]]:
    moments, mixture = subject.fetch("hermite.moments.second_moments"), subject.fetch("GaussianMixture")
    table = np.asarray(moments(mixture([1.0], [1.2], [0.2]), np.arange(31)[:, None]))
    with mpmath.workdps(90):
        for k in (0, 1, 5, 12, 30):
            yield f"E h_{k}^2", table[k], second_moment(definition.law((1, mpf(1.2), mpf(0.2))), k)


STATEMENT = Statement(
    id="additions.second_moments",
    title="Second moments of Hermite functions from a generating function",
    source="new",
    text=r"For a normal law the second moments $E\,h_n(X)^2$ have a closed generating function and a recursion that is stable where the linearisation sum cancels.",
    formula=r"\sum_nr^nE\,h_n(X)^2=[(1-r)(1-qr)]^{-1/2}\exp\frac{m^2r}{1-qr},\qquad q=2v-1",
    conditions=r"$X\sim N(m,v)$, $|r|<\min(1,1/|q|)$; mixtures by averaging",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "Gaussian average, generating function, coefficients"), by_moments, samples),
    mutations=(
        Mutation("constant", r"$q=v-1$", {"q": lambda v: v - 1}),
        Mutation(
            "sign",
            r"$1+qr$",
            {
                "generating": lambda r, q, m, exp, sqrt: (
                    exp(m**2 * r / (1 + q * r)) / sqrt((1 - r) * (1 + q * r))
                )
            },
        ),
        Mutation(
            "exponent",
            r"$q^j$ for $q^{j+1}$",
            {"term": lambda j, q, m, half: half + q**j * half + m**2 * (j + 1) * q**j},
        ),
        Mutation("dropped condition", "centred", {"term": lambda j, q, m, half: half + q ** (j + 1) * half}),
    ),
    expected="holds",
    package=Package("hermite.moments.second_moments", "tests/hermite/test_moments.py", _package),
)
