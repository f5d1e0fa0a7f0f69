r"""Certified values: enclosures in ball arithmetic of the quantities that double precision computes elsewhere.

Arb (python-flint, the extra `certified`) carries a midpoint and a rigorous radius through every operation, so each
result here is a proof: the true value lies in the interval.  The doubles taken as arguments are taken as exact.

    attenuation             g_n = alpha / (alpha + expm1(n rate t))
    mixture coefficients    c_k by the recurrence of exp(m.t + t.(S - I)t / 2), the precision raised until it suffices
    limit density           sum_{k>=1} alpha (1-alpha)^{k-1} p_k(x), p_k the data's law after OU time k t: the ages up
                            to K are summed, the others enclosed by 0 <= tail <= (1-alpha)^K sup_{k>K} sup_x p_k(x)
    aged density            sum_m w_m p_{a_m}(x) for a given rule of ages: its distance from the limit density is
                            the certified error of that rule

References: arXiv:2606.13796, Theorem 3.1 and Proposition 3.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import ConvergenceError, InputError
from .indices import ancestry, positions, total_degree_indices

FloatArray = NDArray[np.float64]

_LARGEST_AGE = 200_000


@dataclass(frozen=True)
class Enclosure:
    """An interval that contains the true value.

    Attributes
    ----------
    ball : the interval as flint.arb, midpoint and radius.
    """

    ball: Any

    @property
    def lower(self) -> float:
        """A double not above the true value."""
        return math.nextafter(float(self.ball.lower()), -math.inf)

    @property
    def upper(self) -> float:
        """A double not below the true value."""
        return math.nextafter(float(self.ball.upper()), math.inf)

    def __float__(self) -> float:
        return float(self.ball.mid())

    def __contains__(self, value: float) -> bool:
        return bool(self.ball.contains(_flint().arb(float(value))))

    def __sub__(self, other: Enclosure) -> Enclosure:
        return Enclosure(self.ball - other.ball)

    def error_of(self, value: float) -> float:
        """Upper bound of abs(value - truth)."""
        gap = abs(self.ball - _flint().arb(float(value)))
        return 0.0 if gap.is_zero() else math.nextafter(float(gap.upper()), math.inf)

    def ulps_of(self, value: float) -> float:
        """Upper bound of abs(value - truth) in units in the last place of value."""
        return self.error_of(value) / math.ulp(float(value))


def attenuation(
    degree: int, *, fresh_fraction: float, truncation_time: float, rate: float = 0.5, bits: int = 128
) -> Enclosure:
    """Enclosure of the attenuation of one Hermite degree.

        g_n = alpha / (alpha + expm1(n * rate * truncation_time))

    Parameters
    ----------
    degree : n >= 0.
    fresh_fraction, truncation_time, rate : as for hermite_collapse.attenuation, alpha > 0.
    bits : working precision.
    """
    flint = _flint()
    degree = checks.integer(degree, "degree")
    alpha = _positive_fraction(fresh_fraction)
    time, rate = checks.nonnegative(truncation_time, "truncation_time"), checks.positive(rate, "rate")
    with flint.ctx.workprec(bits):
        growth = (flint.arb(degree) * flint.arb(rate) * flint.arb(time)).expm1()
        return Enclosure(flint.arb(alpha) / (flint.arb(alpha) + growth))


def mixture_coefficients(
    weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, degree: int, *, relative: float = 2.0**-70
) -> list[Enclosure]:
    r"""Enclosures of the Hermite coefficients of a Gaussian mixture, in the order of total_degree_indices.

        sqrt(k_j + 1) c_{k + e_j} = m_j c_k + sum_l (S - I)_{jl} sqrt(k_l) c_{k - e_l}

    Parameters
    ----------
    weights, means, covariances, degree : as for hermite_collapse.hermite.coefficients.mixture_coefficients.
    relative : largest radius allowed, relative to the largest coefficient of the same degree.

    Raises : ConvergenceError if 16384 bits do not suffice.
    """
    flint = _flint()
    weights, means, full = _mixture(weights, means, covariances)
    degree = checks.integer(degree, "degree")
    indices = total_degree_indices(means.shape[1], degree)
    level = indices.sum(axis=1)
    bits = 192
    while True:
        with flint.ctx.workprec(bits):
            values = [flint.arb(0)] * len(indices)
            for weight, mean, covariance in zip(weights, means, full, strict=True):
                part = _component_coefficients(mean, covariance, indices, degree)
                values = [value + flint.arb(float(weight)) * c for value, c in zip(values, part, strict=True)]
            radius, size = np.zeros(degree + 1), np.zeros(degree + 1)
            for n, value in zip(level, values, strict=True):
                radius[n] = max(radius[n], float(value.rad()))
                size[n] = max(size[n], float(abs(value.mid())))
        # a degree whose coefficients all vanish needs a radius below that of a coefficient of size 1
        if (radius <= relative * np.where(size > 1e-300, size, 1.0)).all():
            return [Enclosure(value) for value in values]
        bits *= 2
        if bits > 16384:
            raise ConvergenceError(
                f"The coefficients need more than {bits // 2} bits at degree {degree}.",
                value=[Enclosure(value) for value in values],
                bound=radius,
            )


def _component_coefficients(mean: FloatArray, covariance: FloatArray, indices: Any, degree: int) -> list[Any]:
    flint = _flint()
    dimension = len(mean)
    axis, parent = ancestry(dimension, degree)
    roots = [flint.arb(k).sqrt() for k in range(degree + 1)]
    centre = [flint.arb(float(m)) for m in mean]
    excess = [
        [flint.arb(float(covariance[j, l])) - int(j == l) for l in range(dimension)] for j in range(dimension)
    ]
    values = [flint.arb(1)]
    for k in range(1, len(indices)):
        j, below = int(axis[k]), int(parent[k])
        smaller = indices[below]
        total = centre[j] * values[below]
        for l in np.flatnonzero(smaller):
            lower = smaller.copy()
            lower[l] -= 1
            total += excess[j][l] * roots[smaller[l]] * values[int(positions(lower)[0])]
        values.append(total / roots[smaller[j] + 1])
    return values


def limit_density(
    x: ArrayLike,
    *,
    weights: ArrayLike,
    means: ArrayLike,
    covariances: ArrayLike,
    fresh_fraction: float,
    truncation_time: float,
    rate: float = 0.5,
    tail: float = 1e-30,
    bits: int = 160,
) -> Enclosure:
    r"""Enclosure of the limit density of an Ornstein-Uhlenbeck recursion at one point.

        p_inf(x) = sum_{k>=1} alpha (1-alpha)^{k-1} p_k(x)

    Parameters
    ----------
    x : the point, a number or (d,).
    weights, means, covariances : the data's Gaussian mixture, covariances positive definite.
    fresh_fraction, truncation_time, rate : of the recursion; alpha > 0.
    tail : mass (1-alpha)^K of the ages that are bounded instead of summed.
    bits : working precision.

    Raises : InputError if more than 200 000 ages would have to be summed.
    """
    flint = _flint()
    weights, means, full = _mixture(weights, means, covariances)
    point = _point(x, means.shape[1])
    alpha = _positive_fraction(fresh_fraction)
    time, rate = checks.nonnegative(truncation_time, "truncation_time"), checks.positive(rate, "rate")
    smallest = min(1.0, *(_smallest_eigenvalue(covariance) for covariance in full))
    if smallest <= 0.0:
        raise InputError(f"covariances must be positive definite, got an eigenvalue of about {smallest:.3g}.")
    last = (
        1 if alpha == 1.0 else max(1, math.ceil(math.log(checks.positive(tail, "tail")) / math.log1p(-alpha)))
    )
    if last > _LARGEST_AGE:
        raise InputError(
            f"fresh_fraction must leave at most {_LARGEST_AGE} ages to sum, got {alpha!r} with {last} ages."
        )
    with flint.ctx.workprec(bits):
        keep = 1 - flint.arb(alpha)
        step = (-flint.arb(rate) * flint.arb(time)).exp()
        total, scale, weight = flint.arb(0), flint.arb(1), flint.arb(alpha)
        for _ in range(last):
            scale *= step
            total += weight * _mixture_density(point, weights, means, full, scale, 1 - scale * scale)
            weight *= keep
        # every later age has covariances a^2 S + (1 - a^2) I >= min(smallest eigenvalue of S, 1)
        highest = (2 * flint.arb.pi() * flint.arb(smallest)) ** (-flint.arb(len(point)) / 2)
        rest = keep**last * highest
        return Enclosure(total + rest / 2 + (rest / 2) * flint.arb(0, 1))


def aged_density(
    x: ArrayLike,
    *,
    weights: ArrayLike,
    means: ArrayLike,
    covariances: ArrayLike,
    age_weights: ArrayLike,
    scales: ArrayLike,
    bits: int = 160,
) -> Enclosure:
    r"""Enclosure of the density of a finite rule of ages at one point, the rule's doubles taken as exact.

        sum_m w_m p_{a_m}(x),     p_a the law of a X + sqrt(1 - a^2) Z

    `limit_density(...) - aged_density(...)` encloses the error of the rule at that point.

    Parameters
    ----------
    x, weights, means, covariances, bits : as for limit_density.
    age_weights, scales : (M,) weight and scale a_m in [0, 1] of each age.
    """
    flint = _flint()
    weights, means, full = _mixture(weights, means, covariances)
    point = _point(x, means.shape[1])
    shares, scales = checks.vector(age_weights, "age_weights"), checks.vector(scales, "scales")
    if shares.shape != scales.shape:
        raise InputError(
            f"scales must have one entry for each of the {len(shares)} age_weights, got {len(scales)}."
        )
    if scales.min() < 0.0 or scales.max() > 1.0:
        raise InputError(
            f"scales must lie in [0, 1], got {float(scales.min())!r} to {float(scales.max())!r}."
        )
    with flint.ctx.workprec(bits):
        total = flint.arb(0)
        for share, scale in zip(shares, scales, strict=True):
            a = flint.arb(float(scale))
            total += flint.arb(float(share)) * _mixture_density(point, weights, means, full, a, 1 - a * a)
        return Enclosure(total)


def _mixture_density(
    point: FloatArray, weights: FloatArray, means: FloatArray, full: FloatArray, scale: Any, variance: Any
) -> Any:
    """Density at a point of the mixture sent through x -> scale x + sqrt(variance) Z."""
    flint = _flint()
    total = flint.arb(0)
    dimension = len(point)
    for weight, mean, covariance in zip(weights, means, full, strict=True):
        offset = [flint.arb(float(p)) - scale * flint.arb(float(m)) for p, m in zip(point, mean, strict=True)]
        if np.count_nonzero(covariance - np.diag(np.diagonal(covariance))) == 0:
            spread = [scale * scale * flint.arb(float(v)) + variance for v in np.diagonal(covariance)]
            exponent = sum((o * o / v for o, v in zip(offset, spread, strict=True)), flint.arb(0))
            determinant = math.prod(spread, start=flint.arb(1))
        else:
            matrix = flint.arb_mat(
                [
                    [
                        scale * scale * flint.arb(float(covariance[j, l])) + (variance if j == l else 0)
                        for l in range(dimension)
                    ]
                    for j in range(dimension)
                ]
            )
            column = flint.arb_mat([[o] for o in offset])
            exponent = (column.transpose() * matrix.solve(column))[0, 0]
            determinant = matrix.det()
        height = ((2 * flint.arb.pi()) ** dimension * determinant).sqrt()
        total += flint.arb(float(weight)) * (-exponent / 2).exp() / height
    return total


def _smallest_eigenvalue(covariance: FloatArray) -> float:
    """A double below the smallest eigenvalue: for a matrix, LAPACK's value less a bound on its error."""
    if np.count_nonzero(covariance - np.diag(np.diagonal(covariance))) == 0:
        return float(np.diagonal(covariance).min())
    eigenvalues = np.linalg.eigvalsh(covariance)
    return float(eigenvalues[0] - 1e-12 * len(covariance) * np.abs(eigenvalues).max())


def _mixture(
    weights: ArrayLike, means: ArrayLike, covariances: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    weights = checks.vector(weights, "weights")
    means = checks.samples(means, "means")
    if len(means) != len(weights):
        raise InputError(f"means must have one row for each of the {len(weights)} weights, got {len(means)}.")
    array = np.asarray(covariances, dtype=np.float64)
    count, dimension = means.shape
    if array.ndim == 1 and dimension == 1:
        array = array[:, None]
    if array.shape == (count, dimension):
        array = array[:, :, None] * np.eye(dimension)
    if array.shape != (count, dimension, dimension):
        raise InputError(
            f"covariances must have shape {(count, dimension)} or {(count, dimension, dimension)}, got {array.shape}."
        )
    return weights, means, array


def _point(x: ArrayLike, dimension: int) -> FloatArray:
    point = checks.vector(np.atleast_1d(np.asarray(x, dtype=np.float64)), "x")
    if len(point) != dimension:
        raise InputError(f"x must be one point of dimension {dimension}, got {len(point)} numbers.")
    return point


def _positive_fraction(value: float) -> float:
    alpha = checks.fraction(value)
    if alpha == 0.0:
        raise InputError("fresh_fraction must be > 0 for a limit that depends on the data, got 0.0.")
    return alpha


def _flint() -> Any:
    try:
        import flint
    except ImportError as error:
        raise ImportError(
            'Certified values need python-flint: pip install "hermite_collapse[certified]".'
        ) from error
    return flint
