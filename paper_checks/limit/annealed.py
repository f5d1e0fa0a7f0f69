"""Annealed truncation: schedules that go to zero recover the data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..evidence import (
    Claim,
    Outcome,
    all_of,
    decided,
    high_precision,
    identity,
    ordered,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    # Residual e_n(i) = 1 - f_n(i); y = n theta t_i.
    step=lambda decay, alpha, e: 1 - decay + decay * (1 - alpha) * e,
    polynomial=lambda y_i, alpha: y_i / alpha,
    geometric=lambda y_i, q, alpha: y_i / (q - 1 + alpha),
    critical=lambda y, i, alpha: y * i * (1 - alpha) ** (i - 1),
    fast=lambda y, i, q, alpha: y / (1 - alpha - q) * (1 - alpha) ** i,
    recovers=lambda alpha: alpha > 0,
)

alpha, y, q, d, f = sympy.symbols("alpha y q d f", positive=True)
i = sympy.Symbol("i", integer=True, positive=True)


def _residual(claim: Claim) -> Outcome:
    return identity(1 - d * (alpha + (1 - alpha) * f), claim.step(d, alpha, 1 - f), "residual of one round")


def _linear(claim: Claim) -> Outcome:
    # e <- y_i + (1 - alpha) e, the first order of the step in small times, with y_i = y q^i.
    b = 1 - alpha
    exact = y * (q**i - b**i) / (q - b)
    critical = claim.critical(y, i, alpha)
    return all_of(
        identity(exact.subs(i, i + 1), y * q**i + b * exact, "geometric times, exact solution"),
        identity(exact + y * b**i / (q - b), claim.geometric(y * q**i, q, alpha), "slow part"),
        identity(claim.fast(y, i, q, alpha), -y * b**i / (q - b), "fast part"),
        identity(critical.subs(i, i + 1), y * b**i + b * critical, "equal ratios"),
    )


def _polynomial(claim: Claim) -> Outcome:
    # Constant y: the linear recursion rests at the claimed value; slowly varying y follows it.
    rest = claim.polynomial(y, alpha)
    return identity(y + (1 - alpha) * rest, rest, "quasi-stationary residual")


STEPS = (
    Step(
        r"Write $e_n(i)=1-f_n(i)$ for what degree $n$ has lost. The recursion $f\leftarrow e^{-y_i}(\alpha+(1-\alpha)f)$, "
        r"$y_i=n\theta t_i$, becomes",
        r"e_n(i+1)=1-e^{-y_i}+e^{-y_i}(1-\alpha)\,e_n(i)\;\leq\; y_i+(1-\alpha)\,e_n(i)",
        _residual,
    ),
    Step(
        r"Hence $e_n(N)\leq(1-\alpha)^Ne_n(0)+\sum_j(1-\alpha)^{N-1-j}y_j$: a summable sequence convolved with one that tends to zero. "
        r"If $t_i\to0$ and $\alpha>0$, every mode comes back. (With $t_i\to t_\infty$ the same argument gives the limit law at "
        r"$t_\infty$; in $W_2$ replace $y_j$ by $W_2(C_jq,q)\to0$ and $1-\alpha$ by $\sqrt{1-\alpha}$.)",
        "",
    ),
    Step(
        r"Rates, to first order in the times. Geometric times $y_i=yq^i$: the linear recursion has the exact solution",
        r"e_n(i)=y\,\frac{q^i-(1-\alpha)^i}{q-(1-\alpha)}",
        _linear,
    ),
    Step(
        r"so the slower of $q$ and $1-\alpha$ decides; if they are equal, $e_n(i)=y\,i\,(1-\alpha)^{i-1}$. For polynomial times $y_{i-k}/y_i\to1$ for every "
        r"$k$, so $e_n(i+1)/y_i\to\sum_k(1-\alpha)^k$ by dominated convergence, the rest point of the recursion with constant times:",
        r"e_n(i+1)\sim\frac{n\theta t_i}{\alpha}",
        _polynomial,
    ),
)


def _iterate(times: list[Any], fraction: Any, e: Any = 0) -> list[Any]:
    return [1 - value for value in definition.mode_trajectory(1, fraction, times, 1 - mpf(e))]


@high_precision(
    "exact residuals of the definition against each asymptotic law, error at most halved when the round doubles or the time halves"
)
def rates(claim: Claim) -> Outcome:
    outcomes = []
    fraction = mpf("0.3")
    for exponent in ("0.5", "1", "2"):
        times = [mpf("0.2") / (1 + mpf(j)) ** mpf(exponent) for j in range(4097)]
        e = _iterate(times, fraction)
        errors = [abs(e[j + 1] / claim.polynomial(times[j], fraction) - 1) for j in (512, 2048, 4096)]
        outcomes.append(
            ordered([(errors[1], 0.6 * errors[0]), (errors[2], 0.8 * errors[1]), (errors[2], mpf("0.03"))])
        )
    for q in ("0.9", "0.8"):
        times = [mpf("0.2") * mpf(q) ** j for j in range(241)]
        e = _iterate(times, fraction)
        errors = [abs(e[j] / claim.geometric(times[j], mpf(q), fraction) - 1) for j in (20, 60, 120)]
        outcomes.append(ordered([(errors[1], errors[0] / 10), (errors[2], mpf("1e-3"))]))
    for law in ("critical", "fast"):
        errors = []
        for small in ("1e-4", "1e-5", "1e-6"):
            q = mpf("0.7") if law == "critical" else mpf("0.4")
            times = [mpf(small) * q**j for j in range(80)]
            e = _iterate(times, fraction)[80]
            predicted = (
                claim.critical(mpf(small), 80, fraction)
                if law == "critical"
                else claim.fast(mpf(small), 80, q, fraction)
            )
            errors.append(abs(e / predicted - 1))
        outcomes.append(
            ordered([(errors[1], errors[0] / 5), (errors[2], errors[1] / 5), (errors[2], mpf("1e-5"))])
        )
    return all_of(*outcomes)


@high_precision(
    "a schedule t_i = 0.3/(1 + i): W2 to the data falls for alpha > 0 and stays away for alpha = 0"
)
def recovery(claim: Claim) -> Outcome:
    target = definition.two_modes()
    outcomes = []
    for fraction in (0.6, 0.3, 0.0):
        times = [mpf("0.3") / (1 + j) for j in range(60)]
        laws = definition.rounds(target, fraction, times)
        start, late, last = (definition.wasserstein(laws[j], target, step=0.1) for j in (2, 15, 60))
        recovers = last < late / 2 < start
        outcomes.append(
            decided(
                recovers == bool(claim.recovers(fraction)), f"W2 {start:.3f}, {late:.3f}, {last:.4f}", w2=last
            )
        )
    return all_of(*outcomes)


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(41)
    kept = definition.particles(
        rng,
        definition.two_modes(),
        0.4,
        [0.4 * 0.8**j for j in range(12)],
        runs=150,
        count=2000,
        keep=lambda u: definition.hermite_table(u, 4)[1:].mean(-1),
    )
    return definition.over_runs(kept, 2)


@simulated("150 runs of 2 000 particles under geometric times, degrees 1 to 4, 12 rounds")
def particles(claim: Claim) -> Outcome:
    mean, error = _runs()
    predicted = np.zeros((13, 4))
    for k in range(1, 5):
        first = float(definition.coefficient(definition.two_modes(), k))
        e = 0.0
        for j in range(13):
            predicted[j, k - 1] = (1 - e) * first
            e = float(claim.step(np.exp(-k * 0.4 * 0.8**j), 0.4, e))
    return scores(mean[1:], predicted[1:], error[1:])


def _package() -> Iterator[tuple[str, Any, Any]]:
    factors, schedules = subject.fetch("mode_factors"), subject.fetch("schedules")
    for name, schedule, times in (
        ("Polynomial", schedules.Polynomial(0.4, 1.0), [mpf("0.2") / (1 + j) for j in range(30)]),
        ("Geometric", schedules.Geometric(0.4, 0.8), [mpf("0.2") * mpf("0.8") ** j for j in range(30)]),
    ):
        table = np.asarray(factors([1, 3], fresh_fraction=0.3, truncation_time=schedule, rounds=30))
        for column, degree in enumerate((1, 3)):
            value = definition.mode_trajectory(degree, mpf("0.3"), times)[-1]
            yield f"{name}, degree {degree}", table[-1, column], value


def _figure() -> Any:
    from ..report.figures import axes

    figure, ax = axes(width=6.4, height=3.0)
    for label, times in (
        ("constant", [0.2] * 40),
        (r"$1/(1+i)$", [0.2 / (1 + j) for j in range(40)]),
        (r"ratio 0.9", [0.2 * 0.9**j for j in range(40)]),
        (r"ratio 0.4", [0.2 * 0.4**j for j in range(40)]),
    ):
        ax.plot(range(1, 41), [float(e) for e in _iterate(times, 0.3)[1:]], label=label)
    ax.set_yscale("log")
    ax.set_ylim(1e-6, 1)
    ax.set_xlabel("round $i$")
    ax.set_ylabel("lost share $e_n(i)$")
    ax.set_title(r"four schedules that begin at $n\theta t_0=0.2$, $\alpha=0.3$")
    ax.legend(frameon=False, ncols=4, fontsize=8)
    return figure


STATEMENT = Statement(
    id="limit.annealed",
    title="Truncation times that go to zero undo the compounding",
    source="limit paper, Theorem 4.1",
    text=(
        r"If $t_i\to0$, then $p_i\to p_\ast$ for every fresh fraction $\alpha>0$, however slowly; if $t_i\to t_\infty$, the limit is the one "
        r"of the constant time $t_\infty$. What is left at degree $n$ is asymptotically $n\theta t_i/\alpha$ for polynomial times; for "
        r"geometric times of ratio $q$ it is $n\theta t_i/(q-1+\alpha)$ if $q>1-\alpha$, and of order $(1-\alpha)^i$ if $q<1-\alpha$: then "
        r"the fresh data, not the schedule, are the bottleneck."
    ),
    formula=r"e_n(i+1)\sim\frac{n\theta t_i}{\alpha}\;\;(t_i=t/(1+i)^\beta),\qquad e_n(i)\sim\frac{n\theta t_i}{q-1+\alpha}\;\;(t_i=tq^i,\;q>1-\alpha)",
    conditions=r"$\alpha>0$; without fresh data the limit is the data law at the diffusion time $\sum_i t_i$. The constant of the case "
    r"$q<1-\alpha$ is for small $t$",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(derived(STEPS, "residual recursion and its solutions"), rates, recovery, particles),
    mutations=(
        Mutation(
            "constant", r"$n\theta t_i/(2\alpha)$", {"polynomial": lambda y_i, alpha: y_i / (2 * alpha)}
        ),
        Mutation(
            "exponent",
            r"$(1-\alpha)^{i}$ in the critical case",
            {"critical": lambda y, i, alpha: y * i * (1 - alpha) ** i},
        ),
        Mutation("sign", r"$q-1-\alpha$", {"geometric": lambda y_i, q, alpha: y_i / (q - 1 - alpha)}),
        Mutation("dropped condition", r"recovery also for $\alpha=0$", {"recovers": lambda alpha: True}),
    ),
    expected="holds",
    package=Package("mode_factors, schedules", "tests/recursion/test_schedules_regimes.py", _package),
    figure=_figure,
)
