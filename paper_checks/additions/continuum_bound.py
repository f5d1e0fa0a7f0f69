"""Attenuation against the first-order low-pass filter, with the sharp constant."""

from __future__ import annotations

from collections.abc import Iterator
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
    attained,
    certified,
    high_precision,
    identity,
    ordered,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    constant=sympy.Rational(1, 2),
    filter=lambda alpha, y: alpha / (alpha + y),  # y = n theta t0; lambda/(lambda + n)
    power=1,
    gap=lambda upper, g: upper - g,
)

alpha, y, E = sympy.symbols("alpha y E", positive=True)
k = sympy.Symbol("k", integer=True, positive=True)


def _reduce(claim: Claim) -> Outcome:
    g, upper = alpha / (alpha + E), claim.filter(alpha, y)
    bound = claim.constant * alpha * (1 - g) ** claim.power * (1 - upper)
    return all_of(
        identity(claim.gap(upper, g), alpha * (E - y) / ((alpha + y) * (alpha + E)), "the gap"),
        identity(bound, alpha * claim.constant * E * y / ((alpha + y) * (alpha + E)), "its bound"),
    )


def _series(claim: Claim) -> Outcome:
    # Coefficient of y^k in constant * y expm1(y) - (expm1(y) - y), k >= 2.
    coefficient = claim.constant / sympy.factorial(k - 1) - 1 / sympy.factorial(k)
    return identity(
        sympy.simplify(coefficient * sympy.factorial(k)), (k - 2) / sympy.Integer(2), "coefficient of y^k/k!"
    )


STEPS = (
    Step(
        r"With $y=n\theta t_0$, $E=e^y-1$ and $\lambda=\alpha/(\theta t_0)$, both sides have the same denominator, and $\alpha$ drops out:",
        r"\frac{\lambda}{\lambda+n}-g_n=\frac{\alpha(E-y)}{(\alpha+y)(\alpha+E)},\qquad"
        r"\frac{\alpha}{2}(1-g_n)\left(1-\frac{\lambda}{\lambda+n}\right)=\frac{\alpha}{2}\frac{E\,y}{(\alpha+y)(\alpha+E)}",
        _reduce,
    ),
    Step(
        r"So the claim is $0\leq E-y\leq\frac12Ey$. The first is the series of the exponential. For the second, compare coefficients of $y^k/k!$:",
        r"\frac12Ey-(E-y)=\sum_{k\geq3}\frac{k-2}{2}\,\frac{y^k}{k!}\geq0",
        _series,
    ),
    Step(
        r"The first coefficient vanishes: as $y\to0$ the two sides agree to first order, so $\frac12$ cannot be improved."
    ),
)


@certified(
    r"for alpha in [1e-6, 1], theta t0 in [1e-8, 10], degrees 1 to 64, that is y in [1e-8, 640]: (E - y)/y^2 and (c E y - (E - y))/y^3 enclosed by power series "
    r"up to y = 1 and by exponentials beyond"
)
def on_boxes(claim: Claim) -> Outcome:
    m = enclosures.arithmetic()
    c = claim.constant
    from flint import arb

    numerator, denominator = int(sympy.Rational(c).p), int(sympy.Rational(c).q)
    constant = arb(numerator) / denominator
    if sympy.simplify(claim.filter(alpha, y) - alpha / (alpha + y)) != 0 or claim.power != 1:
        return identity(
            claim.filter(alpha, y) ** claim.power, alpha / (alpha + y), "reduction to one variable"
        )
    first = enclosures.positive_on(
        lambda u: enclosures.exponential_remainder(m.exp(u), 2, lambda j: 1), [(float(np.log(1e-8)), 0.0)]
    )

    def near(u: Any) -> Any:
        z = m.exp(u)
        # (constant - 1/2)/z + sum over k >= 3 of (constant k - 1) z^(k-3)/k!
        return (constant - arb(1) / 2) / z + enclosures.exponential_remainder(
            z, 3, lambda j: constant * j - 1
        )

    def far(u: Any) -> Any:
        z = m.exp(u)
        # Divided by y E: constant - 1/y + 1/E.
        return constant - 1 / z + 1 / m.expm1(z)

    return all_of(
        first,
        enclosures.positive_on(near, [(float(np.log(1e-8)), 0.0)]),
        enclosures.positive_on(far, [(0.0, float(np.log(640.0)))]),
        enclosures.positive_on(lambda u: 1 - m.exp(u) / m.expm1(m.exp(u)), [(0.0, float(np.log(640.0)))]),
    )


@high_precision("attenuation by iterating the definition, 27 settings with theta t0 from 1e-3 to 3")
def cases(claim: Claim) -> Outcome:
    pairs = []
    for fraction in ("0.05", "0.4", "1"):
        for time in ("0.01", "0.2", "3"):
            for degree in (1, 5, 20):
                rest = definition.mode_trajectory(degree, fraction, [mpf(time)] * 900)[-1]
                upper = claim.filter(mpf(fraction), degree * mpf(time))
                pairs.append(
                    (
                        claim.gap(upper, rest),
                        mpf(claim.constant.p)
                        / claim.constant.q
                        * mpf(fraction)
                        * (1 - rest) ** claim.power
                        * (1 - upper),
                    )
                )
                pairs.append((mpf(0), claim.gap(upper, rest)))
    return ordered(pairs, 1e-20)


@high_precision("theta t0 to 1e-9: the quotient of the two sides tends to one", role="sharpness")
def extremal(claim: Claim) -> Outcome:
    with mpmath.workdps(60):
        z = mpf("1e-9")
        E = mpmath.expm1(z)
        pairs = [(E - z, mpf(claim.constant.p) / claim.constant.q * E * z)]
        return attained(pairs, 1e-8)


@simulated(
    "exponential ages: 400 000 ages of rate alpha/t0 against the filter, and geometric ages against the gap"
)
def ages(claim: Claim) -> Outcome:
    rng = np.random.default_rng(15)
    fraction, time = 0.1, 0.05
    found, error, predicted = [], [], []
    ages_ = rng.exponential(1 / fraction, 400_000)
    for degree in (1, 4, 12):
        sample = np.exp(-degree * time * ages_)
        found.append(sample.mean())
        error.append(sample.std() / np.sqrt(sample.size))
        predicted.append(claim.filter(fraction, degree * time))
    return scores(found, predicted, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    continuum = subject.fetch("recursion.modes.continuum_attenuation")
    for degree in (1, 7):
        # E exp(-n s) for an exponential time s of mean 1/lambda, by integration.
        value = mpmath.quad(lambda s, n=degree: mpf(4) * mpmath.exp(-4 * s - n * s), [0, 1, mpmath.inf])
        yield "continuum_attenuation", subject.number(continuum(degree, filter_degree=4.0)), value


def _figure() -> Any:
    from ..report.figures import axes

    figure, ax = axes(width=6.4, height=2.8)
    z = np.geomspace(1e-3, 20, 200)
    E = np.expm1(z)
    ax.plot(z, (E - z) / (E * z), color="C0")
    ax.axhline(0.5, color="C3", lw=1, ls="--", label=r"constant $1/2$")
    ax.set_xscale("log")
    ax.set_xlabel(r"$y=n\theta t_0$")
    ax.set_ylabel(r"$(E-y)/(Ey)$")
    ax.set_title("gap over its scale, for every fresh fraction at once")
    ax.legend(frameon=False)
    return figure


STATEMENT = Statement(
    id="additions.continuum_bound",
    title="A first-order low-pass filter, from above, with the sharp constant one half",
    source="new",
    text=(
        r"With $\lambda=\alpha/(\theta t_0)$ the attenuation is close to $\lambda/(\lambda+n)$, the filter of an exponential age, and never above it. The gap is at most "
        r"$\frac{\alpha}{2}$ times what both filters remove, and $\frac12$ is the best constant."
    ),
    formula=r"0\leq\frac{\lambda}{\lambda+n}-g_n\leq\frac{\alpha}{2}\,(1-g_n)\left(1-\frac{\lambda}{\lambda+n}\right)",
    conditions=r"$0<\alpha\leq1$, $t_0>0$, real $n>0$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "reduction to one variable, coefficients of the power series"),
        on_boxes,
        cases,
        extremal,
        ages,
    ),
    mutations=(
        Mutation(
            "constant", r"$\frac{49}{100}$ in place of $\frac12$", {"constant": sympy.Rational(49, 100)}
        ),
        Mutation("sign", "the filter is below", {"gap": lambda upper, g: g - upper}),
        Mutation("exponent", r"$(1-g_n)^2$", {"power": 2}),
        Mutation(
            "dropped condition", r"$\alpha$ missing in the filter", {"filter": lambda alpha, y: 1 / (1 + y)}
        ),
    ),
    expected="sharp",
    package=Package("recursion.modes.continuum_attenuation", "tests/recursion/test_modes.py", _package),
    figure=_figure,
)
