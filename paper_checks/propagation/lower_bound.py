"""Visible errors cannot hide: a lower bound on the divergence of one round, with its constants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, enclosures, families, subject
from ..evidence import (
    Claim,
    Outcome,
    all_of,
    certified,
    high_precision,
    identity,
    ordered,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

# visible = eta eps^2; kappa bounds the quadratic variation of M path by path.
CLAIM = Claim(
    lower=lambda visible, eps2, kappa: visible / 4 - (families.euler(visible) - 2) / 3 * kappa**2,
    remainder=lambda kappa: sympy.exp(kappa) - 1 - kappa,
    small=lambda eta, C: eta / (8 * C),
)

a, b, kappa, s, eta, C, eps2 = sympy.symbols("a b kappa s eta C epsilon", positive=True)


def _square(claim: Claim) -> Outcome:
    # a^2 the visible energy, b^2 = (e - 2) kappa^2 the remainder.
    bound = claim.lower(a**2, eps2, b / sympy.sqrt(sympy.E - 2))
    return identity(
        (a - b) ** 2 - bound, sympy.Rational(3, 4) * (a - sympy.Rational(4, 3) * b) ** 2, "square"
    )


def _gronwall(claim: Claim) -> Outcome:
    # u' = 1 + u, u(0) = 0 in the clock kappa; then the integral of u.
    u = sympy.exp(s) - 1
    return all_of(
        identity(sympy.diff(u, s), 1 + u, "second moment of the density"),
        identity(sympy.integrate(u, (s, 0, kappa)), claim.remainder(kappa), "remainder"),
    )


def _threshold(claim: Claim) -> Outcome:
    at = claim.small(eta, C)
    return identity(eta * at / 4 - C * at**2, eta * at / 8, "second form, at its threshold")


STEPS = (
    Step(
        r"Let $L=e^{M-\langle M\rangle/2}$ be the density of the learned path with respect to the ideal one and $Y$ the endpoint. The density of the "
        r"endpoints is $E[L|Y]$, so $I=\chi^2(\hat p_{i+1}\|Cq_i)=\mathrm{Var}\,E[L|Y]$. Write $L=1+M+R$ with $R=\int(L_s-1)\,dM_s$."
    ),
    Step(
        r"Suppose $\|e(x,t)\|^2\leq k(t)$ with $\int k=\kappa$. In the clock $\kappa$, $u=E(L-1)^2$ obeys $u'\leq1+u$, so $u\leq e^s-1$ and",
        r"E R^2\leq\int_0^\kappa(e^s-1)\,ds=e^\kappa-1-\kappa\leq(e-2)\,\kappa^2\quad(\kappa\leq1)",
        _gronwall,
    ),
    Step(
        r"Conditioning shortens vectors: $\|E[R|Y]\|\leq\|R\|$, while $\|E[M|Y]\|^2=\eta\varepsilon^2$ by definition of $\eta$. With "
        r"$(a-b)^2\geq a^2/4-b^2/3$:",
        r"I\geq(\sqrt{\eta}\,\varepsilon-\|R\|)^2\geq\frac{\eta\varepsilon^2}{4}-\frac{e-2}{3}\kappa^2",
        _square,
    ),
    Step(
        r"If $\kappa^2\leq r\varepsilon^4$, this is the printed form with $C=(e-2)r/3$, and for $\varepsilon^2\leq\eta/(8C)$ half of the first term is left:",
        r"I\geq\frac{\eta\varepsilon^2}{8}",
        _threshold,
    ),
)


@certified(r"$e^\kappa-1-\kappa\leq(e-2)\kappa^2$ on [0, 1], as a power series divided by $\kappa^2$")
def on_interval(claim: Claim) -> Outcome:
    from flint import arb

    # The difference vanishes at kappa = 1: divided by 1 - kappa, sum over k of (1 + ... + kappa^(k-3))/k! remains.
    series = sympy.series(claim.remainder(kappa), kappa, 0, 4).removeO()
    if sympy.simplify(series - kappa**2 / 2 - kappa**3 / 6) != 0:
        return identity(series, kappa**2 / 2 + kappa**3 / 6, "series of the remainder")

    def quotient(u: object) -> object:
        total, partial, factorial = arb(0), arb(0), arb(2)
        for k in range(3, 30):
            factorial *= k
            partial = partial * u + 1
            total += partial / factorial
        return total

    return enclosures.positive_on(quotient, [(0.0, 1.0)])


@high_precision(
    "shift and tanh families: divergences and observabilities by integration, kappa from 1e-4 to 1"
)
def cases(claim: Claim) -> Outcome:
    pairs = []
    end = families.endpoint(definition.two_modes())
    J = families.fisher(end)
    for beta in (mpf("0.01"), mpf("0.3"), mpf(1)):
        for rho in (mpf(0), mpf("0.2"), mpf(1)):
            found = families.chi_square(families.shifted(end, families.displacement(beta, rho)), end)
            pairs.append((claim.lower(rho * J * beta**2, beta**2, beta**2), found + mpf("1e-20")))
    for beta in (0.2, 0.6, 1.0):
        found = families.chi_square(families.tanh_endpoint(beta), definition.law((1, 0, 1)))
        eps2 = families.tanh_energy(beta, learned=False)
        pairs.append((claim.lower(families.tanh_observability(beta) * eps2, eps2, beta**2), found))
    return ordered(pairs, 1e-12)


@simulated(
    "400 000 paths with error size cos(2y + 3t): observability and divergence by regression on the endpoint"
)
def nonlinear(claim: Claim) -> Outcome:
    pairs = []
    for size in (0.3, 0.8):
        sample = families.paths(size)
        likelihood = np.exp(sample["M"] - sample["variation"] / 2)
        divergence, error = families.conditional_variance(likelihood, sample["end"])
        visible, _ = families.conditional_variance(sample["M"], sample["end"])
        pairs.append((claim.lower(visible, sample["variation"].mean(), size**2), divergence + 4 * error))
    return ordered(pairs)


def _package() -> Iterator[tuple[str, Any, Any]]:
    bounds = subject.fetch("bounds.innovation_bounds")
    for eps2, eta, largest in ((0.04, 0.7, 0.05), (0.2, 1.0, 0.3)):
        remainder = mpmath.quad(lambda u: mpmath.expm1(u), [0, mpf(largest)])
        below = max(mpf(0), mpmath.sqrt(mpf(eta) * eps2) - mpmath.sqrt(remainder)) ** 2
        yield "lower bound", subject.number(bounds(eps2, eta, supremum_energy=largest).lower), below


STATEMENT = Statement(
    id="propagation.lower_bound",
    title="A visible error shows in the chi-square divergence of its round",
    source="propagation paper, Proposition 3.3",
    text=(
        r"The divergence $I$ of the learned round from the ideal one is at least a quarter of the visible energy $\eta\varepsilon^2$, up to a term of fourth "
        r"order in the error. The paper's constant $C$ depends on moment conditions (its A3 and A4) and is not given in the summaries; for errors bounded by a "
        r"function of time the derivation below gives it explicitly."
    ),
    formula=r"I\geq\frac{\eta\varepsilon^2}{4}-\frac{e-2}{3}\kappa^2;\qquad I\geq\frac{\eta\varepsilon^2}{8}\quad\mathrm{if}\;\varepsilon^2\leq\frac{\eta}{8C}",
    conditions=r"$\|e(x,t)\|^2\leq k(t)$, $\int k\,dt=\kappa\leq1$; under A3 and A4 alone the constant is not known to us",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "remainder, square, threshold"), on_interval, cases, nonlinear),
    mutations=(
        Mutation("constant", r"$4\eta\varepsilon^2$", {"lower": lambda v, e2, k: CLAIM.lower(16 * v, e2, k)}),
        Mutation(
            "sign", "plus the fourth-order term", {"lower": lambda v, e2, k: v / 2 - CLAIM.lower(v, e2, k)}
        ),
        Mutation(
            "exponent", r"remainder of third order", {"remainder": lambda k: sympy.exp(k) - 1 - k - k**2 / 2}
        ),
        Mutation(
            "dropped condition",
            r"without $\eta$",
            {"lower": lambda v, e2, k: CLAIM.lower(e2, e2, k)},
        ),
    ),
    expected="holds",
    package=Package("bounds.innovation_bounds", "tests/bounds/propagation/test_innovation.py", _package),
)
