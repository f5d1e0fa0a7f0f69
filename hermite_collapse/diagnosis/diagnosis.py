r"""Diagnosis: which fresh fraction and truncation time explain a measured curve, and whether any do.

A curve holds, for each round i, factors of Hermite degrees n (mode values over their values in round 0):

    f_n(i) = g_n + (1 - g_n) kappa_n^i

or the variances of directions, which are degree 2, v_i = 1 + f_2(i) (v_0 - 1) for centred data in the diffusion's
units; or distances to the data, of which only the form plateau (1 - kappa^i) is known to leading order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.errors import ConvergenceError, InputError
from ..core.estimates import Estimate
from ..recursion.modes import attenuation, mode_contraction
from ..recursion.recursion import Recursion
from ..recursion.sampling_error import KURTOSIS_RULE, predict_degree_error

FloatArray = NDArray[np.float64]

KINDS = ("factors", "variances", "distances")
REJECTED_BELOW = 0.01


@dataclass(frozen=True)
class Diagnosis:
    """The recursion that fits a curve best.

    Attributes
    ----------
    fresh_fraction, truncation_time : Estimates with standard errors (error 0 for a value that was given); None where
        the curve does not determine them.
    plateau : (m,) values in the long run, by column; plateau_error : (m,) their standard errors.
    rounds : (m,) rounds after which 99 % of the way to the plateau is done.
    chi_square, freedom, p_value : goodness of fit; p_value is NaN where no standard errors were given.
    fits : False if the model is rejected at one per cent.
    """

    fresh_fraction: Estimate | None
    truncation_time: Estimate | None
    plateau: FloatArray
    plateau_error: FloatArray
    rounds: FloatArray
    chi_square: float
    freedom: int
    p_value: float
    fits: bool

    @property
    def text(self) -> str:
        """The diagnosis in a few sentences."""
        if not self.fits:
            return (
                f"No fresh fraction and truncation time explain this curve (chi-square {self.chi_square:.1f} on "
                f"{self.freedom} degrees of freedom, p = {self.p_value:.2g}): something other than truncation is at "
                "work."
            )
        parts = []
        for name, value in (
            ("fresh fraction", self.fresh_fraction),
            ("truncation time", self.truncation_time),
        ):
            if value is not None:
                parts.append(
                    f"{name} {value.value:.4g} ± {value.error:.2g}"
                    if value.error
                    else f"{name} {value.value:.4g}"
                )
        levels = ", ".join(
            f"{p:.4g} ± {e:.2g}" for p, e in zip(self.plateau, self.plateau_error, strict=True)
        )
        quality = "" if np.isnan(self.p_value) else f" The fit is acceptable (p = {self.p_value:.2g})."
        explained = f"The curve is explained by {' and '.join(parts)}; it" if parts else "The curve"
        return f"{explained} levels off at {levels}, 99 % of the way after {np.max(self.rounds):.0f} rounds.{quality}"


def diagnose(
    curve: ArrayLike,
    *,
    kind: str = "factors",
    degrees: ArrayLike | None = None,
    rounds: ArrayLike | None = None,
    standard_errors: ArrayLike | None = None,
    fresh_fraction: float | None = None,
    truncation_time: float | None = None,
    rate: float = 0.5,
) -> Diagnosis:
    """Fit the recursion to a measured curve.

    Parameters
    ----------
    curve : (r,) or (r, m) values by round; one column a degree, direction or distance.
    kind : "factors" (f_n(i), row of round 0 about 1), "variances" (of centred directions, in the diffusion's units), or
        "distances" (to the data).
    degrees : (m,) Hermite degree of each column, for "factors"; 1, 2, ... if None.
    rounds : (r,) round of each row; 0, 1, ... if None.
    standard_errors : shaped like curve, > 0 where a value is to be used; equal weights if None, and then no goodness
        of fit.
    fresh_fraction, truncation_time : held at the given value instead of fitted.
    rate : of the Ornstein-Uhlenbeck process.

    Returns
    -------
    Diagnosis.  Errors come from the curvature of chi-square at its minimum (scaled by the misfit without standard
    errors).

    Raises : InputError for curves of wrong shape or too short; ConvergenceError if the fit does not converge.
    """
    form = checks.one_of(kind, KINDS, "kind")
    values = checks.samples(curve, "curve")
    index = np.arange(len(values), dtype=float) if rounds is None else checks.vector(rounds, "rounds")
    if index.shape != (len(values),) or index.min() < 0:
        raise InputError(f"rounds must be >= 0, one a row of curve ({len(values)}), got {rounds!r}.")
    sigma = None if standard_errors is None else checks.samples(standard_errors, "standard_errors")
    if sigma is not None and (sigma.shape != values.shape or sigma.min() < 0.0):
        raise InputError(
            f"standard_errors must be >= 0 and shaped like curve, {values.shape}, got {sigma.shape}."
        )
    weights = (
        np.ones_like(values)
        if sigma is None
        else np.divide(1.0, sigma, out=np.zeros_like(sigma), where=sigma > 0)
    )
    held = (
        None if fresh_fraction is None else checks.fraction(fresh_fraction),
        None if truncation_time is None else checks.nonnegative(truncation_time, "truncation_time"),
    )
    if form == "distances":
        return _fit_saturation(values, index, weights, sigma is not None)
    if form == "variances":
        start = values[np.argmin(index)]
        numbers = np.full(values.shape[1], 2)

        def model(alpha: float, time: float) -> FloatArray:
            return 1.0 + _factors(alpha, time, numbers, index, rate) * (start - 1.0)

        def level(alpha: float, time: float) -> FloatArray:
            return 1.0 + attenuation(numbers, fresh_fraction=alpha, truncation_time=time, rate=rate) * (
                start - 1.0
            )
    else:
        numbers = (
            np.arange(1, values.shape[1] + 1)
            if degrees is None
            else np.atleast_1d(checks.degrees(degrees, "degrees"))
        )
        if numbers.shape != (values.shape[1],):
            raise InputError(
                f"degrees must have one entry a column of curve ({values.shape[1]}), got {numbers.tolist()}."
            )

        def model(alpha: float, time: float) -> FloatArray:
            return _factors(alpha, time, numbers, index, rate)

        def level(alpha: float, time: float) -> FloatArray:
            return attenuation(numbers, fresh_fraction=alpha, truncation_time=time, rate=rate)

    return _fit_recursion(values, weights, sigma is not None, model, level, held, numbers, rate)


def required_particles(
    degree: int,
    effect: float,
    *,
    recursion: Recursion,
    rounds: int,
    generator: str = "channel",
    level: float = 0.01,
    power: float = 0.9,
) -> int:
    """Particles needed to see a deviation of the factor f_n by `effect`, in the last round.

        N = ((z_{1 - level/2} + z_power) / effect)^2 * N Var,    and N >= kurtosis / 0.05

    Parameters
    ----------
    degree : Hermite degree with energy in the data.
    effect : absolute deviation of the factor to detect, > 0.
    recursion, rounds, generator : what is simulated; its predicted sampling error is inverted.
    level, power : of the two-sided test.
    """
    from scipy.special import ndtri

    size = checks.positive(effect, "effect")
    n = checks.integer(degree, "degree", minimum=1)
    reference = 10**7  # large: the predicted variance times N no longer depends on N
    predicted = predict_degree_error(recursion, n, rounds=rounds, particles=reference, generator=generator)
    deviation = predicted.standard_error[-1, n]
    if not np.isfinite(predicted.expected[-1, n]):
        raise InputError(f"degree must have energy in the data for its factor to be measured, got {n}.")
    z = float(ndtri(1.0 - checks.fraction(level, "level") / 2.0) + ndtri(checks.fraction(power, "power")))
    by_variance = (z / size) ** 2 * deviation**2 * reference
    return int(np.ceil(max(by_variance, predicted.kurtosis[-1, n] / KURTOSIS_RULE)))


def _factors(alpha: float, time: float, degrees: NDArray, rounds: FloatArray, rate: float) -> FloatArray:
    """f_n(i) as (rounds, degrees)."""
    settings = {"fresh_fraction": alpha, "truncation_time": time, "rate": rate}
    limit, kappa = attenuation(degrees, **settings), mode_contraction(degrees, **settings)
    return limit + (1.0 - limit) * kappa ** np.asarray(rounds)[:, None]


def _fit_recursion(
    values: FloatArray,
    weights: FloatArray,
    weighted: bool,
    model: Callable[[float, float], FloatArray],
    level: Callable[[float, float], FloatArray],
    held: tuple[float | None, float | None],
    numbers: NDArray,
    rate: float,
) -> Diagnosis:
    """Least squares over logit(alpha) and log(time), whichever are free, from several starts."""
    free = [k for k in range(2) if held[k] is None]

    def parameters(u: FloatArray) -> tuple[float, float]:
        out = list(held)
        for k, x in zip(free, u, strict=True):
            out[k] = float(1.0 / (1.0 + np.exp(-x))) if k == 0 else float(np.exp(x))
        return out[0], out[1]  # type: ignore[return-value]

    def residuals(u: FloatArray) -> FloatArray:
        return ((model(*parameters(u)) - values) * weights).reshape(-1)

    starts = [
        [x for k, x in enumerate(pair) if k in free]
        for pair in ((-2.0, -3.0), (0.0, -1.0), (-4.0, -6.0), (2.0, -5.0))
    ]
    best, covariance = _least_squares(residuals, starts, int(np.sum(weights > 0)), weighted)
    alpha, time = parameters(best)
    slopes = {0: alpha * (1.0 - alpha), 1: time}
    errors = {k: float(np.sqrt(covariance[j, j])) * slopes[k] for j, k in enumerate(free)}
    plateau_slope = _differences(lambda u: level(*parameters(u)), best)
    chi_square = float(np.sum(residuals(best) ** 2))
    kappa = mode_contraction(numbers, fresh_fraction=alpha, truncation_time=time, rate=rate)
    return _diagnosis(
        Estimate(alpha, errors.get(0, 0.0), "standard_error", "samples"),
        Estimate(time, errors.get(1, 0.0), "standard_error", "samples"),
        level(alpha, time),
        np.sqrt(np.einsum("mi,ij,mj->m", plateau_slope, covariance, plateau_slope)),
        kappa,
        chi_square,
        int(np.sum(weights > 0)) - len(free),
        weighted,
    )


def _fit_saturation(values: FloatArray, rounds: FloatArray, weights: FloatArray, weighted: bool) -> Diagnosis:
    """plateau (1 - kappa^i) with one kappa for all columns; the fresh fraction is not determined by it alone."""
    columns = values.shape[1]

    def residuals(u: FloatArray) -> FloatArray:
        kappa = 1.0 / (1.0 + np.exp(-u[-1]))
        return ((u[:-1] * (1.0 - kappa ** rounds[:, None]) - values) * weights).reshape(-1)

    top = values[np.argmax(rounds)]
    best, covariance = _least_squares(
        residuals, [[*top, x] for x in (0.0, 2.0, 4.0)], int(np.sum(weights > 0)), weighted
    )
    kappa = np.full(columns, 1.0 / (1.0 + np.exp(-best[-1])))
    return _diagnosis(
        None,
        None,
        best[:-1],
        np.sqrt(np.diagonal(covariance)[:-1]),
        kappa,
        float(np.sum(residuals(best) ** 2)),
        int(np.sum(weights > 0)) - columns - 1,
        weighted,
    )


def _diagnosis(
    alpha: Estimate | None,
    time: Estimate | None,
    plateau: FloatArray,
    plateau_error: FloatArray,
    kappa: FloatArray,
    chi_square: float,
    freedom: int,
    weighted: bool,
) -> Diagnosis:
    from scipy.special import gammaincc

    p_value = float(gammaincc(freedom / 2.0, chi_square / 2.0)) if weighted and freedom > 0 else np.nan
    with np.errstate(divide="ignore"):
        rounds = np.where(kappa < 1.0, np.ceil(np.log(0.01) / np.log(np.maximum(kappa, 1e-300))), np.inf)
    return Diagnosis(
        alpha,
        time,
        plateau,
        plateau_error,
        rounds,
        chi_square,
        freedom,
        p_value,
        not p_value < REJECTED_BELOW,
    )


def _least_squares(
    residuals: Callable[[FloatArray], FloatArray], starts: list[list[float]], count: int, weighted: bool
) -> tuple[FloatArray, FloatArray]:
    """Best minimiser over the starts and its covariance."""
    from scipy.optimize import least_squares

    if count <= len(starts[0]):
        raise InputError(
            f"curve must hold more than {len(starts[0])} usable values for this fit, got {count}."
        )
    fits = [
        least_squares(residuals, np.array(start), x_scale="jac", xtol=1e-14, ftol=1e-14)
        for start in starts
        if start
    ]
    if not fits:  # nothing is free: the model as given
        return np.empty(0), np.empty((0, 0))
    best = min(fits, key=lambda fit: fit.cost)
    if not best.success:
        raise ConvergenceError("the fit of the curve did not converge", value=best.x, bound=best.cost)
    information = best.jac.T @ best.jac
    covariance = np.linalg.pinv(information, hermitian=True)
    if not weighted:
        covariance = covariance * (2.0 * best.cost / max(count - len(best.x), 1))
    return best.x, covariance


def _differences(function: Callable[[FloatArray], FloatArray], at: FloatArray) -> FloatArray:
    """Jacobian (m, parameters) by central differences."""
    steps = 1e-5 * np.eye(len(at))
    columns = [(function(at + step) - function(at - step)) / 2e-5 for step in steps]
    return np.stack(columns, axis=1) if columns else np.zeros((len(np.atleast_1d(function(at))), 0))
