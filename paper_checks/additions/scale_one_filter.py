"""Recursions whose channel does not shrink: diagonal in Fourier space."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
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
    high_precision,
    identity,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    filter=lambda m, alpha, v, w: alpha / (alpha + m.expm1(v * w**2 / 2)),
    rate=lambda m, alpha, v, w: (1 - alpha) * m.exp(-v * w**2 / 2),
)

alpha, v, w = sympy.symbols("alpha v omega", positive=True)
z = sympy.Symbol("z", real=True)


def _noise(claim: Claim) -> Outcome:
    density = sympy.exp(-(z**2) / (2 * v)) / sympy.sqrt(2 * sympy.pi * v)
    wave = sympy.integrate(density * sympy.cos(w * z), (z, -sympy.oo, sympy.oo))
    return identity(sympy.simplify(wave) * (1 - alpha), claim.rate(SYMPY, alpha, v, w), "wave of the noise")


def _fixed(claim: Claim) -> Outcome:
    f = claim.filter(SYMPY, alpha, v, w)
    return identity(f, sympy.exp(-v * w**2 / 2) * (alpha + (1 - alpha) * f), "fixed point")


STEPS = (
    Step(
        r"Adding independent noise of variance $v$ multiplies the characteristic function by its own, $E\cos\omega Z$:",
        r"\varphi_{p_{i+1}}(\omega)=e^{-v\omega^2/2}\left(\alpha\varphi_\ast+(1-\alpha)\varphi_{p_i}\right)",
        _noise,
    ),
    Step(
        r"The fixed point, written without cancellation:",
        r"\frac{\varphi_\infty(\omega)}{\varphi_\ast(\omega)}=\frac{\alpha}{\alpha+e^{v\omega^2/2}-1}",
        _fixed,
    ),
)


def _wave(p: definition.Law, omega: Any) -> Any:
    return mpmath.fsum(u * mpmath.exp(1j * omega * m - omega**2 * s / 2) for u, m, s in p)


@high_precision("mixtures through 150 rounds of noise by the definition; three frequencies")
def iterated(claim: Claim) -> Outcome:
    pairs = []
    target = definition.two_modes()
    for fraction, noise in ((mpf("0.4"), mpf("0.2")), (mpf("0.7"), mpf("0.05"))):
        law = definition.law((1, 2, 1))
        for _ in range(150):
            law = definition.channel(definition.mix(fraction, target, law), mpf(1), noise)
        for omega in (mpf("0.3"), mpf(1), mpf(2)):
            pairs.append(
                (
                    mpmath.re(_wave(law, omega) / _wave(target, omega)),
                    claim.filter(MPMATH, fraction, noise, omega),
                )
            )
    return agreement(pairs, 20)


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(38)
    target, (runs, count) = definition.two_modes(), (150, 2000)
    y = definition.draw(rng, target, (runs, count))
    for _ in range(16):
        parents = np.take_along_axis(y, rng.integers(0, count, (runs, count)), 1)
        y = np.where(rng.random((runs, count)) < 0.5, definition.draw(rng, target, (runs, count)), parents)
        y = y + np.sqrt(0.1) * rng.standard_normal((runs, count))
    return definition.over_runs(np.stack([np.cos(u * y).mean(-1) for u in (0.5, 1.0, 1.7)]), 1)


@simulated("150 runs of 2 000 particles, 16 rounds of noise: means of cosines")
def particles(claim: Claim) -> Outcome:
    mean, error = _runs()
    predicted = [
        claim.filter(FLOAT, 0.5, 0.1, omega) * float(mpmath.re(_wave(definition.two_modes(), mpf(omega))))
        for omega in (0.5, 1.0, 1.7)
    ]
    return scores(mean, predicted, error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    mixture, recursion, exploding = (
        subject.fetch(name) for name in ("GaussianMixture", "Recursion", "VarianceExploding")
    )
    run = recursion(
        mixture([1.0], [0.0], [0.5]), fresh_fraction=0.4, truncation_time=0.2, process=exploding()
    )
    limit = run.limit()
    law = definition.law((1, 0, "0.5"))
    for _ in range(130):
        law = definition.channel(
            definition.mix(mpf(0.4), definition.law((1, 0, "0.5")), law), mpf(1), mpf(0.2)
        )
    for at in (0.0, 1.5):
        yield (
            f"density at {at}",
            subject.number(limit.density(np.array([at]))),
            definition.density(law, mpf(at)),
        )


STATEMENT = Statement(
    id="additions.scale_one_filter",
    title="In variance-exploding units the filter is a function of frequency",
    source="new",
    text=r"If a round adds noise of variance $v$ and does not shrink, the recursion is diagonal in Fourier space, and the limit keeps a share of every frequency that is again a low-pass filter.",
    formula=r"\frac{\varphi_\infty(\omega)}{\varphi_\ast(\omega)}=\frac{\alpha}{\alpha+e^{v|\omega|^2/2}-1}",
    conditions=r"$\alpha>0$; without fresh data there is no limit",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "characteristic function of the noise, fixed point"), iterated, particles),
    mutations=(
        Mutation(
            "constant", r"$v\omega^2$", {"filter": lambda m, alpha, v, w: alpha / (alpha + m.expm1(v * w**2))}
        ),
        Mutation(
            "exponent",
            r"$\omega^4$",
            {"filter": lambda m, alpha, v, w: alpha / (alpha + m.expm1(v * w**4 / 2))},
        ),
        Mutation(
            "sign", r"$\alpha-E$", {"filter": lambda m, alpha, v, w: alpha / (alpha - m.expm1(v * w**2 / 2))}
        ),
        Mutation(
            "dropped condition",
            r"rate without $1-\alpha$",
            {"rate": lambda m, alpha, v, w: m.exp(-v * w**2 / 2)},
        ),
    ),
    expected="holds",
    package=Package(
        "Recursion.limit, VarianceExploding", "tests/recursion/test_recursion.py", _package, digits=9
    ),
)
