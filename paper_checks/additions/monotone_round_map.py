"""Any round map: what a fixed point keeps; a map that never falls: where the recursion from the data goes."""

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


def _nearest(roots: list[Any], start: Any, first_step: Any) -> Any:
    """The nearest fixed point in the direction of the first step."""
    if first_step > 0:
        return min(root for root in roots if root > start)
    return max(root for root in roots if root < start)


CLAIM = Claim(
    # r = V(w)/w at the fixed point: what one round keeps
    kept=lambda alpha, r: alpha * r / (1 - (1 - alpha) * r),
    training=lambda alpha, r: alpha / (1 - (1 - alpha) * r),
    amplification=lambda alpha: 1 / alpha,
    rate=lambda alpha, slope: (1 - alpha) * slope,
    reached=_nearest,
)

alpha, r, data, model = sympy.symbols("alpha r v_d v", positive=True)


def _identity(claim: Claim) -> Outcome:
    w = sympy.Symbol("w", positive=True)
    pool = sympy.solve(w - (alpha * data + (1 - alpha) * r * w), w)[0]
    return all_of(
        identity(pool / data, claim.training(alpha, r), "training law"),
        identity(r * pool / data, claim.kept(alpha, r), "model"),
    )


def _amplified(claim: Claim) -> Outcome:
    slope = sympy.diff(sympy.log(claim.kept(alpha, r)), r).subs(r, 1)
    return identity(slope, claim.amplification(alpha), "logarithmic slope at r = 1")


def _rate(claim: Claim) -> Outcome:
    V, w, slope = sympy.Function("V"), sympy.Symbol("w"), sympy.Symbol("slope", positive=True)
    pool = alpha * data + (1 - alpha) * model
    changed = sympy.diff(V(pool), model).subs(pool, w).doit()
    changed = changed.replace(sympy.Derivative(V(w), w), slope)
    return identity(changed, claim.rate(alpha, slope), "chain rule")


STEPS = (
    Step(
        r"A fixed point has $v=V(w)=rw$ and $w=\alpha v_d+(1-\alpha)v$, which is linear in $w$ for the value that $r$ has there:",
        r"\frac{w}{v_d}=\frac{\alpha}{1-(1-\alpha)r},\qquad\frac{v}{v_d}=\frac{\alpha r}{1-(1-\alpha)r}",
        _identity,
    ),
    Step(
        r"Near $r=1$ a relative change of one round counts once for each of the $1/\alpha$ rounds that a datum lives:",
        r"\frac{d\log(v/v_d)}{d\log r}=\frac{1}{\alpha}\quad(r=1)",
        _amplified,
    ),
    Step(
        r"A small deviation from a fixed point is multiplied once a round by the slope of $F(v)=V(\alpha v_d+(1-\alpha)v)$:",
        r"F'(v)=(1-\alpha)V'(w)",
        _rate,
    ),
    Step(
        r"Let $V$ never fall; then neither does $F$. If $v_1=F(v_0)\geq v_0$, then $v_2=F(v_1)\geq F(v_0)=v_1$, and so on: the sequence rises. If $v_\ast\geq v_0$ is a fixed point, then $v_i\leq v_\ast$ for all $i$, since $F(v_i)\leq F(v_\ast)=v_\ast$. A rising bounded sequence converges, by continuity to a fixed point, and no fixed point above $v_0$ lies below its limit. The same with all signs turned round, where zero is always a bound."
    ),
)

SIGMAS = [
    (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(18)
]  # EDM's levels


def _heun(w: Any) -> Any:
    """Variance that EDM's 18 Heun steps with the exact denoiser make, started at variance 80^2."""
    x = mpf(1)
    for j, level in enumerate(SIGMAS):
        following = SIGMAS[j + 1] if j < 17 else 0.0
        slope = level * x / (w + level * level)
        euler = x + (following - level) * slope
        if following > 0.0:
            slope = (slope + following * euler / (w + following * following)) / 2
        x = x + (following - level) * slope
    return (SIGMAS[0] * x) ** 2


# (alpha, data variance, rounds): below EDM's fold the direction dies, above it variances grow
CASES = ((mpf("0.1"), mpf("5e-6"), 300), (mpf("0.1"), mpf("0.25"), 900), (mpf("0.5"), mpf("0.01"), 60))


@cache
def _roots(share: Any, start: Any) -> list[tuple[Any, Any]]:
    """(v, w) of all fixed points: sign changes on a grid of w, then bisection."""

    def excess(log_w: Any) -> Any:
        w = mpmath.exp(log_w)
        return (1 - share) * _heun(w) + share * start - w

    grid = [mpmath.log(share * start) + k * mpf("0.25") for k in range(100)]
    values = [excess(point) for point in grid]
    roots = []
    for j in range(len(grid) - 1):
        if values[j] * values[j + 1] < 0:
            w = mpmath.exp(mpmath.findroot(excess, (grid[j], grid[j + 1]), solver="anderson", tol=1e-30))
            roots.append((_heun(w), w))
    return roots


@cache
def _path(share: Any, start: Any, rounds: int) -> list[Any]:
    path = [start]
    for _ in range(rounds):
        path.append(_heun(share * start + (1 - share) * path[-1]))
    return path


@high_precision(
    "EDM's 18 Heun steps iterated at 30 digits below and above its fold: limit, identity and rate"
)
def iterated(claim: Claim) -> Outcome:
    pairs = []
    for share, start, rounds in CASES:
        roots, path = _roots(share, start), _path(share, start, rounds)
        aim = claim.reached([v for v, _ in roots], start, path[1] - start)
        pairs.append((path[-1], aim))
        for v, w in roots:
            pairs.append((v / start, claim.kept(share, _heun(w) / w)))
            pairs.append((w / start, claim.training(share, _heun(w) / w)))
    share, start, rounds = CASES[-1]
    (end, w), path = _roots(share, start)[-1], _path(share, start, rounds)
    measured = (path[36] - end) / (path[35] - end)
    pairs.append((measured, claim.rate(share, mpmath.diff(_heun, w, h=mpf("1e-12")))))
    return agreement(pairs, 9)


@high_precision("the paths below and above the fold of EDM's 18 steps move one way only")
def one_way(claim: Claim) -> Outcome:
    pairs = []
    for share, start, rounds in CASES:
        path = _path(share, start, rounds)
        aim = claim.reached([v for v, _ in _roots(share, start)], start, path[1] - start)
        moved = mpmath.fsum(abs(b - a) for a, b in zip(path, path[1:], strict=False))
        pairs.append((moved, abs(aim - start)))
    return agreement(pairs, 9)


FLOW = (5, 0.3, 0.25)  # Euler steps of a flow, share of fresh data, data variance


def _flow(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Euler's steps of flow matching with the exact denoiser of N(0, w)."""
    steps = FLOW[0]
    for j in range(steps):
        sigma = 1 - j / steps
        a = 1 - sigma
        x = x - (sigma - a * w) / (a * a * w + sigma * sigma) * x / steps
    return x


@cache
def _runs() -> tuple[float, float, float]:
    """Mean of the model's variance, its standard error, and r of the training variance it had."""
    rng = np.random.default_rng(72)
    _, share, start = FLOW
    runs, count = 200, 4000
    x = np.sqrt(start) * rng.standard_normal((runs, count))
    for _ in range(25):
        fresh = rng.random((runs, count)) < share
        pool = np.where(fresh, np.sqrt(start) * rng.standard_normal((runs, count)), x)
        w = (pool**2).mean(-1, keepdims=True)
        x = _flow(w, rng.standard_normal((runs, count)))
    mean, error = definition.over_runs((x**2).mean(-1), 0)
    return float(mean), float(error), float((_flow(w, np.ones_like(w)) ** 2).mean() / w.mean())


@simulated("200 runs of 4 000 particles, each round five Euler steps of a flow fitted to its training set")
def particles(claim: Claim) -> Outcome:
    mean, error, ratio = _runs()
    return scores([mean], [FLOW[2] * claim.kept(FLOW[1], ratio)], [error])


def _package() -> Iterator[tuple[str, Any, Any]]:
    pipeline, steps = (subject.fetch(name) for name in ("Pipeline", "mechanisms.SamplerSteps"))
    for share, start, rounds in CASES:
        run = pipeline([steps.edm(steps=18)], fresh_fraction=float(share))
        yield (
            f"limit of {float(start)}",
            subject.number(run.limit(float(start))),
            _path(share, start, rounds)[-1],
        )
        for point, (v, _) in zip(run.limits(float(start)), _roots(share, start), strict=True):
            yield f"all limits of {float(start)}", point.variance, v


STATEMENT = Statement(
    id="additions.monotone_round_map",
    title="What a fixed point keeps, and which one is reached from the data",
    source="new",
    text=r"At every fixed point of a round map the share of variance that is left follows from the share $r=V(w)/w$ that one round keeps; a loss of one round is amplified about $1/\alpha$ times. Where the map never falls, the recursion from the data moves one way only and ends at the nearest fixed point in the direction of its first step, at the rate $(1-\alpha)V'(w)$. Real samplers have several fixed points.",
    formula=r"\frac{v}{v_d}=\frac{\alpha r}{1-(1-\alpha)r},\qquad\text{rate }(1-\alpha)V'(w)",
    conditions=r"$\alpha>0$; data and model have the same mean; $V$ continuous, nondecreasing for the last two sentences",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "fixed point, amplification and rate; the rest is an induction for a reader"),
        iterated,
        one_way,
        particles,
    ),
    mutations=(
        Mutation("constant", r"$r/(1-(1-\alpha)r)$", {"kept": lambda a, r: r / (1 - (1 - a) * r)}),
        Mutation("sign", r"$1+(1-\alpha)r$", {"kept": lambda a, r: a * r / (1 + (1 - a) * r)}),
        Mutation("exponent", r"amplified $1/\alpha^2$ times", {"amplification": lambda a: 1 / a**2}),
        Mutation(
            "dropped condition",
            "the largest fixed point, wherever the first step points",
            {"reached": lambda roots, start, step: max(roots)},
        ),
        Mutation("dropped condition", "rate of the sampler alone", {"rate": lambda a, slope: slope}),
    ),
    expected="holds",
    package=Package(
        "Pipeline.limit, Pipeline.limits",
        "tests/pipeline/test_pipeline.py",
        _package,
        digits=7,
    ),
)
