"""The identity that joins the two papers: truncation bias plus discounted defects."""

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
    # c(p^_N) - c(p*) from f_n(N), c*, kappa, defects d_0..d_{N-1}
    drift=lambda f, star, kappa, defects: (
        -(1 - f) * star + sum(kappa ** (len(defects) - 1 - j) * d for j, d in enumerate(defects))
    ),
)

alpha, a, star = sympy.symbols("alpha a c", positive=True)


def _unrolled(claim: Claim) -> Outcome:
    outcomes = []
    defects = sympy.symbols("d0:5")
    learned, f = star, sympy.Integer(1)
    for N in range(1, 6):
        learned = a * (alpha * star + (1 - alpha) * learned) + defects[N - 1]
        f = a * (alpha + (1 - alpha) * f)
        outcomes.append(
            identity(
                sympy.expand(learned - star),
                sympy.expand(claim.drift(f, star, (1 - alpha) * a, defects[:N])),
                f"{N} rounds",
            )
        )
    return all_of(*outcomes)


def _induction(claim: Claim) -> Outcome:
    # If it holds at N with total T = f c + W, it holds at N + 1: W' = kappa W + d.
    f, W, d = sympy.symbols("f W d")
    learned = a * (alpha * star + (1 - alpha) * (f * star + W)) + d
    return identity(
        sympy.expand(learned),
        sympy.expand(a * (alpha + (1 - alpha) * f) * star + (1 - alpha) * a * W + d),
        "induction step",
    )


STEPS = (
    Step(
        r"A learned round acts on mode $k$, $n=|k|$, as the ideal one plus its defect: $c_k(\hat p_{i+1})=a^n(\alpha c_\ast+(1-\alpha)c_k(\hat p_i))+d_k(i)$. Split "
        r"$c_k(\hat p_i)=f_n(i)c_\ast+W_i$; the two parts never mix:",
        r"f\leftarrow a^n(\alpha+(1-\alpha)f),\qquad W\leftarrow\kappa_nW+d_k",
        _induction,
    ),
    Step(
        r"Unroll $W$ (checked for five rounds with arbitrary defects):",
        r"c_k(\hat p_N)-c_k(p_\ast)=-(1-f_n(N))\,c_k(p_\ast)+\sum_{j<N}\kappa_n^{N-1-j}d_k(j)",
        _unrolled,
    ),
)


@high_precision("distorted rounds of mixtures (shift, shrink and blur, changing every round), degrees 1 to 7")
def distorted(claim: Claim) -> Outcome:
    pairs = []
    fraction, time, target = mpf("0.3"), mpf("0.15"), definition.two_modes()
    learned, history = target, []
    for turn in range(8):
        ideal = definition.truncate(definition.mix(fraction, target, learned), time)
        learned = [
            (w, (1 - mpf("0.02") * turn) * m + mpf("0.1") * (-1) ** turn, v + mpf("0.03") * (turn % 3))
            for w, m, v in ideal
        ]
        history.append((ideal, learned))
    for degree in range(1, 8):
        first = definition.coefficient(target, degree)
        f = definition.mode_trajectory(degree, fraction, [time] * 8)
        kappa = (1 - fraction) * mpmath.exp(-degree * time)
        defects = [definition.coefficient(l, degree) - definition.coefficient(p, degree) for p, l in history]
        for N in (1, 3, 8):
            pairs.append(
                (
                    definition.coefficient(history[N - 1][1], degree) - first,
                    claim.drift(f[N], first, kappa, defects[:N]),
                )
            )
    return agreement(pairs, 20)


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(29)
    runs, count, fraction, time = 300, 1500, 0.3, 0.15
    target = definition.two_modes()
    y, means, defects = definition.draw(rng, target, (runs, count)), [], []
    for _ in range(6):
        parents = np.take_along_axis(y, rng.integers(0, count, (runs, count)), 1)
        y = np.where(
            rng.random((runs, count)) < fraction, definition.draw(rng, target, (runs, count)), parents
        )
        ideal = np.exp(-time) * y + np.sqrt(-np.expm1(-2 * time)) * rng.standard_normal(y.shape)
        y = ideal + 0.15 * np.tanh(2 * ideal)
        means.append(definition.hermite_table(y, 4)[1:].mean(-1))
        defects.append((definition.hermite_table(y, 4) - definition.hermite_table(ideal, 4))[1:].mean(-1))
    return np.stack(means), np.stack(defects)


@simulated(
    "300 runs with a nonlinear distortion; defects from one half of the runs, tested on the other half"
)
def halves(claim: Claim) -> Outcome:
    means, defects = _runs()
    found, error, expected = [], [], []
    for k in range(1, 5):
        first = float(definition.coefficient(definition.two_modes(), k))
        f, kappa = definition.mode_trajectory(k, 0.3, [0.15] * 6), 0.7 * np.exp(-0.15 * k)
        for N in (1, 3, 6):
            estimate, test = defects[:N, k - 1, :150], means[N - 1, k - 1, 150:] - first
            per_run = claim.drift(float(f[N]), first, kappa, list(estimate))
            found.append(test.mean() - per_run.mean())
            error.append(np.sqrt(test.var(ddof=1) / 150 + per_run.var(ddof=1) / 150))
            expected.append(0.0)
    return scores(found, expected, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    deviation = subject.fetch("bounds.mode_deviation")
    defects = np.array([[0.1, -0.2], [0.03, 0.05], [-0.07, 0.01]])
    star = np.array([0.5, -1.2])
    table = np.asarray(deviation([1, 3], defects, target=star, fresh_fraction=0.3, truncation_time=0.4))
    for column, degree in enumerate((1, 3)):
        learned, decay = mpf(star[column]), mpmath.exp(-degree * mpf(0.4) / 2)
        for index in range(3):
            learned = decay * (mpf(0.3) * star[column] + (1 - mpf(0.3)) * learned) + mpf(
                defects[index, column]
            )
            yield f"degree {degree}, round {index + 1}", table[index + 1, column], learned - mpf(star[column])


STATEMENT = Statement(
    id="additions.joint_identity",
    title="Truncation bias plus discounted defects: the two papers in one identity",
    source="new",
    text=r"Mode by mode, and without any moment condition, the distance of the learned law from the data is the truncation bias of the limit paper plus the discounted round defects of the propagation paper.",
    formula=r"c_k(\hat p_N)-c_k(p_\ast)=-(1-f_n(N))\,c_k(p_\ast)+\sum_{j<N}\kappa_n^{N-1-j}d_k(j)",
    conditions=r"$\hat p_0=p_\ast$; moments of order $n$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "induction step, and five rounds with arbitrary defects"), distorted, halves),
    mutations=(
        Mutation(
            "constant",
            "bias counted twice",
            {"drift": lambda f, s, k, d: CLAIM.drift(f, s, k, d) - (1 - f) * s},
        ),
        Mutation(
            "sign",
            r"$+(1-f)c$",
            {
                "drift": lambda f, s, k, d: (
                    (1 - f) * s + sum(k ** (len(d) - 1 - j) * e for j, e in enumerate(d))
                )
            },
        ),
        Mutation(
            "exponent",
            r"$\kappa^{N-j}$",
            {"drift": lambda f, s, k, d: -(1 - f) * s + sum(k ** (len(d) - j) * e for j, e in enumerate(d))},
        ),
        Mutation(
            "dropped condition",
            "defects are not discounted",
            {"drift": lambda f, s, k, d: -(1 - f) * s + sum(d)},
        ),
    ),
    expected="holds",
    package=Package("bounds.mode_deviation", "tests/bounds/test_robustness.py", _package),
)
