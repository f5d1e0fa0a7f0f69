"""Error bars of a finite recursion: the variance of its coefficients, from one round to the next."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..evidence import Claim, Outcome, agreement, high_precision, identity, scores, simulated
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    # kappa^2 (1 - 1/N) V + (E h^2 - c^2)/N, second and mean those of the exact law of the new round
    step=lambda V, kappa, N, second, mean: kappa**2 * (1 - 1 / N) * V + (second - mean**2) / N,
)

V, kappa, N, S, c = sympy.symbols("V kappa N S c", positive=True)


def _total_variance(claim: Claim) -> Outcome:
    # Given the last round, the new h-values are independent with random mean m: E m = c, Var m = kappa^2 V.
    inner = (S - (c**2 + kappa**2 * V)) / N
    outer = kappa**2 * V
    return identity(inner + outer, claim.step(V, kappa, N, S, c), "total variance")


STEPS = (
    Step(
        r"Given the particles of the last round, every new particle is an independent draw from $C(\alpha p_\ast+(1-\alpha)\bar p_i)$, $\bar p_i$ their empirical law. The "
        r"conditional mean of $h_n$ is $m=a^n(\alpha c_\ast+(1-\alpha)\hat c_i)$, with $Em=c_n(p_{i+1})$ and $\mathrm{Var}\,m=\kappa_n^2V_i$."
    ),
    Step(
        r"Law of total variance, $E\,m^2=c^2+\kappa^2V$:",
        r"V_{i+1}=\frac{E h_n^2-c^2-\kappa_n^2V_i}{N}+\kappa_n^2V_i=\kappa_n^2\left(1-\frac1N\right)V_i+\frac{E_{p_{i+1}}h_n^2-c_n(p_{i+1})^2}{N}",
        _total_variance,
    ),
)


def second_moment(p: definition.Law, n: int) -> Any:
    """E h_n^2 from raw moments."""
    import mpmath

    polynomial = definition.hermite_polynomial(n)
    moments = definition.raw_moments(p, 2 * n)
    return mpmath.fsum(
        a * b * moments[j + k] for j, a in enumerate(polynomial) for k, b in enumerate(polynomial)
    ) / mpmath.factorial(n)


def predicted(claim: Claim, n: int, alpha: Any, time: Any, count: int, rounds: int) -> list[Any]:
    import mpmath

    laws = definition.rounds(definition.two_modes(), alpha, [time] * rounds)
    kappa = (1 - mpf(alpha)) * mpmath.exp(-n * mpf(time))
    values = []
    for index, p in enumerate(laws):
        second, mean = second_moment(p, n), definition.coefficient(p, n)
        values.append(
            (second - mean**2) / count
            if index == 0
            else claim.step(values[-1], kappa, mpf(count), second, mean)
        )
    return values


@high_precision(
    "two particles: every ancestral pattern enumerated, second moments of h_n from the law of the shared ancestor"
)
def enumerated(claim: Claim) -> Outcome:
    import mpmath

    # E h(x) h(y) of two particles of one round, by whether their parents coincide; no total variance is used.
    pairs = []
    alpha, time = mpf("0.3"), mpf("0.2")
    target = definition.two_modes()
    laws = definition.rounds(target, alpha, [time] * 5)
    for n in (1, 3):
        a = mpmath.exp(-n * time)
        star = definition.coefficient(target, n)
        for count in (2, 3):
            cross = star**2  # E h h' of two different particles of round 0
            V = predicted(claim, n, alpha, time, count, 5)
            for index in range(1, 6):
                mean, second = definition.coefficient(laws[index - 1], n), second_moment(laws[index - 1], n)
                same = mpf(1) / count
                parents = (
                    (1 - alpha) ** 2 * (same * second + (1 - same) * cross)
                    + 2 * alpha * (1 - alpha) * star * mean
                    + alpha**2 * star**2
                )
                cross = a * a * parents
                own = second_moment(laws[index], n)
                pairs.append(
                    (
                        own / count
                        + (1 - mpf(1) / count) * cross
                        - definition.coefficient(laws[index], n) ** 2,
                        V[index],
                    )
                )
    return agreement(pairs, 22)


@cache
def _variances(count: int, runs: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    kept = definition.particles(
        rng,
        definition.two_modes(),
        0.2,
        [0.1] * 6,
        runs=runs,
        count=count,
        keep=lambda y: definition.hermite_table(y, 4)[1:].mean(-1),
    )
    squares = (kept - kept.mean(2, keepdims=True)) ** 2 * runs / (runs - 1)
    return definition.over_runs(squares, 2)


@simulated("20 000 runs of 20 particles: variances of degrees 1 to 4 over six rounds")
def particles(claim: Claim) -> Outcome:
    value, error = _variances(20, 20_000)
    expected = np.array([[float(v) for v in predicted(claim, n, "0.2", "0.1", 20, 6)] for n in range(1, 5)]).T
    return scores(value[1:], expected[1:], error[1:])


def _package() -> Iterator[tuple[str, Any, Any]]:
    mixture, recursion = subject.fetch("GaussianMixture"), subject.fetch("Recursion")
    predict = subject.fetch("recursion.sampling_error.predict_sampling_error")
    run = recursion(mixture([0.4, 0.6], [-1.3, 0.9], [0.3, 0.5]), fresh_fraction=0.2, truncation_time=0.2)
    result = predict(run, 4, rounds=3, particles=100, generator="channel")
    table = np.asarray(result.standard_error)
    for n in (1, 2, 4):
        for index, value in enumerate(predicted(CLAIM, n, "0.2", "0.1", 100, 3)):
            yield f"degree {n}, round {index}", table[index, n] ** 2, value


STATEMENT = Statement(
    id="additions.variance_channel",
    title="Predicted error bars of a finite recursion",
    source="new",
    text=r"A recursion of $N$ particles (each round: fresh with probability $\alpha$, else a copy of a random particle, then the channel) has unbiased coefficients whose variance obeys a closed recursion.",
    formula=r"V_{i+1}=\kappa_n^2\left(1-\frac1N\right)V_i+\frac{E_{p_{i+1}}h_n^2-c_n(p_{i+1})^2}{N}",
    conditions=r"parents drawn with replacement, choices of fresh data independent, moments of order $2n$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "law of total variance"), enumerated, particles),
    mutations=(
        Mutation(
            "constant", r"without $1-\frac1N$", {"step": lambda V, k, N, s, c: k**2 * V + (s - c**2) / N}
        ),
        Mutation(
            "sign", r"$E h^2+c^2$", {"step": lambda V, k, N, s, c: k**2 * (1 - 1 / N) * V + (s + c**2) / N}
        ),
        Mutation(
            "exponent",
            r"$\kappa$ for $\kappa^2$",
            {"step": lambda V, k, N, s, c: k * (1 - 1 / N) * V + (s - c**2) / N},
        ),
        Mutation(
            "dropped condition",
            "rounds independent of each other",
            {"step": lambda V, k, N, s, c: (s - c**2) / N},
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
