"""In the mixture experiment the accumulated divergence is infinite after one round."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, enclosures, subject
from ..evidence import (
    Claim,
    Outcome,
    all_of,
    certified,
    decided,
    high_precision,
    identity,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    widest=lambda v: 2 * v,  # finite for variances below it
    value=lambda w, v: v / sympy.sqrt(w * (2 * v - w)) - 1,
    blur=("0.36", "0.02"),  # variance of the kernel, OU time at rate 1/2
    first_infinite=1,
    first_by_truncation=42,
)

x = sympy.Symbol("x", real=True)
w, v = sympy.symbols("w v", positive=True)


def _integral(claim: Claim) -> Outcome:
    c = sympy.Symbol("c", positive=True)  # c = 2/w - 1/v > 0
    integral = sympy.integrate(sympy.exp(-c * x**2 / 2), (x, -sympy.oo, sympy.oo))
    value = sympy.sqrt(v) / (sympy.sqrt(2 * sympy.pi) * w) * integral - 1
    return identity(value.subs(c, 2 / w - 1 / v) + 1, claim.value(w, v) + 1, "chi-square of two normals")


STEPS = (
    Step(
        r"For centred normals the integrand of $\chi^2$ is a Gaussian of exponent $-(\frac2w-\frac1v)\frac{x^2}{2}$: integrable exactly if $w<2v$, and then",
        r"\chi^2(N(0,w)\|N(0,v))=\frac{v}{\sqrt{w(2v-w)}}-1",
        _integral,
    ),
    Step(
        r"A mixture inherits the fate of its widest tail: in any direction, a component of variance $w$ against components of variance $v$."
    ),
    Step(
        r"The experiment: components of variance $v=0.36$, a kernel density of the same bandwidth, truncation at $t_0=0.02$ ($\theta=1/2$). One round makes",
        r"w=(0.36+0.36)e^{-0.02}+1-e^{-0.02}=0.7255>0.72=2v",
    ),
    Step(
        r"Truncation alone, without blur, reaches $2v$ at the first age $k$ with $1-0.64\,e^{-0.02k}>0.72$.",
        r"k>50\,\log\frac{0.64}{0.28}=41.3",
    ),
)


def _variance(blur: Any, time: Any, age: int, start: Any) -> Any:
    value = start
    for _ in range(age):
        value = (value + blur) * mpmath.exp(-time) + 1 - mpmath.exp(-time)
    return value


@certified("variance after one round and ages 41 and 42 by Arb")
def by_arb(claim: Claim) -> Outcome:
    from flint import arb

    m = enclosures.arithmetic()
    blur, time = (arb(text) for text in claim.blur)
    v = arb("0.36")
    after = (v + blur) * m.exp(-time) - m.expm1(-time)

    def by_truncation(age: int) -> Any:
        decay = m.exp(-time * age)
        return v * decay + 1 - decay

    k = claim.first_by_truncation
    first = bool(after > 2 * v) == (not float(after.mid()) < claim.widest(0.36)) and bool(after > 2 * v) == (
        claim.first_infinite == 1
    )
    return decided(
        first and bool(by_truncation(k) > 2 * v) and bool(by_truncation(k - 1) < 2 * v),
        f"variance {after.mid()} against {float((2 * v).mid())}; truncation alone crosses at age {k}",
    )


@cache
def _partial(w: Any) -> list[Any]:
    """Integrals of N(0, w)^2/N(0, 0.36) over [-k, k], k = 1 to 60."""
    total, sums = mpf(0), []
    for far in range(60):
        total += 2 * mpmath.quad(
            lambda x: definition.normal_density(x, 0, w) ** 2 / definition.normal_density(x, 0, mpf("0.36")),
            [far, far + 1],
        )
        sums.append(total)
    return sums


@high_precision(
    "partial integrals of chi-square in the first round of the experiment: they grow without bound, and do not when w < 2v"
)
def partial(claim: Claim) -> Outcome:
    outcomes = []
    crossing = claim.first_by_truncation
    for blur, time, age, finite in (
        (*claim.blur, claim.first_infinite, False),
        ("0", "0.02", crossing - 1, True),
        ("0", "0.02", crossing, False),
        ("0.2", "0.02", 1, True),
    ):
        w = _variance(mpf(blur), mpf(time), age, mpf("0.36"))
        seen = _partial(w)
        growing = (seen[59] - seen[39]) > (seen[39] - seen[19]) * mpf("1.01")
        agrees = growing == (not finite) and (w < claim.widest(mpf("0.36"))) == finite
        if finite:
            closed = mpf("0.36") / mpmath.sqrt(w * (mpf("0.72") - w))
            agrees = agrees and (abs(seen[59] / closed - 1) < mpf("0.7"))
        outcomes.append(
            decided(agrees, f"variance {mpmath.nstr(w, 6)}: partial integral {mpmath.nstr(seen[59], 4)}")
        )
    return all_of(*outcomes)


@cache
def _medians(spread: float) -> tuple[float, float]:
    """Median estimates of chi-square of a normal law of that variance from the data's, over samples of 100 and of 10^6."""
    rng = np.random.default_rng(21)
    medians = []
    for size, batches in ((100, 4000), (1_000_000, 11)):
        # Under the model the mean of p/p* - 1 is chi-square.
        means = []
        for _ in range(batches):
            x = rng.standard_normal(size) * np.sqrt(spread)
            means.append(np.sqrt(0.36 / spread) * np.exp(x * x / 2 * (1 / 0.36 - 1 / spread)).mean() - 1)
        medians.append(float(np.median(means)))
    return medians[0], medians[1]


@simulated(
    "estimates of D_1 at its own variance from samples of the model, sizes 10^2 and 10^6: they grow with the sample instead of settling"
)
def estimates(claim: Claim) -> Outcome:
    seen, shown = [], []
    first = float(_variance(*(mpf(text) for text in claim.blur), 1, mpf("0.36")))
    for spread, grows in ((first, True), (0.6, False)):
        medians = _medians(spread)
        seen.append((medians[1] > 2 * medians[0]) == grows and grows == (spread >= claim.widest(0.36)))
        shown.append(f"variance {spread:.4f}: {medians[0]:.2f}, then {medians[1]:.2f}")
    return decided(all(seen), "; ".join(shown))


def _package() -> Iterator[tuple[str, Any, Any]]:
    chi, mixture = subject.fetch("distances.chi_square"), subject.fetch("GaussianMixture")
    p, q = mixture([1.0], [0.0], [0.6]), mixture([1.0], [0.0], [0.36])
    integral = definition.line_integral(
        lambda x: (
            definition.normal_density(x, 0, mpf("0.6")) ** 2 / definition.normal_density(x, 0, mpf("0.36"))
        )
    )
    yield "finite case", subject.number(chi(p, q)), integral - 1
    infinite = subject.number(chi(mixture([1.0], [0.0], [0.7256]), q))
    yield "infinite case (1 means infinite)", float(np.isinf(infinite)), 1.0


STATEMENT = Statement(
    id="propagation.divergence_finite",
    title="The accumulated divergence of the mixture experiment is infinite from the first round",
    source="propagation paper, Figure 1 and Appendix G.1",
    text=(
        r"$\chi^2(N(\cdot,w)\|N(\cdot,v))$ is finite exactly for $w<2v$. In the paper's own experiment one round makes $w=0.7255>2v=0.72$: $D_1=\infty$, and a "
        r"finite estimate of it measures the sample size. Truncation without blur gets there at age 42."
    ),
    formula=r"\chi^2(\hat p_i\|p_\ast)=\infty\;\;\mathrm{for}\;i\geq1;\qquad\chi^2<\infty\;\mathrm{iff}\;w<2v",
    conditions=r"standard deviation $0.6$, bandwidth $0.6$, $t_0=0.02$, $\theta=1/2$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "the Gaussian integral"), by_arb, partial, estimates),
    mutations=(
        Mutation("constant", r"finite for $w<3v$", {"widest": lambda v: 3 * v}),
        Mutation(
            "sign", r"$v/\sqrt{w(2v+w)}-1$", {"value": lambda w, v: v / sympy.sqrt(w * (2 * v + w)) - 1}
        ),
        Mutation("exponent", r"age 41", {"first_by_truncation": 41}),
        Mutation("dropped condition", "without the blur", {"blur": ("0", "0.02")}),
    ),
    expected="holds",
    package=Package("distances.chi_square", "tests/distances/test_finiteness.py", _package, digits=6),
)
