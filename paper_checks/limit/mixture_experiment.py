"""The two-dimensional mixture experiments: heat map of modes, KL under schedules."""

from __future__ import annotations

import itertools
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
    decided,
    high_precision,
    identity,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

# (weight, means, variances) of axis-parallel components in the plane
PLANE = ((0.35, (-1.2, 0.8), (0.3, 0.5)), (0.4, (1.0, 0.9), (0.4, 0.2)), (0.25, (0.2, -1.4), (0.6, 0.3)))

CLAIM = Claim(
    degree=lambda k: sum(k),
    factor=lambda n, alpha, x, i: (lambda g, kappa: g + (1 - g) * kappa**i)(
        alpha / (alpha + mpmath.expm1(n * x)), (1 - alpha) * mpmath.exp(-n * x)
    ),
    floor=lambda annealed: not annealed,  # does KL to the data stop at a positive floor?
    kl_rate=lambda alpha, a: (1 - alpha) * a,
)

r, s, X, Y, a = sympy.symbols("r s X Y a", positive=True)


def _product(claim: Claim) -> Outcome:
    # Both coordinates get the same noise: generating functions multiply and k_1 + k_2 counts.
    before = (a * r) * X + (a * s) * Y - a**2 * (r**2 + s**2) / 2
    after = r * a * X + r**2 * (1 - a**2) / 2 - r**2 / 2 + s * a * Y + s**2 * (1 - a**2) / 2 - s**2 / 2
    k1, k2 = sympy.symbols("k1 k2", integer=True, nonnegative=True)
    return all_of(
        identity(sympy.expand(after), sympy.expand(before), "generating function in the plane"),
        identity(claim.degree((k1, k2)), k1 + k2, "total degree"),
    )


STEPS = (
    Step(
        r"In the plane the generating function of the product Hermite functions is a product; a round multiplies mode $(k_1,k_2)$ by $a^{k_1+k_2}$. The heat map of $c_k(p_i)/c_k(p_\ast)$ is constant along total degrees:",
        r"\frac{c_k(p_i)}{c_k(p_\ast)}=f_{k_1+k_2}(i)",
        _product,
    ),
    Step(
        r"Under a constant time KL to the data rises to a floor $\mathrm{KL}(p_\ast\|p_\infty)>0$; under times that go to zero it returns to zero (Theorem 4.1). Once the means have settled, KL to the limit falls by $((1-\alpha)a)^2$ a round."
    ),
)


def _coefficient(components: list[tuple[Any, Any, Any]], k: tuple[int, int]) -> Any:
    return mpmath.fsum(
        mpf(w)
        * mpmath.fprod(
            definition.coefficient([(mpf(1), mpf(m), mpf(v))], n)
            for m, v, n in zip(mean, variance, k, strict=True)
        )
        for w, mean, variance in components
    )


def _plane_rounds(alpha: float, times: list[float], start: list[Any] | None = None) -> list[list[Any]]:
    laws = [list(PLANE) if start is None else start]
    for x in times:
        b, n2 = np.exp(-x), -np.expm1(-2 * x)
        mixed = [(alpha * w, m, v) for w, m, v in PLANE] + [((1 - alpha) * w, m, v) for w, m, v in laws[-1]]
        laws.append([(w, (b * m[0], b * m[1]), (b * b * v[0] + n2, b * b * v[1] + n2)) for w, m, v in mixed])
    return laws


@high_precision(
    "heat map of 27 modes after 1, 3 and 6 rounds, coefficients from raw moments in each coordinate"
)
def heat_map(claim: Claim) -> Outcome:
    pairs = []
    laws = _plane_rounds(0.3, [0.15] * 6)
    for k in itertools.product(range(7), repeat=2):
        if 1 <= sum(k) <= 6:
            first = _coefficient(list(PLANE), k)
            for index in (1, 3, 6):
                pairs.append(
                    (
                        _coefficient(laws[index], k),
                        claim.factor(claim.degree(k), mpf("0.3"), mpf("0.15"), index) * first,
                    )
                )
    return agreement(pairs, 9)


def _density(components: list[Any], grid: np.ndarray) -> np.ndarray:
    total = np.zeros((grid.size, grid.size))
    for w, m, v in components:
        one, two = (
            np.exp(-((grid - c) ** 2) / (2 * s)) / np.sqrt(2 * np.pi * s) for c, s in zip(m, v, strict=True)
        )
        total += float(w) * np.outer(one, two)
    return total


@cache
def curves() -> dict[str, list[float]]:
    """KL(p* || p_i) for a constant and a shrinking schedule, and KL(p_i || p_inf) for the constant one."""
    grid = np.arange(-6, 6.001, 0.05)
    data = _density(list(PLANE), grid)

    def kl(p: np.ndarray, q: np.ndarray) -> float:
        inside = p > 1e-200
        return float((p[inside] * np.log(p[inside] / q[inside])).sum() * 0.0025)

    def bregman(p: np.ndarray, q: np.ndarray) -> float:
        # KL with the linear term inside, which loses nothing when p is close to q.
        u = p / q - 1
        return float((q * ((1 + u) * np.log1p(u) - u)).sum() * 0.0025)

    constant = _plane_rounds(0.4, [0.1] * 40)
    annealed = _plane_rounds(0.4, [0.1 / (1 + i) for i in range(40)])
    start = [(1.0, (2.0, 0.0), (1.0, 1.0))]
    # Corrections to the rate fade like a per round, so the approach has a longer time: a = exp(-1/2).
    rest = _density(_plane_rounds(0.4, [0.5] * 60)[-1], grid)
    approach = _plane_rounds(0.4, [0.5] * 12, start)
    index = [1, 2, 4, 8, 16, 24, 32, 40]
    return {
        "index": [float(i) for i in index],
        "constant": [kl(data, _density(constant[i], grid)) for i in index],
        "annealed": [kl(data, _density(annealed[i], grid)) for i in index],
        "approach": [bregman(_density(p, grid), rest) for p in approach],
    }


@high_precision(
    "KL on a 241 x 241 grid: constant and shrinking schedule over 40 rounds, approach to the limit from a far start"
)
def divergences(claim: Claim) -> Outcome:
    found = curves()
    rest = found["constant"][-1] > 0.9 * found["constant"][4] > 1e-3
    returns = found["annealed"][-1] < found["annealed"][0] / 8
    rate = np.sqrt(found["approach"][12] / found["approach"][11])
    predicted = claim.kl_rate(0.4, np.exp(-0.5))
    return all_of(
        decided(rest == claim.floor(False), f"constant times: floor {found['constant'][-1]:.4f}"),
        decided(
            returns == (not claim.floor(True)),
            f"shrinking times: {found['annealed'][0]:.4f} to {found['annealed'][-1]:.5f}",
        ),
        decided(
            abs(rate / predicted - 1) < 0.005,
            f"approach: root of KL shrinks by {rate:.4f} a round, predicted {predicted:.4f}",
        ),
    )


@simulated("100 runs of 4 000 particles in the plane, six rounds: modes (1,0), (0,1), (1,1), (2,1)")
def particles(claim: Claim) -> Outcome:
    rng = np.random.default_rng(22)
    runs, count, fraction, time = 100, 4000, 0.3, 0.15
    weights = np.array([w for w, _, _ in PLANE])
    means, variances = (np.array([c[i] for c in PLANE]) for i in (1, 2))

    def sample() -> np.ndarray:
        which = rng.choice(3, (runs, count), p=weights)
        return means[which] + np.sqrt(variances[which]) * rng.standard_normal((runs, count, 2))

    y = sample()
    for _ in range(6):
        parents = np.take_along_axis(y, rng.integers(0, count, (runs, count, 1)).repeat(2, 2), 1)
        y = np.where(rng.random((runs, count, 1)) < fraction, sample(), parents)
        y = np.exp(-time) * y + np.sqrt(-np.expm1(-2 * time)) * rng.standard_normal(y.shape)
    h = definition.hermite_table(y, 2)
    found, error, predicted = [], [], []
    for k in ((1, 0), (0, 1), (1, 1), (2, 1)):
        value = (h[k[0], ..., 0] * h[k[1], ..., 1]).mean(1)
        found.append(value.mean())
        error.append(value.std(ddof=1) / np.sqrt(runs))
        predicted.append(
            float(claim.factor(claim.degree(k), mpf("0.3"), mpf("0.15"), 6) * _coefficient(list(PLANE), k))
        )
    return scores(found, predicted, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    weights, means, variances = ([c[i] for c in PLANE] for i in range(3))
    law = subject.fetch("GaussianMixture")(weights, means, variances)
    run = subject.fetch("Recursion")(law, fresh_fraction=0.3, truncation_time=0.3)
    table = np.asarray(run.coefficients(4, rounds=3))
    indices = np.asarray(law.hermite_coefficients(4).indices)
    last = _plane_rounds(0.3, [0.15] * 3)[-1]
    for position, k in enumerate(map(tuple, indices.tolist())):
        yield f"mode {k}", table[3, position], _coefficient(last, k)


def _figure() -> Any:
    from ..report.figures import axes

    figure, ax = axes(width=6.4, height=3.0)
    found = curves()
    ax.plot(found["index"], found["constant"], "o-", label=r"constant, $\theta t_0=0.1$")
    ax.plot(found["index"], found["annealed"], "s-", label=r"$\theta t_i=0.1/(1+i)$")
    ax.set_yscale("log")
    ax.set_xlabel("round")
    ax.set_ylabel(r"$\mathrm{KL}(p_\ast\|p_i)$")
    ax.set_title(r"a mixture in the plane, $\alpha=0.4$")
    ax.legend(frameon=False)
    return figure


STATEMENT = Statement(
    id="limit.mixture_experiment",
    title="Mixtures in the plane: modes fade by total degree, schedules decide the floor",
    source="limit paper, the two-dimensional mixture experiments",
    text=r"In the plane the heat map of coefficient ratios depends on the total degree alone. KL to the data reaches a positive floor under constant truncation and vanishes under times that go to zero; KL to the limit falls geometrically.",
    formula=r"\frac{c_k(p_i)}{c_k(p_\ast)}=f_{|k|}(i),\qquad\mathrm{KL}(p_i\|p_\infty)\sim\mathrm{const}\cdot((1-\alpha)a)^{2i}",
    conditions="a mixture of three axis-parallel components of our own; the papers' parameters are not at hand",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "generating function in the plane", covers="cases"),
        heat_map,
        divergences,
        particles,
    ),
    mutations=(
        Mutation(
            "constant",
            "the larger index alone",
            {"degree": lambda k: sympy.Max(*k) if isinstance(k[0], sympy.Expr) else max(k)},
        ),
        Mutation(
            "exponent",
            r"rate $((1-\alpha)a)^2$ for the root",
            {"kl_rate": lambda alpha, a: ((1 - alpha) * a) ** 2},
        ),
        Mutation(
            "sign", "factors above one", {"factor": lambda n, alpha, x, i: 2 - CLAIM.factor(n, alpha, x, i)}
        ),
        Mutation("dropped condition", "a floor under every schedule", {"floor": lambda annealed: True}),
    ),
    expected="supported",
    package=Package("Recursion.coefficients", "tests/recursion/test_recursion.py", _package, digits=9),
    figure=_figure,
)
