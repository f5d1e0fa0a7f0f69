"""When divergence accumulates for ever: the sum of visible energies."""

from __future__ import annotations

from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import families
from ..evidence import Claim, Outcome, high_precision, identity, ordered, simulated
from ..registry import Displayed, Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    # The partial sum of D must be at least the partial sum of this.
    least=lambda visible, eps2, alpha: alpha * visible / (16 * (1 + (1 - alpha) ** 2)),
)

alpha, v, e2 = sympy.symbols("alpha v e", positive=True)


def _chain(claim: Claim) -> Outcome:
    innovation, lower = alpha / 2, v / 8
    return identity(
        innovation * lower / (1 + (1 - alpha) ** 2), claim.least(v, e2, alpha), "innovation times lower bound"
    )


STEPS = (
    Step(
        r"Innovation: $D_{i+1}+(1-\alpha)^2D_i\geq\frac\alpha2I_i$; small errors (Proposition 3.3): $I_i\geq\eta_i\varepsilon_i^2/8$. Add up over the rounds; "
        r"every $D_i$ is counted at most $1+(1-\alpha)^2$ times:",
        r"(1+(1-\alpha)^2)\sum_{i\leq N}D_i\geq\frac{\alpha}{16}\sum_{i<N}\eta_i\varepsilon_i^2",
        _chain,
    ),
    Step(
        r"So if the visible energies add up to infinity, so do the divergences. Without $\eta$ this fails: an error whose integral over time vanishes "
        r"($\rho=0$) leaves the endpoint law as it is; $D_i=0$ for ever, whatever $\sum\varepsilon_i^2$."
    ),
)


@cache
def _shift_models() -> list[tuple[float, list[Any], list[Any], list[Any]]]:
    """(alpha, D, visible energy, energy) for shift errors of each shape in time; p* = N(0, 1), so J of q_i is below 1."""
    models = []
    for fraction in (0.2, 0.7):
        for share in (0.0, 0.5, 1.0):
            for sizes in ([0.3] * 12, [0.5 / (1 + i) ** 0.5 for i in range(12)]):
                pull = [float(families.displacement(mpf(size), mpf(share))) for size in sizes]
                pull = [by if abs(by) > 1e-15 else 0.0 for by in pull]
                rows = families.shift_recursion(fraction, pull)
                # Visible energy: displacement^2 times the Fisher information of q_i, bounded below by 1/Var(q_i).
                weights, positions, visible = np.array([1.0]), np.array([0.0]), []
                for by in pull:
                    weights, positions = (
                        np.append(fraction, (1 - fraction) * weights),
                        np.append(0.0, positions),
                    )
                    mean = weights @ positions
                    visible.append(by * by / (1 + weights @ (positions - mean) ** 2))
                    positions = positions + by
                energy = [float(families.energy_in_time(mpf(size), mpf(share))) for size in sizes]
                models.append((fraction, [after for _, after in rows], visible, energy))
    return models


@high_precision(
    "twelve rounds of shift errors, three shapes in time, two sequences of sizes, two fresh fractions"
)
def shifts(claim: Claim) -> Outcome:
    pairs = []
    for fraction, divergences, visible, energy in _shift_models():
        for last in (1, 4, 12):
            total = mpmath.fsum(divergences[:last])
            least = mpmath.fsum(
                claim.least(mpf(u), mpf(e), mpf(fraction))
                for u, e in zip(visible[:last], energy[:last], strict=True)
            )
            pairs.append((least, total + mpf("1e-25")))
    return ordered(pairs)


@simulated(
    "invisible and visible errors of the same energy, 60 000 particles a round for six rounds: mean squared shift"
)
def particles(claim: Claim) -> Outcome:
    # chi-square of a law from N(0,1) is at least the square of its mean (the first coefficient).
    rng = np.random.default_rng(12)
    pairs = []
    count, steps, fraction = 60_000, 20, 0.3
    times = (np.arange(steps) + 0.5) / steps
    for share in (0.0, 1.0):
        shape = 0.5 * (np.sqrt(share) + np.sqrt(1 - share) * np.sqrt(2) * np.sin(2 * np.pi * times))
        y, total, least = rng.standard_normal(count), 0.0, 0.0
        for _ in range(6):
            y = np.where(
                rng.random(count) < fraction, rng.standard_normal(count), y[rng.integers(0, count, count)]
            )
            # The ideal path ends at y; the learned one at y plus the integral of the error.
            y = y + shape.mean()
            divergence = np.mean(np.exp(np.outer(y[:500], y[500:1000]))) - 1 if share else 0.0
            total += max(divergence, 0.0)
            least += claim.least(shape.mean() ** 2 / 2, (shape**2).mean(), fraction)
        pairs.append((least, total + 1e-12))
    return ordered(pairs)


STATEMENT = Statement(
    id="propagation.divergent_sum",
    title="Visible energies that add up to infinity make the divergences do so",
    source="propagation paper, Proposition 4.1, first part",
    text=(
        r"If errors are small in the sense of Proposition 3.3 and the $\mathit{visible}$ energies $\eta_i\varepsilon_i^2$ add up to infinity, then "
        r"$\sum_iD_i=\infty$."
    ),
    formula=r"\sum_{i\leq N}D_i\geq\frac{\alpha}{16(1+(1-\alpha)^2)}\sum_{i<N}\eta_i\varepsilon_i^2",
    conditions=r"$\varepsilon_i^2\leq\min(1,\eta_i/(8C))$; the idealisation $t_0\to0$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "innovation times lower bound"), shifts, particles),
    mutations=(
        Mutation(
            "constant", r"$1$ in place of $1/16$", {"least": lambda v, e, a: a * v / (1 + (1 - a) ** 2)}
        ),
        Mutation("exponent", r"$\alpha^2$", {"least": lambda v, e, a: a * a * v / (16 * (1 + (1 - a) ** 2))}),
        Mutation("sign", r"$1-(1-\alpha)^2$", {"least": lambda v, e, a: a * v / (16 * (1 - (1 - a) ** 2))}),
        Mutation(
            "dropped condition",
            r"without $\eta$",
            {"least": lambda v, e, a: a * e / (16 * (1 + (1 - a) ** 2))},
        ),
    ),
    displayed=Displayed(
        r"Read without the observability: $\sum\varepsilon_i^2=\infty$ alone makes $\sum D_i=\infty$.",
        r"\sum_i\varepsilon_i^2=\infty\;\Rightarrow\;\sum_iD_i=\infty",
        {"least": lambda v, e, a: a * e / (16 * (1 + (1 - a) ** 2))},
        r"It is $\sum\eta_i\varepsilon_i^2$ that has to diverge.",
    ),
    expected="false as displayed",
    package=Package("bounds.drift_regime", "tests/bounds/propagation/test_innovation.py", None),
)
