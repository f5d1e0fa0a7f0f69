"""When divergence accumulates for ever: energies with an infinite sum, a part of which is visible."""

from __future__ import annotations

from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, families
from ..evidence import Claim, Outcome, high_precision, identity, ordered, simulated
from ..registry import Mutation, Package, Statement, Step, derived

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
        r"With $\eta_i\geq\underline{\eta}$ the right side is at least a constant times $\sum\varepsilon_i^2$. Without the floor this fails: an error whose integral over time vanishes "
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


def _squared_coefficients(y: np.ndarray, degree: int = 4) -> tuple[float, float]:
    """Unbiased estimate of the sum of c_n^2, n = 1 to 4, which is at most chi-square from N(0, 1); its standard error."""
    values = definition.hermite_table(y, degree)[1:]
    mean, count = values.mean(-1), y.size
    estimate = float((mean**2 - values.var(-1, ddof=1) / count).sum())
    noise = values.var(-1, ddof=1) / count
    return estimate, float(np.sqrt((4 * mean**2 * noise + 2 * noise**2).sum()))


@simulated(
    "invisible and visible errors of the same energy along 60 000 paths a round for six rounds: four squared coefficients"
)
def particles(claim: Claim) -> Outcome:
    rng = np.random.default_rng(12)
    pairs = []
    count, steps, fraction = 60_000, 20, 0.3
    times = (np.arange(steps) + 0.5) / steps
    for share in (0.0, 1.0):
        error = 0.5 * (np.sqrt(share) + np.sqrt(1 - share) * np.sqrt(2) * np.sin(2 * np.pi * times))
        # With p* = N(0,1) and small shifts the Fisher information of q_i is at least 1/2.
        visible, energy = (error.sum() / steps) ** 2 / 2, float((error**2).mean())
        y, total, spread, least = rng.standard_normal(count), 0.0, 0.0, 0.0
        for _ in range(6):
            y = np.where(
                rng.random(count) < fraction, rng.standard_normal(count), y[rng.integers(0, count, count)]
            )
            # The ideal path ends at y; the learned one has the error added to every increment.
            for part in error:
                y = y + part / steps
            divergence, deviation = _squared_coefficients(y)
            total, spread = total + divergence, spread + deviation
            least += claim.least(visible, energy, fraction)
        pairs.append((least, total + 5 * spread))
    return ordered(pairs)


STATEMENT = Statement(
    id="propagation.divergent_sum",
    title="Energies that add up to infinity make the divergences do so, where a fixed share of them is visible",
    source="propagation paper, Proposition 4.1, first part",
    text=(
        r"If errors are small in the sense of Proposition 3.3, the observability has a positive floor, $\eta_i\geq\underline{\eta}>0$, and $\sum_i\varepsilon_i^2=\infty$, then "
        r"$\sum_iD_i=\infty$. The floor is an assumption of the proposition, and it is needed: invisible errors ($\rho=0$) leave $D_i=0$ whatever their energy."
    ),
    formula=r"\sum_{i\leq N}D_i\geq\frac{\alpha}{16(1+(1-\alpha)^2)}\sum_{i<N}\eta_i\varepsilon_i^2",
    conditions=r"A1 to A4, $\eta_i\geq\underline{\eta}>0$, $\varepsilon_i^2\leq\min(1,\eta_i/(8C))$; the idealisation $t_0\to0$",
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
    expected="holds",
    package=Package("bounds.drift_regime", "tests/bounds/propagation/test_divergences.py", None),
)
