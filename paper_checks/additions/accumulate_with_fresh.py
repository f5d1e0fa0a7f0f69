"""Accumulating outputs with fresh data in every round: the limit of replacement, reached more slowly."""

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
    agreement,
    all_of,
    high_precision,
    identity,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    # f(i + 1) - g for i >= 1, with kappa = (1 - alpha) r, r = a^n
    gap=lambda m, i, kappa, g: (
        kappa**2 * (1 - g) * m.gamma(i + kappa) / (m.gamma(1 + kappa) * m.gamma(i + 1))
    ),
    first=lambda kappa, g: kappa * (1 - g),
    limit=lambda alpha, r: alpha * r / (1 - (1 - alpha) * r),
)

alpha, r, kappa, g = sympy.symbols("alpha r kappa g", positive=True)
i = sympy.Symbol("i", integer=True, positive=True)


def _limit(claim: Claim) -> Outcome:
    rest = claim.limit(alpha, r)
    return all_of(
        identity(rest, r * (alpha + (1 - alpha) * rest), "rest point"),
        identity(claim.first((1 - alpha) * r, rest), r - rest, "first round trains on the data alone"),
    )


def _ratio(claim: Claim) -> Outcome:
    # e(i + 1) = (kappa/i) (e(1) + ... + e(i)): (i + 1) e(i + 2) = (i + kappa) e(i + 1), and e(2) = kappa e(1).
    now, then = (claim.gap(SYMPY, j, kappa, g) for j in (i, i + 1))
    return all_of(
        identity(claim.gap(SYMPY, sympy.Integer(1), kappa, g), kappa * claim.first(kappa, g), "second round"),
        identity(sympy.gammasimp(then / now), (i + kappa) / (i + 1), "quotient of rounds"),
    )


STEPS = (
    Step(
        r"The regime: $q_0=p_\ast$ and $q_i=\alpha p_\ast+(1-\alpha)\frac1i(p_1+\dots+p_i)$ for $i\geq1$. With $r=a^n$ the rest point is the one of replacement, and "
        r"the first round gives $f(1)=r$:",
        r"g=r(\alpha+(1-\alpha)g),\qquad f(1)-g=\kappa(1-g),\quad\kappa=(1-\alpha)r",
        _limit,
    ),
    Step(
        r"Write $e(i)=f(i)-g$. Then $e(i+1)=\frac{\kappa}{i}\sum_{j=1}^ie(j)$; subtract two rounds: $(i+1)\,e(i+2)=(i+\kappa)\,e(i+1)$, $e(2)=\kappa e(1)$, so",
        r"f_n(i+1)-g_n=\kappa^2(1-g_n)\frac{\Gamma(i+\kappa)}{\Gamma(1+\kappa)\,\Gamma(i+1)}\qquad(i\geq1)",
        _ratio,
    ),
    Step(
        r"Had $p_0=p_\ast$ been kept in the average, $\frac{1}{i+1}(p_0+\dots+p_i)$, the same argument would give $\kappa(1-g)\Gamma(i+1+\kappa)/(\Gamma(1+\kappa)\Gamma(i+2))$: the two differ by "
        r"a factor that tends to $\kappa$."
    ),
)


def _exact(fraction: Any, decay: Any, count: int) -> list[Any]:
    f = [mpf(1), decay]
    for last in range(1, count):
        f.append(decay * (fraction + (1 - fraction) * mpmath.fsum(f[1:]) / last))
    return f


@high_precision("sixty rounds of the definition for modes, five rounds of mixture laws")
def by_definition(claim: Claim) -> Outcome:
    pairs = []
    for fraction, decay in (("0.2", "0.7"), ("0.6", "0.95"), ("0.05", "0.3")):
        A, R = mpf(fraction), mpf(decay)
        f = _exact(A, R, 60)
        rest, K = claim.limit(A, R), (1 - A) * R
        pairs.append((f[1] - rest, claim.first(K, rest)))
        pairs += [(f[j + 1] - rest, claim.gap(MPMATH, j, K, rest)) for j in range(1, 60)]
    time, target, A = mpf("0.3"), definition.two_modes(), mpf("0.3")
    laws = [target, definition.truncate(target, time)]
    for last in range(1, 5):
        mixed = [(A * w, m, v) for w, m, v in target] + [
            ((1 - A) * w / last, m, v) for p in laws[1:] for w, m, v in p
        ]
        laws.append(definition.truncate(mixed, time))
        share = definition.coefficient(laws[-1], 2) / definition.coefficient(target, 2)
        R = mpmath.exp(-2 * time)
        pairs.append((share - claim.limit(A, R), claim.gap(MPMATH, last, (1 - A) * R, claim.limit(A, R))))
    return agreement(pairs, 22)


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(61)
    runs, count, fraction, time = 300, 1000, 0.3, 0.1
    target = definition.two_modes()
    a, s = np.exp(-time), np.sqrt(-np.expm1(-2 * time))
    pools = [a * definition.draw(rng, target, (runs, count)) + s * rng.standard_normal((runs, count))]
    for _ in range(5):
        everything = np.concatenate(pools, axis=1)
        x = np.take_along_axis(everything, rng.integers(0, everything.shape[1], (runs, count)), 1)
        x = np.where(rng.random((runs, count)) < fraction, definition.draw(rng, target, (runs, count)), x)
        pools.append(a * x + s * rng.standard_normal((runs, count)))
    return definition.over_runs(np.stack([definition.hermite_table(p, 3)[1:].mean(-1) for p in pools]), 2)


@simulated("300 runs of 1 000 particles a round, all outputs kept, six rounds, degrees 1 to 3")
def particles(claim: Claim) -> Outcome:
    mean, error = _runs()
    predicted = np.zeros((6, 3))
    for k in range(1, 4):
        decay = np.exp(-0.1 * k)
        rest, K = claim.limit(0.3, decay), 0.7 * decay
        first = float(definition.coefficient(definition.two_modes(), k))
        predicted[:, k - 1] = [
            first * (rest + (claim.gap(FLOAT, j, K, rest) if j else claim.first(K, rest))) for j in range(6)
        ]
    return scores(mean, predicted, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    factors = subject.fetch("mode_factors")
    table = np.asarray(
        factors([1, 4], fresh_fraction=0.25, truncation_time=0.3, rounds=12, regime="accumulate_with_fresh")
    )
    for column, degree in enumerate((1, 4)):
        f = _exact(mpf("0.25"), mpmath.exp(-degree * mpf(0.3) / 2), 12)
        for index in range(13):
            yield f"degree {degree}, round {index}", table[index, column], f[index]


STATEMENT = Statement(
    id="additions.accumulate_with_fresh",
    title="Accumulation with fresh data has the limit of replacement and a power-law approach",
    source="new",
    text=(
        r"If every round trains on a share $\alpha$ of fresh data and, for the rest, on all outputs so far, the limit is that of replacement, $g_n$, and the approach is "
        r"the power law $i^{-(1-\kappa_n)}$ in place of $\kappa_n^i$."
    ),
    formula=r"f_n(i+1)-g_n=\kappa_n^2(1-g_n)\frac{\Gamma(i+\kappa_n)}{\Gamma(1+\kappa_n)\Gamma(i+1)}\quad(i\geq1),\qquad f_n(1)-g_n=\kappa_n(1-g_n)",
    conditions=r"$q_0=p_\ast$, $q_i=\alpha p_\ast+(1-\alpha)\,\mathrm{mean}(p_1,\dots,p_i)$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "rest point, first rounds, quotient of rounds"), by_definition, particles),
    mutations=(
        Mutation("constant", r"$2\kappa^2$", {"gap": lambda m, i, k, g: 2 * CLAIM.gap(m, i, k, g)}),
        Mutation(
            "exponent", r"$\kappa$ for $\kappa^2$", {"gap": lambda m, i, k, g: CLAIM.gap(m, i, k, g) / k}
        ),
        Mutation(
            "sign",
            r"$\Gamma(i-\kappa)$",
            {"gap": lambda m, i, k, g: k**2 * (1 - g) * m.gamma(i - k) / (m.gamma(1 - k) * m.gamma(i + 1))},
        ),
        Mutation(
            "dropped condition",
            r"$p_0=p_\ast$ kept in the average",
            {"gap": lambda m, i, k, g: k * (1 - g) * m.gamma(i + 1 + k) / (m.gamma(1 + k) * m.gamma(i + 2))},
        ),
        Mutation("dropped condition", "the limit forgets the fresh share", {"limit": lambda alpha, r: 0 * r}),
    ),
    expected="holds",
    package=Package("mode_factors", "tests/recursion/test_schedules_regimes.py", _package, digits=11),
)
