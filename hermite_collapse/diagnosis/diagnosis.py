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
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import ConvergenceError, InputError
from ..core.estimates import Estimate
from ..core.numbers import with_error
from ..core.signature import public
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from ..recursion.modes import attenuation, mode_contraction
from ..recursion.repetitions import repetitions_to

KINDS = ("factors", "variances", "distances")
REJECTED_BELOW = 0.01
STARTS = ((-2.0, -3.0), (0.0, -1.0), (-4.0, -6.0), (2.0, -5.0))
"""Where fits start: logit of the fresh fraction and logarithm of the truncation time."""


@dataclass(frozen=True, eq=False)
class Diagnosis(Value):
    """The recursion that fits a curve best.

    Attributes
    ----------
    fresh_fraction, truncation_time : Estimate or None
        With standard errors (0 for a value that was given); None where the curve does not determine them.
    plateau, plateau_error : array, shape (m,)
        Values in the long run, by column, and their standard errors.
    rounds : array, shape (m,)
        Rounds after which 99 % of the way to the plateau is done.
    chi_square : float
        Weighted sum of squared deviations at the best fit.
    freedom : int
        Its degrees of freedom.
    p_value : float
        Of the fit; NaN where no standard errors were given.
    fits : bool
        False if the model is rejected at one per cent.
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
        named = (("fresh fraction", self.fresh_fraction), ("truncation time", self.truncation_time))
        parts = [f"{name} {with_error(value)}" for name, value in named if value is not None]
        plateaus = zip(self.plateau, self.plateau_error, strict=True)
        levels = ", ".join(with_error(Estimate(float(p), float(e), "standard_error")) for p, e in plateaus)
        quality = "" if np.isnan(self.p_value) else f" The fit is acceptable (p = {self.p_value:.2g})."
        explained = f"The curve is explained by {' and '.join(parts)}; it" if parts else "The curve"
        return f"{explained} levels off at {levels}, 99 % of the way after {np.max(self.rounds):.0f} rounds.{quality}"


@public
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

        f_n(i) = g_n + (1 - g_n) kappa_n^i

    Parameters
    ----------
    curve : array, shape (r,) or (r, m)
        Values by round; one column a degree, direction or distance.
    kind : str
        "factors" (f_n(i), row of round 0 about 1), "variances" (of centred directions, in the diffusion's units), or
        "distances" (to the data).
    degrees : array of int, shape (m,), optional
        Hermite degree of each column, for "factors"; 1, 2, ... if None.
    rounds : array, shape (r,), optional
        Round of each row; 0, 1, ... if None.
    standard_errors : array, shape of curve, optional
        > 0 where a value is to be used; equal weights if None, and then no goodness of fit.
    fresh_fraction, truncation_time : float, optional
        Held at the given value instead of fitted.
    rate : float
        Of the Ornstein-Uhlenbeck process, > 0.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
        If an argument is outside its range, or the curve too short for what is fitted.
    ConvergenceError
        If the fit does not converge.

    Accuracy
    --------
    Errors come from the curvature of chi-square at its minimum, scaled by the misfit without standard errors.

    References
    ----------
    arXiv:2606.13796, Proposition 3.3, for the curve.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> curve = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation=0.1, rounds=6)
    >>> diagnosis = diagnose(curve)
    >>> round(diagnosis.fresh_fraction.value, 6), round(diagnosis.truncation_time.value, 6)
    (0.3, 0.1)
    """
    form = checks.one_of(kind, KINDS, "kind")
    measured = _measured(curve, rounds, standard_errors)
    columns = measured.values.shape[1]
    held = (
        None if fresh_fraction is None else checks.fraction(fresh_fraction),
        None if truncation_time is None else checks.nonnegative(truncation_time, "truncation_time"),
    )
    if form == "distances":
        return _fit_saturation(measured)
    if form == "variances":
        start = measured.values[np.argmin(measured.rounds)]
        model = _Model(np.full(columns, 2), 1.0, start - 1.0, checks.positive(rate, "rate"))
        return _fit_recursion(measured, model, held)
    numbers = (
        np.arange(1, columns + 1) if degrees is None else np.atleast_1d(checks.degrees(degrees, "degrees"))
    )
    if numbers.shape != (columns,):
        raise InputError(
            f"degrees must have one entry a column of curve ({columns}), got {numbers.tolist()}."
        )
    return _fit_recursion(
        measured, _Model(numbers, 0.0, np.ones(columns), checks.positive(rate, "rate")), held
    )


@dataclass(frozen=True)
class _Measured:
    """A curve as it is fitted: values (r, m), rounds (r,), and one over the standard errors, 0 for unused values."""

    values: FloatArray
    rounds: FloatArray
    weights: FloatArray
    has_errors: bool

    @property
    def count(self) -> int:
        return int(np.sum(self.weights > 0))

    def residuals(self, predicted: FloatArray) -> FloatArray:
        return ((predicted - self.values) * self.weights).reshape(-1)


@dataclass(frozen=True)
class _Model:
    """The curve of the recursion, offset + gain f_n(i) in each column, as a function of alpha and time."""

    degrees: IntArray
    offset: float
    gain: FloatArray
    rate: float

    def plateau(self, alpha: float, time: float) -> FloatArray:
        return self.offset + self.gain * attenuation(
            self.degrees, fresh_fraction=alpha, truncation_time=time, rate=self.rate
        )

    def contraction(self, alpha: float, time: float) -> FloatArray:
        return mode_contraction(self.degrees, fresh_fraction=alpha, truncation_time=time, rate=self.rate)

    def curve(self, alpha: float, time: float, rounds: FloatArray) -> FloatArray:
        limit = attenuation(self.degrees, fresh_fraction=alpha, truncation_time=time, rate=self.rate)
        factors = limit + (1.0 - limit) * self.contraction(alpha, time) ** rounds[:, None]
        return self.offset + self.gain * factors


def _measured(curve: ArrayLike, rounds: ArrayLike | None, standard_errors: ArrayLike | None) -> _Measured:
    values = checks.samples(curve, "curve")
    index = np.arange(len(values), dtype=float) if rounds is None else checks.vector(rounds, "rounds")
    if index.shape != (len(values),) or index.min() < 0:
        raise InputError(f"rounds must be >= 0, one a row of curve ({len(values)}), got {rounds!r}.")
    if standard_errors is None:
        return _Measured(values, index, np.ones_like(values), False)
    sigma = checks.samples(standard_errors, "standard_errors")
    if sigma.shape != values.shape or sigma.min() < 0.0:
        raise InputError(
            f"standard_errors must be >= 0 and shaped like curve, {values.shape}, got {sigma.shape}."
        )
    weights = np.divide(1.0, sigma, out=np.zeros_like(sigma), where=sigma > 0)
    return _Measured(values, index, weights, True)


def _fit_recursion(measured: _Measured, model: _Model, held: tuple[float | None, float | None]) -> Diagnosis:
    """Least squares over logit(alpha) and log(time), whichever are free, from several starts."""
    from scipy.special import expit

    free = [k for k in range(2) if held[k] is None]

    def parameters(u: FloatArray) -> tuple[float, float]:
        fitted = dict(zip(free, u, strict=True))
        alpha = held[0] if held[0] is not None else float(expit(fitted[0]))
        return alpha, held[1] if held[1] is not None else float(np.exp(fitted[1]))

    def residuals(u: FloatArray) -> FloatArray:
        return measured.residuals(model.curve(*parameters(u), measured.rounds))

    starts = [[start[k] for k in free] for start in STARTS]
    best, covariance = _least_squares(residuals, starts, measured)
    alpha, time = parameters(best)
    slopes = {0: alpha * (1.0 - alpha), 1: time}
    errors = {k: float(np.sqrt(covariance[j, j])) * slopes[k] for j, k in enumerate(free)}
    slope = _differences(lambda u: model.plateau(*parameters(u)), best)
    return _diagnosis(
        Estimate(alpha, errors.get(0, 0.0), "standard_error", "samples"),
        Estimate(time, errors.get(1, 0.0), "standard_error", "samples"),
        model.plateau(alpha, time),
        np.sqrt(np.einsum("mi,ij,mj->m", slope, covariance, slope)),
        model.contraction(alpha, time),
        residuals(best),
        len(free),
        measured,
    )


def _fit_saturation(measured: _Measured) -> Diagnosis:
    """Fit plateau (1 - kappa^i) with one kappa for all columns; it does not determine the fresh fraction by itself."""
    from scipy.special import expit

    columns = measured.values.shape[1]

    def residuals(u: FloatArray) -> FloatArray:
        return measured.residuals(u[:-1] * (1.0 - expit(u[-1]) ** measured.rounds[:, None]))

    top = measured.values[np.argmax(measured.rounds)]
    best, covariance = _least_squares(residuals, [[*top, x] for x in (0.0, 2.0, 4.0)], measured)
    return _diagnosis(
        None,
        None,
        best[:-1],
        np.sqrt(np.diagonal(covariance)[:-1]),
        np.full(columns, expit(best[-1])),
        residuals(best),
        columns + 1,
        measured,
    )


def _diagnosis(
    alpha: Estimate | None,
    time: Estimate | None,
    plateau: FloatArray,
    plateau_error: FloatArray,
    contraction: FloatArray,
    residuals: FloatArray,
    fitted: int,
    measured: _Measured,
) -> Diagnosis:
    from scipy.special import gammaincc

    chi_square, freedom = float(residuals @ residuals), measured.count - fitted
    tested = measured.has_errors and freedom > 0
    p_value = float(gammaincc(freedom / 2.0, chi_square / 2.0)) if tested else np.nan
    rounds = repetitions_to(0.01, contraction)
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
    residuals: Callable[[FloatArray], FloatArray], starts: list[list[float]], measured: _Measured
) -> tuple[FloatArray, FloatArray]:
    """Return the best minimiser over the starts and its covariance."""
    from scipy.optimize import least_squares

    count, free = measured.count, len(starts[0])
    if count <= free:
        raise InputError(f"curve must hold more than {free} usable values for this fit, got {count}.")
    if not free:  # the model as given
        return np.empty(0), np.empty((0, 0))
    fits = [
        least_squares(residuals, np.array(start), x_scale="jac", xtol=1e-14, ftol=1e-14) for start in starts
    ]
    best = min(fits, key=lambda fit: fit.cost)
    if not best.success:
        raise ConvergenceError("the fit of the curve did not converge", value=best.x, bound=best.cost)
    covariance = np.linalg.pinv(best.jac.T @ best.jac, hermitian=True)
    if not measured.has_errors:
        covariance = covariance * (2.0 * best.cost / max(count - free, 1))
    return best.x, covariance


def _differences(function: Callable[[FloatArray], FloatArray], at: FloatArray) -> FloatArray:
    """Jacobian (m, parameters) by central differences."""
    steps = 1e-5 * np.eye(len(at))
    columns = [(function(at + step) - function(at - step)) / 2e-5 for step in steps]
    return np.stack(columns, axis=1) if columns else np.zeros((len(np.atleast_1d(function(at))), 0))
