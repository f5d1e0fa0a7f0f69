"""Contraction per round in each metric, and starts that attain it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf
from scipy.special import ndtri

from .. import definition, families, subject
from ..evidence import (
    SUPPORTS,
    Claim,
    Outcome,
    all_of,
    attained,
    decided,
    high_precision,
    identity,
    ordered,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    tv=lambda alpha, a: 1 - alpha,
    kl=lambda alpha, a: 1 - alpha,
    w1=lambda alpha, a: (1 - alpha) * a,
    w2_square=lambda alpha, a: (1 - alpha) * a**2,
    chi=lambda alpha, a: 1 - alpha,
    l2=lambda alpha, a: (1 - alpha) * a,
    # asymptotic W2 rate from a start whose tail falls like x^(-beta)
    heavy=lambda alpha, a, beta: (1 - alpha) ** 0.5 * a ** (beta / 2),
)

alpha, a, u, w = sympy.symbols("alpha a u w", positive=True)


def _chi(claim: Claim) -> Outcome:
    # (1 - alpha)^2 int (Cf)^2/p_inf with p_inf >= (1 - alpha) C p_inf, and int (Cf)^2/(Cg) <= int f^2/g.
    return identity((1 - alpha) ** 2 / (1 - alpha), claim.chi(alpha, a), "chi-square")


def _others(claim: Claim) -> Outcome:
    # The model's share of the training law, and what the channel does to a distance and to degree one.
    p, s, x, z = sympy.symbols("p s x z")
    share = sympy.diff(alpha * s + (1 - alpha) * p, p)
    image = a * x + sympy.sqrt(1 - a**2) * z
    shrinks, first_degree = sympy.diff(image, x), image.subs(z, 0) / x
    return all_of(
        identity(claim.tv(alpha, a), share, "total variation"),
        identity(claim.kl(alpha, a), share, "KL"),
        identity(claim.w1(alpha, a), share * shrinks, "W1"),
        identity(claim.w2_square(alpha, a), share * shrinks**2, "W2 squared"),
        identity(claim.l2(alpha, a), share * first_degree, "L2(gamma)"),
    )


STEPS = (
    Step(
        r"A round mixes and then applies a Markov channel. Total variation is linear in the mixture and does not grow under channels; KL is jointly convex; $W_1$ is linear by duality and the channel shrinks distances by $a$; "
        r"$W_2^2$ is convex; mean-zero functions of $L^2(\gamma)$ have no degree zero and shrink by $a$:",
        r"\mathrm{TV},\,\mathrm{KL}:\;1-\alpha,\qquad W_1,\,L^2(\gamma):\;(1-\alpha)a,\qquad W_2:\;\sqrt{1-\alpha}\,a",
        _others,
    ),
    Step(
        r"Chi-square against the limit: $p_\infty=C(\alpha p_\ast+(1-\alpha)p_\infty)\geq(1-\alpha)Cp_\infty$ and $\int(Cf)^2/(Cg)\leq\int f^2/g$ (Cauchy-Schwarz), with $f=p-p_\infty$:",
        r"\int\frac{((1-\alpha)Cf)^2}{p_\infty}\leq\frac{(1-\alpha)^2}{1-\alpha}\int\frac{f^2}{p_\infty}=(1-\alpha)\,\chi^2(p\|p_\infty)",
        _chi,
    ),
    Step(
        r"Heavy tails: with $p_\ast=\gamma$ the law after $i$ rounds is $(1-w)\gamma+w\,\mathrm{Law}(a^iX+\dots)$, $w=(1-\alpha)^i$. A start with tail $x^{-\beta}$, $\beta>2$, leaves $w\,a^{i\beta}x^{-\beta}$ beyond the bulk, whose transport costs "
        r"$W_2^2\approx w\,a^{i\beta}$ up to logarithms; slowly varying tails leave $w$ itself in TV."
    ),
)


@cache
def _rows() -> list[dict[str, list[float]]]:
    rows = []
    x = np.arange(-16, 16.0001, 0.02)
    gamma = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    for fraction, time in ((0.3, 0.1), (0.6, 0.4)):
        for start in (definition.law((1, 2, "0.3")), definition.law((0.5, -3, 1), (0.5, 1, "1.5"))):
            target = definition.two_modes()
            limit = definition.rounds(target, fraction, [time] * 50)[-1]
            rest = definition.grid(limit, x)
            measured: dict[str, list[float]] = {
                "setting": [fraction, np.exp(-time)],
                "tv": [],
                "kl": [],
                "w1": [],
                "w2": [],
                "chi": [],
                "l2": [],
            }
            for p in definition.rounds(target, fraction, [time] * 4, start):
                density = definition.grid(p, x)
                measured["tv"].append(float(np.abs(density - rest).sum() * 0.01))
                inside = density > 1e-290
                measured["kl"].append(
                    float((density[inside] * np.log(density[inside] / rest[inside])).sum() * 0.02)
                )
                measured["chi"].append(float(((density - rest) ** 2 / rest).sum() * 0.02))
                measured["l2"].append(float(np.sqrt(((density - rest) ** 2 / gamma).sum() * 0.02)))
                measured["w1"].append(definition.wasserstein(p, limit, order=1, step=0.1))
                measured["w2"].append(definition.wasserstein(p, limit, step=0.1))
            rows.append(measured)
    return rows


@high_precision(
    "four settings, four rounds, six metrics by quadrature and quantiles: no round shrinks less than its rate"
)
def no_violation(claim: Claim) -> Outcome:
    pairs = []
    for row in _rows():
        fraction, scale = row["setting"]
        for name, rate in (
            ("tv", claim.tv(fraction, scale)),
            ("kl", claim.kl(fraction, scale)),
            ("w1", claim.w1(fraction, scale)),
            ("w2", claim.w2_square(fraction, scale) ** 0.5),
            ("chi", claim.chi(fraction, scale)),
            ("l2", claim.l2(fraction, scale)),
        ):
            pairs += [(after, rate * before) for before, after in zip(row[name], row[name][1:], strict=False)]
    return ordered(pairs, 1e-6)


def _heavy_w2(beta: float, fraction: float, time: float, index: int) -> float:
    """W2 to N(0,1) after `index` rounds from a symmetric start with tail (1 + x)^(-beta), by tail integrals."""
    from scipy.special import ndtr, ndtri

    w, a = (1 - fraction) ** index, np.exp(-time * index)
    s = np.sqrt(1 - a * a)
    near, far = np.linspace(0, 12, 481), np.geomspace(12.002, 1e9, 4001)
    # Near the origin: integrate over X = +-(e^v - 1), v exponential, with the noise in closed form.
    v = (np.arange(3_000) + 0.5) * 0.008
    share = beta * np.exp(-beta * v) * 0.008
    reach = a * np.expm1(v)
    close = (
        np.array([0.5 * float(share @ (ndtr((reach - x) / s) + ndtr(-(reach + x) / s))) for x in near])
        / share.sum()
    )
    # Far out the tail is a smooth power and a Gauss rule over the noise is exact to rounding.
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    distant = (0.5 * (1 + (far[:, None] - s * nodes) / a) ** -beta) @ (weights / weights.sum())
    x, survival = np.concatenate([near, far]), np.concatenate([close, distant])
    tail = (1 - w) * ndtr(-x) + w * survival
    gap = x + ndtri(np.clip(tail, 1e-300, 0.5))
    middle = (gap[1:] ** 2 + gap[:-1] ** 2) / 2
    return float(np.sqrt(2 * (middle * -np.diff(tail)).sum()))


def _threshold(beta: float, fraction: float, time: float, index: int) -> float:
    """Where the tail left of the start crosses that of N(0,1): the normal quantile stays near it further out."""
    from scipy.optimize import brentq
    from scipy.special import log_ndtr

    far = index * time

    def gap(z: float) -> float:
        return (
            float(log_ndtr(-z)) - index * np.log1p(-fraction) - np.log(0.5) + beta * np.log1p(z * np.exp(far))
        )

    return float(brentq(gap, 1.0, 60.0))


@high_precision(
    "starts with tails x^-2.5 and x^-4: slope of log W2 between rounds 27 and 36, less that of the logarithmic factor z^(1 - beta/2)"
)
def heavy_tails(claim: Claim) -> Outcome:
    outcomes = []
    for beta in (2.5, 4.0):
        fraction, time = 0.3, 0.25
        # W2^2 is w a^(i beta) z^(2 - beta) times a constant, z the threshold, which grows like the root of i.
        values = [
            np.log(_heavy_w2(beta, fraction, time, i))
            - (1 - beta / 2) * np.log(_threshold(beta, fraction, time, i))
            for i in (27, 36)
        ]
        slope = (values[1] - values[0]) / 9
        predicted = np.log(claim.heavy(fraction, np.exp(-time), beta))
        outcomes.append(
            decided(
                abs(slope - predicted) < 2e-3,
                f"tail {beta}: slope {slope:.5f}, predicted {predicted:.5f}",
            )
        )
    return all_of(*outcomes)


@high_precision(
    "laws far out, one round of the definition: total variation, KL, chi-square and W1 against a limit with disjoint ages, "
    "W2 and L2(gamma) against N(0,1)",
    role="sharpness",
)
def extremal(claim: Claim) -> Outcome:
    outcomes = []
    base, time = definition.law((1, 0, 1)), 0.3
    for fraction in (0.3, 0.6):
        scale = float(np.exp(-time))
        far = families.swapped_ages(fraction, time)
        share, place = 1e-3, 1e9
        start = definition.law((1 - share, 0, 1), (share, place, 1)), definition.law((1, "1e-3", 1))
        after = [definition.truncate(definition.mix(mpf(fraction), base, p), time) for p in start]
        w2 = [
            definition.wasserstein(p, base, breaks=(-float(ndtri(mass)),))
            for p, mass in ((start[0], share), (after[0], share * (1 - fraction)))
        ]
        l2 = [mpmath.sqrt(families.chi_square(p, base)) for p in (start[1], after[1])]
        for name, rate, (before, behind) in (
            ("TV", claim.tv(fraction, scale), far["tv"]),
            ("KL", claim.kl(fraction, scale), far["kl"]),
            ("chi-square", claim.chi(fraction, scale), far["chi"]),
            ("W1", claim.w1(fraction, scale), far["w1"]),
            ("W2", claim.w2_square(fraction, scale) ** 0.5, w2),
            ("L2(gamma)", claim.l2(fraction, scale), l2),
        ):
            found = attained([(behind, rate * before * (1 + 1e-9))], 1e-6)
            outcomes.append(
                found if found.status == SUPPORTS else Outcome(found.status, f"{name}: {found.closeness}")
            )
    return all_of(*outcomes)


@simulated(
    "300 000 particles from a far start: ratios of mean distance (W1 between ordered laws) in six rounds"
)
def particles(claim: Claim) -> Outcome:
    rng = np.random.default_rng(13)
    fraction, time = 0.3, 0.1
    y, z = 6 + rng.standard_normal(300_000), definition.draw(rng, definition.two_modes(), (300_000,))
    gaps = []
    for _ in range(6):
        gaps.append(abs(y.mean() - z.mean()))
        fresh = rng.random(y.size) < fraction
        new = definition.draw(rng, definition.two_modes(), (300_000,))
        pick = rng.integers(0, y.size, y.size)
        noise = np.sqrt(-np.expm1(-2 * time)) * rng.standard_normal(y.size)
        y, z = (np.exp(-time) * np.where(fresh, new, old[pick]) + noise for old in (y, z))
    return ordered(
        [
            (after, claim.w1(fraction, np.exp(-time)) * before * 1.02)
            for before, after in zip(gaps, gaps[1:], strict=False)
        ]
    )


def _package() -> Iterator[tuple[str, Any, Any]]:
    rate = subject.fetch("contraction_rate")
    A, a = 0.3, float(np.exp(-0.2))
    for metric, value in (
        ("total_variation", CLAIM.tv(A, a)),
        ("kl", CLAIM.kl(A, a)),
        ("wasserstein1", CLAIM.w1(A, a)),
        ("wasserstein2", CLAIM.w2_square(A, a) ** 0.5),
        ("l2_gamma", CLAIM.l2(A, a)),
    ):
        yield metric, subject.number(rate(fresh_fraction=A, truncation_time=0.4, metric=metric)), value


STATEMENT = Statement(
    id="additions.metric_rates",
    title="Rates per round in six metrics",
    source="new",
    text=(
        r"A round contracts the distance to the limit by $1-\alpha$ in total variation, KL and chi-square, by $(1-\alpha)a$ in $W_1$ and $L^2(\gamma)$, by $\sqrt{1-\alpha}\,a$ in $W_2$. Tails decide how much better it is: a start with tail "
        r"$x^{-\beta}$, $\beta>2$, approaches in $W_2$ at $\sqrt{1-\alpha}\,a^{\beta/2}$."
    ),
    formula=r"\mathrm{TV},\mathrm{KL},\chi^2:\;1-\alpha;\qquad W_1,L^2(\gamma):\;(1-\alpha)a;\qquad W_2:\;\sqrt{1-\alpha}\,a",
    conditions=r"each where finite; the rate for heavy tails is asymptotic, up to logarithms",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "algebra of the contraction inequalities"),
        no_violation,
        heavy_tails,
        extremal,
        particles,
    ),
    mutations=(
        Mutation(
            "exponent", r"$W_2$ at $(1-\alpha)a$", {"w2_square": lambda alpha, a: (1 - alpha) ** 2 * a**2}
        ),
        Mutation("constant", r"KL at $\frac{1-\alpha}{2}$", {"kl": lambda alpha, a: (1 - alpha) / 2}),
        Mutation("sign", r"TV at $1-2\alpha$", {"tv": lambda alpha, a: 1 - 2 * alpha}),
        Mutation(
            "dropped condition",
            r"heavy tails at the rate of light ones",
            {"heavy": lambda alpha, a, beta: (1 - alpha) * a},
        ),
    ),
    expected="sharp",
    package=Package("contraction_rate", "tests/recursion/test_modes.py", _package),
    remark=r"Sharpness is that of one round: for each metric two laws and their images under one round of the definition attain the rate to six digits. The exponents for heavy tails are supported numerically, up to logarithms.",
)
