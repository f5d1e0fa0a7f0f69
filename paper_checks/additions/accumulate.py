"""Accumulating data without fresh ones: collapse is slowed down to a power law."""

from __future__ import annotations

from collections.abc import Iterator
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
    # f_n(i + 1) with r = a^n
    factor=lambda m, i, r: r * m.gamma(i + 1 + r) / (m.gamma(1 + r) * m.gamma(i + 2)),
    exponent=lambda r: 1 - r,
)

r = sympy.Symbol("r", positive=True)
i = sympy.Symbol("i", integer=True, positive=True)


def _ratio(claim: Claim) -> Outcome:
    # S_i = f(0) + ... + f(i): f(i + 1) = r S_i/(i + 1), so (i + 2) f(i + 2) = (i + 1 + r) f(i + 1).
    now, then = claim.factor(SYMPY, i, r), claim.factor(SYMPY, i + 1, r)
    return all_of(
        identity(claim.factor(SYMPY, sympy.Integer(0), r), r, "first round"),
        identity(sympy.gammasimp(then / now), (i + 1 + r) / (i + 2), "quotient of rounds"),
    )


def _cycles(claim: Claim) -> Outcome:
    # Cycles of a random permutation of i + 1 points: the last point opens a new cycle with probability 1/(i + 1).
    outcomes = []
    generating = r
    for last in range(1, 6):
        outcomes.append(
            identity(
                sympy.expand_func(claim.factor(SYMPY, sympy.Integer(last - 1), r)),
                generating,
                f"{last} points",
            )
        )
        generating = sympy.expand(generating * (r + last) / (last + 1))
    return all_of(*outcomes)


STEPS = (
    Step(
        r"Each round trains on the real data and all outputs so far, $q_i=\frac{1}{i+1}(p_\ast+p_1+\dots+p_i)$. With $r=a^n$ and $f_n(0)=1$, "
        r"$(i+1)f(i+1)=r\sum_{j\leq i}f(j)$; subtract two rounds:",
        r"(i+2)\,f(i+2)=(i+1+r)\,f(i+1),\quad f(1)=r\;\Rightarrow\;f_n(i+1)=\frac{r\,\Gamma(i+1+r)}{\Gamma(1+r)\Gamma(i+2)}",
        _ratio,
    ),
    Step(
        r"The same polynomial counts cycles: $f_n(i+1)=E\,r^{K}$, $K$ the number of cycles of a random permutation of $i+1$ points (the last point opens a new cycle with "
        r"probability $1/(i+1)$).",
        r"E\,r^{K}=\prod_{j=0}^{i}\frac{r+j}{1+j}",
        _cycles,
    ),
    Step(
        r"Stirling: $f_n(i)\sim i^{-(1-r)}/\Gamma(r)$. Collapse is certain, but slow, and slowest for low degrees.",
        "",
    ),
)


@high_precision(
    "forty rounds of the definition for modes; five rounds of mixture laws, coefficients from raw moments"
)
def by_definition(claim: Claim) -> Outcome:
    pairs = []
    for decay in ("0.1", "0.7", "0.98"):
        f = [mpf(1)]
        for last in range(40):
            f.append(mpf(decay) * mpmath.fsum(f) / (last + 1))
        pairs += [(f[last + 1], claim.factor(MPMATH, last, mpf(decay))) for last in range(40)]
    time, target = mpf("0.3"), definition.two_modes()
    laws = [target]
    for last in range(5):
        mixed = [(w / (last + 1), m, v) for p in laws for w, m, v in p]
        laws.append(definition.truncate(mixed, time))
        for degree in (1, 3):
            share = definition.coefficient(laws[-1], degree) / definition.coefficient(target, degree)
            pairs.append((share, claim.factor(MPMATH, last, mpmath.exp(-degree * time))))
    return agreement(pairs, 24)


@high_precision("exponent of the power law from rounds 10^4 and 2 10^4 of the iterated definition")
def power(claim: Claim) -> Outcome:
    pairs = []
    for decay in ("0.3", "0.9"):
        total, f, seen = mpf(1), mpf(1), {}
        for last in range(20000):
            f = mpf(decay) * total / (last + 1)
            total += f
            if last + 1 in (10000, 20000):
                seen[last + 1] = f
        slope = -mpmath.log(seen[20000] / seen[10000]) / mpmath.log(2)
        pairs.append((slope, claim.exponent(mpf(decay))))
    return agreement(pairs, 3.5)


@simulated("cycles of 100 000 random permutations of eight points")
def permutations(claim: Claim) -> Outcome:
    rng = np.random.default_rng(6)
    count, points = 100_000, 8
    opened = rng.random((count, points)) * (np.arange(points) + 1) < 1
    K = opened.sum(1)
    found, error, predicted = [], [], []
    for decay in (0.2, 0.6, 0.9):
        sample = decay**K
        found.append(sample.mean())
        error.append(sample.std() / np.sqrt(count))
        predicted.append(claim.factor(FLOAT, points - 1, decay))
    return scores(found, predicted, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    factors = subject.fetch("mode_factors")
    table = np.asarray(
        factors([1, 4], fresh_fraction=0.0, truncation_time=0.3, rounds=12, regime="accumulate")
    )
    for column, degree in enumerate((1, 4)):
        f, decay = [mpf(1)], mpmath.exp(-degree * mpf(0.3) / 2)
        for last in range(12):
            f.append(decay * mpmath.fsum(f) / (last + 1))
        for index in range(13):
            yield f"degree {degree}, round {index}", table[index, column], f[index]


def _figure() -> Any:
    from ..report.figures import axes

    figure, ax = axes(width=6.4, height=2.8)
    rounds_ = np.arange(1, 201)
    for position, r_ in enumerate((0.98, 0.9, 0.7)):
        ax.plot(
            rounds_,
            [float(CLAIM.factor(MPMATH, int(k) - 1, mpf(r_))) for k in rounds_],
            color=f"C{position}",
            label=f"accumulate, $r={r_}$",
        )
        ax.plot(rounds_, r_ ** rounds_.astype(float), color=f"C{position}", ls=":", lw=1)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(1e-3, 1.2)
    ax.set_xlabel("round")
    ax.set_ylabel("share kept")
    ax.set_title("accumulated data (solid) against replacement (dotted), no fresh data")
    ax.legend(frameon=False, fontsize=8)
    return figure


STATEMENT = Statement(
    id="additions.accumulate",
    title="Accumulation without fresh data only slows collapse down",
    source="new",
    text=r"If every round trains on the original data and all outputs so far, without new real data, degree $n$ decays like $i^{-(1-a^n)}$: slowly, and to zero.",
    formula=r"f_n(i+1)=\frac{r\,\Gamma(i+1+r)}{\Gamma(1+r)\,\Gamma(i+2)}\sim\frac{i^{-(1-r)}}{\Gamma(r)},\qquad r=e^{-n\theta t_0}",
    conditions=r"$q_i=\frac{1}{i+1}(p_\ast+p_1+\dots+p_i)$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "quotient of rounds, cycles of permutations"),
        by_definition,
        power,
        permutations,
    ),
    mutations=(
        Mutation(
            "constant",
            r"$\Gamma(i+2+r)$",
            {"factor": lambda m, i, r: r * m.gamma(i + 2 + r) / (m.gamma(2 + r) * m.gamma(i + 2))},
        ),
        Mutation("exponent", r"power $1-r^2$", {"exponent": lambda r: 1 - r * r}),
        Mutation(
            "sign",
            r"$\Gamma(i+1-r)$",
            {"factor": lambda m, i, r: r * m.gamma(i + 1 - r) / (m.gamma(1 - r) * m.gamma(i + 2))},
        ),
        Mutation(
            "dropped condition", "the rounds replace each other", {"factor": lambda m, i, r: r ** (i + 1)}
        ),
    ),
    expected="holds",
    package=Package("mode_factors", "tests/recursion/test_schedules_regimes.py", _package, digits=11),
    figure=_figure,
)
