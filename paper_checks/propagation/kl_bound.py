"""The divergence of one round from the learned-path energy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy
from mpmath import mpf

from .. import definition, families, subject
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
    bound=lambda energy, start: energy / 2 + start,
    energy=lambda learned, ideal: learned,
)

e, h, y, z = sympy.symbols("e h y z", positive=True)


def _one_step(claim: Claim) -> Outcome:
    # KL(N(e h, h) || N(0, h)) by integration.
    p = sympy.exp(-((z - e * h) ** 2) / (2 * h)) / sympy.sqrt(2 * sympy.pi * h)
    value = sympy.integrate(p * ((z**2 - (z - e * h) ** 2) / (2 * h)), (z, -sympy.oo, sympy.oo))
    return identity(sympy.simplify(value), claim.bound(e**2 * h, 0), "one Euler step")


def _two_steps(claim: Claim) -> Outcome:
    first, second, start = sympy.symbols("u v w", positive=True)
    chained = start + claim.bound(first, 0) + claim.bound(second, 0)
    return identity(chained, claim.bound(first + second, start), "chain rule")


STEPS = (
    Step(
        r"Divide drift by diffusion, so that learned and ideal increments over a short time $h$ are $N(eh,h)$ and $N(0,h)$. Their divergence is",
        r"\mathrm{KL}(N(eh,h)\,\|\,N(0,h))=\frac{e^2h}{2}",
        _one_step,
    ),
    Step(
        r"The chain rule adds these along the learned path (that is where the average is taken) to the divergence of the starts:",
        r"\mathrm{KL}(\hat P\|P)=\mathrm{KL}(\hat P_0\|P_0)+\frac12E_{\hat P}\int\|e\|^2dt",
        _two_steps,
    ),
    Step(
        r"The endpoint is a function of the path, and divergences never grow under a function:",
        r"\mathrm{KL}(\hat p_{i+1}\|Cq_i)\leq\mathrm{KL}(\hat P\|P)",
    ),
)


@high_precision("drift errors in time from a mixture start, four sizes and three shapes; starts that differ")
def shifts(claim: Claim) -> Outcome:
    pairs = []
    for beta in (mpf("0.3"), mpf(2)):
        for rho in (mpf(0), mpf("0.5"), mpf(1)):
            end = families.endpoint(definition.two_modes())
            energy = families.energy_in_time(beta, rho)
            found = families.kl(families.shifted(end, families.displacement(beta, rho)), end)
            pairs.append((found, claim.bound(claim.energy(energy, energy), 0) + mpf("1e-20")))
    for gap in (mpf("0.4"), mpf(1), mpf(3)):
        # Starts N(gap, 1) and N(0, 1), constant error 1: endpoints N(gap + 1, 2) and N(0, 2).
        found = families.kl(definition.law((1, gap + 1, 2)), definition.law((1, 0, 2)))
        pairs.append((found, claim.bound(claim.energy(mpf(1), mpf(1)), gap**2 / 2)))
    return ordered(pairs, 1e-15)


@high_precision(
    "drift error beta tanh(beta y): the likelihood of the path is a function of its endpoint",
    role="sharpness",
)
def extremal(claim: Claim) -> Outcome:
    outcomes = []
    for beta in (0.5, 1.0, 1.8):
        found = families.kl(families.tanh_endpoint(beta), definition.law((1, 0, 1)))
        energy = claim.energy(
            families.tanh_energy(beta, learned=True), families.tanh_energy(beta, learned=False)
        )
        outcomes.append(attained([(found, claim.bound(energy, 0) * (1 + 1e-8))], 1e-7))
    return all_of(*outcomes)


@simulated(
    "400 000 learned paths with error cos(2y + 3t): divergence of 40 cells against half the measured energy"
)
def nonlinear(claim: Claim) -> Outcome:
    pairs = []
    for size in (0.5, 1.5):
        sample = families.paths(size)
        ideal = families.endpoint(families.paths_start())
        cuts = np.linspace(-2.6, 2.6, 39)
        below = np.array([float(definition.cumulative(ideal, mpf(cut))) for cut in cuts])
        q = np.diff(np.concatenate([[0], below, [1]]))
        p = np.bincount(np.searchsorted(cuts, sample["learned"]), minlength=40) / sample["learned"].size
        pairs.append(
            (
                (p * np.log(np.maximum(p, 1e-300) / q)).sum(),
                claim.bound(claim.energy(sample["energy"].mean(), 0.0), 0),
            )
        )
    return ordered(pairs)


def _package() -> Iterator[tuple[str, Any, Any]]:
    start = subject.fetch("GaussianMixture")([0.4, 0.6], [-1.3, 0.9], [0.3, 0.5])
    end = families.endpoint(definition.two_modes())
    for beta, rho in ((0.7, 0.5), (1.5, 1.0)):
        family = subject.fetch("bounds.SolvableFamily")(start, beta, rho)
        moved = families.shifted(end, families.displacement(mpf(beta), mpf(rho)))
        yield "KL", subject.number(family.kl()), families.kl(moved, end)
        yield "energy", subject.number(family.energy), families.energy_in_time(mpf(beta), mpf(rho))


STATEMENT = Statement(
    id="propagation.kl_bound",
    title="One round's divergence is at most half the error energy of the learned path",
    source="propagation paper, Proposition 3.1",
    text=(
        r"Compare the law $\hat p_{i+1}$ that the learned reverse diffusion ends with to the law $Cq_i$ that the ideal one ends with. Their "
        r"Kullback-Leibler divergence is at most half the energy of the drift error along the $\mathit{learned}$ path, plus the divergence of the starts."
    ),
    formula=r"\mathrm{KL}(\hat p_{i+1}\|Cq_i)\leq\frac12\hat\varepsilon_i^2+\mathrm{KL}(\hat P_0\|P_0),\qquad\hat\varepsilon_i^2=E_{\hat P}\int\|e\|^2dt",
    conditions=r"Girsanov's theorem applies; the paper's reference law is the end of the ideal path, $Cq_i$ in our words",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "one Euler step and the chain rule"), shifts, extremal, nonlinear),
    mutations=(
        Mutation("constant", r"$\hat\varepsilon^2/4$", {"bound": lambda energy, start: energy / 4 + start}),
        Mutation(
            "sign", "minus the divergence of the starts", {"bound": lambda energy, start: energy / 2 - start}
        ),
        Mutation(
            "exponent", r"$\hat\varepsilon^4/2$", {"bound": lambda energy, start: energy**2 / 2 + start}
        ),
        Mutation(
            "dropped condition", "the starts may differ for free", {"bound": lambda energy, start: energy / 2}
        ),
        Mutation(
            "dropped condition", "energy along the ideal path", {"energy": lambda learned, ideal: ideal}
        ),
    ),
    expected="sharp",
    package=Package("bounds.SolvableFamily", "tests/bounds/propagation/test_solvable.py", _package, digits=9),
)
