"""The recursion from its definition alone: laws, rounds, moments, distances, particles.

A round trains on q = alpha p* + (1 - alpha) p and outputs a X + sqrt(1 - a^2) Z with X ~ q.  Nothing here knows the
limit, the attenuation or any other formula that a statement is about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import mpmath
import numpy as np
from mpmath import mp, mpf

Law = list[tuple[Any, Any, Any]]  # (weight, mean, variance) of the components of a mixture on the line


def law(*components: tuple[float, float, float]) -> Law:
    """A Gaussian mixture on the line, in mpmath numbers."""
    return [(mpf(w), mpf(m), mpf(v)) for w, m, v in components]


def two_modes() -> Law:
    return law(("0.4", "-1.3", "0.3"), ("0.6", "0.9", "0.5"))


def three_modes() -> Law:
    return law(("0.25", "-2", "0.2"), ("0.45", "0.25", "0.6"), ("0.3", "1.75", "0.1"))


def channel(p: Law, scale: Any, variance: Any) -> Law:
    """Law of scale X + sqrt(variance) Z."""
    return [(w, scale * m, scale * scale * v + variance) for w, m, v in p]


def truncate(p: Law, x: Any) -> Law:
    """Ornstein-Uhlenbeck noise up to dimensionless time x = theta t0, denoised perfectly down to it: C p."""
    return channel(p, mpmath.exp(-mpf(x)), -mpmath.expm1(-2 * mpf(x)))


def mix(alpha: Any, p: Law, q: Law) -> Law:
    """alpha p + (1 - alpha) q."""
    return [(alpha * w, m, v) for w, m, v in p] + [((1 - alpha) * w, m, v) for w, m, v in q]


def rounds(target: Law, alpha: Any, times: Sequence[Any], initial: Law | None = None) -> list[Law]:
    """p_0, p_1, ..., by the definition: mix, then truncate."""
    laws = [target if initial is None else initial]
    for x in times:
        laws.append(truncate(mix(mpf(alpha), target, laws[-1]), x))
    return laws


@cache
def hermite_polynomial(n: int) -> tuple[int, ...]:
    """Coefficients of He_n in powers of x, from He_{n+1} = x He_n - n He_{n-1}."""
    if n == 0:
        return (1,)
    if n == 1:
        return (0, 1)
    one, two = hermite_polynomial(n - 1), hermite_polynomial(n - 2)
    return tuple(
        (one[k - 1] if k >= 1 else 0) - (n - 1) * (two[k] if k < len(two) else 0) for k in range(n + 1)
    )


def raw_moments(p: Law, count: int) -> list[Any]:
    """E X^0, ..., E X^count by integration by parts within each Gaussian: E X^{j+1} = m E X^j + j v E X^{j-1}."""
    total = [mpf(0)] * (count + 1)
    for w, m, v in p:
        moment, before = mpf(1), mpf(0)
        for j in range(count + 1):
            total[j] += w * moment
            moment, before = m * moment + j * v * before, moment
    return total


def coefficient(p: Law, n: int) -> Any:
    """c_n(p) = E He_n(X) / sqrt(n!)."""
    with mp.workdps(mp.dps + 2 * n):
        moments = raw_moments(p, n)
        return mpmath.fsum(c * moments[k] for k, c in enumerate(hermite_polynomial(n))) / mpmath.sqrt(
            mpmath.factorial(n)
        )


def hermite(n: int, x: Any) -> Any:
    """h_n at one mpmath number."""
    return mpmath.polyval(list(reversed(hermite_polynomial(n))), x) / mpmath.sqrt(mpmath.factorial(n))


def normal_density(x: Any, mean: Any = 0, variance: Any = 1) -> Any:
    return mpmath.exp(-((x - mean) ** 2) / (2 * variance)) / mpmath.sqrt(2 * mpmath.pi * variance)


def density(p: Law, x: Any) -> Any:
    return mpmath.fsum(w * normal_density(x, m, v) for w, m, v in p)


def score(p: Law, x: Any) -> Any:
    """Derivative of log density."""
    parts = [w * normal_density(x, m, v) for w, m, v in p]
    return mpmath.fsum(-(x - m) / v * part for part, (_, m, v) in zip(parts, p, strict=True)) / mpmath.fsum(
        parts
    )


def cumulative(p: Law, x: Any) -> Any:
    return mpmath.fsum(w * mpmath.ncdf((x - m) / mpmath.sqrt(v)) for w, m, v in p)


def survival(p: Law, x: Any) -> Any:
    return mpmath.fsum(w * mpmath.ncdf(-(x - m) / mpmath.sqrt(v)) for w, m, v in p)


def line_integral(
    function: Callable[[Any], Any], low: float = -14, high: float = 14, step: float = 0.05
) -> Any:
    """Trapezoidal sum over the line: spectrally accurate for the analytic, Gaussian-tailed integrands used here."""
    count = round((high - low) / step)
    return mpf(step) * mpmath.fsum(function(mpf(low) + k * mpf(step)) for k in range(count + 1))


def grid(law_: Law, x: np.ndarray) -> np.ndarray:
    """The density of a mixture on a float array."""
    total = np.zeros_like(x)
    for w, m, v in law_:
        total += float(w) * np.exp(-((x - float(m)) ** 2) / (2 * float(v))) / np.sqrt(2 * np.pi * float(v))
    return total


def quantiles(p: Law, z: np.ndarray) -> np.ndarray:
    """Quantiles of a mixture at the normal scores z, by bisection and Newton steps in double precision."""
    from scipy.special import ndtr

    weights, means, variances = (np.array([float(c[i]) for c in p]) for i in range(3))
    deviations = np.sqrt(variances)
    z = np.asarray(z, float)
    low = np.full(z.shape, (means - 40 * deviations).min())
    high = np.full(z.shape, (means + 40 * deviations).max())
    upper = z > 0
    wanted = ndtr(-np.abs(z))
    for _ in range(110):
        middle = (low + high) / 2
        t = (middle[:, None] - means) / deviations
        tail = np.where(upper, ndtr(-t) @ weights, ndtr(t) @ weights)
        beyond = np.where(upper, tail < wanted, tail > wanted)
        high = np.where(beyond, middle, high)
        low = np.where(beyond, low, middle)
    return (low + high) / 2


def wasserstein(p: Law, q: Law, order: int = 2, step: float = 0.02, breaks: Sequence[float] = ()) -> float:
    """W_order between mixtures on the line: the quantile integral in normal scores, double precision.

    Trapezoidal, or with `breaks` (scores at which the quantile functions jump) Gauss-Legendre between them.
    """
    if breaks:
        ends = [-8.5, *breaks, 8.5]
        nodes, weights = np.polynomial.legendre.leggauss(400)
        halves = np.diff(ends)[:, None] / 2
        z = (np.array(ends[:-1])[:, None] + halves * (1 + nodes)).ravel()
        weight = (halves * weights).ravel() * np.exp(-z * z / 2)
    else:
        z = np.arange(-8.5, 8.5 + step / 2, step)
        weight = np.exp(-z * z / 2)
    weight = weight / weight.sum()
    gap = np.abs(quantiles(p, z) - quantiles(q, z)) ** order
    return float((gap * weight).sum() ** (1 / order))


def relative_fisher(p: Law) -> Any:
    """I = E_p (x + (log p)'(x))^2."""
    return line_integral(lambda x: density(p, x) * (x + score(p, x)) ** 2)


# ------------------------------------------------------------------------- one mode


def mode_trajectory(n: int, alpha: Any, times: Sequence[Any], start: Any = 1) -> list[Any]:
    """c_n(p_i)/c_n(p*) for p_0 = p*: f <- e^{-n x} (alpha + (1 - alpha) f), once a round."""
    f = [mpf(start)]
    for x in times:
        f.append(mpmath.exp(-n * mpf(x)) * (mpf(alpha) + (1 - mpf(alpha)) * f[-1]))
    return f


# ------------------------------------------------------------------------- particles


def hermite_table(x: np.ndarray, degree: int) -> np.ndarray:
    """h_0..h_degree at a float array, shape (degree + 1, ...)."""
    table = [np.ones_like(x), x]
    for n in range(1, degree):
        table.append((x * table[n] - np.sqrt(n) * table[n - 1]) / np.sqrt(n + 1))
    return np.stack(table[: degree + 1])


def draw(rng: np.random.Generator, p: Law, shape: tuple[int, ...]) -> np.ndarray:
    """Samples of a mixture on the line."""
    weights = np.array([float(w) for w, _, _ in p])
    which = rng.choice(len(p), size=shape, p=weights / weights.sum())
    means, deviations = (np.array([float(c[1]) for c in p]), np.array([float(c[2]) ** 0.5 for c in p]))
    return means[which] + deviations[which] * rng.standard_normal(shape)


def particles(
    rng: np.random.Generator,
    target: Law,
    alpha: float,
    times: Sequence[float],
    *,
    runs: int,
    count: int,
    keep: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Independent runs of the recursion with `count` particles; `keep` of the particles of every round.

    Each particle of a round is fresh with probability alpha, else a uniformly drawn particle of the last round, and
    is then carried through the truncation channel.  Result: (rounds + 1, ...).
    """
    x = draw(rng, target, (runs, count))
    kept = [keep(x)]
    for time in times:
        a, s = np.exp(-time), np.sqrt(-np.expm1(-2 * time))
        parents = np.take_along_axis(x, rng.integers(0, count, (runs, count)), axis=1)
        fresh = rng.random((runs, count)) < alpha
        x = np.where(fresh, draw(rng, target, (runs, count)), parents)
        x = a * x + s * rng.standard_normal((runs, count))
        kept.append(keep(x))
    return np.stack(kept)


def over_runs(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean over independent runs and its standard error."""
    runs = values.shape[axis]
    return values.mean(axis), values.std(axis, ddof=1) / np.sqrt(runs)
