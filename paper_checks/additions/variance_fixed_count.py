"""Error bars when exactly alpha N particles of each round are fresh."""

from __future__ import annotations

from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition
from ..evidence import Claim, Outcome, agreement, high_precision, identity, scores, simulated
from ..registry import Mutation, Statement, Step, derived
from .variance_channel import second_moment

CLAIM = Claim(
    # a = a^n; fresh, old: variance of h_n under C p* and (second moment, squared mean) under C p_i
    step=lambda V, a, alpha, N, fresh, second, square: (
        (1 - alpha) ** 2 * a**2 * V + (alpha * fresh + (1 - alpha) * (second - square - a**2 * V)) / N
    ),
)

V, a, alpha, N, F, S, c = sympy.symbols("V a alpha N F S c", positive=True)


def _total_variance(claim: Claim) -> Outcome:
    # alpha N fresh draws of variance F, (1 - alpha) N draws of the channelled empirical law: mean a chat, E chat^2 = c^2 + V.
    inner = (alpha * N * F + (1 - alpha) * N * (S - a**2 * (c**2 + V))) / N**2
    outer = (1 - alpha) ** 2 * a**2 * V
    return identity(inner + outer, claim.step(V, a, alpha, N, F, S, a**2 * c**2), "total variance")


STEPS = (
    Step(
        r"Given the last round, $\alpha N$ particles are independent draws of $Cp_\ast$ and $(1-\alpha)N$ are independent draws of the channelled empirical law, whose conditional mean of "
        r"$h_n$ is $a^n\hat c_i$, $E\hat c_i^2=c_n(p_i)^2+V_i$. Total variance:",
        r"V_{i+1}=\kappa_n^2V_i+\frac{\alpha\mathrm{Var}_{Cp_\ast}(h_n)+(1-\alpha)\left(E_{Cp_i}h_n^2-a^{2n}c_n(p_i)^2-a^{2n}V_i\right)}{N}",
        _total_variance,
    ),
    Step(
        r"Note that $\kappa_n^2V_i$ stands without the factor $1-\frac1N$ of the scheme with random counts: its share is already the last term of the bracket."
    ),
)


def predicted(claim: Claim, n: int, alpha: Any, time: Any, count: int, rounds: int) -> list[Any]:
    target = definition.two_modes()
    laws = definition.rounds(target, alpha, [time] * rounds)
    decay, alpha = mpmath.exp(-n * mpf(time)), mpf(alpha)
    after = definition.truncate(target, time)
    fresh = second_moment(after, n) - definition.coefficient(after, n) ** 2
    values = [(second_moment(target, n) - definition.coefficient(target, n) ** 2) / count]
    for p in laws[:-1]:
        moved = definition.truncate(p, time)
        values.append(
            claim.step(
                values[-1],
                decay,
                alpha,
                mpf(count),
                fresh,
                second_moment(moved, n),
                definition.coefficient(moved, n) ** 2,
            )
        )
    return values


@high_precision("four particles, two of them fresh: products of pairs by ancestry, no total variance")
def enumerated(claim: Claim) -> Outcome:
    pairs = []
    time, target, count, fresh = mpf("0.2"), definition.two_modes(), 4, 2
    alpha = mpf(fresh) / count
    laws = definition.rounds(target, alpha, [time] * 4)
    for n in (1, 2, 3):
        decay = mpmath.exp(-n * time)
        star = definition.coefficient(target, n)
        mean_product = star**2  # average of E h_j h_k over pairs j != k of round 0
        V = predicted(claim, n, alpha, time, count, 4)
        first = definition.truncate(target, time)
        for index in range(1, 5):
            p = laws[index - 1]
            mean, second = definition.coefficient(p, n), second_moment(p, n)
            parents = second / count + (1 - mpf(1) / count) * mean_product
            moved = definition.truncate(p, time)
            squares = fresh * second_moment(first, n) + (count - fresh) * second_moment(moved, n)
            both_old, both_fresh = (count - fresh) * (count - fresh - 1), fresh * (fresh - 1)
            mixed = 2 * fresh * (count - fresh)
            products = decay**2 * (both_old * parents + both_fresh * star**2 + mixed * star * mean)
            variance = (squares + products) / count**2 - definition.coefficient(laws[index], n) ** 2
            pairs.append((variance, V[index]))
            mean_product = products / (count * (count - 1))
    return agreement(pairs, 22)


@cache
def _variances() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(14)
    runs, count, fresh, time = 200_000, 4, 2, 0.1
    target = definition.two_modes()
    y = definition.draw(rng, target, (runs, count))
    kept = []
    for _ in range(4):
        old = np.take_along_axis(y, rng.integers(0, count, (runs, count - fresh)), 1)
        y = np.concatenate([definition.draw(rng, target, (runs, fresh)), old], 1)
        y = np.exp(-time) * y + np.sqrt(-np.expm1(-2 * time)) * rng.standard_normal(y.shape)
        kept.append(definition.hermite_table(y, 3)[1:].mean(-1))
    squares = np.stack([(k - k.mean(1, keepdims=True)) ** 2 for k in kept])
    return definition.over_runs(squares, 2)


@simulated("200 000 runs of four particles, two fresh: variances of degrees 1 to 3 over four rounds")
def particles(claim: Claim) -> Outcome:
    value, error = _variances()
    expected = np.array([[float(v) for v in predicted(claim, n, "0.5", "0.1", 4, 4)] for n in range(1, 4)]).T
    return scores(value, expected[1:], error)


STATEMENT = Statement(
    id="additions.variance_fixed_count",
    title="Error bars with a fixed number of fresh samples",
    source="new",
    text=r"With exactly $\alpha N$ fresh particles a round the variance obeys the same kind of recursion, with smaller innovation and a full $\kappa_n^2V_i$.",
    formula=r"V_{i+1}=\kappa_n^2V_i+\frac{\alpha\mathrm{Var}_{Cp_\ast}(h_n)+(1-\alpha)(E_{Cp_i}h_n^2-a^{2n}c_n(p_i)^2-a^{2n}V_i)}{N}",
    conditions=r"$\alpha N$ an integer, parents drawn with replacement",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "law of total variance"), enumerated, particles),
    mutations=(
        Mutation(
            "constant",
            r"$\kappa_n^2V_i$ with the factor $1-\frac1N$ of random counts",
            {
                "step": lambda V, a, al, N, f, s, q: (
                    (1 - al) ** 2 * a**2 * (1 - 1 / N) * V + (al * f + (1 - al) * (s - q - a**2 * V)) / N
                )
            },
        ),
        Mutation(
            "constant",
            r"$2\alpha$ in the innovation",
            {
                "step": lambda V, a, al, N, f, s, q: (
                    (1 - al) ** 2 * a**2 * V + (2 * al * f + (1 - al) * (s - q - a**2 * V)) / N
                )
            },
        ),
        Mutation(
            "sign",
            r"$+a^{2n}V_i$",
            {
                "step": lambda V, a, al, N, f, s, q: (
                    (1 - al) ** 2 * a**2 * V + (al * f + (1 - al) * (s - q + a**2 * V)) / N
                )
            },
        ),
        Mutation(
            "exponent",
            r"$(1-\alpha)a^{2n}V_i$",
            {
                "step": lambda V, a, al, N, f, s, q: (
                    (1 - al) * a**2 * V + (al * f + (1 - al) * (s - q - a**2 * V)) / N
                )
            },
        ),
        Mutation(
            "dropped condition",
            "random counts: the innovation of the whole mixture",
            {
                "step": lambda V, a, al, N, f, s, q: (
                    (1 - al) ** 2 * a**2 * V + (al * f + (1 - al) * (s - q)) / N
                )
            },
        ),
    ),
    expected="holds",
)
