"""Learned laws stay in a W2 ball around the limit."""

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
    all_of,
    attained,
    high_precision,
    identity,
    ordered,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    rate=lambda m, alpha, x: m.sqrt(1 - alpha) * m.exp(-x),
    radius=lambda m, defect, alpha, x: defect / (1 - m.sqrt(1 - alpha) * m.exp(-x)),
)

alpha, x, w, delta, rho = sympy.symbols("alpha x w delta rho", positive=True)
N = sympy.Symbol("N", integer=True, positive=True)


def _solution(claim: Claim) -> Outcome:
    rate, radius = claim.rate(SYMPY, alpha, x), claim.radius(SYMPY, delta, alpha, x)
    return all_of(
        identity(rate**2, (1 - alpha) * sympy.exp(-2 * x), "rate"),
        identity(sympy.simplify(rate * radius + delta), radius, "radius at rest"),
    )


STEPS = (
    Step(
        r"Let $\delta_i=W_2(\hat p_{i+1},C\hat q_i)$ be what the learned round adds to the ideal one. The ideal round contracts (Theorem 3.1) "
        r"and leaves $p_\infty$ in place, so by the triangle inequality",
        r"W_2(\hat p_{i+1},p_\infty)\leq\delta_i+\rho\,W_2(\hat p_i,p_\infty),\qquad \rho=\sqrt{1-\alpha}\,e^{-\theta t_0}",
    ),
    Step(
        r"Solve the recursion; with $\delta_i\leq\delta$ the sum is geometric and the radius is its rest point:",
        r"W_2(\hat p_N,p_\infty)\leq\rho^NW_2(\hat p_0,p_\infty)+\sum_{i<N}\rho^{N-1-i}\delta_i,\qquad r=\rho r+\delta",
        _solution,
    ),
)


def _pairs(claim: Claim, fraction: float) -> list[tuple[float, float]]:
    # The defect is a translation: its W2 is its length, exactly.
    target, time, shift = definition.two_modes(), 0.3, 0.25
    limit = definition.rounds(target, fraction, [time] * 50)[-1] if fraction else definition.law((1, 0, 1))
    learned, bound, pairs = target, definition.wasserstein(target, limit, step=0.1), []
    for _ in range(12):
        learned = definition.truncate(definition.mix(mpf(fraction), target, learned), time)
        learned = [(w, m + shift, v) for w, m, v in learned]
        bound = float(claim.rate(MPMATH, mpf(fraction), mpf(time))) * bound + shift
        pairs.append((definition.wasserstein(learned, limit, step=0.1), bound))
    pairs.append((pairs[-1][0], float(claim.radius(MPMATH, mpf(shift), mpf(fraction), mpf(time))) + 1e-2))
    return pairs


@high_precision("learned rounds that end with a translation, W2 by quantiles, alpha = 0, 0.2, 0.6")
def translations(claim: Claim) -> Outcome:
    return ordered([pair for fraction in (0.0, 0.2, 0.6) for pair in _pairs(claim, fraction)], 1e-6)


@high_precision(
    "alpha = 0, the same translation every round: the mean drifts to delta/(1 - rho) exactly",
    role="sharpness",
)
def extremal(claim: Claim) -> Outcome:
    time, shift, mean = mpf("0.3"), mpf("0.25"), mpf(0)
    for _ in range(400):
        mean = mpmath.exp(-time) * mean + shift
    return attained([(mean, claim.radius(MPMATH, shift, mpf(0), time))], 1e-20)


@cache
def _simulated() -> np.ndarray:
    rng = np.random.default_rng(52)
    fraction, time, count, noise = 0.3, 0.2, 200_000, 0.3
    target = definition.two_modes()
    limit = np.sort(definition.draw(rng, definition.rounds(target, fraction, [time] * 30)[-1], (count,)))
    y, gaps = definition.draw(rng, target, (count,)), []
    for _ in range(10):
        mixed = np.where(
            rng.random(count) < fraction,
            definition.draw(rng, target, (count,)),
            y[rng.integers(0, count, count)],
        )
        ideal = np.exp(-time) * mixed + np.sqrt(-np.expm1(-2 * time)) * rng.standard_normal(count)
        y = ideal + noise * np.sin(2 * ideal)
        defect = np.sqrt(((np.sort(y) - np.sort(ideal)) ** 2).mean())
        gaps.append((np.sqrt(((np.sort(y) - limit) ** 2).mean()), defect))
    return np.array(gaps)


@simulated("200 000 particles whose rounds end with a nonlinear distortion, defects and distances by sorting")
def particles(claim: Claim) -> Outcome:
    target, fraction, time = definition.two_modes(), 0.3, 0.2
    limit = definition.rounds(target, fraction, [time] * 30)[-1]
    bound, pairs = definition.wasserstein(target, limit), []
    for gap, defect in _simulated():
        bound = float(claim.rate(MPMATH, mpf(fraction), mpf(time))) * bound + defect
        pairs.append((gap, bound + 0.01))
    pairs.append(
        (pairs[-1][0], claim.radius(MPMATH, mpf(_simulated()[:, 1].max()), mpf(fraction), mpf(time)))
    )
    return ordered(pairs)


def _package() -> Iterator[tuple[str, Any, Any]]:
    radius = subject.fetch("bounds.ball_radius")
    for fraction, time, defect in ((0.1, 0.04, 0.01), (0.9, 2.0, 1.5)):
        series = mpmath.nsum(
            lambda j, f=fraction, t=time: (mpmath.sqrt(1 - mpf(f)) * mpmath.exp(-mpf(t) / 2)) ** j,
            [0, mpmath.inf],
        )
        yield (
            "ball_radius",
            subject.number(radius(defect, fresh_fraction=fraction, truncation_time=time)),
            mpf(defect) * series,
        )


STATEMENT = Statement(
    id="limit.ball",
    title="Errors keep the model in a ball around the limit",
    source="limit paper, Theorem 5.2",
    text=(
        r"If every learned round is within $\delta$ of the ideal round in $W_2$ (score error, discretisation, blur and finite samples together), the "
        r"learned law ends in a ball around $p_\infty$ of radius $\delta/(1-\rho)$, and forgets its start at the rate $\rho$."
    ),
    formula=r"\limsup_N W_2(\hat p_N,p_\infty)\leq\frac{\delta}{1-\rho},\qquad\rho=\sqrt{1-\alpha}\,e^{-\theta t_0}",
    conditions=r"$\rho<1$, second moments; the defect is measured against the ideal round started from the same learned law",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "the rate of Theorem 3.1 and the geometric sum"),
        translations,
        extremal,
        particles,
    ),
    mutations=(
        Mutation(
            "exponent",
            r"$\delta/(1-\rho^2)$",
            {"radius": lambda m, d, alpha, x: d / (1 - (1 - alpha) * m.exp(-2 * x))},
        ),
        Mutation(
            "constant",
            r"half the radius",
            {"radius": lambda m, d, alpha, x: d / (1 - m.sqrt(1 - alpha) * m.exp(-x)) / 2},
        ),
        Mutation(
            "sign",
            r"$\delta/(1+\rho)$",
            {"radius": lambda m, d, alpha, x: d / (1 + m.sqrt(1 - alpha) * m.exp(-x))},
        ),
        Mutation(
            "dropped condition", r"no accumulation at all, $\rho=0$", {"rate": lambda m, alpha, x: 0 * x}
        ),
    ),
    expected="sharp",
    package=Package("bounds.ball_radius", "tests/bounds/test_robustness.py", _package),
    remark=r"The radius is attained without fresh data. With fresh data and translations the mean contracts by $(1-\alpha)e^{-\theta t_0}$ and the ball is not filled.",
)
