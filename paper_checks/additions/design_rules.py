"""Closed-form design rules: which degree survives, which truncation is affordable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mpmath
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
    high_precision,
    identity,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    half=lambda m, alpha, x: m.log1p(alpha) / x,
    degree=lambda m, alpha, x, phi: m.log1p(alpha * (1 / phi - 1)) / x,
    time=lambda m, alpha, n, phi: m.log1p(alpha * (1 / phi - 1)) / n,
    alpha_bar=lambda alpha, n, phi: (1 + alpha * (1 / phi - 1)) ** (-2 / n),
)

alpha, x, phi, n = sympy.symbols("alpha x phi n", positive=True)


def _kept(exponent: Any) -> Any:
    # The fixed point of one round for a mode whose round factor is exp(-exponent), solved by sympy.
    f = sympy.Symbol("f")
    return sympy.solve(f - sympy.exp(-exponent) * (alpha + (1 - alpha) * f), f)[0]


def _half(claim: Claim) -> Outcome:
    return identity(_kept(claim.half(SYMPY, alpha, x) * x), sympy.Rational(1, 2), "half amplitude")


def _degree(claim: Claim) -> Outcome:
    return identity(_kept(claim.degree(SYMPY, alpha, x, phi) * x), phi, "fidelity at that degree")


def _time(claim: Claim) -> Outcome:
    exponent = n * claim.time(SYMPY, alpha, n, phi)
    bar = claim.alpha_bar(alpha, n, phi)
    return all_of(
        identity(_kept(exponent), phi, "fidelity at that time"),
        # alpha_bar is the squared signal scale exp(-2 theta t0).
        identity(
            sympy.log(bar).expand(force=True),
            (-2 * claim.time(SYMPY, alpha, n, phi)).expand(force=True),
            "as an alpha_bar",
        ),
    )


STEPS = (
    Step(
        r"A mode whose round factor is $e^{-y}$ rests at $f=e^{-y}(\alpha+(1-\alpha)f)$. Solve for $f=\frac12$: the half-amplitude degree",
        r"n_{1/2}=\frac{\log(1+\alpha)}{\theta t_0}",
        _half,
    ),
    Step(
        r"and for $f=\phi$: the degree kept to fidelity $\phi$.",
        r"n_\phi=\frac{\log(1+\alpha(1/\phi-1))}{\theta t_0}",
        _degree,
    ),
    Step(
        r"Read for $t_0$: the largest truncation that keeps degree $n$ to fidelity $\phi$, also as the $\bar\alpha=e^{-2\theta t_0}$ of a discrete diffusion.",
        r"\theta t_0=\frac{\log(1+\alpha(1/\phi-1))}{n},\qquad\bar\alpha=(1+\alpha(1/\phi-1))^{-2/n}",
        _time,
    ),
)


@high_precision("truncations from the rules, modes iterated by the definition until they rest")
def inverted(claim: Claim) -> Outcome:
    pairs = []
    for fraction, degree, fidelity in (("0.1", 4, "0.9"), ("0.5", 16, "0.5"), ("0.9", 2, "0.99")):
        time = claim.time(MPMATH, mpf(fraction), degree, mpf(fidelity))
        rest = definition.mode_trajectory(degree, fraction, [time] * 900)[-1]
        pairs.append((rest, mpf(fidelity)))
        pairs.append((mpmath.exp(-2 * time), claim.alpha_bar(mpf(fraction), mpf(degree), mpf(fidelity))))
        pairs.append((claim.degree(MPMATH, mpf(fraction), time, mpf(fidelity)), mpf(degree)))
        pairs.append(
            (
                definition.mode_trajectory(claim.half(MPMATH, mpf(fraction), time), fraction, [time] * 900)[
                    -1
                ],
                mpf("0.5"),
            )
        )
    return agreement(pairs, 20)


@simulated("200 runs of 2 000 particles at the truncation that halves degree 3, resting after 25 rounds")
def particles(claim: Claim) -> Outcome:
    rng = np.random.default_rng(77)
    time = float(claim.time(MPMATH, mpf("0.4"), 3, mpf("0.5")))
    kept = definition.particles(
        rng,
        definition.two_modes(),
        0.4,
        [time] * 25,
        runs=200,
        count=2000,
        keep=lambda y: definition.hermite_table(y, 3)[3].mean(-1),
    )
    mean, error = definition.over_runs(kept[-1:], 1)
    return scores(mean, [0.5 * float(definition.coefficient(definition.two_modes(), 3))], error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    half, largest = subject.fetch("half_degree"), subject.fetch("largest_truncation")
    for fraction, time in ((0.1, 0.04), (0.9, 2.0)):
        n_half = subject.number(half(fresh_fraction=fraction, truncation_time=time))
        yield (
            "half_degree keeps one half",
            definition.mode_trajectory(n_half, fraction, [mpf(time) / 2] * 900)[-1],
            mpf("0.5"),
        )
    t0 = subject.number(largest(6, fidelity=0.8, fresh_fraction=0.3))
    yield (
        "largest_truncation keeps the fidelity",
        definition.mode_trajectory(6, 0.3, [mpf(t0) / 2] * 400)[-1],
        mpf(0.8),
    )


STATEMENT = Statement(
    id="additions.design_rules",
    title="Which degree survives, which truncation is affordable",
    source="new",
    text=r"Half-amplitude degree, degree kept to a fidelity $\phi$, and largest truncation time for a fidelity at a degree, in closed form.",
    formula=r"n_{1/2}=\frac{\log(1+\alpha)}{\theta t_0},\quad\theta t_0=\frac{\log(1+\alpha(1/\phi-1))}{n},\quad\bar\alpha=(1+\alpha(1/\phi-1))^{-2/n}",
    conditions=r"$0<\alpha\leq1$, $0<\phi<1$, $n>0$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "fixed points solved by sympy at the claimed degree and time"),
        inverted,
        particles,
    ),
    mutations=(
        Mutation("constant", r"$\log(1+2\alpha)$", {"half": lambda m, a, x: m.log1p(2 * a) / x}),
        Mutation(
            "exponent",
            r"$\bar\alpha=(\cdot)^{-1/n}$",
            {"alpha_bar": lambda a, n, phi: (1 + a * (1 / phi - 1)) ** (-1 / n)},
        ),
        Mutation("sign", r"$1/\phi+1$", {"time": lambda m, a, n, phi: m.log1p(a * (1 / phi + 1)) / n}),
        Mutation(
            "dropped condition",
            r"$\alpha=1$ for every share",
            {"degree": lambda m, a, x, phi: m.log1p(1 / phi - 1) / x},
        ),
    ),
    expected="holds",
    package=Package("half_degree, largest_truncation", "tests/recursion/test_modes.py", _package),
)
