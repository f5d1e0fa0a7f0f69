"""What is left when nothing is wrong: noise floors of stationary particle recursions."""

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
    mode=lambda variance, N, kappa: variance / (N * (1 - kappa**2 * (1 - 1 / N))),
    # term j of N E D_r^2, beta = (1 - alpha)^2 (1 - 1/N), A = a^(2j)
    term=lambda r, A, d: (1 - r * A) ** (-d) - 1,
    chi=lambda a2, d: (1 - a2) ** (-d) - 1,  # times 1/N
    largest=sympy.Rational(1, 3),  # the estimator's variance is finite for a^2 below it
)

V, N, kappa, S, r, A, beta = sympy.symbols("V N kappa S r A beta", positive=True)


def _stationary(claim: Claim) -> Outcome:
    rest = claim.mode(S, N, kappa)
    return identity(kappa**2 * (1 - 1 / N) * rest + S / N, rest, "rest point of the variance")


def _sum(claim: Claim) -> Outcome:
    outcomes = []
    for d in (1, 2, 3):
        series = sympy.series(claim.term(r, A, d), r, 0, 5).removeO()
        for degree in range(1, 5):
            count = sympy.binomial(degree + d - 1, degree)
            outcomes.append(
                identity(
                    sympy.expand(series).coeff(r, degree), count * A**degree, f"d = {d}, degree {degree}"
                )
            )
    return all_of(*outcomes)


def _chi(claim: Claim) -> Outcome:
    # Sum over modes of a^(2n) without degree 0: the bracket of the other sum at r = a^2, j = 0.
    a2, d = sympy.symbols("a2 d", positive=True)
    return identity(claim.chi(a2, d), claim.term(a2, 1, d), "chi-square of smoothed particles")


def _tail(claim: Claim) -> Outcome:
    # Diagonal of Mehler's kernel at a2: exp(a2 x^2/(1 + a2)); its square is integrable under N(0,1) iff 2 a2/(1 + a2) < 1/2.
    a2 = sympy.Symbol("a2", positive=True)
    solution = sympy.solve(2 * a2 / (1 + a2) - sympy.Rational(1, 2), a2)
    return identity(solution[0], claim.largest, "threshold")


STEPS = (
    Step(
        r"With constant rounds the variance recursion rests at",
        r"V_n=\frac{E\,h_n^2-c_n^2}{N\left(1-\kappa_n^2(1-\frac1N)\right)}",
        _stationary,
    ),
    Step(
        r"For $p_\ast=\gamma$ every mode has $E\,h^2=1$, $c=0$. Expand in powers of $\beta=(1-\alpha)^2(1-\frac1N)$ and sum over all modes, $\binom{n+d-1}{n}$ of degree $n$:",
        r"E\,D_r^2=\sum_{n\geq1}r^n\binom{n+d-1}{n}V_n=\frac1N\sum_{j\geq0}\beta^j\left[(1-r\,a^{2j})^{-d}-1\right]",
        _sum,
    ),
    Step(
        r"Independent particles carried through $C$: $V_n=1/N$ and weights $a^{2n}$, so the same sum over modes with $r=a^2$:",
        r"E\,\chi^2(C\hat p\|\gamma)=\frac{(1-a^2)^{-d}-1}{N}",
        _chi,
    ),
    Step(
        r"The diagonal of the kernel sum is $(1-a^4)^{-1/2}e^{a^2x^2/(1+a^2)}$; its variance is finite iff",
        r"a^2<\frac13",
        _tail,
    ),
)


@high_precision("mode sums to degree 200 of the iterated variance recursion, d = 1 to 3")
def sums(claim: Claim) -> Outcome:
    pairs = []
    for d, fraction, time, count, ratio in (
        (1, "0.2", "0.1", 50, "0.5"),
        (2, "0.4", "0.3", 200, "0.6"),
        (3, "0.1", "0.05", 1000, "0.3"),
    ):
        fraction, time, ratio = mpf(fraction), mpf(time), mpf(ratio)
        total = mpf(0)
        for degree in range(1, 201):
            K = (1 - fraction) * mpmath.exp(-degree * time)
            V_ = mpf(0)
            for _ in range(700 if degree < 40 else 60):
                V_ = K**2 * (1 - mpf(1) / count) * V_ + mpf(1) / count
            total += ratio**degree * mpmath.binomial(degree + d - 1, degree) * V_
            if degree < 5:
                pairs.append((V_, claim.mode(1, mpf(count), K)))
        B = (1 - fraction) ** 2 * (1 - mpf(1) / count)
        closed = (
            mpmath.fsum(B**j * claim.term(ratio, mpmath.exp(-2 * j * time), d) for j in range(900)) / count
        )
        pairs.append((total, closed))
    return agreement(pairs, 15)


@cache
def _stationary_runs() -> np.ndarray:
    rng = np.random.default_rng(47)
    runs, count = 3000, 60
    y = rng.standard_normal((runs, count))
    for _ in range(18):
        x = np.take_along_axis(y, rng.integers(0, count, (runs, count)), 1)
        x = np.where(rng.random((runs, count)) < 0.4, rng.standard_normal((runs, count)), x)
        y = np.exp(-0.2) * x + np.sqrt(-np.expm1(-0.4)) * rng.standard_normal((runs, count))
    return y


@simulated(
    "3 000 stationary runs of 60 particles with p* = N(0,1): Mehler distance at r = 0.25 and mode variances; chi-square at a^2 = 0.15"
)
def stationary(claim: Claim) -> Outcome:
    y = _stationary_runs()
    count = y.shape[1]

    def kernel_mean(x: np.ndarray, ratio: float) -> np.ndarray:
        square = x**2
        exponent = (
            ratio * x[:, :, None] * x[:, None, :] - ratio**2 * (square[:, :, None] + square[:, None, :]) / 2
        ) / (1 - ratio**2)
        return np.exp(exponent).mean((1, 2)) / np.sqrt(1 - ratio**2) - 1

    found, error, predicted = [], [], []
    values = np.concatenate([kernel_mean(part, 0.25) for part in np.array_split(y, 10)])
    B = 0.36 * (1 - 1 / count)
    found.append(values.mean())
    error.append(values.std() / np.sqrt(len(values)))
    predicted.append(sum(B**j * claim.term(0.25, np.exp(-0.4 * j), 1) for j in range(80)) / count)
    table = definition.hermite_table(y, 2).mean(-1)
    for degree in (1, 2):
        square = table[degree] ** 2
        found.append(square.mean())
        error.append(square.std() / np.sqrt(len(square)))
        predicted.append(claim.mode(1.0, count, 0.6 * np.exp(-0.2 * degree)))
    fresh = np.random.default_rng(48).standard_normal((20_000, 30))
    chi = np.concatenate([kernel_mean(part, 0.15) for part in np.array_split(fresh, 20)])
    found.append(chi.mean())
    error.append(chi.std() / np.sqrt(len(chi)))
    predicted.append(claim.chi(0.15, 1) / 30)
    return scores(found, predicted, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    predict = subject.fetch("recursion.sampling_error.predict_sampling_error")
    run = subject.fetch("Recursion")(
        subject.fetch("GaussianMixture")([1.0], [0.0], [1.0]), fresh_fraction=0.4, truncation_time=0.4
    )
    table = np.asarray(predict(run, 3, rounds=60, particles=60, generator="channel").standard_error)
    for degree in (1, 3):
        V_, K = mpf(0), mpf(0.6) * mpmath.exp(-degree * mpf(0.2))
        for _ in range(200):
            V_ = K**2 * (1 - mpf(1) / 60) * V_ + mpf(1) / 60
        yield f"degree {degree}", table[60, degree] ** 2, V_


STATEMENT = Statement(
    id="additions.noise_floors",
    title="Noise floors of stationary recursions",
    source="new",
    text=r"At rest a mode's coefficient fluctuates with an explicit variance; for Gaussian data the expected squared Mehler distance to the truth, and the expected chi-square of smoothed particles, are explicit sums. The estimator of the latter has infinite variance when $a^2\geq\frac13$.",
    formula=r"E\,D_r^2=\frac1N\sum_{j\geq0}\beta^j\left[(1-ra^{2j})^{-d}-1\right],\qquad E\,\chi^2(C\hat p\|\gamma)=\frac{(1-a^2)^{-d}-1}{N}",
    conditions=r"$p_\ast=\gamma$ for the sums; $\hat p$ independent particles in the second",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "rest point, four degrees in one to three dimensions, threshold", covers="all"),
        sums,
        stationary,
    ),
    mutations=(
        Mutation(
            "constant",
            r"$\kappa$ without the square",
            {"mode": lambda v, N, k: v / (N * (1 - k * (1 - 1 / N)))},
        ),
        Mutation("exponent", r"$(1-ra^{2j})^{-2d}$", {"term": lambda r, A, d: (1 - r * A) ** (-2 * d) - 1}),
        Mutation("sign", r"$1+ra^{2j}$", {"term": lambda r, A, d: (1 + r * A) ** (-d) - 1}),
        Mutation(
            "exponent", r"chi-square with exponent $-d/2$", {"chi": lambda a2, d: (1 - a2) ** (-d / 2) - 1}
        ),
        Mutation("dropped condition", r"finite variance for every $a^2<1$", {"largest": sympy.Integer(1)}),
    ),
    expected="holds",
    package=Package(
        "recursion.sampling_error.predict_sampling_error",
        "tests/recursion/test_sampling_error.py",
        _package,
        digits=9,
    ),
)
