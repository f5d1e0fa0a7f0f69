"""For small errors the constants one quarter and four become one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy
from mpmath import mpf

from .. import definition, enclosures, families, subject
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
    chi=lambda visible: visible, kl=lambda visible: visible / 2, visible=lambda eta, eps2: eta * eps2
)

k, eta, eps, u = sympy.symbols("k eta epsilon u", positive=True)


def _order(claim: Claim) -> Outcome:
    # kappa = k eps^2: I lies between (sqrt(eta) eps -+ sqrt(e - 2) k eps^2)^2.
    outcomes = []
    for sign in (1, -1):
        side = (sympy.sqrt(eta) * eps + sign * sympy.sqrt(sympy.E - 2) * k * eps**2) ** 2
        outcomes.append(
            identity(
                sympy.limit(side / eps**2, eps, 0),
                claim.chi(claim.visible(eta, 1)),
                "leading order of chi-square",
            )
        )
    return all_of(*outcomes)


def _kl(claim: Claim) -> Outcome:
    series = sympy.series((1 + u) * sympy.log(1 + u) - u, u, 0, 3).removeO()
    return identity(series, claim.kl(u**2), "leading order of KL")


STEPS = (
    Step(
        r"Let $\|e\|^2\leq k(t)$, $\int k=\kappa\leq\mathrm{const}\cdot\varepsilon^2$, $\eta$ bounded below. By the two triangle inequalities of Proposition 3.3 and Theorem 3.4,",
        r"\left(\sqrt{\eta}\,\varepsilon-\sqrt{e-2}\,\kappa\right)^2\leq I\leq\left(\sqrt{\eta}\,\varepsilon+\sqrt{e-2}\,\kappa\right)^2\;\Rightarrow\;\frac{I}{\eta\varepsilon^2}\to1",
        _order,
    ),
    Step(
        r"With $F=E[L|Y]$ the density of the endpoints and $u=F-1$: $|F\log F-u-\frac{u^2}2|\leq\frac12|u|^3$, and third moments of $u$ are of order $\kappa^{3/2}$:",
        r"\mathrm{KL}=\frac{I}{2}(1+o(1))=\frac{\eta\varepsilon^2}{2}(1+o(1))",
        _kl,
    ),
)


@certified(
    r"the inequality $|(1+u)\log(1+u)-u-u^2/2|\leq|u|^3/2$ on u in [-1/2, 3], as a power series near zero and directly elsewhere"
)
def inequality(claim: Claim) -> Outcome:
    m = enclosures.arithmetic()
    from flint import arb

    half = claim.kl(1.0)

    def form(z: object) -> object:
        return (1 + z) * m.log1p(z) - z - arb(half) * z * z

    def near(z: object) -> object:
        # ((1+z)log(1+z) - z - z^2/2)/z^3 = sum over j >= 0 of (-1)^(j+1) z^j/((j+2)(j+3)), |z| <= 1/4
        total, power = arb(0), arb(1)
        for j in range(60):
            total += (-1) ** (j + 1) * power / ((j + 2) * (j + 3))
            power *= z
        return total + arb(0, 1e-30)

    if half != 0.5:
        return decided(False, "the quadratic term does not cancel, so no cubic bound can hold near zero")
    return all_of(
        enclosures.positive_on(lambda z: arb(1) / 2 - near(z), [(-0.25, 0.25)]),
        enclosures.positive_on(lambda z: arb(1) / 2 + near(z), [(-0.25, 0.25)]),
        *(
            enclosures.positive_on(lambda z, s=s: abs(z) ** 3 / 2 - s * form(z), [box])
            for s in (1, -1)
            for box in ((-0.5, -0.25), (0.25, 3.0))
        ),
    )


@high_precision(
    "shift and tanh families, sizes 0.4 to 0.02: both quotients tend to one, and the errors with them to zero"
)
def families_(claim: Claim) -> Outcome:
    outcomes = []
    end = families.endpoint(definition.two_modes())
    J = families.fisher(end)
    for rho in (mpf("0.3"), mpf(1)):
        errors = []
        for beta in (mpf("0.4"), mpf("0.1"), mpf("0.02")):
            moved = families.shifted(end, families.displacement(beta, rho))
            visible = claim.visible(rho * J, families.energy_in_time(beta, rho))
            errors.append(
                max(
                    abs(families.chi_square(moved, end) / claim.chi(visible) - 1),
                    abs(families.kl(moved, end) / claim.kl(visible) - 1),
                )
            )
        outcomes.append(
            decided(
                errors[2] < errors[1] / 4 and errors[2] < mpf("1e-3"),
                f"shift, share {float(rho)}: off by {float(errors[2]):.1e}",
            )
        )
    errors = []
    for beta in (0.8, 0.4, 0.2):
        law, base = families.tanh_endpoint(beta), definition.law((1, 0, 1))
        visible = claim.visible(families.tanh_observability(beta), families.tanh_energy(beta, learned=False))
        errors.append(
            max(
                abs(float(families.chi_square(law, base)) / claim.chi(visible) - 1),
                abs(float(families.kl(law, base)) / claim.kl(visible) - 1),
            )
        )
    # kappa is of the order of eps here, not of eps^2, and the quotient still tends to one.
    outcomes.append(decided(errors[2] < errors[1] / 2 and errors[2] < 0.06, f"tanh: off by {errors[2]:.1e}"))
    return all_of(*outcomes)


@simulated(
    "400 000 paths with error 0.1 cos(2y + 3t): divergence and visible energy by the same regression on the endpoint"
)
def nonlinear(claim: Claim) -> Outcome:
    sample = families.paths(0.1)
    likelihood = np.exp(sample["M"] - sample["variation"] / 2)
    divergence, error = families.conditional_variance(likelihood, sample["end"])
    visible, _ = families.conditional_variance(sample["M"], sample["end"])
    predicted = claim.chi(claim.visible(visible / sample["variation"].mean(), sample["variation"].mean()))
    gap = abs(divergence / predicted - 1)
    return decided(
        gap < 0.05 + 5 * error / divergence * 0.1,
        f"quotient {divergence / predicted:.4f}",
        quotient=divergence / predicted,
    )


def _package() -> Iterator[tuple[str, Any, Any]]:
    start = subject.fetch("GaussianMixture")([0.4, 0.6], [-1.3, 0.9], [0.3, 0.5])
    end = families.endpoint(definition.two_modes())
    for beta in (0.05, 0.5):
        family = subject.fetch("bounds.SolvableFamily")(start, beta, 0.6)
        moved = families.shifted(end, families.displacement(mpf(beta), mpf(0.6)))
        yield f"chi-square, size {beta}", subject.number(family.chi_square()), families.chi_square(moved, end)


STATEMENT = Statement(
    id="additions.small_errors",
    title="Small visible errors: divergence equals visible energy",
    source="new; sharpens Proposition 3.3 and Theorem 3.4 of the propagation paper",
    text=r"As the error of a round gets small, its chi-square divergence is the visible energy $\eta\varepsilon^2$ and its KL divergence half of it, with constants one and one half.",
    formula=r"I=\eta\varepsilon^2(1+o(1)),\qquad\mathrm{KL}=\frac{\eta\varepsilon^2}{2}(1+o(1))",
    conditions=r"$\|e\|^2\leq k(t)$ with $\int k=O(\varepsilon^2)$, $\eta$ bounded below",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "leading orders"), inequality, families_, nonlinear),
    mutations=(
        Mutation("constant", r"KL equal to $\eta\varepsilon^2$", {"kl": lambda v: v}),
        Mutation("constant", r"$I=\eta\varepsilon^2/4$", {"chi": lambda v: v / 4}),
        Mutation("exponent", r"$\eta^2$", {"visible": lambda eta, eps2: eta**2 * eps2}),
        Mutation("sign", "KL negative", {"kl": lambda v: -v / 2}),
        Mutation("dropped condition", r"without $\eta$", {"visible": lambda eta, eps2: eps2}),
    ),
    expected="holds",
    package=Package("bounds.SolvableFamily", "tests/bounds/propagation/test_solvable.py", _package, digits=8),
)
