"""Ages of processes without a little q-Jacobi measure: Gauss rules on dyadic panels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import subject
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

CLAIM = Claim(
    nodes=14,  # per panel
    digits=15,
    doubling=lambda keep, half: keep**half,  # weight of the second half of a panel relative to the first
    first=16,  # ages kept one by one
    level=lambda first: first.bit_length() - 1,  # log2 of the first panel's length
)

keep, s = sympy.symbols("keep s", positive=True)
half = sympy.Symbol("half", integer=True, positive=True)


def _panel(claim: Claim) -> Outcome:
    outcomes = []
    for level in (1, 2, 3):
        size = 2**level
        whole = sum(keep**k * s**k for k in range(2 * size))
        part = sum(keep**k * s**k for k in range(size))
        outcomes.append(
            identity(
                sympy.expand(part + claim.doubling(keep, size) * s**size * part),
                sympy.expand(whole),
                f"panel of {2 * size} ages",
            )
        )
    return all_of(*outcomes)


STEPS = (
    Step(
        r"For noise that adds up (variance-exploding units, blur) the limit is $\sum_k\alpha(1-\alpha)^{k-1}F(k)$ with $F$ smooth on the scale of the age itself. A panel of "
        r"$2^{l+1}$ consecutive ages is two panels of $2^l$, the second weighted by $(1-\alpha)^{2^l}$:",
        r"\sum_{k<2m}\lambda^ks^k=(1+\lambda^ms^m)\sum_{k<m}\lambda^ks^k,\qquad\lambda=1-\alpha",
        _panel,
    ),
    Step(
        r"Keep the first ages one by one; replace every later panel $[2^l,2^{l+1})$ by the Gauss rule of its discrete measure with a fixed number of nodes. $F$ is analytic in a neighbourhood of a panel as large "
        r"as the panel, so the error falls geometrically in the number of nodes, the same for all panels: a few hundred nodes for any number of ages."
    ),
)


@cache
def _rule(alpha: str, level: int, nodes: int, shift: float) -> tuple[list[Any], list[Any]]:
    """Gauss rule of sum over k < 2^level of keep^k F(k), by Stieltjes' procedure in high precision; built from its halves."""
    keep_ = 1 - mpf(alpha)
    if 2**level <= nodes:
        return [mpf(k) for k in range(2**level)], [keep_**k for k in range(2**level)]
    points, masses = _rule(alpha, level - 1, nodes, shift)
    size = 2 ** (level - 1)
    points = points + [p + size for p in points]
    masses = masses + [w * keep_**size * (1 + mpf(shift)) for w in masses]
    centre, radius = mpf(2**level - 1) / 2, mpf(2**level) / 2
    x = [(p - centre) / radius for p in points]
    total = mpmath.fsum(masses)
    before, now, diagonal, products, norm = [mpf(0)] * len(x), [mpf(1)] * len(x), [], [], total
    for n in range(nodes):
        mean = mpmath.fsum(w * q * q * t for w, q, t in zip(masses, now, x, strict=True)) / norm
        diagonal.append(mean)
        b = products[-1] if products else mpf(0)
        before, now = now, [(t - mean) * q - b * o for t, q, o in zip(x, now, before, strict=True)]
        fresh = mpmath.fsum(w * q * q for w, q in zip(masses, now, strict=True))
        if n + 1 < nodes:
            products.append(fresh / norm)
        norm = fresh
    J = mpmath.zeros(nodes)
    for n in range(nodes):
        J[n, n] = diagonal[n]
        if n + 1 < nodes:
            J[n, n + 1] = J[n + 1, n] = mpmath.sqrt(products[n])
    values, vectors = mpmath.eigsy(J)
    return [centre + radius * values[k] for k in range(nodes)], [
        total * vectors[0, k] ** 2 for k in range(nodes)
    ]


def ages(claim: Claim, alpha: str) -> tuple[list[Any], list[Any]]:
    """Real ages and weights that stand for all of them."""
    keep_ = 1 - mpf(alpha)
    points = [mpf(k) for k in range(1, claim.first + 1)]
    weights = [mpf(alpha) * keep_ ** (k - 1) for k in range(1, claim.first + 1)]
    done, level = claim.first, claim.level(claim.first)
    shift = float(claim.doubling(0.5, 4) / 0.5**4 - 1)
    while keep_**done > mpf("1e-20"):
        p, w = _rule(alpha, level, claim.nodes, shift)
        points += [done + 1 + q for q in p]
        weights += [mpf(alpha) * keep_**done * q for q in w]
        done += 2**level
        level += 1
    return points, weights


@high_precision(
    "limit densities of a scale-one recursion at alpha = 0.01 and 0.1: every age against the panels, and the count of nodes"
)
def densities(claim: Claim) -> Outcome:
    pairs, counts = [], []
    for alpha, last in (("0.1", 440), ("0.01", 4600)):
        points, weights = ages(claim, alpha)
        counts.append(len(points))
        for y in ("0", "3", "5"):
            for start, noise in (("0.4", "0.3"), ("0.1", "0.02")):

                def density(k: Any, v: Any = mpf(start), n: Any = mpf(noise), at: Any = mpf(y)) -> Any:
                    return mpmath.exp(-(at**2) / (2 * (v + k * n))) / mpmath.sqrt(2 * mpmath.pi * (v + k * n))

                few = mpmath.fsum(w * density(k) for k, w in zip(points, weights, strict=True))
                many = mpmath.fsum(
                    mpf(alpha) * (1 - mpf(alpha)) ** (k - 1) * density(k) for k in range(1, last)
                )
                pairs.append((few, many))
    return all_of(agreement(pairs, claim.digits - 1), decided(max(counts) < 200, f"{counts} nodes"))


@simulated("400 000 geometric ages: mean of 1/sqrt(1 + K/5) and of exp(-K/40) against the panels")
def drawn(claim: Claim) -> Outcome:
    rng = np.random.default_rng(64)
    K = rng.geometric(0.02, 400_000)
    points, weights = ages(claim, "0.02")
    found, error, predicted = [], [], []
    for function in (lambda k: 1 / np.sqrt(1 + k / 5), lambda k: np.exp(-k / 40)):
        sample = function(K)
        found.append(sample.mean())
        error.append(sample.std() / np.sqrt(K.size))
        predicted.append(sum(float(w) * function(float(p)) for p, w in zip(points, weights, strict=True)))
    return scores(found, predicted, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    points, weights = subject.fetch("laws.ages.geometric_ages")(0.001)
    for start, noise in ((0.4, 0.3), (0.1, 0.02)):
        k = np.arange(1.0, 45_000.0)
        many = float(np.sum(np.exp(np.log(0.001) + (k - 1) * np.log1p(-0.001)) / np.sqrt(start + k * noise)))
        yield (
            f"mean inverse deviation, noise {noise}",
            float(np.sum(weights / np.sqrt(start + points * noise))),
            many,
        )


STATEMENT = Statement(
    id="additions.dyadic_ages",
    title="Few ages for every process",
    source="new",
    text=r"Limits of recursions whose noise adds up (variance-exploding units, kernel blur) are sums over thousands of ages; Gauss rules on dyadic panels replace them by one or two hundred real ages, to rounding.",
    formula=r"\sum_{k\geq1}\alpha(1-\alpha)^{k-1}F(k)\approx\sum_jw_jF(k_j)",
    conditions=r"$F$ analytic on the scale of the age: densities, moments and scores of aged mixtures are; sixteen first ages, fourteen nodes a panel",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "a panel is two halves; the convergence of the rules is numerical", covers="cases"),
        densities,
        drawn,
    ),
    mutations=(
        Mutation("constant", "three nodes a panel", {"nodes": 3}),
        Mutation(
            "exponent",
            "the second half weighted by $(1-\\alpha)^{m/2}$",
            {
                "doubling": lambda keep, half: (
                    keep ** (half / sympy.Integer(2)) if isinstance(keep, sympy.Expr) else keep ** (half / 2)
                )
            },
        ),
        Mutation("sign", "the second half subtracted", {"doubling": lambda keep, half: -(keep**half)}),
        Mutation("dropped condition", "panels longer than the ages before them", {"level": lambda first: 9}),
    ),
    expected="supported",
    remark=r"Far out the density is no longer smooth on the scale of the age, and its relative error grows: with $\alpha=0.1$, $v_0=0.1$ and noise $0.02$ a round it is $10^{-15}$ at $y=5$ (density $10^{-7}$), "
    r"$10^{-8}$ at $y=12$ ($10^{-17}$) and $2\cdot10^{-3}$ at $y=20$ ($10^{-28}$).",
    package=Package("laws.ages.geometric_ages", "tests/laws/test_ages.py", _package),
)
