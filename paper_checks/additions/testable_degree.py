"""Up to which degree a sample mean of Hermite functions is nearly normal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import comb
from typing import Any

import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..arithmetic import MPMATH, SYMPY
from ..evidence import (
    Claim,
    Outcome,
    agreement,
    all_of,
    decided,
    high_precision,
    identity,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    term=lambda n, j, binomial: binomial(n, j) ** 2 * binomial(2 * j, j),  # of E h_n^4, j = 0..n
    growth=lambda n, m: 3 * m.sqrt(3) / (4 * m.pi) * m.number(9) ** n / n,
    # smallest N with fourth moment over N below the level
    needed=lambda n, level, m: 3 * m.sqrt(3) / (4 * m.pi) / level * m.number(9) ** n / n,
)


def fourth(claim: Claim, n: int, binomial: Callable[[Any, Any], Any] = comb) -> Any:
    """E h_n^4 under the standard normal law, by the claim."""
    return sum(claim.term(n, j, binomial) for j in range(n + 1))


def _linearisation(claim: Claim) -> Outcome:
    # Generating functions: exp(r x - r^2/2) exp(s x - s^2/2) = exp((r + s) x - (r + s)^2/2) exp(r s).
    r, s, x = sympy.symbols("r s x")
    n, j = sympy.symbols("n j", integer=True, positive=True)
    f = sympy.factorial
    # Term k = n - j of He_n^2 has coefficient k! binomial(n, k)^2 before He_{2j}, whose square has mean (2j)!.
    coefficient = f(n - j) * (f(n) / (f(j) * f(n - j))) ** 2
    own = coefficient**2 * f(2 * j) / f(n) ** 2
    theirs = claim.term(n, j, lambda top, bottom: f(top) / (f(bottom) * f(top - bottom)))
    return all_of(
        identity(
            sympy.expand(r * x - r**2 / 2 + s * x - s**2 / 2),
            sympy.expand((r + s) * x - (r + s) ** 2 / 2 + r * s),
            "product of generating functions",
        ),
        identity(sympy.simplify(own / theirs), 1, "one term"),
    )


def _laplace(claim: Claim) -> Outcome:
    # Stirling: binomial(n, nu)^2 ~ exp(2 n H)/(2 pi n u (1 - u)), binomial(2j, j) ~ 4^j/sqrt(pi j), j = n u.
    u, n = sympy.symbols("u n", positive=True)
    exponent = 2 * (-u * sympy.log(u) - (1 - u) * sympy.log(1 - u)) + u * sympy.log(4)
    peak = sympy.Rational(2, 3)
    curvature = -sympy.diff(exponent, u, 2).subs(u, peak)
    front = 1 / (2 * sympy.pi * n * u * (1 - u)) / sympy.sqrt(sympy.pi * n * u)
    value = front.subs(u, peak) * sympy.sqrt(2 * sympy.pi * n / curvature)
    return all_of(
        identity(sympy.diff(exponent, u).subs(u, peak), 0, "the largest term"),
        identity(sympy.exp(exponent.subs(u, peak)), 9, "its growth"),
        identity(value * 9**n, claim.growth(n, SYMPY), "Laplace's method"),
    )


def _size(claim: Claim) -> Outcome:
    n, level = sympy.symbols("n delta", positive=True)
    return identity(claim.growth(n, SYMPY) / claim.needed(n, level, SYMPY), level, "fourth moment over size")


def _linearised(claim: Claim) -> Outcome:
    y = sympy.Symbol("y")
    outcomes = []
    for n in range(1, 8):
        power = sympy.Poly(sum(c * y**k for k, c in enumerate(definition.hermite_polynomial(n))) ** 4, y)
        # E Y^(2j) = (2j - 1)!! for a standard normal Y.
        value = sum(
            c * sympy.factorial2(k - 1) for (k,), c in power.terms() if k and k % 2 == 0
        ) + power.coeff_monomial(1)
        outcomes.append(
            identity(value / sympy.factorial(n) ** 2, fourth(claim, n, sympy.binomial), f"degree {n}")
        )
    return all_of(*outcomes)


STEPS = (
    Step(
        r"The product of two generating functions is a generating function times $e^{rs}$, so $He_n^2=\sum_kk!\binom nk^2He_{2n-2k}$; by orthogonality, term by term with $j=n-k$,",
        r"E_\gamma h_n^4=\sum_{j=0}^n\binom nj^2\binom{2j}{j}",
        _linearisation,
    ),
    Step(r"The fourth powers themselves, integrated for degrees 1 to 7, agree.", "", _linearised),
    Step(
        r"The largest terms are near $j=\frac23n$, where the exponent of the terms is $\log9$ and its curvature $-9$. Stirling's and Laplace's methods give",
        r"E_\gamma h_n^4\sim\frac{3\sqrt3}{4\pi}\,\frac{9^n}{n}",
        _laplace,
    ),
    Step(
        r"The mean of $N$ values has excess kurtosis about $E h_n^4/N$. To keep it below $\delta$ one needs",
        r"N>\frac{3\sqrt3}{4\pi\delta}\,\frac{9^n}{n}\approx\frac{9^n}{2.4\,\delta\,n}",
        _size,
    ),
)


@high_precision("quotient to the asymptotic law at degrees 100, 200, 400, extrapolated")
def asymptotic(claim: Claim) -> Outcome:
    quotients = [mpf(fourth(claim, n)) / claim.growth(n, MPMATH) for n in (100, 200, 400)]
    extrapolated = (8 * quotients[2] - 6 * quotients[1] + quotients[0]) / 3
    return agreement([(extrapolated, mpf(1))], 5)


@high_precision(
    "smallest sample for kurtosis below 0.05 at degrees 3 to 12 from the exact fourth moment, within the accuracy of the law"
)
def sizes(claim: Claim) -> Outcome:
    outcomes = []
    for n in (3, 6, 12):
        exact = sum(comb(n, j) ** 2 * comb(2 * j, j) for j in range(n + 1)) / 0.05
        share = float(claim.needed(n, 0.05, MPMATH)) / exact
        outcomes.append(
            decided(
                abs(share - 1) < 0.5 / n + 0.02,
                f"degree {n}: law {float(claim.needed(n, 0.05, MPMATH)):.3g}, exact {exact:.3g}",
            )
        )
    return all_of(*outcomes)


@simulated("2 000 000 normal samples: fourth moments of degrees 1 to 3")
def samples(claim: Claim) -> Outcome:
    rng = np.random.default_rng(20)
    powers = definition.hermite_table(rng.standard_normal(2_000_000), 3)[1:] ** 4
    return scores(powers.mean(1), [float(fourth(claim, n)) for n in (1, 2, 3)], powers.std(1) / np.sqrt(2e6))


def _package() -> Iterator[tuple[str, Any, Any]]:
    predict = subject.fetch("recursion.sampling_error.predict_sampling_error")
    run = subject.fetch("Recursion")(
        subject.fetch("GaussianMixture")([1.0], [0.0], [1.0]), fresh_fraction=0.4, truncation_time=0.4
    )
    kurtosis = np.asarray(predict(run, 5, rounds=1, particles=100).kurtosis)
    for degree in (1, 3, 5):
        exact = sum(comb(degree, j) ** 2 * comb(2 * j, j) for j in range(degree + 1))
        yield f"fourth moment of degree {degree}", kurtosis[0, degree], mpf(exact)


STATEMENT = Statement(
    id="additions.testable_degree",
    title="Normality of sample coefficients fails at high degree",
    source="new",
    text=r"The fourth moment of a Hermite function grows like $9^n/n$, so a z-score at degree $n$ can be trusted only for samples that grow as fast.",
    formula=r"E_\gamma h_n^4\sim\frac{3\sqrt3}{4\pi}\frac{9^n}{n},\qquad\frac{E_\gamma h_n^4}{N}<\delta\iff N>\frac{3\sqrt3}{4\pi\,\delta}\frac{9^n}{n}",
    conditions=r"near-Gaussian data, one dimension; $\delta=0.05$ in the tests of the package",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "linearisation term by term, Laplace's method, size"),
        asymptotic,
        sizes,
        samples,
    ),
    mutations=(
        Mutation(
            "constant",
            r"$\frac{3\sqrt3}{2\pi}$",
            {"growth": lambda n, m: 2 * CLAIM.growth(n, m)},
        ),
        Mutation(
            "exponent",
            r"$9^n/\sqrt n$",
            {"growth": lambda n, m: CLAIM.growth(n, m) * m.sqrt(n)},
        ),
        Mutation(
            "sign",
            r"alternating sum",
            {"term": lambda n, j, binomial: (-1) ** j * CLAIM.term(n, j, binomial)},
        ),
        Mutation(
            "dropped condition",
            r"without $\delta$: the size at which the quotient is one",
            {"needed": lambda n, level, m: CLAIM.growth(n, m)},
        ),
    ),
    expected="holds",
    package=Package(
        "recursion.sampling_error.predict_sampling_error",
        "tests/recursion/test_sampling_error.py",
        _package,
        digits=8,
    ),
)
