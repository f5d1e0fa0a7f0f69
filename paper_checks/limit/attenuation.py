"""Attenuation of every Hermite degree: a low-pass filter."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, enclosures, subject
from ..arithmetic import FLOAT, MPMATH, SYMPY
from ..evidence import (
    Claim,
    Outcome,
    agreement,
    all_of,
    certified,
    decided,
    high_precision,
    identity,
    scores,
    simulated,
)
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    # The limit amplitude is a function of alpha and E = expm1(n theta t0).
    amplitude=lambda alpha, E: alpha / (alpha + E),
    exponent=lambda n, x: n * x,
    contraction=lambda m, n, alpha, x: (1 - alpha) * m.exp(-n * x),
)


def g(claim: Claim, m: Any, n: Any, alpha: Any, x: Any) -> Any:
    return claim.amplitude(alpha, m.expm1(claim.exponent(n, x)))


def trajectory(claim: Claim, m: Any, n: Any, alpha: Any, x: Any, i: Any) -> Any:
    limit = g(claim, m, n, alpha, x)
    return limit + (1 - limit) * claim.contraction(m, n, alpha, x) ** i


alpha, x, a, r, X = sympy.symbols("alpha x a r X", positive=True)
n, i = sympy.symbols("n i", integer=True, positive=True)


def _generating(claim: Claim) -> Outcome:
    # E over Z of exp(r(aX + sZ) - r^2/2), s^2 = 1 - a^2, from the Gaussian moment generating function.
    after = sympy.exp(r * a * X + r**2 * (1 - a**2) / 2 - r**2 / 2)
    before = sympy.exp((a * r) * X - (a * r) ** 2 / 2)
    return identity(
        sympy.log(after).expand(force=True), sympy.log(before).expand(force=True), "generating function"
    )


def _fixed_point(claim: Claim) -> Outcome:
    f = g(claim, SYMPY, n, alpha, x)
    return identity(f, sympy.exp(-n * x) * (alpha + (1 - alpha) * f), "fixed point of one round")


def _geometric(claim: Claim) -> Outcome:
    c = sympy.exp(-n * x)
    return identity(
        g(claim, SYMPY, n, alpha, x), alpha * c / (1 - (1 - alpha) * c), "the form with exp(-n theta t0)"
    )


def _trajectory(claim: Claim) -> Outcome:
    now, then = (trajectory(claim, SYMPY, n, alpha, x, j) for j in (i, i + 1))
    start = identity(trajectory(claim, SYMPY, n, alpha, x, sympy.Integer(0)), 1, "start")
    return all_of(start, identity(then, sympy.exp(-n * x) * (alpha + (1 - alpha) * now), "one more round"))


def _derivatives(claim: Claim) -> Outcome:
    E = sympy.Symbol("E", positive=True)
    f = claim.amplitude(alpha, E)
    return all_of(
        identity(sympy.diff(f, alpha), E / (alpha + E) ** 2, "derivative in alpha"),
        identity(sympy.diff(f, E), -alpha / (alpha + E) ** 2, "derivative in E"),
    )


STEPS = (
    Step(
        r"One round carries $X \sim q_i$ to $aX+\sqrt{1-a^2}\,Z$ with $a=e^{-\theta t_0}$. The functions "
        r"$e^{rx-r^2/2}=\sum_n \frac{r^n}{\sqrt{n!}}\,h_n(x)$ generate the Hermite polynomials; average over $Z$:",
        r"E_Z\, e^{r(aX+\sqrt{1-a^2}Z)-r^2/2} = e^{(ar)X-(ar)^2/2}",
        _generating,
    ),
    Step(
        r"Compare powers of $r$: $c_n(Cq)=a^n c_n(q)$. Since $c_n$ is linear in the law and "
        r"$q_i=\alpha p_\ast+(1-\alpha)p_i$, the ratio $f_n(i)=c_n(p_i)/c_n(p_\ast)$ obeys",
        r"f_n(i+1) = e^{-n\theta t_0}\,(\alpha+(1-\alpha) f_n(i)), \qquad f_n(0)=1",
    ),
    Step(
        r"Its only fixed point, written with $E_n=e^{n\theta t_0}-1$ so that nothing cancels, is",
        r"g_n=\frac{\alpha}{\alpha+E_n}",
        _fixed_point,
    ),
    Step(
        r"which is the form printed in the paper:",
        r"g_n=\frac{\alpha e^{-n\theta t_0}}{1-(1-\alpha)e^{-n\theta t_0}}",
        _geometric,
    ),
    Step(
        r"The recursion is affine with slope $\kappa_n=(1-\alpha)e^{-n\theta t_0}<1$, hence for every round",
        r"f_n(i)=g_n+(1-g_n)\,\kappa_n^{\,i}",
        _trajectory,
    ),
    Step(
        r"$E_n$ grows with $n$ and with $t_0$; $g_n$ grows with $\alpha$ and falls with $E_n$:",
        r"\frac{\partial g}{\partial\alpha}=\frac{E}{(\alpha+E)^2}>0,\qquad "
        r"\frac{\partial g}{\partial E}=-\frac{\alpha}{(\alpha+E)^2}<0",
        _derivatives,
    ),
)


@certified(
    r"monotone in alpha, in the degree (1 to 64) and in t0 for alpha in [1e-6, 1] and theta t0 in [1e-8, 10]: the "
    r"derivatives in log alpha and log E depend on E/alpha alone and are enclosed on intervals of its logarithm"
)
def on_boxes(claim: Claim) -> Outcome:
    m = enclosures.arithmetic()
    E, D = sympy.symbols("E D", positive=True)
    f = claim.amplitude(alpha, E)
    # With E = alpha D the logarithmic derivatives depend on D alone, and one variable is left to subdivide.
    rising = sympy.simplify((alpha * sympy.diff(f, alpha)).subs(E, alpha * D))
    falling = sympy.simplify((-E * sympy.diff(f, E)).subs(E, alpha * D))
    if alpha in rising.free_symbols | falling.free_symbols:
        return decided(False, "the logarithmic derivatives do not depend on E/alpha alone")
    quotient = (float(np.log(1e-8)), 641.0 - float(np.log(1e-6)))
    inner = [(float(np.log(1e-8)), float(np.log(10.0))), (0.0, float(np.log(64.0)))]

    def growth(u: Any, v: Any) -> Any:
        # E rises with theta t0 = e^u and with the degree e^v, because its exponent does and d expm1(y) = e^y dy.
        return claim.exponent(m.exp(v), m.exp(u))

    return all_of(
        *(
            enclosures.positive_on(lambda d, h=sympy.lambdify(D, h, "math"): h(m.exp(d)), [quotient])
            for h in (rising, falling)
        ),
        enclosures.positive_on(growth, inner),
    )


@high_precision(
    "mixtures carried through eight rounds by the definition; coefficients of degrees 1 to 9 from raw moments"
)
def from_laws(claim: Claim) -> Outcome:
    pairs = []
    for fraction, time in ((mpf("0.1"), mpf("0.05")), (mpf("0.5"), mpf("0.3")), (mpf("0.9"), mpf("1.1"))):
        for target in (definition.two_modes(), definition.three_modes()):
            laws = definition.rounds(target, fraction, [time] * 8)
            for degree in range(1, 10):
                first = definition.coefficient(target, degree)
                for after in (1, 3, 8):
                    predicted = trajectory(claim, MPMATH, degree, fraction, time, after)
                    pairs.append((definition.coefficient(laws[after], degree), predicted * first))
    return agreement(pairs, 24)


@high_precision("the mode recursion iterated until it stops, down to theta t0 = 1e-4 and alpha = 0.01")
def from_iteration(claim: Claim) -> Outcome:
    pairs = []
    for fraction, time, degree, count in (
        (0.01, 1e-4, 1, 8000),
        (0.3, 0.02, 5, 400),
        (0.05, 0.5, 12, 60),
        (1.0, 2.0, 3, 3),
    ):
        last = definition.mode_trajectory(degree, fraction, [mpf(time)] * count)[-1]
        pairs.append((last, g(claim, MPMATH, degree, mpf(fraction), mpf(time))))
    return agreement(pairs, 20)


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(606)
    kept = definition.particles(
        rng,
        definition.two_modes(),
        0.3,
        [0.12] * 8,
        runs=200,
        count=2000,
        keep=lambda y: definition.hermite_table(y, 6)[1:].mean(-1),
    )
    return definition.over_runs(kept, 2)


@simulated("200 independent runs of 2 000 particles, 8 rounds, degrees 1 to 6, errors measured over the runs")
def from_particles(claim: Claim) -> Outcome:
    mean, error = _runs()
    target = [float(definition.coefficient(definition.two_modes(), k)) for k in range(1, 7)]
    predicted = [
        [trajectory(claim, FLOAT, k, 0.3, 0.12, after) * target[k - 1] for k in range(1, 7)]
        for after in range(9)
    ]
    return scores(mean[1:], np.array(predicted)[1:], error[1:])


def _package() -> Iterator[tuple[str, Any, Any]]:
    attenuation = subject.fetch("attenuation")
    factors = subject.fetch("mode_factors")
    for fraction, time in ((1e-6, 1e-7), (0.1, 0.04), (0.7, 3.0)):
        for degree in (1, 4, 30):
            ours = mpf(fraction) / (mpf(fraction) + mpmath.expm1(degree * mpf(time) / 2))
            if fraction > 1e-3:  # by iteration, not by the formula
                ours = definition.mode_trajectory(degree, fraction, [mpf(time) / 2] * 600)[-1]
            theirs = attenuation(degree, fresh_fraction=fraction, truncation_time=time)
            yield f"attenuation({degree}, {fraction}, {time})", subject.number(theirs), ours
    table = np.asarray(factors([1, 6], fresh_fraction=0.2, truncation_time=0.1, rounds=5))
    for column, degree in enumerate((1, 6)):
        for after, value in enumerate(definition.mode_trajectory(degree, 0.2, [mpf(0.1) / 2] * 5)):
            yield f"mode_factors degree {degree} round {after}", table[after, column], value


def _figure() -> Any:
    from ..report.figures import axes

    figure, ax = axes(width=6.4, height=3.0)
    degrees = np.arange(0, 41)
    for fraction in (0.9, 0.5, 0.3, 0.1, 0.03):
        ax.plot(degrees, fraction / (fraction + np.expm1(0.02 * degrees)), label=rf"$\alpha={fraction}$")
    ax.set_xlabel("degree $n$")
    ax.set_ylabel("share kept in the limit, $g_n$")
    ax.set_title(r"Recursive training is a low-pass filter ($\theta t_0=0.02$)")
    ax.legend(frameon=False, ncols=5, fontsize=8)
    return figure


STATEMENT = Statement(
    id="limit.attenuation",
    title="Every Hermite degree keeps a fixed share of its amplitude",
    source="limit paper, Proposition 3.3",
    text=(
        r"In the limit law the Hermite coefficients of total degree $n$ are those of the data times one number $g_n$, whatever "
        r"the data. After $i$ rounds from $p_0=p_\ast$ the factor is $f_n(i)$. The share $g_n$ grows with the fresh fraction "
        r"$\alpha$, falls with the degree and with the truncation time."
    ),
    formula=r"g_n=\frac{\alpha}{\alpha+e^{n\theta t_0}-1},\qquad f_n(i)=g_n+(1-g_n)\left[(1-\alpha)e^{-n\theta t_0}\right]^{i}",
    conditions=r"$0<\alpha\leq 1$, $t_0>0$, moments of order $n$; monotonicity certified for $\alpha\in[10^{-6},1]$, "
    r"$\theta t_0\in[10^{-8},10]$, $n\leq 64$ and derived for all",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "from one round to the limit, every formula by sympy"),
        on_boxes,
        from_laws,
        from_iteration,
        from_particles,
    ),
    mutations=(
        Mutation(
            "constant", r"$\alpha/(\alpha+2E_n)$", {"amplitude": lambda alpha, E: alpha / (alpha + 2 * E)}
        ),
        Mutation("sign", r"$\alpha/(\alpha-E_n)$", {"amplitude": lambda alpha, E: alpha / (alpha - E)}),
        Mutation("exponent", r"$n^2$ in place of $n$", {"exponent": lambda n, x: n * n * x}),
        Mutation(
            "dropped condition",
            r"contraction without the factor $1-\alpha$",
            {"contraction": lambda m, n, alpha, x: m.exp(-n * x)},
        ),
    ),
    expected="holds",
    package=Package("attenuation, mode_factors", "tests/recursion/test_modes.py", _package),
    figure=_figure,
)
