"""Error bars of kernel generation: a pool first, then independent outputs of its smoothed empirical law."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..evidence import Claim, Outcome, agreement, high_precision, identity, scores, simulated
from ..registry import Mutation, Package, Statement, Step, derived
from .variance_channel import second_moment

CLAIM = Claim(
    # b = a^(2n); pool, output: Var of h_n under q_i and p_{i+1}
    step=lambda V, b, alpha, M, N, pool, output: (
        (1 - 1 / N) * b * ((1 - 1 / M) * (1 - alpha) ** 2 * V + pool / M) + output / N
    ),
)

V, b, alpha, M, N, P, Q = sympy.symbols("V b alpha M N P Q", positive=True)


def _two_stages(claim: Claim) -> Outcome:
    # Pool of M draws of alpha p* + (1 - alpha) empirical; then N draws of its image. Var h = second - mean^2 at each stage.
    pool_variance = (1 - alpha) ** 2 * V + (P - (1 - alpha) ** 2 * V) / M
    outputs = b * pool_variance + (Q - b * pool_variance) / N
    return identity(outputs, claim.step(V, b, alpha, M, N, P, Q), "two stages of total variance")


STEPS = (
    Step(
        r"Stage one: given the last round, the $M$ pool points are independent draws of $\alpha p_\ast+(1-\alpha)\bar p_i$, with conditional mean of variance $(1-\alpha)^2V_i$:",
        r"V^{\mathrm{pool}}=\left(1-\frac1M\right)(1-\alpha)^2V_i+\frac{\mathrm{Var}_{q_i}(h_n)}{M}",
    ),
    Step(
        r"Stage two: given the pool, $N$ independent outputs of its channelled empirical law, conditional mean $a^n\hat c^{\mathrm{pool}}$:",
        r"V_{i+1}=\left(1-\frac1N\right)a^{2n}V^{\mathrm{pool}}+\frac{\mathrm{Var}_{p_{i+1}}(h_n)}{N}",
        _two_stages,
    ),
)


def predicted(claim: Claim, n: int, alpha: Any, time: Any, pool: int, count: int, rounds: int) -> list[Any]:
    target = definition.two_modes()
    laws = definition.rounds(target, alpha, [time] * rounds)

    def variance(p: definition.Law) -> Any:
        return second_moment(p, n) - definition.coefficient(p, n) ** 2

    values = [variance(target) / count]
    for before, after in zip(laws[:-1], laws[1:], strict=True):
        mixed = definition.mix(mpf(alpha), target, before)
        values.append(
            claim.step(
                values[-1],
                mpmath.exp(-2 * n * mpf(time)),
                mpf(alpha),
                mpf(pool),
                mpf(count),
                variance(mixed),
                variance(after),
            )
        )
    return values


@high_precision("pool of three, two outputs: products of pairs by ancestry")
def enumerated(claim: Claim) -> Outcome:
    pairs = []
    alpha, time, target, pool, count = mpf("0.3"), mpf("0.2"), definition.two_modes(), 3, 2
    laws = definition.rounds(target, alpha, [time] * 4)
    for n in (1, 3):
        decay = mpmath.exp(-n * time)
        star = definition.coefficient(target, n)
        cross = star**2
        V = predicted(claim, n, alpha, time, pool, count, 4)
        for index in range(1, 5):
            p = laws[index - 1]
            mean, second = definition.coefficient(p, n), second_moment(p, n)
            old_pair = second / count + (1 - mpf(1) / count) * cross
            pool_pair = (
                (1 - alpha) ** 2 * old_pair + 2 * alpha * (1 - alpha) * star * mean + alpha**2 * star**2
            )
            pool_second = alpha * second_moment(target, n) + (1 - alpha) * second
            cross = decay**2 * (pool_second / pool + (1 - mpf(1) / pool) * pool_pair)
            own = second_moment(laws[index], n)
            pairs.append(
                (
                    own / count + (1 - mpf(1) / count) * cross - definition.coefficient(laws[index], n) ** 2,
                    V[index],
                )
            )
    return agreement(pairs, 22)


@cache
def _variances() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(33)
    runs, pool, count, alpha, time = 20_000, 15, 25, 0.3, 0.1
    target = definition.two_modes()
    y, kept = definition.draw(rng, target, (runs, count)), []
    for _ in range(4):
        x = np.take_along_axis(y, rng.integers(0, count, (runs, pool)), 1)
        x = np.where(rng.random((runs, pool)) < alpha, definition.draw(rng, target, (runs, pool)), x)
        y = np.take_along_axis(x, rng.integers(0, pool, (runs, count)), 1)
        y = np.exp(-time) * y + np.sqrt(-np.expm1(-2 * time)) * rng.standard_normal(y.shape)
        kept.append(definition.hermite_table(y, 3)[1:].mean(-1))
    squares = np.stack([(k - k.mean(1, keepdims=True)) ** 2 for k in kept])
    return definition.over_runs(squares, 2)


@simulated("20 000 runs, pool 15, 25 outputs: variances of degrees 1 to 3 over four rounds")
def particles(claim: Claim) -> Outcome:
    value, error = _variances()
    expected = np.array(
        [[float(v) for v in predicted(claim, n, "0.3", "0.1", 15, 25, 4)] for n in range(1, 4)]
    ).T
    return scores(value, expected[1:], error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    mixture, recursion = subject.fetch("GaussianMixture"), subject.fetch("Recursion")
    predict = subject.fetch("recursion.sampling_error.predict_sampling_error")
    run = recursion(mixture([0.4, 0.6], [-1.3, 0.9], [0.3, 0.5]), fresh_fraction=0.2, truncation_time=0.2)
    table = np.asarray(predict(run, 4, rounds=3, particles=100, generator="kernel").standard_error)
    for n in (1, 2, 4):
        for index, value in enumerate(predicted(CLAIM, n, "0.2", "0.1", 100, 100, 3)):
            yield f"degree {n}, round {index}", table[index, n] ** 2, value


STATEMENT = Statement(
    id="additions.variance_kernel",
    title="Error bars of kernel generation",
    source="new",
    text=r"Drawing a pool of $M$ training points first and $N$ outputs of its smoothed empirical law afterwards adds variance twice per round.",
    formula=r"V_{i+1}=\left(1-\frac1N\right)a^{2n}\left[\left(1-\frac1M\right)(1-\alpha)^2V_i+\frac{\mathrm{Var}_{q_i}(h_n)}{M}\right]+\frac{\mathrm{Var}_{p_{i+1}}(h_n)}{N}",
    conditions=r"pool points independently fresh with probability $\alpha$; outputs independent given the pool",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "two stages of total variance"), enumerated, particles),
    mutations=(
        Mutation(
            "constant",
            "no pool noise (the formula without a pool)",
            {"step": lambda V, b, al, M, N, p, o: (1 - 1 / N) * b * (1 - al) ** 2 * V + o / N},
        ),
        Mutation(
            "exponent",
            r"$1-\alpha$ for its square",
            {
                "step": lambda V, b, al, M, N, p, o: (
                    (1 - 1 / N) * b * ((1 - 1 / M) * (1 - al) * V + p / M) + o / N
                )
            },
        ),
        Mutation(
            "sign",
            r"$1+\frac1M$",
            {
                "step": lambda V, b, al, M, N, p, o: (
                    (1 - 1 / N) * b * ((1 + 1 / M) * (1 - al) ** 2 * V + p / M) + o / N
                )
            },
        ),
        Mutation(
            "dropped condition",
            "pool and outputs of equal size",
            {"step": lambda V, b, al, M, N, p, o: CLAIM.step(V, b, al, N, N, p, o)},
        ),
    ),
    expected="holds",
    package=Package(
        "recursion.sampling_error.predict_sampling_error",
        "tests/recursion/test_sampling_error.py",
        _package,
        digits=9,
    ),
)
