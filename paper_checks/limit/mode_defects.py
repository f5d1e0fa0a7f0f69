"""Mode by mode, errors contract faster at high degree."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..arithmetic import FLOAT, MPMATH, SYMPY
from ..evidence import (
    Claim,
    Outcome,
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
    contraction=lambda m, n, alpha, x: (1 - alpha) * m.exp(-n * x),
    radius=lambda m, d, n, alpha, x: d / (1 - (1 - alpha) * m.exp(-n * x)),
)

alpha, x, d, c = sympy.symbols("alpha x d c", positive=True)
n = sympy.Symbol("n", integer=True, positive=True)


def _difference(claim: Claim) -> Outcome:
    learned, ideal = sympy.symbols("u v")
    after = (
        sympy.exp(-n * x) * (alpha * c + (1 - alpha) * learned)
        + d
        - sympy.exp(-n * x) * (alpha * c + (1 - alpha) * ideal)
    )
    return identity(
        after,
        claim.contraction(SYMPY, n, alpha, x) * (learned - ideal) + d,
        "difference of learned and ideal round",
    )


def _radius(claim: Claim) -> Outcome:
    radius = claim.radius(SYMPY, d, n, alpha, x)
    return identity(claim.contraction(SYMPY, n, alpha, x) * radius + d, radius, "rest point")


STEPS = (
    Step(
        r"Let $d_k(i)=c_k(\hat p_{i+1})-a^{|k|}c_k(\hat q_i)$ be the defect of the learned round in mode $k$, $n=|k|$. Subtract the ideal fixed "
        r"point from the learned round: the fresh part cancels,",
        r"c_k(\hat p_{i+1})-c_k(p_\infty)=\kappa_n\,(c_k(\hat p_i)-c_k(p_\infty))+d_k(i),\qquad\kappa_n=(1-\alpha)e^{-n\theta t_0}",
        _difference,
    ),
    Step(
        r"Sum the geometric series; a bound $|d_k|\leq d$ gives each mode its own half-axis:",
        r"\limsup_N|c_k(\hat p_N)-c_k(p_\infty)|\leq\frac{d}{1-\kappa_n}",
        _radius,
    ),
)


@high_precision(
    "distorted rounds of mixtures (shifts and extra blur), coefficients from raw moments, degrees 1 to 6"
)
def distorted(claim: Claim) -> Outcome:
    pairs = []
    for fraction, time in ((mpf("0.2"), mpf("0.1")), (mpf("0.6"), mpf("0.4"))):
        target = definition.two_modes()
        limit = definition.rounds(target, fraction, [time] * 150)[-1]
        learned, history = target, []
        for turn in range(14):
            ideal = definition.truncate(definition.mix(fraction, target, learned), time)
            learned = [(w, m + mpf("0.1") * (-1) ** turn, v + mpf("0.05")) for w, m, v in ideal]
            history.append((ideal, learned))
        for degree in range(1, 7):
            defects = [
                abs(definition.coefficient(l, degree) - definition.coefficient(p, degree)) for p, l in history
            ]
            rest = definition.coefficient(limit, degree)
            kappa = claim.contraction(MPMATH, degree, fraction, time)
            bound = abs(definition.coefficient(target, degree) - rest)
            for (_, l), defect in zip(history, defects, strict=True):
                bound = kappa * bound + defect
                pairs.append((abs(definition.coefficient(l, degree) - rest), bound))
    return ordered(pairs, 1e-10)


@high_precision("the same defect every round: each half-axis is attained", role="sharpness")
def extremal(claim: Claim) -> Outcome:
    pairs = []
    for degree in (1, 2, 7):
        fraction, time, gap = mpf("0.2"), mpf("0.1"), mpf(0)
        for _ in range(600):
            gap = mpmath.exp(-degree * time) * (1 - fraction) * gap + mpf("0.01")
        pairs.append((gap, claim.radius(MPMATH, mpf("0.01"), degree, fraction, time)))
    return all_of(*(attained([pair], 1e-20) for pair in pairs))


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    # Every round ends with the translation 0.2: the defects are known from the moments of the last round.
    rng = np.random.default_rng(53)
    runs, count, fraction, time = 200, 2000, 0.25, 0.15
    target = definition.two_modes()
    y, kept = definition.draw(rng, target, (runs, count)), []
    for _ in range(6):
        parents = np.take_along_axis(y, rng.integers(0, count, (runs, count)), axis=1)
        y = np.where(
            rng.random((runs, count)) < fraction, definition.draw(rng, target, (runs, count)), parents
        )
        before = np.exp(-time) * y + np.sqrt(-np.expm1(-2 * time)) * rng.standard_normal((runs, count))
        y = before + 0.2
        kept.append(
            np.stack(
                [
                    definition.hermite_table(y, 4)[1:].mean(-1),
                    (definition.hermite_table(y, 4) - definition.hermite_table(before, 4))[1:].mean(-1),
                ]
            )
        )
    return np.stack(kept), np.array([float(definition.coefficient(target, k)) for k in range(1, 5)])


@simulated(
    "200 runs with a translation every round: discounted defects explain the coefficients, degrees 1 to 4"
)
def particles(claim: Claim) -> Outcome:
    kept, first = _runs()
    mean, error, expected = [], [], []
    fraction, time = 0.25, 0.15
    for k in range(1, 5):
        kappa = claim.contraction(FLOAT, k, fraction, time)
        ideal = definition.mode_trajectory(k, fraction, [time] * 6)
        total = np.zeros(kept.shape[-1])
        for turn in range(6):
            total = kappa * total + kept[turn, 1, k - 1]
            residual = kept[turn, 0, k - 1] - total
            mean.append(residual.mean())
            error.append(residual.std(ddof=1) / np.sqrt(residual.size))
            expected.append(float(ideal[turn + 1]) * first[k - 1])
    return scores(mean, expected, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    radius = subject.fetch("bounds.mode_radius")
    for degree in (1, 6):
        ours = mpmath.nsum(
            lambda j, n=degree: mpf("0.02") * (mpf("0.7") * mpmath.exp(-n * mpf("0.1"))) ** j, [0, mpmath.inf]
        )
        yield (
            "mode_radius",
            subject.number(radius(degree, 0.02, fresh_fraction=0.3, truncation_time=0.2)),
            ours,
        )


STATEMENT = Statement(
    id="limit.mode_defects",
    title="Each mode has its own contraction and its own half-axis",
    source="limit paper, Proposition 5.3",
    text=(
        r"Learned rounds keep the modes decoupled from the limit's point of view: the error in mode $k$ is multiplied by $\kappa_n$ and "
        r"receives that round's defect. Degree $n$ forgets faster the larger $n$ is, and ends within $d/(1-\kappa_n)$."
    ),
    formula=r"|c_k(\hat p_N)-c_k(p_\infty)|\leq\kappa_n^N|c_k(\hat p_0)-c_k(p_\infty)|+\sum_{i<N}\kappa_n^{N-1-i}|d_k(i)|",
    conditions=r"moments of order $n$; $\kappa_n<1$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "difference of the rounds and the rest point"), distorted, extremal, particles),
    mutations=(
        Mutation(
            "constant",
            r"$d/(2(1-\kappa_n))$",
            {"radius": lambda m, d, n, alpha, x: d / (1 - (1 - alpha) * m.exp(-n * x)) / 2},
        ),
        Mutation(
            "exponent",
            r"$\kappa=(1-\alpha)e^{-2n\theta t_0}$",
            {"contraction": lambda m, n, alpha, x: (1 - alpha) * m.exp(-2 * n * x)},
        ),
        Mutation(
            "sign",
            r"$d/(1+\kappa_n)$",
            {"radius": lambda m, d, n, alpha, x: d / (1 + (1 - alpha) * m.exp(-n * x))},
        ),
        Mutation(
            "dropped condition",
            r"$\kappa$ without $1-\alpha$",
            {"contraction": lambda m, n, alpha, x: m.exp(-n * x)},
        ),
    ),
    expected="sharp",
    package=Package("bounds.mode_radius", "tests/bounds/test_robustness.py", _package),
)
