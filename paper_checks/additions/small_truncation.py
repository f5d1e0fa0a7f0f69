"""The displacement of the limit for small truncation times."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import sympy

from .. import definition, subject
from ..evidence import Claim, Outcome, all_of, decided, high_precision, identity, simulated
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(law=lambda x, alpha, root: x / alpha * root)  # x = theta t0, root = sqrt(I)

x, alpha, n = sympy.symbols("x alpha n", positive=True)


def _first_order(claim: Claim) -> Outcome:
    a = sympy.exp(-n * x)
    rest = alpha * a / (1 - (1 - alpha) * a)
    slope = sympy.simplify(sympy.series(rest, x, 0, 2).removeO().coeff(x, 1))
    # The generator of the channel multiplies degree n by -n; the law says that p_inf - p* is (x/alpha) times it.
    return identity(slope * x, -n * claim.law(x, alpha, 1), "first order of every mode")


def _velocity(claim: Claim) -> Outcome:
    p = sympy.Function("p")(sympy.Symbol("y"))
    y = sympy.Symbol("y")
    score = sympy.diff(p, y) / p
    generator = sympy.diff(p, y, 2) + sympy.diff(y * p, y)
    return identity(
        sympy.simplify(generator),
        sympy.simplify(sympy.diff(p * (y + score), y)),
        "generator in divergence form",
    )


STEPS = (
    Step(
        r"For small $x=\theta t_0$ every mode of the limit moves by $-nx/\alpha$; $-n$ is the action of the generator $\mathcal{L}$ of the channel on degree $n$:",
        r"g_n=1-\frac{nx}{\alpha}+O(x^2)\;\Rightarrow\;p_\infty=p_\ast+\frac{x}{\alpha}\mathcal{L}p_\ast+O(x^2)",
        _first_order,
    ),
    Step(
        r"In divergence form the generator transports mass with velocity $-(x+\nabla\log p_\ast)$, a gradient field, so to first order $W_2$ is its length in $L^2(p_\ast)$:",
        r"\mathcal{L}p=\nabla\cdot\left(p\,(x+\nabla\log p)\right),\qquad W_2(p_\infty,p_\ast)=\frac{\theta t_0}{\alpha}\sqrt{I}\,(1+o(1))",
        _velocity,
    ),
)


@cache
def _quotients() -> dict[tuple[str, float], list[float]]:
    result = {}
    for name, p in (("two modes", definition.two_modes()), ("wide", definition.law((1, "0.5", 3)))):
        root = float(definition.relative_fisher(p)) ** 0.5
        for fraction in (0.3, 0.8):
            row = []
            for time in (0.02, 0.005, 0.00125):
                limit = (
                    definition.rounds(p, fraction, [time] * 90)[-1]
                    if fraction < 0.5
                    else definition.rounds(p, fraction, [time] * 24)[-1]
                )
                # W2 by quantile differences: first-order small, so the double-precision quantiles still carry eight digits.
                row.append(definition.wasserstein(limit, p, step=0.05) / root)
            result[name, fraction] = row
    return result


@high_precision(
    "W2 by quantiles for two laws, alpha = 0.3 and 0.8, theta t0 down to 0.00125: the quotient tends to one linearly"
)
def quotients(claim: Claim) -> Outcome:
    outcomes = []
    for (name, fraction), row in _quotients().items():
        errors = [
            abs(w / claim.law(time, fraction, 1.0) - 1)
            for w, time in zip(row, (0.02, 0.005, 0.00125), strict=True)
        ]
        good = errors[2] < 0.35 * errors[1] < 0.15 * errors[0] + 1e-12 and errors[2] < 0.02
        outcomes.append(
            decided(
                good,
                f"{name}, alpha {fraction}: off by {errors[0]:.1e}, {errors[1]:.1e}, {errors[2]:.1e}",
                last=errors[2],
            )
        )
    return all_of(*outcomes)


@cache
def _samples() -> tuple[float, float, float]:
    # Coupled by sorting; the same base samples through the ages, so that the noise of W2 cancels to first order.
    rng = np.random.default_rng(55)
    p, fraction, time, count = definition.law((1, 2, "0.25")), 0.5, 0.01, 400_000
    y = definition.draw(rng, p, (count,))
    z = y.copy()
    K = rng.geometric(fraction, count)
    a = np.exp(-K * time)
    z = a * z + np.sqrt(1 - a * a) * rng.standard_normal(count)
    found = np.sqrt(((np.sort(y) - np.sort(z)) ** 2).mean())
    halves = [np.sqrt(((np.sort(y[k::2]) - np.sort(z[k::2])) ** 2).mean()) for k in (0, 1)]
    return float(found), float(np.std(halves)) + 2e-4, float(definition.relative_fisher(p)) ** 0.5


@simulated("400 000 samples of a shifted narrow law at random ages, distance by sorting")
def sampled(claim: Claim) -> Outcome:
    found, error, root = _samples()
    predicted = claim.law(0.01, 0.5, root)
    # Second order in theta t0 is at most 3 per cent here.
    return decided(
        abs(found - predicted) < 5 * error + 0.03 * predicted,
        f"W2 {found:.5f}, predicted {predicted:.5f}",
        w2=found,
    )


def _package() -> Iterator[tuple[str, Any, Any]]:
    distance, p = subject.fetch("bounds.small_time_distance"), definition.two_modes()
    time, fraction = 0.0005, 0.8
    limit = definition.rounds(p, fraction, [time] * 24)[-1]
    found = distance(float(definition.relative_fisher(p)), fresh_fraction=fraction, truncation_time=2 * time)
    yield (
        "against W2 at theta t0 = 0.0005",
        subject.number(found),
        definition.wasserstein(limit, p, step=0.05),
    )


STATEMENT = Statement(
    id="additions.small_truncation",
    title="For small truncation the limit is displaced by theta t0 / alpha times the root of the relative Fisher information",
    source="new",
    text=r"As $t_0\to0$ the limit leaves the data at the speed $\theta\sqrt{I}/\alpha$ in $W_2$: the bound $\sqrt{(1-2g_1+g_2)I}$ of the limit paper exceeds it by the factor $\sqrt{2-\alpha}$.",
    formula=r"W_2(p_\infty,p_\ast)=\frac{\theta t_0}{\alpha}\sqrt{I}\,(1+o(1)),\qquad I=E_{p_\ast}\|x+\nabla\log p_\ast\|^2",
    conditions=r"$I<\infty$, $p_\ast$ smooth; $\alpha>0$ fixed",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "first order of the modes, divergence form of the generator"),
        quotients,
        sampled,
    ),
    mutations=(
        Mutation(
            "constant", r"$\theta t_0/(2\alpha)$", {"law": lambda x, alpha, root: x / (2 * alpha) * root}
        ),
        Mutation(
            "exponent",
            r"$\sqrt{\theta t_0}$",
            {
                "law": lambda x, alpha, root: (
                    x**0.5 / alpha * root if not isinstance(x, sympy.Expr) else sympy.sqrt(x) / alpha * root
                )
            },
        ),
        Mutation(
            "sign", r"$1/(2-\alpha)$ for $1/\alpha$", {"law": lambda x, alpha, root: x / (2 - alpha) * root}
        ),
        Mutation(
            "dropped condition", r"no compounding, $\alpha=1$", {"law": lambda x, alpha, root: x * root}
        ),
    ),
    expected="holds",
    package=Package("bounds.small_time_distance", "tests/bounds/test_fisher.py", _package, digits=2),
)
