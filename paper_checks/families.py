"""Solvable families of learned rounds, on which statements about errors can be computed without the statements.

shift     Y = X + W on [0, 1]; drift error beta (sqrt(rho) + sqrt(1 - rho) sqrt(2) sin 2 pi t), a function of time alone
tanh      Y = W on [0, 1]; drift error beta tanh(beta y): the learned endpoint is the even mixture of N(+-beta, 1)
circle    p* uniform on the circle; each round adds trigonometric waves to the ideal one
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from mpmath import mpf

from . import definition
from .definition import Law


def euler(like: Any) -> Any:
    """The number e, in the number system of an argument."""
    return sympy.E if isinstance(like, sympy.Basic) else mpmath.e


# ------------------------------------------------------------------------- divergences by integration


def chi_square(p: Law, q: Law) -> Any:
    """int (p - q)^2 / q, by the trapezoidal rule."""

    def integrand(x: Any) -> Any:
        below = definition.density(q, x)
        return (definition.density(p, x) - below) ** 2 / below

    return definition.line_integral(integrand)


def kl(p: Law, q: Law) -> Any:
    """int p log(p/q), by the trapezoidal rule."""

    def integrand(x: Any) -> Any:
        above = definition.density(p, x)
        return above * mpmath.log(above / definition.density(q, x))

    return definition.line_integral(integrand)


# ------------------------------------------------------------------------- shift


def error_in_time(beta: Any, rho: Any, t: Any) -> Any:
    """The drift error of the shift family."""
    return beta * (mpmath.sqrt(rho) + mpmath.sqrt(1 - rho) * mpmath.sqrt(2) * mpmath.sin(2 * mpmath.pi * t))


def energy_in_time(beta: Any, rho: Any) -> Any:
    """eps^2 of the shift family, by integration over time."""
    return mpmath.quad(lambda t: error_in_time(beta, rho, t) ** 2, [0, mpf(1) / 2, 1])


def displacement(beta: Any, rho: Any) -> Any:
    """What the shift family adds to the endpoint."""
    return mpmath.quad(lambda t: error_in_time(beta, rho, t), [0, mpf(1) / 2, 1])


def endpoint(start: Law) -> Law:
    """Law of X + W_1."""
    return definition.channel(start, mpf(1), mpf(1))


def shifted(p: Law, by: Any) -> Law:
    return [(w, m + by, v) for w, m, v in p]


def fisher(p: Law) -> Any:
    """E (log p)'^2."""
    return definition.line_integral(lambda x: definition.density(p, x) * definition.score(p, x) ** 2)


# ------------------------------------------------------------------------- tanh


def tanh_endpoint(beta: Any) -> Law:
    half = mpf(1) / 2
    return [(half, mpf(beta), mpf(1)), (half, -mpf(beta), mpf(1))]


def tanh_energy(beta: float, *, learned: bool) -> float:
    """E int beta^2 tanh^2(beta Y_t) dt along the ideal path N(0, t), or the learned one (N(beta t, t) + N(-beta t, t))/2."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    u, du = np.polynomial.legendre.leggauss(60)
    total = 0.0
    for node, weight in zip((1 + u) / 2, du / 2, strict=True):
        # t = s^2 removes the square root of t at the start.
        t, jacobian = node * node, 2 * node
        y = np.sqrt(t) * nodes + (beta * t if learned else 0.0)
        total += weight * jacobian * float(weights @ np.tanh(beta * y) ** 2)
    return beta * beta * total


def tanh_observability(beta: float) -> float:
    """Var E[M | W_1] / eps^2 for M = int beta tanh(beta W) dW, with W_t given W_1 = y being N(t y, t(1 - t)).

    By Ito, M = log cosh(beta W_1) - (beta^2/2) int sech^2(beta W_t) dt.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    u, du = np.polynomial.legendre.leggauss(60)
    # t = (1 - cos(pi s))/2 smooths both ends.
    s = (1 + u) / 2
    t, jacobian = (1 - np.cos(np.pi * s)) / 2, np.pi * np.sin(np.pi * s) / 2
    y = nodes
    bridge = t[:, None, None] * y[None, :, None] + np.sqrt(t * (1 - t))[:, None, None] * nodes[None, None, :]
    local = (1 / np.cosh(beta * bridge) ** 2) @ weights
    integral = ((du / 2 * jacobian)[:, None] * local).sum(0)
    conditional = np.log(np.cosh(beta * y)) - beta**2 / 2 * integral
    mean = float(weights @ conditional)
    variance = float(weights @ (conditional - mean) ** 2)
    return variance / tanh_energy(beta, learned=False)


# ------------------------------------------------------------------------- recursion of shifts


def shift_recursion(alpha: Any, shifts: Sequence[Any]) -> list[tuple[Any, Any]]:
    """(I_i, D_{i+1}) for p* = N(0, 1), truncation zero, and learned rounds that shift the ideal one.

    p_i is a mixture of translates of p*: int of the product of two translates over p* is exp(s s').
    """
    alpha = mpf(alpha)
    weights, positions = [mpf(1)], [mpf(0)]
    results = []
    for by in shifts:
        weights = [alpha] + [(1 - alpha) * w for w in weights]
        positions = [mpf(0), *positions]
        moved = [s + mpf(by) for s in positions]
        ideal = list(zip(weights, positions, [mpf(1)] * len(weights), strict=True))
        learned = list(zip(weights, moved, [mpf(1)] * len(weights), strict=True))
        against_target = (
            mpmath.fsum(
                u * v * mpmath.exp(s * t)
                for u, s in zip(weights, moved, strict=True)
                for v, t in zip(weights, moved, strict=True)
            )
            - 1
        )
        results.append((_chi_square_on_grid(learned, ideal), against_target))
        positions = moved
    return results


def _chi_square_on_grid(p: Law, q: Law) -> float:
    x = np.arange(-12, 12.0001, 0.02)
    above, below = definition.grid(p, x), definition.grid(q, x)
    return float(((above - below) ** 2 / below).sum() * 0.02)


# ------------------------------------------------------------------------- far ages


@cache
def swapped_ages(alpha: float, time: float = 0.3, age: int = 5) -> dict[str, tuple[float, float]]:
    """Distances to the limit before and after one round, for data so far out that the ages of the limit are disjoint.

    p* has modes at -far and far.  The model is the limit with a tenth of one age's mass moved from its left mode to its
    right one; a round moves that change to the next age, where the limit has 1 - alpha times as much mass.  Both laws
    and both distances come from the definition: the limit by iteration, the integrals on windows around the two ages.
    """
    far, rounds = mpf(10) ** 6, 80
    half = mpf(1) / 2
    target = [(half, -far, mpf(1)), (half, far, mpf(1))]
    limit = definition.rounds(target, alpha, [time] * rounds)[-1]
    positions = [far * mpmath.exp(-mpf(time) * k) for k in (age, age + 1)]
    own = [c for c in limit if abs(abs(c[1]) / positions[0] - 1) < mpf("1e-9")]
    moved = sum(w for w, _, _ in own) / 20
    model = [(w + (moved if m > 0 else -moved), m, v) if (w, m, v) in own else (w, m, v) for w, m, v in limit]
    found: dict[str, tuple[float, ...]] = dict.fromkeys(("tv", "kl", "chi", "w1"), ())
    after = [definition.truncate(definition.mix(mpf(alpha), target, q), time) for q in (model, limit)]
    for p, rest, centre in ((model, limit, positions[0]), (*after, positions[1])):
        tv = kl = chi = 0.0
        for side in (-1, 1):
            x = np.arange(-9, 9.0001, 0.02)
            # Shifted to the window before they become floats: the centre has seven digits before the point.
            above, below = (
                definition.grid(
                    [(w, m - side * centre, v) for w, m, v in law_ if abs(m - side * centre) < 40], x
                )
                for law_ in (p, rest)
            )
            tv += float(np.abs(above - below).sum()) * 0.01
            kl += float((above * np.log(above / below)).sum()) * 0.02
            chi += float(((above - below) ** 2 / below).sum()) * 0.02
        # The cumulative functions are ordered, so W1 is the difference of the means.
        w1 = float(sum(w * m for w, m, _ in p) - sum(w * m for w, m, _ in rest))
        for name, value in (("tv", tv), ("kl", kl), ("chi", chi), ("w1", w1)):
            found[name] += (value,)
    return {name: (values[0], values[1]) for name, values in found.items()}


# ------------------------------------------------------------------------- circle

CIRCLE = np.arange(4096) * (2 * np.pi / 4096)


def circle_recursion(
    alpha: float, defects: Sequence[Callable[[np.ndarray], np.ndarray]]
) -> list[dict[str, float]]:
    """D_i, I_i, R_i for p* uniform: densities relative to p* on a grid of 4096 points, where trigonometric sums are exact.

    Each defect is added to the ideal density q_i; it has mean zero and keeps the density positive.
    """
    density = np.ones_like(CIRCLE)
    rows = []
    for defect in defects:
        ideal = alpha + (1 - alpha) * density
        before = float(((density - 1) ** 2).mean())
        density = ideal + defect(CIRCLE)
        if density.min() <= 0:
            raise ValueError("the defect makes the density negative")
        rows.append(
            {
                "before": before,
                "D": float(((density - 1) ** 2).mean()),
                "I": float(((density - ideal) ** 2 / ideal).mean()),
                "R": float(((density - ideal) ** 2).mean()),
                "cross": float(((density - ideal) * (ideal - 1)).mean()),
            }
        )
    return rows


# ------------------------------------------------------------------------- simulated paths


@cache
def paths(size: float, count: int = 400_000, steps: int = 50, seed: int = 1) -> dict[str, np.ndarray]:
    """Ideal and learned paths of dY = error dt + dW from X uniform on {-1, 1} times 0.7, error size cos(2 y + 3 t).

    Returned per path: endpoint, M, quadratic variation of the ideal path; endpoint and energy of the learned one.
    The discrete scheme is itself a pair of Markov chains, for which every statement holds exactly.
    """
    rng = np.random.default_rng(seed)
    h = 1 / steps
    start = 0.7 * rng.choice([-1.0, 1.0], count)
    y, learned = start.copy(), 0.7 * rng.choice([-1.0, 1.0], count)
    martingale, variation, energy = np.zeros(count), np.zeros(count), np.zeros(count)
    for j in range(steps):
        error = size * np.cos(2 * y + 3 * j * h)
        noise = np.sqrt(h) * rng.standard_normal(count)
        martingale += error * noise
        variation += error**2 * h
        y = y + noise
        error = size * np.cos(2 * learned + 3 * j * h)
        energy += error**2 * h
        learned = learned + error * h + np.sqrt(h) * rng.standard_normal(count)
    return {"end": y, "M": martingale, "variation": variation, "learned": learned, "energy": energy}


def paths_start() -> Law:
    half = mpf(1) / 2
    return [(half, mpf("0.7"), mpf("1e-30")), (half, mpf("-0.7"), mpf("1e-30"))]


def conditional_variance(
    values: np.ndarray, given: np.ndarray, bins: int = 60, batches: int = 20
) -> tuple[float, float]:
    """Var E[values | bin of given], unbiased, and its standard error over batches: a lower approximation of Var E[values | given]."""
    edges = np.quantile(given, np.linspace(0, 1, bins + 1)[1:-1])
    label = np.searchsorted(edges, given)
    found = []
    for batch in np.array_split(np.arange(values.size), batches):
        half = batch.size // 2
        one, two = batch[:half], batch[half:]
        counts = [np.bincount(label[part], minlength=bins) for part in (one, two)]
        means = [
            np.bincount(label[part], weights=values[part], minlength=bins) / np.maximum(count, 1)
            for part, count in zip((one, two), counts, strict=True)
        ]
        share = (counts[0] + counts[1]) / batch.size
        centre = values[batch].mean()
        found.append(float((share * (means[0] - centre) * (means[1] - centre)).sum()))
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(batches))
