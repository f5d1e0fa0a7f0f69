"""When the limit has a Hermite series."""

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
    all_of,
    certified,
    decided,
    high_precision,
    identity,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(reach=lambda a, largest: a**2 * (largest - 1))  # the series converges where this is below one

v, w, y, a, lam = sympy.symbols("v w y a lambda", positive=True)


def _pair(claim: Claim) -> Outcome:
    # int N(0,v) N(0,w)/N(0,1) converges iff 1/v + 1/w > 1; for v = w iff v < 2.
    exponent = sympy.simplify(1 / v + 1 / w - 1)
    return identity(exponent.subs(w, v), (2 - v) / v, "exponent of the integrand")


def _ages(claim: Claim) -> Outcome:
    k = sympy.Symbol("k", integer=True, positive=True)
    variance = a ** (2 * k) * lam + 1 - a ** (2 * k)
    return all_of(
        identity(sympy.expand(2 - variance), sympy.expand(1 - a ** (2 * k) * (lam - 1)), "margin below two"),
        identity(2 - variance.subs(k, 1), 1 - claim.reach(a, lam), "the first age decides"),
    )


STEPS = (
    Step(
        r"$\int N(0,v)^2/\gamma<\infty$ iff $v<2$: the exponent of the integrand is $-(\frac2v-1)\frac{y^2}{2}$.",
        r"\frac2v-1=\frac{2-v}{v}",
        _pair,
    ),
    Step(
        r"Age $k$ of a component with variance $\lambda$ has variance $1+a^{2k}(\lambda-1)$; if $\lambda>1$ this decreases with $k$, so the first age is the widest. Densities are positive, so nothing cancels, and norms of later ages are bounded:",
        r"\frac{p_\infty}{\gamma}\in L^2(\gamma)\iff a^2(\lambda_{\max}-1)<1",
        _ages,
    ),
)


@certified(
    "a = 1/2: convergent at lambda = 4.99, divergent at 5.01, by enclosures of the exponent of the widest age"
)
def thresholds(claim: Claim) -> Outcome:
    from flint import arb

    outcomes = []
    for scale, largest in (
        (arb(1) / 2, arb("4.99")),
        (arb(1) / 2, arb("5.01")),
        (arb("0.9"), arb("2.2")),
        (arb("0.9"), arb("2.3")),
        (arb("0.2"), arb("25.9")),
    ):
        margin = 2 - (scale**2 * largest + 1 - scale**2)
        found = bool(margin > 0)
        outcomes.append(
            decided(
                (found or bool(margin < 0))
                and found == (claim.reach(float(scale.mid()), float(largest.mid())) < 1),
                f"margin {float(margin.mid()):+.3f}",
            )
        )
    return all_of(*outcomes)


@high_precision(
    "partial integrals of p_inf^2/gamma and partial sums of c_n^2 to degree 240 on both sides of the threshold"
)
def both_sides(claim: Claim) -> Outcome:
    outcomes = []
    for scale, largest in ((mpf("0.6"), mpf("2.5")), (mpf("0.6"), mpf("4.2")), (mpf("0.9"), mpf("2.5"))):
        time, alpha = -mpmath.log(scale), mpf("0.5")
        # c_{2n}^2 of N(0,v) is binom(2n, n) ((v - 1)/2)^(2n); the limit multiplies by g_{2n}.
        terms = []
        for n in range(1, 121):
            g = alpha / (alpha + mpmath.expm1(2 * n * time))
            terms.append(g**2 * mpmath.binomial(2 * n, n) * ((largest - 1) / 2) ** (2 * n))
        shrinking = terms[-1] < terms[-60]
        limit = [
            (alpha * (1 - alpha) ** (k - 1), mpf(0), 1 + scale ** (2 * k) * (largest - 1))
            for k in range(1, 60)
        ]
        inner, outer = (
            definition.line_integral(
                lambda z, p=limit: definition.density(p, z) ** 2 / definition.normal_density(z),
                low,
                low + 10,
                0.5,
            )
            for low in (20, 30)
        )
        outcomes.append(
            decided(
                shrinking == (outer < inner) == bool(claim.reach(float(scale), float(largest)) < 1),
                f"a = {float(scale)}, variance {float(largest)}: integrals {mpmath.nstr(inner, 2)}, {mpmath.nstr(outer, 2)}",
            )
        )
    return all_of(*outcomes)


def _package() -> Iterator[tuple[str, Any, Any]]:
    mixture, recursion, chi = (
        subject.fetch(name) for name in ("GaussianMixture", "Recursion", "distances.chi_square")
    )
    base = mixture([1.0], [0.0], [1.0])
    for largest in (4.8, 5.2):
        limit = recursion(
            mixture([1.0], [0.0], [largest]), fresh_fraction=0.5, truncation_time=2 * float(np.log(2))
        ).limit()
        finite = np.isfinite(subject.number(chi(limit, base)))
        yield f"finite at variance {largest} (1 means yes)", float(finite), float(0.25 * (largest - 1) < 1)


STATEMENT = Statement(
    id="additions.square_integrability",
    title="When the density series of the limit converges",
    source="new",
    text=r"The limit of a Gaussian mixture has a square-integrable density ratio, hence a convergent Hermite series, exactly if one truncation brings the largest covariance eigenvalue below two.",
    formula=r"\frac{p_\infty}{\gamma}\in L^2(\gamma)\iff a^2(\lambda_{\max}-1)<1",
    conditions=r"Gaussian mixtures, $\alpha>0$, $a=e^{-\theta t_0}$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "exponent, widest age"), thresholds, both_sides),
    mutations=(
        Mutation("constant", r"$<2$", {"reach": lambda a, q: a**2 * (q - 1) / 2}),
        Mutation("exponent", r"$a$ for $a^2$", {"reach": lambda a, q: a * (q - 1)}),
        Mutation("sign", r"$\lambda+1$", {"reach": lambda a, q: a**2 * (q + 1)}),
        Mutation("dropped condition", "always", {"reach": lambda a, q: 0 * q}),
    ),
    expected="holds",
    package=Package("distances.chi_square", "tests/distances/test_finiteness.py", _package),
)
