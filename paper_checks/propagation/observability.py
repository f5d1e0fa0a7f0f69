"""Which errors are visible at the endpoint; errors that depend on time alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import sympy
from mpmath import mpf

from .. import definition, families, subject
from ..evidence import (
    Claim,
    Outcome,
    agreement,
    all_of,
    high_precision,
    identity,
    scores,
    simulated,
)
from ..registry import Displayed, Mutation, Package, Statement, Step, derived

# rho: share of the squared error in its mean over time; J: Fisher information of the endpoint.
CLAIM = Claim(eta=lambda rho, J: rho * J, visible=lambda y, variance: y / (1 + variance))

beta, rho, tau = sympy.symbols("beta rho tau", positive=True)
t, y, w = sympy.symbols("t y w", real=True)


def _parts(claim: Claim) -> Outcome:
    error = beta * (sympy.sqrt(rho) + sympy.sqrt(1 - rho) * sympy.sqrt(2) * sympy.sin(2 * sympy.pi * t))
    return all_of(
        identity(sympy.integrate(sympy.expand(error**2), (t, 0, 1)), beta**2, "energy"),
        identity(sympy.integrate(error, (t, 0, 1)), beta * sympy.sqrt(rho), "covariance with W_1"),
    )


def _tweedie(claim: Claim) -> Outcome:
    # X ~ N(0, tau^2): E[W_1 | Y_1 = y] by integration of w phi(w) p(y - w).
    joint = sympy.exp(-(w**2) / 2 - (y - w) ** 2 / (2 * tau**2))
    top = sympy.integrate(w * joint, (w, -sympy.oo, sympy.oo))
    bottom = sympy.integrate(joint, (w, -sympy.oo, sympy.oo))
    score = sympy.diff(-(y**2) / (2 * (1 + tau**2)), y)
    return all_of(
        identity(sympy.simplify(top / bottom), -score, "conditional mean of the noise"),
        identity(claim.visible(y, tau**2), -score, "as claimed"),
    )


def _share(claim: Claim) -> Outcome:
    J = 1 / (1 + tau**2)
    visible = beta**2 * rho * (1 + tau**2) / (1 + tau**2) ** 2
    return identity(visible / beta**2, claim.eta(rho, J), "observability of a Gaussian start")


STEPS = (
    Step(
        r"Take $Y_t=X+W_t$ on $[0,1]$ and an error $e(t)$ that depends on time alone. The stochastic integral $M=\int e\,dW$ is Gaussian, "
        r"with variance $\varepsilon^2=\int e^2$ and covariance $\int e$ with $W_1$; for the family used here",
        r"e(t)=\beta(\sqrt\rho+\sqrt{1-\rho}\sqrt2\sin2\pi t):\qquad\int e^2=\beta^2,\quad\int e=\beta\sqrt\rho",
        _parts,
    ),
    Step(
        r"So $M=(\int e)W_1+$ a part independent of $(X,W_1)$, which the endpoint cannot see. What it sees of $W_1$ is the score (integrate "
        r"$w\varphi(w)=-\varphi'(w)$ by parts):",
        r"E[W_1|Y_1=y]=-\frac{d}{dy}\log p_{Y_1}(y)",
        _tweedie,
    ),
    Step(
        r"The mean square of the score is the Fisher information $J$ of the endpoint. Hence, with $\rho=(\int e)^2/\int e^2$,",
        r"\eta=\frac{\mathrm{Var}\,E[M|Y_1]}{\varepsilon^2}=\rho\,J(Y_1)\in[0,1],\qquad\eta=0\;\mathrm{iff}\;\int e\,dt=0",
        _share,
    ),
)


@high_precision("mixture start: conditional mean of W_1 by Bayes' rule on a grid, its variance against rho J")
def bayes(claim: Claim) -> Outcome:
    pairs = []
    step = 0.02
    grid = np.arange(-11, 11 + step / 2, step)
    noise = np.arange(-8, 8 + step / 2, step)
    phi = np.exp(-noise * noise / 2) / np.sqrt(2 * np.pi)
    for start in (definition.two_modes(), definition.law((0.5, -2, "0.25"), (0.5, 2, "0.25"))):
        table = definition.grid(start, grid[:, None] - noise[None, :]) * phi
        density = table.sum(1) * step
        conditional = (table * noise).sum(1) * step / density
        seen = float((density * conditional**2).sum() * step)
        J = families.fisher(families.endpoint(start))
        for share in ("0", "0.3", "1"):
            pull = families.displacement(mpf("0.8"), mpf(share))
            pairs.append(
                (
                    pull**2 * seen / families.energy_in_time(mpf("0.8"), mpf(share)) + mpf("1e-12"),
                    claim.eta(mpf(share), J) + mpf("1e-12"),
                )
            )
    return agreement(pairs, 9)


@cache
def _paths() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(91)
    count, steps = 400_000, 40
    times = (np.arange(steps) + 0.5) / steps
    shapes = [
        np.ones(steps),
        np.sqrt(0.4) + np.sqrt(1.2) * np.sin(2 * np.pi * times),
        np.sqrt(2) * np.sin(2 * np.pi * times),
    ]
    noise = rng.standard_normal((steps, count)) / np.sqrt(steps)
    end = definition.draw(rng, definition.two_modes(), (count,)) + noise.sum(0)
    found = [families.conditional_variance(shape @ noise, end, bins=200) for shape in shapes]
    return np.array([value for value, _ in found]), np.array([error for _, error in found])


@simulated(
    "400 000 paths, the integral M regressed on the endpoint in 200 cells, three shapes of the error in time"
)
def regression(claim: Claim) -> Outcome:
    value, error = _paths()
    J = float(families.fisher(families.endpoint(definition.two_modes())))
    predicted = [claim.eta(share, J) for share in (1.0, 0.4, 0.0)]
    # Averaging over cells loses about (cell width)^2 of the variance, below a tenth of a per cent here.
    return scores(value, predicted, np.hypot(error, 1e-3 * np.array(predicted)))


def _package() -> Iterator[tuple[str, Any, Any]]:
    start = subject.fetch("GaussianMixture")([0.4, 0.6], [-1.3, 0.9], [0.3, 0.5])
    J = families.fisher(families.endpoint(definition.two_modes()))
    for beta, rho in ((0.7, 0.5), (1.5, 1.0)):
        pull, energy = (
            families.displacement(mpf(beta), mpf(rho)),
            families.energy_in_time(mpf(beta), mpf(rho)),
        )
        family = subject.fetch("bounds.SolvableFamily")(start, beta, rho)
        yield "observability", subject.number(family.observability()), pull**2 * J / energy


STATEMENT = Statement(
    id="propagation.observability",
    title="An error in time alone is visible unless its integral vanishes",
    source="propagation paper, Definition 3.2 and the remark on errors that depend on time alone",
    text=(
        r"The observability $\eta=\mathrm{Var}(E[M|Y])/\varepsilon^2$ is the share of the error energy that the endpoint of the ideal path can see; it "
        r"lies in $[0,1]$. For an error that depends on time alone it is the Fisher information of the endpoint times the share of the energy in "
        r"the mean of the error over time."
    ),
    formula=r"\eta=\rho\,J(Y_1),\qquad\rho=\frac{(\int e\,dt)^2}{\int e^2dt}",
    conditions=r"$Y=X+W$ on $[0,1]$, error a function of time; $J$ is the Fisher information of the endpoint, $J\leq1$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "energy, covariance, conditional mean, observability"), bayes, regression),
    mutations=(
        Mutation("constant", r"$\eta=\rho J/2$", {"eta": lambda rho, J: rho * J / 2}),
        Mutation("exponent", r"$\eta=\rho J^2$", {"eta": lambda rho, J: rho * J * J}),
        Mutation(
            "sign",
            "the noise is seen with the wrong sign",
            {"visible": lambda y, variance: -y / (1 + variance)},
        ),
        Mutation("dropped condition", r"$\eta=J$ whatever the shape in time", {"eta": lambda rho, J: J}),
    ),
    displayed=Displayed(
        r"Public summaries: errors that depend on time alone have $\eta=0$.",
        r"e=e(t)\;\Rightarrow\;\eta=0",
        {"eta": lambda rho, J: 0 * rho},
        r"$\eta=\rho J(Y_1)$, which vanishes only if $\int e\,dt=0$.",
    ),
    expected="false as displayed",
    package=Package(
        "bounds.SolvableFamily.observability", "tests/bounds/propagation/test_solvable.py", _package, digits=9
    ),
)
