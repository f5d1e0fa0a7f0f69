"""Up to which degree a sample mean of Hermite functions is nearly normal."""

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
    decided,
    high_precision,
    identity,
    scores,
    simulated,
)
from ..registry import Displayed, Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    fourth=lambda n, binomial: sum(binomial(n, j) ** 2 * binomial(2 * j, j) for j in range(n + 1)),
    growth=lambda n, m: 3 * m.sqrt(3) / (4 * m.pi) * mpf(9) ** n / n,
    # smallest N with fourth moment over N below the level
    needed=lambda n, level, m: 3 * m.sqrt(3) / (4 * m.pi) / level * mpf(9) ** n / n,
)


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
            identity(value / sympy.factorial(n) ** 2, claim.fourth(n, sympy.binomial), f"degree {n}")
        )
    return all_of(*outcomes)


STEPS = (
    Step(
        r"$He_n^2=\sum_kk!\binom nk^2He_{2n-2k}$ and orthogonality give a sum of positive terms (checked against the fourth power for degrees 1 to 7):",
        r"E_\gamma h_n^4=\sum_{j=0}^n\binom nj^2\binom{2j}{j}",
        _linearised,
    ),
    Step(
        r"The sum grows like $9^n$; its largest terms are near $j=\frac23n$, and Laplace's method gives",
        r"E_\gamma h_n^4\sim\frac{3\sqrt3}{4\pi}\,\frac{9^n}{n}",
    ),
    Step(
        r"The mean of $N$ values has excess kurtosis about $E h_n^4/N$. To keep it below $\delta$ one needs",
        r"N>\frac{3\sqrt3}{4\pi\delta}\,\frac{9^n}{n}\approx\frac{9^n}{2.4\,\delta\,n}",
    ),
)


@high_precision("quotient to the asymptotic law at degrees 100, 200, 400, extrapolated")
def asymptotic(claim: Claim) -> Outcome:
    quotients = [
        mpf(claim.fourth(n, lambda a, b: int(mpmath.binomial(a, b)) if a < 50 else _binomial(a, b)))
        / claim.growth(n, mpmath.mp)
        for n in (100, 200, 400)
    ]
    extrapolated = (8 * quotients[2] - 6 * quotients[1] + quotients[0]) / 3
    return agreement([(extrapolated, mpf(1))], 5)


def _binomial(a: int, b: int) -> int:
    import math

    return math.comb(a, b)


@high_precision(
    "smallest sample for kurtosis below 0.05 at degrees 3 to 12 from the exact fourth moment, within the accuracy of the law"
)
def sizes(claim: Claim) -> Outcome:
    outcomes = []
    for n in (3, 6, 12):
        exact = sum(_binomial(n, j) ** 2 * _binomial(2 * j, j) for j in range(n + 1)) / 0.05
        share = float(claim.needed(n, 0.05, mpmath.mp)) / exact
        outcomes.append(
            decided(
                abs(share - 1) < 0.5 / n + 0.02,
                f"degree {n}: law {float(claim.needed(n, 0.05, mpmath.mp)):.3g}, exact {exact:.3g}",
            )
        )
    return all_of(*outcomes)


@simulated("2 000 000 normal samples: fourth moments of degrees 1 to 3")
def samples(claim: Claim) -> Outcome:
    rng = np.random.default_rng(20)
    fourth = definition.hermite_table(rng.standard_normal(2_000_000), 3)[1:] ** 4
    return scores(
        fourth.mean(1), [float(claim.fourth(n, _binomial)) for n in (1, 2, 3)], fourth.std(1) / np.sqrt(2e6)
    )


def _package() -> Iterator[tuple[str, Any, Any]]:
    predict = subject.fetch("recursion.sampling_error.predict_sampling_error")
    run = subject.fetch("Recursion")(
        subject.fetch("GaussianMixture")([1.0], [0.0], [1.0]), fresh_fraction=0.4, truncation=0.4
    )
    kurtosis = np.asarray(predict(run, 5, rounds=1, particles=100).kurtosis)
    for degree in (1, 3, 5):
        exact = sum(_binomial(degree, j) ** 2 * _binomial(2 * j, j) for j in range(degree + 1))
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
    evidence=(derived(STEPS, "fourth moments of degrees 1 to 7", covers="cases"), asymptotic, sizes, samples),
    mutations=(
        Mutation(
            "constant",
            r"$\frac{3\sqrt3}{2\pi}$",
            {"growth": lambda n, m: 3 * m.sqrt(3) / (2 * m.pi) * mpf(9) ** n / n},
        ),
        Mutation(
            "exponent",
            r"$9^n/\sqrt n$",
            {"growth": lambda n, m: 3 * m.sqrt(3) / (4 * m.pi) * mpf(9) ** n / mpmath.sqrt(n)},
        ),
        Mutation(
            "sign",
            r"alternating sum",
            {
                "fourth": lambda n, binomial: sum(
                    (-1) ** j * binomial(n, j) ** 2 * binomial(2 * j, j) for j in range(n + 1)
                )
            },
        ),
        Mutation(
            "dropped condition",
            r"without $\delta$",
            {"needed": lambda n, level, m: 3 * m.sqrt(3) / (4 * m.pi) * mpf(9) ** n / n},
        ),
    ),
    displayed=Displayed(
        r"As first written down: kurtosis over $N$ below $0.05$ from about $N>9^n/(2.4\,n)$ on.",
        r"N>\frac{9^n}{2.4\,n}\;\Rightarrow\;\frac{E_\gamma h_n^4}{N}<0.05",
        {"needed": lambda n, level, m: mpf(9) ** n / (mpf("2.4") * n)},
        r"That is the size at which the quotient is one; $0.05$ needs twenty times as many, $N>8.3\cdot9^n/n$.",
    ),
    expected="false as displayed",
    package=Package(
        "recursion.sampling_error.predict_sampling_error",
        "tests/recursion/test_sampling_error.py",
        _package,
        digits=8,
    ),
)
