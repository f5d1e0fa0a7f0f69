"""Classifier-free guidance along one direction: what a round does, and the share of fresh data that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from .. import definition, subject
from ..evidence import Claim, Outcome, agreement, all_of, decided, high_precision, identity, scores, simulated
from ..registry import Mutation, Package, Statement, Step, derived

CLAIM = Claim(
    variance=lambda w, u, omega: w ** (1 + omega) * u ** (-omega),
    # F is Gauss' hypergeometric function 2F1, x = w/u
    gain=lambda F, omega, x: (1 + omega) * F(-omega / 2, 1, sympy.Rational(3, 2), 1 - x),
    spread=lambda alpha, gamma: alpha + (1 - alpha) * gamma,
    training=lambda alpha, data, model, gamma, between: (
        alpha * data + (1 - alpha) * model + alpha * (1 - alpha) * (1 - gamma) ** 2 * between
    ),
    # data variance 1/4 within a class, 3/4 between the class means
    critical_tenth=0.0533302,  # omega = .1
    critical_half=0.2167552,  # omega = .5
)

w, u, s, omega, alpha, gamma, between = sympy.symbols("w u s omega alpha gamma b", positive=True)
data, model, rho, z = sympy.symbols("v_d v rho z", positive=True)


def _slope(noise: Any) -> Any:
    """d log x / d s of the guided ODE, s the variance of the noise: half the guided score over -x."""
    return ((1 + omega) / (w + noise) - omega / (u + noise)) / 2


def _ode(claim: Claim) -> Outcome:
    # Backwards from s to 0 the deviation shrinks by the root of variance(w, u) / variance(w + s, u + s).
    shrunk = sympy.log(claim.variance(w + s, u + s, omega)) / 2
    wide = sympy.Symbol("T", positive=True)
    start = claim.variance(1 + w / wide, 1 + u / wide, omega)  # over T, the variance of the start
    return all_of(
        identity(sympy.diff(shrunk, s), _slope(s), "guided ODE"),
        identity(sympy.limit(start, wide, sympy.oo), 1, "start"),
    )


def _substitution(claim: Claim) -> Outcome:
    # Forcing (1 + omega)/(2 (w + s)) over the homogeneous solution, with s = w/rho^2 - w.
    x = w / u
    forced = (1 + omega) / (2 * (w + s)) * (w / (w + s)) ** ((1 + omega) / 2) * ((u + s) / u) ** (omega / 2)
    moved = forced.subs(s, w / rho**2 - w) * 2 * w / rho**3
    square = (1 + omega) ** 2 * (x + (1 - x) * rho**2) ** omega
    values = [{w: sympy.Rational(1, 3), u: 2, omega: power, rho: sympy.Rational(2, 5)} for power in (1, 2, 3)]
    return all_of(
        *(identity(sympy.simplify((moved**2 - square).subs(point)), 0, "integrand") for point in values)
    )


TERMS = 7


def _truncated(p: Any, q: Any, r: Any, argument: Any) -> Any:
    return sum(
        sympy.rf(p, k) * sympy.rf(q, k) / sympy.rf(r, k) / sympy.factorial(k) * argument**k
        for k in range(TERMS)
    )


def _series(claim: Claim) -> Outcome:
    # (1 + omega) int_0^1 (1 - z (1 - rho^2))^{omega/2} d rho, power by power of z = 1 - x.
    series = sympy.Poly(sympy.expand(claim.gain(_truncated, omega, 1 - z)), z)
    outcomes = []
    for k in range(TERMS):
        average = sympy.integrate(sympy.expand((rho**2 - 1) ** k), (rho, 0, 1))
        binomial = sympy.ff(omega / 2, k) / sympy.factorial(k)
        outcomes.append(identity(series.coeff_monomial(z**k), (1 + omega) * binomial * average, f"power {k}"))
    return all_of(*outcomes)


def _closure(claim: Claim) -> Outcome:
    mean = sympy.Symbol("mu", real=True)
    centre = alpha * mean + (1 - alpha) * gamma * mean
    second = alpha * (data + mean**2) + (1 - alpha) * (model + (gamma * mean) ** 2)
    within = sympy.expand(second - centre**2).subs(mean**2, between)
    return all_of(
        identity(sympy.expand(centre / mean), claim.spread(alpha, gamma), "class means"),
        identity(within, claim.training(alpha, data, model, gamma, between), "variance within a class"),
    )


STEPS = (
    Step(
        r"Classes $N(\mu,w)$ with $\mu\sim N(0,b)$, $u=w+b$, noise of variance $s$. The guided score is $(1+\omega)\nabla\log p_\mu-\omega\nabla\log p$, and the flow $x'=-\frac12$ of it in $s$. For deviations",
        r"\frac{d\log x}{ds}=\frac12\left(\frac{1+\omega}{w+s}-\frac{\omega}{u+s}\right)\quad\Rightarrow\quad V=w^{1+\omega}u^{-\omega}",
        _ode,
    ),
    Step(
        r"The mean is forced by $(1+\omega)\mu/2(w+s)$. Over the homogeneous solution, and with $\rho^2=w/(w+s)$:",
        r"g=(1+\omega)\int_0^1\left(\frac{w}{u}+\left(1-\frac{w}{u}\right)\rho^2\right)^{\omega/2}d\rho",
        _substitution,
    ),
    Step(
        r"Expanded in powers of $z=1-w/u$ this is a hypergeometric series:",
        r"g=(1+\omega)\,{}_2F_1\left(-\frac{\omega}{2},1;\frac{3}{2};1-\frac{w}{u}\right)",
        _series,
    ),
    Step(
        r"In the recursion the class means move with the gain $\gamma$ so far, and a class of the training law is a mixture of $N(\mu,v_d)$ and $N(\gamma\mu,v)$; its variance, averaged over classes:",
        r"\bar\gamma=\alpha+(1-\alpha)\gamma,\quad w=\alpha v_d+(1-\alpha)v+\alpha(1-\alpha)(1-\gamma)^2b_d,\quad b=\bar\gamma^2b_d,\quad\gamma'=g\bar\gamma",
        _closure,
    ),
)


def _hyper(p: Any, q: Any, r: Any, argument: Any) -> Any:
    return mpmath.hyp2f1(mpmath.mpmathify(p), q, mpf(3) / 2, argument)


def _shrunk(noise: Any, within: Any, total: Any, power: Any) -> Any:
    """What is left at noise 0 of a deviation at some noise, by quadrature of the flow's slope."""
    slope = lambda t: ((1 + power) / (within + t) - power / (total + t)) / 2  # noqa: E731
    return mpmath.exp(-mpmath.quad(slope, [0, noise]))


def _after_round(within: Any, total: Any, power: Any) -> tuple[Any, Any]:
    """Variance and mean gain of the guided flow, from its slope and its forcing alone."""
    # Against the unguided flow, which leaves the variance within: the difference of slopes is integrable.
    excess = mpmath.quad(lambda t: power / (within + t) - power / (total + t), [0, 1, 100, mpmath.inf])

    def forced(root: Any) -> Any:  # in the deviation of the noise
        noise = root * root
        closed = (within / (within + noise)) ** ((1 + power) / 2) * ((total + noise) / total) ** (power / 2)
        return (1 + power) / (within + noise) * closed * root

    return within * mpmath.exp(-excess), mpmath.quad(forced, [0, 1, 10, 1000, mpmath.inf])


@high_precision("the guided flow's variance and mean by quadrature over all noise, three weights, two laws")
def one_round(claim: Claim) -> Outcome:
    pairs = []
    for power in (mpf("0.5"), mpf(2), mpf("6.5")):
        for within, total in ((mpf("0.25"), mpf(1)), (mpf("0.1"), mpf("0.15"))):
            variance, gain = _after_round(within, total, power)
            pairs.append((variance, claim.variance(within, total, power)))
            pairs.append((gain, claim.gain(_hyper, power, within / total)))
            noise = mpf("0.7")
            left = claim.variance(within, total, power) / claim.variance(within + noise, total + noise, power)
            pairs.append((_shrunk(noise, within, total, power) ** 2, left))
    return agreement(pairs, 12)


WITHIN, BETWEEN = 0.25, 0.75


def _round(
    claim: Claim, gains: Any, power: float, share: float, state: tuple[float, float]
) -> tuple[float, float]:
    """Variance within a class and gain of the class means after one more round of the claim."""
    spread = claim.spread(share, state[1])
    within = claim.training(share, WITHIN, state[0], state[1], BETWEEN)
    total = within + spread**2 * BETWEEN
    return claim.variance(within, total, power), gains(within / total) * spread


@cache
def _gains(power: float) -> Any:
    """The mean gain as a function of w/u, by Gauss-Legendre quadrature in doubles."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    squares, weights = ((nodes + 1) / 2) ** 2, weights / 2
    return lambda x: (1 + power) * float(weights @ (x + (1 - x) * squares) ** (power / 2))


@cache
def _fold(power: float) -> float:
    """The share at which the two stationary states meet: a double root in x = w/u, from one equation."""
    exponent = mpf(str(power))

    def gain(x: Any) -> Any:
        return mpmath.quad(lambda r: (1 + exponent) * (x + (1 - x) * r * r) ** (exponent / 2), [0, 1])

    def excess(x: Any, share: Any) -> Any:
        g, kept = gain(x), 1 - share
        spread = share / (1 - kept * g)  # gamma = g spread, spread = alpha + (1 - alpha) gamma
        within = x / (1 - x) * spread**2 * mpf("0.75")
        moved = share * kept * (1 - g * spread) ** 2 * mpf("0.75")
        return within * (1 - kept * x**exponent) - share * mpf("0.25") - moved

    def slope(x: Any, share: Any) -> Any:
        return (excess(x + mpf("1e-8"), share) - excess(x - mpf("1e-8"), share)) / mpf("2e-8")

    guess = {0.1: ("0.147", "0.0533"), 0.5: ("0.163", "0.2168")}[power]
    with mpmath.workdps(30):
        found = mpmath.findroot(lambda x, a: [excess(x, a), slope(x, a)], tuple(map(mpf, guess)), tol=1e-16)
    return float(found[1])


@high_precision("the share of fresh data at which two stationary states meet: a double root of one equation")
def fold(claim: Claim) -> Outcome:
    return agreement([(_fold(0.1), claim.critical_tenth), (_fold(0.5), claim.critical_half)], 6)


def _settles(claim: Claim, power: float, share: float, rounds: int) -> bool:
    state, gains = (WITHIN, 1.0), _gains(power)
    for _ in range(rounds):
        following = _round(claim, gains, power, share, state)
        if not (following[1] < 100.0 and following[0] < 1e6):
            return False
        if abs(following[1] - state[1]) < 1e-12:
            return True
        state = following
    return False


@high_precision(
    "rounds from the data by the claim, 2 percent above and below its critical share: settled and grown"
)
def from_the_data(claim: Claim) -> Outcome:
    for power, share, rounds in ((0.5, claim.critical_half, 4000), (0.1, claim.critical_tenth, 20_000)):
        if not _settles(claim, power, 1.02 * share, rounds):
            return decided(False, f"omega {power}: no limit just above the critical share {share:.4f}")
        if _settles(claim, power, 0.98 * share, rounds):
            return decided(False, f"omega {power}: a limit just below the critical share {share:.4f}")
    return decided(True, "limits 2 percent above both critical shares, none 2 percent below")


@cache
def _runs() -> tuple[np.ndarray, np.ndarray]:
    """Slopes and residual variances of guided particles on their class means, by Runge-Kutta steps in log noise."""
    rng = np.random.default_rng(76)
    power, runs, count = 1.5, 50, 1000
    mu = np.sqrt(BETWEEN) * rng.standard_normal((runs, count))
    top, steps = np.log(1e6), 300
    x = np.sqrt(np.exp(top)) * rng.standard_normal((runs, count))
    grid = np.linspace(top, np.log(1e-7), steps + 1)

    def velocity(log_s: float, x: np.ndarray) -> np.ndarray:
        noise = np.exp(log_s)
        guided = (1 + power) * (x - mu) / (WITHIN + noise) - power * x / (WITHIN + BETWEEN + noise)
        return noise * guided / 2

    for start, end in zip(grid, grid[1:], strict=False):
        h, middle = end - start, (start + end) / 2
        one = velocity(start, x)
        two = velocity(middle, x + h / 2 * one)
        three = velocity(middle, x + h / 2 * two)
        x = x + h / 6 * (one + 2 * two + 2 * three + velocity(end, x + h * three))
    slope = (mu * x).mean(-1) / (mu * mu).mean(-1)
    residual = ((x - slope[:, None] * mu) ** 2).sum(-1) / (count - 1)
    return definition.over_runs(np.stack([slope, residual]), 1)


@simulated(
    "50 000 particles through the guided ODE of their classes: slope on the class mean, variance about it"
)
def particles(claim: Claim) -> Outcome:
    value, error = _runs()
    total = WITHIN + BETWEEN
    gain = float(claim.gain(_hyper, mpf("1.5"), mpf(WITHIN / total)))
    return scores(value, [gain, claim.variance(WITHIN, total, 1.5)], error)


def _package() -> Iterator[tuple[str, Any, Any]]:
    guidance, pipeline = subject.fetch("mechanisms.Guidance"), subject.fetch("Pipeline")
    one = guidance(1.5, BETWEEN)
    yield "variance", subject.number(one.variance(WITHIN)), WITHIN**1.5
    yield "gain", subject.number(one.gain(WITHIN)), _gains(0.5)(WITHIN)
    for share in (0.9, 0.5):
        run, state = pipeline([one], fresh_fraction=share), (WITHIN, 1.0)
        for _ in range(300):
            state = _round(CLAIM, _gains(0.5), 0.5, share, state)
        yield f"variance at {share}", subject.number(run.limit(WITHIN)), state[0]
        yield f"class means at {share}", subject.number(run.spread(WITHIN)), state[1]


STATEMENT = Statement(
    id="additions.guidance_map",
    title="Guidance shrinks classes, spreads their means, and needs a critical share of fresh data",
    source="new",
    text=r"Classifier-free guidance of weight $1+\omega$ turns the variance $w$ within a class into $w^{1+\omega}u^{-\omega}$ and multiplies class means by a gain between 1 and $1+\omega$. In the recursion the gains compound: with a quarter of the variance within classes, class means and variances grow without bound below a share of fresh data of 0.0533 at $\omega=0.1$ and 0.2168 at $\omega=0.5$.",
    formula=r"V=w^{1+\omega}u^{-\omega},\qquad g=(1+\omega)\,{}_2F_1\left(-\frac{\omega}{2},1;\frac{3}{2};1-\frac{w}{u}\right),\qquad u=w+b",
    conditions=r"class means $N(0,b)$, exact ODE and scores; the recursion is a Gaussian closure: a class of the training law is replaced by the Gaussian with its mean and variance",
    derivation=STEPS,
    claim=CLAIM,
    evidence=(
        derived(STEPS, "guided ODE, integral of its mean, series, law of total variance"),
        one_round,
        fold,
        from_the_data,
        particles,
    ),
    mutations=(
        Mutation(
            "constant",
            "mean gain $1+\\omega$",
            {"gain": lambda F, omega, x: (1 + omega) * F(0, 1, sympy.Rational(3, 2), 1 - x)},
        ),
        Mutation(
            "sign", r"$w^{1+\omega}u^{\omega}$", {"variance": lambda w, u, omega: w ** (1 + omega) * u**omega}
        ),
        Mutation(
            "exponent",
            r"$w^{1+2\omega}u^{-2\omega}$",
            {"variance": lambda w, u, omega: w * (w / u) ** (2 * omega)},
        ),
        Mutation(
            "dropped condition",
            "class means stay where they are",
            {"spread": lambda alpha, gamma: 1 + 0 * gamma},
        ),
        Mutation(
            "constant",
            "critical share 0.211 at half",
            {"critical_half": 0.211},
        ),
        Mutation("constant", "critical share 0.040 at a tenth", {"critical_tenth": 0.040}),
    ),
    expected="holds",
    package=Package(
        "mechanisms.Guidance, Pipeline.spread", "tests/pipeline/test_pipeline.py", _package, digits=10
    ),
    remark=r"The critical share is a fold: a stable and an unstable stationary state meet there, and just below it the recursion lingers for $10^5$ rounds and more before it grows.",
)
