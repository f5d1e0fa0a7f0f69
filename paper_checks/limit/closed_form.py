"""The limit as an infinite mixture of ages, and its edges."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
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
    high_precision,
    identity,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    weight=lambda k, alpha: alpha * (1 - alpha) ** (k - 1),
    scale=lambda exp, k, x: exp(-k * x),
    variance=lambda exp, k, x: 1 - exp(-2 * k * x),
    variance_exploding=lambda k, v: k * v,
)

alpha, x, v = sympy.symbols("alpha x v", positive=True)
k = sympy.Symbol("k", integer=True, positive=True)


def _powers(claim: Claim) -> Outcome:
    a, s = sympy.exp(-x), 1 - sympy.exp(-2 * x)
    A, S = claim.scale(sympy.exp, k, x), claim.variance(sympy.exp, k, x)
    return all_of(
        identity(claim.scale(sympy.exp, k + 1, x), a * A, "scale of one more round"),
        identity(claim.variance(sympy.exp, k + 1, x), a**2 * S + s, "variance of one more round"),
        identity(claim.variance(sympy.exp, sympy.Integer(1), x), s, "variance of the first"),
        identity(claim.variance_exploding(k + 1, v), claim.variance_exploding(k, v) + v, "scale one"),
    )


def _fixed(claim: Claim) -> Outcome:
    return all_of(
        identity(claim.weight(sympy.Integer(1), alpha), alpha),
        identity(claim.weight(k + 1, alpha), (1 - alpha) * claim.weight(k, alpha)),
    )


def _edges(claim: Claim) -> Outcome:
    return all_of(
        identity(claim.weight(sympy.Integer(1), sympy.Integer(1)), 1, "alpha = 1: only age one"),
        identity(claim.weight(sympy.Integer(3), sympy.Integer(1)), 0, "alpha = 1: no other age"),
        identity(claim.scale(sympy.exp, k, sympy.Integer(0)), 1, "t0 = 0: every age is the data"),
        identity(claim.variance(sympy.exp, k, sympy.Integer(0)), 0, "t0 = 0: no noise"),
    )


STEPS = (
    Step(
        r"Rounds compose: after $(A,S)$, $X\mapsto AX+\sqrt{S}Z$, one more round gives $(aA,\,a^2S+1-a^2)$. So age $k$ is the "
        r"same channel at time $k\,t_0$; at scale one the variances add.",
        r"C^k:\; X\mapsto e^{-k\theta t_0}X+\sqrt{1-e^{-2k\theta t_0}}\,Z",
        _powers,
    ),
    Step(
        r"The infinite mixture is a fixed point: a round turns age $k$ into age $k+1$ with probability $1-\alpha$ and adds age one "
        r"with probability $\alpha$.",
        r"p_\infty=\sum_{k\geq1}\alpha(1-\alpha)^{k-1}\,C^kp_\ast",
        _fixed,
    ),
    Step(
        r"Edges. $\alpha=1$: one age, $Cp_\ast$. $t_0=0$: the data themselves. $\alpha=0$, $t_0>0$: the mixture is empty and what "
        r"remains is $C^Np_0\to N(0,I)$. Scale one with $\alpha=0$: variances grow without bound, no limit.",
        "",
        _edges,
    ),
)


@high_precision(
    "density of the law after 400 rounds of the definition against the mixture of ages, ten points, 25 digits"
)
def density(claim: Claim) -> Outcome:
    pairs = []
    target = definition.two_modes()
    for fraction, time, count in ((mpf("0.5"), mpf("0.1"), 90), (mpf("0.8"), mpf("0.7"), 40)):
        after = definition.rounds(target, fraction, [time] * count, definition.law((1, 3, 2)))[-1]
        ages = [
            (
                claim.weight(age, fraction) * w,
                claim.scale(mpmath.exp, age, time) * m,
                claim.scale(mpmath.exp, age, time) ** 2 * var + claim.variance(mpmath.exp, age, time),
            )
            for age in range(1, 140)
            for w, m, var in target
        ]
        for point in (-3, -1.3, -0.2, 0.9, 2.5):
            pairs.append((definition.density(after, mpf(point)), definition.density(ages, mpf(point))))
    return agreement(pairs, 22)


@high_precision("variance of a scale-one recursion after 600 rounds against the mixture of ages")
def scale_one(claim: Claim) -> Outcome:
    fraction, noise, variance, start = mpf("0.2"), mpf("0.3"), mpf(2), mpf(2)
    for _ in range(600):
        start = fraction * variance + (1 - fraction) * start + noise
    mixture = mpmath.fsum(
        claim.weight(age, fraction) * (variance + claim.variance_exploding(age, noise))
        for age in range(1, 700)
    )
    return agreement([(start, mixture)], 25)


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(32)
    cuts = np.array([-1.5, -0.5, 0.3, 1.2])
    kept = definition.particles(
        rng,
        definition.two_modes(),
        0.5,
        [0.1] * 14,
        runs=150,
        count=2000,
        keep=lambda y: np.stack([(y < cut).mean(-1) for cut in cuts]),
    )[-1:]
    return definition.over_runs(kept, 2)


@simulated(
    "distribution function of 150 runs of 2 000 particles after 14 rounds (2^-14 of the start is left)"
)
def particles(claim: Claim) -> Outcome:
    mean, error = _runs()
    target, fraction, time = definition.two_modes(), 0.5, 0.1
    predicted = []
    for cut in (-1.5, -0.5, 0.3, 1.2):
        total = 0.0
        for age in range(1, 15):
            weight = claim.weight(age, fraction) + ((1 - fraction) ** 14 if age == 14 else 0)
            a, s = claim.scale(np.exp, age, time), claim.variance(np.exp, age, time)
            total += weight * float(
                definition.cumulative(definition.channel(target, mpf(a), mpf(s)), mpf(cut))
            )
        predicted.append(total)
    return scores(mean[0], predicted, error[0])


def _package() -> Iterator[tuple[str, Any, Any]]:
    mixture, recursion = subject.fetch("GaussianMixture"), subject.fetch("Recursion")
    target = definition.two_modes()
    law = mixture([0.4, 0.6], [-1.3, 0.9], [0.3, 0.5])
    limit = recursion(law, fresh_fraction=0.5, truncation_time=0.2).limit()
    after = definition.rounds(target, mpf("0.5"), [mpf("0.1")] * 60)[-1]
    for point in (-2.0, -0.7, 0.0, 1.1, 3.0):
        yield (
            f"limit density at {point}",
            subject.number(limit.density(np.array([point]))),
            definition.density(after, mpf(point)),
        )


STATEMENT = Statement(
    id="limit.closed_form",
    title="The limit is a geometric mixture of ages",
    source="limit paper, Corollary 3.2",
    text=(
        r"The limit is the data law seen at the times $t_0, 2t_0, 3t_0,\dots$ of the diffusion, mixed with geometric weights: a "
        r"sample has been through $k$ models since it was real, with probability $\alpha(1-\alpha)^{k-1}$."
    ),
    formula=r"p_\infty=\sum_{k\geq1}\alpha(1-\alpha)^{k-1}\,\mathrm{Law}\left(e^{-k\theta t_0}X_\ast+\sqrt{1-e^{-2k\theta t_0}}\,Z\right)",
    conditions=r"$0<\alpha\leq1$; the edges $\alpha=1$, $t_0=0$, $\alpha=0$ are in the derivation",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "powers of the channel, invariance of the mixture, edges"),
        density,
        scale_one,
        particles,
    ),
    mutations=(
        Mutation("constant", "ages start at zero", {"weight": lambda k, alpha: alpha * (1 - alpha) ** k}),
        Mutation(
            "exponent", r"variance $1-e^{-k\theta t_0}$", {"variance": lambda exp, k, x: 1 - exp(-k * x)}
        ),
        Mutation("sign", "scales grow", {"scale": lambda exp, k, x: exp(k * x)}),
        Mutation(
            "dropped condition",
            "scale-one recursions forget their variance",
            {"variance_exploding": lambda k, v: v},
        ),
    ),
    expected="holds",
    package=Package("Recursion.limit", "tests/recursion/test_recursion.py", _package, digits=9),
)
