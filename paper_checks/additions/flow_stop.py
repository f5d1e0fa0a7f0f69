"""Flow matching stopped before the data: an Ornstein-Uhlenbeck channel about a narrow law of its own."""

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
    own=lambda eps: eps / (2 - eps),  # variance of the law that a round leaves alone
    factor=lambda eps, n: (1 - eps) ** n,
    limit=lambda factor, alpha: alpha * factor / (1 - (1 - alpha) * factor),
)

eps, alpha = sympy.symbols("eps alpha", positive=True)
x, z, s = sympy.symbols("x z s", real=True)
DEGREES = range(1, 6)


def _own(claim: Claim) -> Outcome:
    variance = sympy.Symbol("v", positive=True)
    fixed = sympy.solve((1 - eps) ** 2 * variance + eps**2 - variance, variance)[0]
    return identity(fixed, claim.own(eps), "fixed law")


def _polynomial(n: int, point: Any) -> Any:
    """The Hermite polynomial He_n(y / sqrt(s)) s^{n/2}, which has no roots of s."""
    coefficients = definition.hermite_polynomial(n)
    return sum(c * point**k * s ** ((n - k) // 2) for k, c in enumerate(coefficients) if c)


def _noise_average(expression: Any) -> Any:
    """Mean over z from N(0, 1)."""
    polynomial = sympy.Poly(sympy.expand(expression), z)
    return sum(c * (sympy.factorial2(k - 1) if k else 1) for (k,), c in polynomial.terms() if k % 2 == 0)


def _factors(claim: Claim) -> Outcome:
    outcomes = []
    for n in DEGREES:
        seen = _noise_average(_polynomial(n, (1 - eps) * x + eps * z)).subs(s, claim.own(eps))
        own = _polynomial(n, x).subs(s, claim.own(eps))
        outcomes.append(identity(sympy.expand(seen), sympy.expand(claim.factor(eps, n) * own), f"degree {n}"))
    return all_of(*outcomes)


def _limit(claim: Claim) -> Outcome:
    g, f = sympy.symbols("g f", positive=True)
    return identity(
        sympy.solve(g - f * (alpha + (1 - alpha) * g), g)[0], claim.limit(f, alpha), "fixed point"
    )


STEPS = (
    Step(
        r"Denoised exactly down to time $\varepsilon$, the path $(1-t)X_0+tZ$ ends in $(1-\varepsilon)X_0+\varepsilon Z$. Its variance is left alone at",
        r"s=(1-\varepsilon)^2s+\varepsilon^2\quad\Leftrightarrow\quad s=\frac{\varepsilon}{2-\varepsilon}",
        _own,
    ),
    Step(
        r"In units of $\sqrt s$ this is an Ornstein-Uhlenbeck step, $aY+\sqrt{1-a^2}Z$ with $a=1-\varepsilon$, since $\varepsilon^2/s=\varepsilon(2-\varepsilon)=1-a^2$. It multiplies every Hermite coefficient about $N(0,s)$ by a power of $a$:",
        r"E\,h_n\!\left(\frac{(1-\varepsilon)x+\varepsilon Z}{\sqrt s}\right)=(1-\varepsilon)^n\,h_n\!\left(\frac{x}{\sqrt s}\right)",
        _factors,
    ),
    Step(
        r"Mixing with fresh data is linear, so the coefficients of the limit solve one linear equation each:",
        r"g_n=\frac{\alpha(1-\varepsilon)^n}{1-(1-\alpha)(1-\varepsilon)^n}",
        _limit,
    ),
)

CASES = ((mpf("0.1"), mpf("0.5")), (mpf("0.3"), mpf("0.2")))  # eps, alpha


def _target() -> definition.Law:
    return definition.law(("0.4", "-0.6", "0.1"), ("0.6", "0.5", "0.3"))


def _path(stop: Any, share: Any, rounds: int) -> list[definition.Law]:
    laws = [_target()]
    for _ in range(rounds):
        laws.append(definition.channel(definition.mix(share, _target(), laws[-1]), 1 - stop, stop**2))
    return laws


@cache
def _moments(position: int) -> list[list[Any]]:
    """Raw moments to degree 4 of the data, of one round on the data, and of the law after 80 rounds."""
    stop, share = CASES[position]
    once = definition.channel(_target(), 1 - stop, stop**2)
    return [definition.raw_moments(law, 4) for law in (_target(), once, _path(stop, share, 80)[-1])]


def _coefficient(moments: list[Any], n: int, own: Any) -> Any:
    """E h_n(X / sqrt(own))."""
    terms = (c * moments[k] / own ** (mpf(k) / 2) for k, c in enumerate(definition.hermite_polynomial(n)))
    return mpmath.fsum(terms) / mpmath.sqrt(mpmath.factorial(n))


@high_precision(
    "two-mode mixtures through one and 80 rounds: coefficients about the law that a round leaves alone"
)
def mixtures(claim: Claim) -> Outcome:
    pairs = []
    for position, (stop, share) in enumerate(CASES):
        own = claim.own(stop)
        data, once, end = _moments(position)
        for n in range(1, 5):
            start = _coefficient(data, n, own)
            factor = claim.factor(stop, n)
            pairs.append((_coefficient(once, n, own), factor * start))
            pairs.append((_coefficient(end, n, own), claim.limit(factor, share) * start))
    return agreement(pairs, 15)


STOP, SHARE = 0.2, 0.5


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(74)
    target, (runs, count) = _target(), (200, 1000)
    y = definition.draw(rng, target, (runs, count))
    for _ in range(25):
        parents = np.take_along_axis(y, rng.integers(0, count, (runs, count)), 1)
        y = np.where(rng.random((runs, count)) < SHARE, definition.draw(rng, target, (runs, count)), parents)
        y = (1 - STOP) * y + STOP * rng.standard_normal((runs, count))
    return definition.over_runs(np.stack([(y**k).mean(-1) for k in (1, 2, 3)]), 1)


@simulated("200 runs of 1 000 particles, 25 rounds stopped at 0.2: first three moments")
def particles(claim: Claim) -> Outcome:
    mean, error = _runs()
    own = float(claim.own(STOP))
    data = [float(value) for value in definition.raw_moments(_target(), 3)]
    g1, g2, g3 = (claim.limit(claim.factor(STOP, n), SHARE) for n in (1, 2, 3))
    third = g3 * (data[3] - 3 * own * data[1]) + 3 * own * g1 * data[1]
    return scores(mean, [g1 * data[1], g2 * (data[2] - own) + own, third], error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    pipeline, stop = (subject.fetch(name) for name in ("Pipeline", "mechanisms.FlowStop"))
    for end, share, start in ((0.01, 0.1, 1.0), (0.1, 0.5, 0.05), (0.3, 0.2, 2.0)):
        value = mpf(start)
        for _ in range(900):
            value = (1 - mpf(end)) ** 2 * (mpf(share) * start + (1 - mpf(share)) * value) + mpf(end) ** 2
        yield (
            f"limit at {end}",
            subject.number(pipeline([stop(end)], fresh_fraction=share).limit(start)),
            value,
        )
    yield "fixed law", subject.number(stop(0.1).variance(0.1 / 1.9)), mpf("0.1") / mpf("1.9")
    yield "gain", subject.number(stop(0.1).gain(0.3)), mpf("0.9")


STATEMENT = Statement(
    id="additions.flow_stop",
    title="Flow matching stopped early has a narrow law of its own",
    source="new",
    text=r"Stopped at time $\varepsilon$ before the data, flow matching is an Ornstein-Uhlenbeck channel about $N(0,\varepsilon/(2-\varepsilon))$ instead of $N(0,1)$: it loses variance wherever there is more, and the Hermite coefficients about this law are damped by $(1-\varepsilon)^n$ a round.",
    formula=r"s=\frac{\varepsilon}{2-\varepsilon},\qquad c_n\to(1-\varepsilon)^nc_n,\qquad g_n=\frac{\alpha(1-\varepsilon)^n}{1-(1-\alpha)(1-\varepsilon)^n}",
    conditions=r"exact velocity, $0<\varepsilon\leq1$; coefficients about $N(0,s)$ in every coordinate",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "fixed law, degrees 1 to 5 averaged over the noise, fixed point"),
        mixtures,
        particles,
    ),
    mutations=(
        Mutation("constant", r"$s=\varepsilon/2$", {"own": lambda eps: eps / 2}),
        Mutation("sign", r"$s=\varepsilon/(2+\varepsilon)$", {"own": lambda eps: eps / (2 + eps)}),
        Mutation("exponent", r"$(1-\varepsilon)^{n/2}$", {"factor": lambda eps, n: (1 - eps) ** (n * 0.5)}),
        Mutation(
            "dropped condition",
            "the law of a diffusion, $N(0,1)$",
            {"own": lambda eps: eps / eps},
        ),
        Mutation("dropped condition", "no mixing between rounds", {"limit": lambda f, alpha: alpha * f}),
    ),
    expected="holds",
    package=Package(
        "mechanisms.FlowStop, Pipeline.limit",
        "tests/pipeline/test_pipeline.py",
        _package,
        digits=9,
    ),
)
