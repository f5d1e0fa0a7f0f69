"""A chi-square bound that is always finite: relative to the limit."""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy
from mpmath import mpf

from .. import definition, families
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
    factor=lambda alpha: (1 - alpha) ** 0.5,  # per round, on the root of chi-square
    finite=lambda alpha: 1 / alpha,  # p_i <= p_inf times this, from p_0 = p*
)

alpha, f, g = sympy.symbols("alpha f g", positive=True)


def _floor(claim: Claim) -> Outcome:
    return identity(
        sympy.nsimplify(claim.factor(alpha) ** 2), (1 - alpha) ** 2 / (1 - alpha), "factor of one round"
    )


def _dominated(claim: Claim) -> Outcome:
    # Weights of ages in p_N against those in p_inf: equal for k < N; age N has (1-alpha)^(N-1) against alpha (1-alpha)^(N-1).
    N = sympy.Symbol("N", integer=True, positive=True)
    own = alpha * (1 - alpha) ** (N - 1) + (1 - alpha) ** N
    return identity(
        sympy.simplify(own / (alpha * (1 - alpha) ** (N - 1))),
        claim.finite(alpha),
        "largest quotient of weights",
    )


STEPS = (
    Step(
        r"From $p_0=p_\ast$ the weights of the ages in $p_N$ and in $p_\infty$ agree below $N$, and the last is at most $1/\alpha$ times as large:",
        r"p_N\leq\frac{1}{\alpha}\,p_\infty",
        _dominated,
    ),
    Step(
        r"$p_\infty=C(\alpha p_\ast+(1-\alpha)p_\infty)\geq(1-\alpha)Cp_\infty$, and $\int(Cf)^2/(Cg)\leq\int f^2/g$ for every Markov channel (Cauchy-Schwarz inside). With $f=\hat p_i-p_\infty$, $g=p_\infty$, an ideal round contracts:",
        r"\int\frac{((1-\alpha)Cf)^2}{p_\infty}\leq(1-\alpha)\int\frac{f^2}{p_\infty}",
        _floor,
    ),
    Step(
        r"Add the defect of the learned round (triangle inequality in $L^2(1/p_\infty)$) and unroll, $r_i=\int(\hat p_{i+1}-C\hat q_i)^2/p_\infty$:",
        r"\sqrt{\chi^2(\hat p_N\|p_\infty)}\leq(1-\alpha)^{N/2}\sqrt{\chi^2_0}+\sum_{i<N}(1-\alpha)^{\frac{N-1-i}{2}}\sqrt{r_i}",
    ),
)


@cache
def _learned(fraction: float, time: float, shift: float) -> tuple[list[float], list[float], float]:
    x = np.arange(-14, 14.0001, 0.01)
    target = definition.two_modes()
    limit = definition.rounds(target, fraction, [time] * 80)[-1]
    rest = definition.grid(limit, x)
    learned, roots, defects = target, [], []
    start = float(np.sqrt(((definition.grid(target, x) - rest) ** 2 / rest).sum() * 0.01))
    for turn in range(8):
        ideal = definition.truncate(definition.mix(mpf(fraction), target, learned), time)
        learned = [(w, m + shift * (-1) ** (turn // 3), v) for w, m, v in ideal]
        p, q = definition.grid(learned, x), definition.grid(ideal, x)
        roots.append(float(np.sqrt(((p - rest) ** 2 / rest).sum() * 0.01)))
        defects.append(float(np.sqrt(((p - q) ** 2 / rest).sum() * 0.01)))
    return roots, defects, start


@high_precision(
    "learned rounds ending in shifts, three settings, quadrature; without defects the decay alone"
)
def shifts(claim: Claim) -> Outcome:
    pairs = []
    for fraction, time, shift in ((0.3, 0.05, 0.0), (0.3, 0.05, 0.05), (0.7, 0.3, 0.1)):
        roots, defects, bound = _learned(fraction, time, shift)
        for root, defect in zip(roots, defects, strict=True):
            bound = claim.factor(fraction) * bound + defect
            pairs.append((root, bound * (1 + 1e-9)))
    return ordered(pairs)


@high_precision(
    "data far out, the model with mass moved within one age of the limit: one round of the definition attains the factor",
    role="sharpness",
)
def extremal(claim: Claim) -> Outcome:
    outcomes = []
    for fraction in (0.3, 0.6):
        before, after = families.swapped_ages(fraction)["chi"]
        outcomes.append(attained([(after**0.5, claim.factor(fraction) * before**0.5 * (1 + 1e-9))], 1e-6))
    return all_of(*outcomes)


@high_precision("quotient of densities p_N/p_inf on a grid, never above 1/alpha")
def dominated(claim: Claim) -> Outcome:
    x = np.arange(-4, 4, 0.05)
    pairs = []
    for fraction in (0.1, 0.5):
        laws = definition.rounds(definition.two_modes(), fraction, [0.05] * 12)
        limit = definition.grid(
            definition.rounds(definition.two_modes(), fraction, [0.05] * (300 if fraction < 0.3 else 60))[-1],
            x,
        )
        pairs += [(float((definition.grid(p, x) / limit).max()), claim.finite(fraction)) for p in laws[1:]]
    return ordered(pairs)


@simulated("20 000 random Markov chains on five states: contraction towards their own limit")
def chains(claim: Claim) -> Outcome:
    rng = np.random.default_rng(77)
    C = rng.dirichlet(np.full(5, 0.3), (20_000, 5))
    target, model = rng.dirichlet(np.ones(5), 20_000), rng.dirichlet(np.full(5, 0.2), 20_000)
    fraction = rng.uniform(0.05, 0.95, 20_000)[:, None]
    limit = target
    for _ in range(500):
        limit = np.einsum("ni,nij->nj", fraction * target + (1 - fraction) * limit, C)
    after = np.einsum("ni,nij->nj", fraction * target + (1 - fraction) * model, C)
    before_, after_ = (((p - limit) ** 2 / np.maximum(limit, 1e-300)).sum(1) for p in (model, after))
    keep = before_ > 1e-6
    share = np.sqrt(after_[keep] / before_[keep]) / claim.factor(fraction[keep, 0])
    return ordered([(float(share.max()), 1 + 1e-6)])


STATEMENT = Statement(
    id="additions.always_finite",
    title="Relative to the limit, chi-square is always finite and contracts",
    source="new",
    text=r"From $p_0=p_\ast$ the chi-square divergence from the limit is finite, contracts by $1-\alpha$ a round, and learned rounds add their defects in length: a version of the discounted sum that needs no tail condition.",
    formula=r"\sqrt{\chi^2(\hat p_N\|p_\infty)}\leq(1-\alpha)^{\frac N2}\sqrt{\chi^2_0}+\sum_{i<N}(1-\alpha)^{\frac{N-1-i}{2}}\sqrt{r_i}",
    conditions=r"$0<\alpha\leq1$; any channel with a limit",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "weights of the ages, factor of one round"),
        shifts,
        extremal,
        dominated,
        chains,
    ),
    mutations=(
        Mutation("exponent", r"$1-\alpha$ on the root", {"factor": lambda alpha: 1 - alpha}),
        Mutation("constant", r"$p_N\leq p_\infty/(2\alpha)$", {"finite": lambda alpha: 1 / (2 * alpha)}),
        Mutation(
            "sign",
            r"$\sqrt{1-2\alpha}$",
            {
                "factor": lambda alpha: (
                    abs(1 - 2 * alpha) ** 0.5
                    if not isinstance(alpha, sympy.Expr)
                    else sympy.sqrt(1 - 2 * alpha)
                )
            },
        ),
        Mutation("dropped condition", r"$p_N\leq p_\infty$", {"finite": lambda alpha: 1 + 0 * alpha}),
    ),
    expected="sharp",
    package=Package("bounds.rate_table", "tests/bounds/test_rates.py", None),
)
