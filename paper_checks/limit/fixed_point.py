"""The recursion converges geometrically in W2 to one limit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
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
    attained,
    high_precision,
    identity,
    ordered,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    weight=lambda k, alpha: alpha * (1 - alpha) ** (k - 1),
    remainder=lambda N, alpha: (1 - alpha) ** N,
    rate=lambda m, alpha, x: m.sqrt(1 - alpha) * m.exp(-x),
)

alpha, x, a = sympy.symbols("alpha x a", positive=True)
k, N = sympy.symbols("k N", integer=True, positive=True)


def _unrolled(claim: Claim) -> Outcome:
    # Coefficients of C^k p* and C^N p_0 on both sides of p_{N+1} = C(alpha p* + (1 - alpha) p_N).
    return all_of(
        identity(claim.weight(sympy.Integer(1), alpha), alpha, "C p*"),
        identity(claim.weight(k + 1, alpha), (1 - alpha) * claim.weight(k, alpha), "C^(k+1) p*"),
        identity(claim.remainder(N + 1, alpha), (1 - alpha) * claim.remainder(N, alpha), "C^(N+1) p_0"),
        identity(claim.remainder(sympy.Integer(0), alpha), 1, "start"),
    )


def _mass(claim: Claim) -> Outcome:
    return all_of(
        *(
            identity(
                sum(claim.weight(sympy.Integer(j), alpha) for j in range(1, last + 1))
                + claim.remainder(sympy.Integer(last), alpha),
                1,
            )
            for last in range(1, 6)
        )
    )


def _coupling(claim: Claim) -> Outcome:
    return identity(claim.rate(SYMPY, alpha, x) ** 2, (1 - alpha) * sympy.exp(-2 * x), "cost of the coupling")


def _printed(claim: Claim) -> Outcome:
    # 1 - alpha u - (1 - alpha) u^2 = (1 - u)(1 + (1 - alpha) u) >= 0 for u = exp(-theta t0) in [0, 1].
    u = sympy.Symbol("u", positive=True)
    square = (claim.rate(SYMPY, alpha, x) ** 2).subs(x, -sympy.log(u))
    return identity((1 - alpha * u) - square, (1 - u) * (1 + (1 - alpha) * u), "against the printed rate")


STEPS = (
    Step(
        r"A round is linear in the law: $p_{i+1}=C(\alpha p_\ast+(1-\alpha)p_i)$. Unroll it, compare the weights of "
        r"$C^kp_\ast$ and of $C^Np_0$ on both sides of one more round:",
        r"p_N=\sum_{k=1}^{N}\alpha(1-\alpha)^{k-1}C^kp_\ast+(1-\alpha)^N C^N p_0",
        _unrolled,
    ),
    Step(
        r"The weights add up to one after any number of rounds:",
        r"\sum_{k=1}^{N}\alpha(1-\alpha)^{k-1}+(1-\alpha)^N=1",
        _mass,
    ),
    Step(
        r"Two starts $\nu,\nu'$: let both mixtures use the same fresh point, and the same noise $Z$. Only the synthetic part, "
        r"probability $1-\alpha$, is ever transported, and the channel shrinks its distance by $a=e^{-\theta t_0}$:",
        r"W_2(C(\alpha p_\ast+(1-\alpha)\nu),\,C(\alpha p_\ast+(1-\alpha)\nu'))^2\leq(1-\alpha)\,a^2\,W_2(\nu,\nu')^2",
        _coupling,
    ),
    Step(
        r"So a round is a contraction of the complete space of laws with second moments: one fixed point, reached from everywhere, "
        r"and by the first step it is the infinite mixture.",
        r"W_2(p_N,p_\infty)\leq\left(\sqrt{1-\alpha}\,e^{-\theta t_0}\right)^N W_2(p_0,p_\infty)",
    ),
    Step(
        r"A public summary prints the rate $\sqrt{1-\alpha e^{-\theta t_0}}$. It is valid too, but never smaller, and tends to one for "
        r"large $t_0$; with $u=e^{-\theta t_0}$ the squares differ by",
        r"(1-\alpha u)-(1-\alpha)u^2=(1-u)(1+(1-\alpha)u)\geq 0",
        _printed,
    ),
)


@high_precision(
    "weights against eight rounds of the definition: every component of the mixture law, by its mean and weight"
)
def components(claim: Claim) -> Outcome:
    pairs = []
    fraction, time = mpf("0.3"), mpf("0.2")
    target, start = definition.law((1, 2, "0.5")), definition.law((1, -3, "0.1"))
    laws = definition.rounds(target, fraction, [time] * 8, start)
    for last in (1, 4, 8):
        by_mean = {mpmath.nstr(m, 20): w for w, m, _ in laws[last]}
        for age in range(1, last + 1):
            pairs.append((by_mean[mpmath.nstr(2 * mpmath.exp(-age * time), 20)], claim.weight(age, fraction)))
        pairs.append(
            (by_mean[mpmath.nstr(-3 * mpmath.exp(-last * time), 20)], claim.remainder(last, fraction))
        )
    return agreement(pairs, 25)


@high_precision(
    "W2 of successive rounds to the limit on the line, three targets, four settings: no round shrinks it by less than the rate"
)
def contraction(claim: Claim) -> Outcome:
    pairs = []
    for fraction, time in ((0.5, 0.1), (0.2, 0.4), (0.8, 0.02), (0.05, 1.0)):
        for target in (definition.two_modes(), definition.three_modes()):
            start = definition.law((0.5, -4, 2), (0.5, 3, 0.1))
            one = definition.rounds(target, fraction, [time] * 4, start)
            two = definition.rounds(target, fraction, [time] * 4, definition.law((1, 1, 1)))
            gaps = [definition.wasserstein(p, q, step=0.05) for p, q in zip(one, two, strict=True)]
            rate = claim.rate(MPMATH, mpf(fraction), mpf(time))
            pairs += [(after, rate * before) for before, after in zip(gaps, gaps[1:], strict=False)]
    return ordered(pairs, 1e-6)


@high_precision("a target at 0, starts at R and 2R: one round attains the rate as R grows", role="sharpness")
def extremal(claim: Claim) -> Outcome:
    pairs = []
    for fraction, time in ((0.5, 0.1), (0.2, 0.4)):
        target = definition.law((1, 0, "1e-6"))
        jump = [float(mpmath.sqrt(2) * mpmath.erfinv(2 * mpf(fraction) - 1))]
        for far in (30, 100):
            one, two = (definition.law((1, distance, "1e-6")) for distance in (far, 2 * far))
            after = [definition.rounds(target, fraction, [time], start)[1] for start in (one, two)]
            moved = definition.wasserstein(*after, breaks=jump)
            pairs.append((moved, claim.rate(MPMATH, mpf(fraction), mpf(time)) * far * (1 + mpf("1e-9"))))
    return all_of(*(attained([pair], 1e-8) for pair in pairs))


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(31)
    waves = np.array([0.4, 0.9, 1.6])
    kept = definition.particles(
        rng,
        definition.three_modes(),
        0.4,
        [0.15] * 10,
        runs=150,
        count=2000,
        keep=lambda y: np.stack([f(w * y).mean(-1) for w in waves for f in (np.cos, np.sin)]),
    )
    return definition.over_runs(kept, 2)


@simulated(
    "characteristic function of 150 runs of 2 000 particles against the mixture of ages, rounds 1 to 10"
)
def particles(claim: Claim) -> Outcome:
    mean, error = _runs()
    target, fraction, time = definition.three_modes(), 0.4, 0.15

    def wave(p: definition.Law, w: float) -> complex:
        return sum(float(u) * np.exp(1j * w * float(m) - w * w * float(v) / 2) for u, m, v in p)

    predicted = np.zeros((11, 6))
    for last in range(11):
        for position, w in enumerate((0.4, 0.9, 1.6)):
            total = sum(
                claim.weight(age, fraction) * wave(definition.truncate(target, age * time), w)
                for age in range(1, last + 1)
            ) + claim.remainder(last, fraction) * wave(definition.truncate(target, last * time), w)
            predicted[last, 2 * position], predicted[last, 2 * position + 1] = total.real, total.imag
    return scores(mean[1:], predicted[1:], error[1:])


def _package() -> Iterator[tuple[str, Any, Any]]:
    rate = subject.fetch("contraction_rate")
    for fraction, time in ((0.1, 0.04), (0.9, 2.0)):
        ours = mpmath.sqrt(1 - mpf(fraction)) * mpmath.exp(-mpf(time) / 2)
        yield (
            "contraction_rate",
            subject.number(rate(fresh_fraction=fraction, truncation_time=time, metric="wasserstein2")),
            ours,
        )


STATEMENT = Statement(
    id="limit.fixed_point",
    title="One limit, reached geometrically from every start",
    source="limit paper, Theorem 3.1",
    text=(
        r"With a perfect score and exact sampling the recursion has exactly one fixed point $p_\infty$ among laws with second "
        r"moments, and every start converges to it in $W_2$, by the factor $\sqrt{1-\alpha}\,e^{-\theta t_0}$ a round or better."
    ),
    formula=r"p_{i+1}=C(\alpha p_\ast+(1-\alpha)p_i),\qquad W_2(p_N,p_\infty)\leq\left(\sqrt{1-\alpha}\,e^{-\theta t_0}\right)^N W_2(p_0,p_\infty)",
    conditions=r"$0\leq\alpha\leq1$, $t_0\geq0$, not both zero; second moments",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "unrolling, the mass of the weights, the cost of the coupling, the printed rate"),
        components,
        contraction,
        extremal,
        particles,
    ),
    mutations=(
        Mutation(
            "constant", "ages start at two", {"weight": lambda k, alpha: alpha * (1 - alpha) ** (k - 2)}
        ),
        Mutation(
            "exponent",
            r"rate $(1-\alpha)e^{-\theta t_0}$",
            {"rate": lambda m, alpha, x: (1 - alpha) * m.exp(-x)},
        ),
        Mutation(
            "sign",
            r"rate $\sqrt{1-\alpha}\,e^{+\theta t_0}$",
            {"rate": lambda m, alpha, x: m.sqrt(1 - alpha) * m.exp(x)},
        ),
        Mutation(
            "dropped condition", "the start is forgotten at once", {"remainder": lambda N, alpha: 0 * N}
        ),
    ),
    expected="sharp",
    package=Package("contraction_rate", "tests/recursion/test_modes.py", _package),
    remark=r"In one round the rate cannot be improved. Over many rounds and for light tails the decay is the faster "
    r"$(1-\alpha)e^{-m\theta t_0}$: see additions.metric_rates.",
)
