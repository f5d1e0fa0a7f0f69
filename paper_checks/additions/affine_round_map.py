"""Round maps that are affine in the variance: limit, rate, and the share of fresh data below which there is none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..evidence import Claim, Outcome, agreement, all_of, high_precision, identity, scores, simulated
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    limit=lambda A, B, alpha, v: (A * alpha * v + B) / (1 - (1 - alpha) * A),
    rate=lambda A, alpha: (1 - alpha) * A,
    critical=lambda A: 1 - 1 / A,
)

A, B, alpha, data, model = sympy.symbols("A B alpha v_d v", positive=True)


def _round(variance: Any) -> Any:
    return A * (alpha * data + (1 - alpha) * variance) + B


def _fixed(claim: Claim) -> Outcome:
    return identity(
        sympy.solve(model - _round(model), model)[0], claim.limit(A, B, alpha, data), "fixed point"
    )


def _deviation(claim: Claim) -> Outcome:
    limit = claim.limit(A, B, alpha, data)
    return identity(_round(model) - limit, claim.rate(A, alpha) * (model - limit), "deviation")


def _critical(claim: Claim) -> Outcome:
    share = sympy.solve(sympy.diff(_round(model), model) - 1, alpha)[0]
    return all_of(
        identity(share, claim.critical(A), "critical share"),
        identity(claim.rate(A, share), 1, "rate there"),
    )


STEPS = (
    Step(
        r"A round trains on the variance $\alpha v_d+(1-\alpha)v$ and makes $A$ times it, plus $B$. The only fixed point of this line:",
        r"v_\infty=\frac{A\alpha v_d+B}{1-(1-\alpha)A}",
        _fixed,
    ),
    Step(
        r"A deviation from it is multiplied by the slope of the line once a round:",
        r"v_{i+1}-v_\infty=(1-\alpha)A\,(v_i-v_\infty)",
        _deviation,
    ),
    Step(
        r"So the variance converges, from every start, if and only if $(1-\alpha)A<1$; with $A>1$ that needs the share",
        r"\alpha>1-\frac1A",
        _critical,
    ),
)

# (A, B, alpha): channels that shrink, that keep the scale, and that widen
ROUNDS = (
    (mpf("0.81"), mpf("0.19"), mpf("0.3")),
    (mpf(1), mpf("0.04"), mpf("0.3")),
    (mpf("1.2"), mpf(0), mpf("0.4")),
)


def _second_moments(slope: Any, offset: Any, share: Any, rounds: int) -> list[Any]:
    """Second moments of mixture laws, round by round, from the mixtures themselves."""
    target = definition.law((0.5, "-0.8", "0.1"), (0.5, "0.8", "0.1"))
    law, moments = target, []
    for _ in range(rounds + 1):
        moments.append(definition.raw_moments(law, 2)[2])
        law = definition.channel(definition.mix(share, target, law), mpmath.sqrt(slope), offset)
    return moments


@cache
def _trajectories() -> list[list[Any]]:
    return [_second_moments(*settings, 100) for settings in ROUNDS]


@high_precision(
    "centred two-mode mixtures through 100 rounds of three channels, one of them wider than its input"
)
def mixtures(claim: Claim) -> Outcome:
    pairs = []
    for (slope, offset, share), path in zip(ROUNDS, _trajectories(), strict=True):
        end = claim.limit(slope, offset, share, path[0])
        pairs.append((path[-1], end))
        pairs.append(((path[4] - path[3]) / (path[3] - path[2]), claim.rate(slope, share)))
    return agreement(pairs, 13)


@high_precision(
    "the share at which increments of the mixtures' variance stop shrinking, by a secant through two shares"
)
def turning(claim: Claim) -> Outcome:
    pairs = []
    for slope in (mpf("1.1"), mpf("1.5"), mpf(4)):
        low, high = mpf("0.2"), mpf("0.5")
        ratios = []
        for share in (low, high):
            path = _second_moments(slope, mpf("0.02"), share, 3)
            ratios.append((path[3] - path[2]) / (path[2] - path[1]))
        pairs.append((low + (1 - ratios[0]) * (high - low) / (ratios[1] - ratios[0]), claim.critical(slope)))
    return agreement(pairs, 18)


PARTICLE_ROUNDS = ((0.8, 0.1, 0.3), (1.2, 0.05, 0.4))
AFTER = (3, 40)


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(71)
    means, errors = [], []
    for slope, offset, share in PARTICLE_ROUNDS:
        x = rng.standard_normal((200, 1000))
        for i in range(1, AFTER[-1] + 1):
            parents = np.take_along_axis(x, rng.integers(0, x.shape[1], x.shape), 1)
            x = np.where(rng.random(x.shape) < share, rng.standard_normal(x.shape), parents)
            x = np.sqrt(slope) * x + np.sqrt(offset) * rng.standard_normal(x.shape)
            if i in AFTER:
                mean, error = definition.over_runs((x**2).mean(-1), 0)
                means.append(mean)
                errors.append(error)
    return np.array(means), np.array(errors)


@simulated("200 runs of 1 000 particles through two channels: second moments after 3 and 40 rounds")
def particles(claim: Claim) -> Outcome:
    mean, error = _runs()
    predicted = []
    for slope, offset, share in PARTICLE_ROUNDS:
        end = claim.limit(slope, offset, share, 1.0)
        predicted += [end + claim.rate(slope, share) ** i * (1.0 - end) for i in AFTER]
    return scores(mean, predicted, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    pipeline, mechanisms = subject.fetch("Pipeline"), subject.fetch("mechanisms")
    widening = mechanisms.ScoreError(slope=0.2)
    for label, parts, index in (
        ("stop of a flow", [mechanisms.Autoencoder(0.9, 0.19)], 0),
        ("blur", [mechanisms.Blur(0.2)], 1),
        ("score error", [widening], 2),
    ):
        slope, offset, share = ROUNDS[index]
        run = pipeline(parts, fresh_fraction=float(share))
        start = mpf("0.74")
        value = start
        for _ in range(800):
            value = slope * (share * start + (1 - share) * value) + offset
        yield f"limit, {label}", subject.number(run.limit(0.74)), value
        yield f"rate, {label}", subject.number(run.rate(0.74)), slope * (1 - share)
    yield "no limit", 1.0 / subject.number(pipeline([widening], fresh_fraction=0.16).limit(0.74)), 0


STATEMENT = Statement(
    id="additions.affine_round_map",
    title="Limit, rate and critical share of an affine round",
    source="new",
    text=r"Where one round turns the variance $w$ of its training law into $Aw+B$ (early stopping, blur, a refit, a linear autoencoder, an error of the score), the recursion settles at one variance, geometrically; a round that widens, $A>1$, has a limit only above a critical share of fresh data.",
    formula=r"v_\infty=\frac{A\alpha v_d+B}{1-(1-\alpha)A},\qquad\text{rate }(1-\alpha)A,\qquad\alpha>1-\frac1A",
    conditions=r"data and model have the same mean along the direction; $A,B\geq0$; $(1-\alpha)A<1$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "fixed point, deviation and critical share of the line"),
        mixtures,
        turning,
        particles,
    ),
    mutations=(
        Mutation(
            "constant",
            r"fresh data not passed through the round",
            {"limit": lambda A, B, alpha, v: (alpha * v + B) / (1 - (1 - alpha) * A)},
        ),
        Mutation(
            "sign",
            r"$1+(1-\alpha)A$",
            {"limit": lambda A, B, alpha, v: (A * alpha * v + B) / (1 + (1 - alpha) * A)},
        ),
        Mutation("exponent", r"$(1-\alpha)\sqrt A$", {"rate": lambda A, alpha: (1 - alpha) * A**0.5}),
        Mutation("constant", r"$1-1/A^2$", {"critical": lambda A: 1 - 1 / A**2}),
        Mutation("dropped condition", "rate without fresh data", {"rate": lambda A, alpha: A}),
    ),
    expected="holds",
    package=Package(
        "Pipeline.limit, Pipeline.rate",
        "tests/pipeline/test_pipeline.py",
        _package,
        digits=9,
    ),
)
