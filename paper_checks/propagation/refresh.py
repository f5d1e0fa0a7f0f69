"""Mixing in fresh data shrinks the chi-square divergence by (1 - alpha)^2, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy
from mpmath import mpf

from .. import definition, families, subject
from ..evidence import Claim, Outcome, agreement, high_precision, identity, scores, simulated
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(factor=lambda alpha: (1 - alpha) ** 2)

alpha, p, s = sympy.symbols("alpha p s", positive=True)


def _pointwise(claim: Claim) -> Outcome:
    return identity(
        (alpha * s + (1 - alpha) * p - s) ** 2 / s, claim.factor(alpha) * (p - s) ** 2 / s, "integrand"
    )


STEPS = (
    Step(
        r"At every point $\alpha p_\ast+(1-\alpha)p-p_\ast=(1-\alpha)(p-p_\ast)$; square, divide by $p_\ast$, integrate:",
        r"\frac{(\alpha p_\ast+(1-\alpha)p-p_\ast)^2}{p_\ast}=(1-\alpha)^2\frac{(p-p_\ast)^2}{p_\ast}",
        _pointwise,
    ),
)


@high_precision("three pairs of mixtures with finite divergence, by integration")
def mixtures(claim: Claim) -> Outcome:
    pairs = []
    wide = definition.law((0.5, -1, 2), (0.5, 1, 2))
    for fraction in (mpf("0.1"), mpf("0.5"), mpf("0.9")):
        for p in (definition.two_modes(), definition.three_modes()):
            mixed = definition.mix(fraction, wide, p)
            pairs.append(
                (families.chi_square(mixed, wide), claim.factor(fraction) * families.chi_square(p, wide))
            )
    return agreement(pairs, 20)


@simulated("chi-square as a mean over 400 000 samples of the target, mixture against model")
def sampled(claim: Claim) -> Outcome:
    rng = np.random.default_rng(3)
    wide = definition.law((0.5, -1, 2), (0.5, 1, 2))
    value, error, predicted = [], [], []
    for fraction in (0.2, 0.7):
        x, z = (definition.draw(rng, wide, (400_000,)) for _ in range(2))
        mixed = (
            definition.grid(definition.mix(mpf(fraction), wide, definition.two_modes()), x)
            / definition.grid(wide, x)
            - 1
        ) ** 2
        alone = (definition.grid(definition.two_modes(), z) / definition.grid(wide, z) - 1) ** 2
        gap = mixed.mean() - claim.factor(fraction) * alone.mean()
        value.append(gap)
        predicted.append(0.0)
        error.append(
            np.sqrt(mixed.var() / mixed.size + claim.factor(fraction) ** 2 * alone.var() / alone.size)
        )
    return scores(value, predicted, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    refreshed = subject.fetch("bounds.refreshed_divergence")
    wide = definition.law((0.5, -1, 2), (0.5, 1, 2))
    before = families.chi_square(definition.two_modes(), wide)
    for fraction in (0.2, 0.7):
        after = families.chi_square(definition.mix(mpf(fraction), wide, definition.two_modes()), wide)
        yield (
            f"fresh fraction {fraction}",
            subject.number(refreshed(float(before), fresh_fraction=fraction)),
            after,
        )


STATEMENT = Statement(
    id="propagation.refresh",
    title="Fresh data refresh by the square of the synthetic share",
    source="propagation paper, the refresh lemma",
    text=r"Mixing a model with a share $\alpha$ of fresh data multiplies its chi-square divergence from the data by exactly $(1-\alpha)^2$.",
    formula=r"\chi^2(\alpha p_\ast+(1-\alpha)p\,\|\,p_\ast)=(1-\alpha)^2\,\chi^2(p\,\|\,p_\ast)",
    conditions="none (both sides may be infinite)",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "the integrands are equal at every point"), mixtures, sampled),
    mutations=(
        Mutation("exponent", r"$1-\alpha$", {"factor": lambda alpha: 1 - alpha}),
        Mutation("sign", r"$(1+\alpha)^2$", {"factor": lambda alpha: (1 + alpha) ** 2}),
        Mutation("constant", r"$(1-\alpha)^2/2$", {"factor": lambda alpha: (1 - alpha) ** 2 / 2}),
        Mutation("dropped condition", "fresh data do nothing", {"factor": lambda alpha: 1}),
    ),
    expected="holds",
    package=Package("bounds.refreshed_divergence", "tests/bounds/propagation/test_innovation.py", _package),
)
