"""What the least chi-square of one mechanism's curves (`minimum`) determines.

A parameter within two errors of a border, where the mechanism is not at work, is not determined: its limit is where the
profile of chi-square has risen by 3.84.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from ...core.estimates import Estimate
from ...core.significance import chi_square_p_value
from ...core.types import BoolArray, FloatArray
from ...core.value import Value, plain
from ..observed.observations import Observations
from .minimum import Minimum, Problem, minimum
from .round_models import Parameter, RoundModel

REJECTED_BELOW = 0.05
LEAST_FREEDOM = 3
BORDER_ERRORS = 2.0
PROFILE_RISE = 3.841459  # of chi-square, at 95 %
LARGEST_ERROR = 0.25  # of a share that counts as determined
_SHARES = ("fresh_fraction", "slope", "gain")
_BESIDES = ("energy", "residual")


@dataclass(frozen=True, eq=False)
class MechanismFit(Value):
    """One mechanism, fitted.

    Attributes
    ----------
    name, title : str
        "truncation", ..., and in words.
    parameters : mapping of str to Estimate or None
        Fitted and held parameters with standard errors (0 where held, NaN where the freedom is below 3); None where
        the curves do not determine one.
    chi_square : float
    freedom : int
    p_value : float
        NaN where no standard errors were given, or nothing is left to test.
    plateau, plateau_error, contraction : array, shape (m,)
        By column: value in the long run, its standard error (infinite where it may be anywhere), and the factor of one
        round.
    predicted : array, shape (r, m)
    start : array, shape (m,)
        Values in round 0, fitted or exact.
    free : int
        Number of fitted parameters of the mechanism, with the fresh fraction, without starts.
    fitted : mapping of str to pair of float
        Values and errors of fitted parameters in the fit's own terms, whether determined or not.
    limits : mapping of str to float
        Of parameters at a border: the largest value at 95 %, for `samples` the smallest.
    contractions : array, shape (k, m), or None
        Of rounds 0 -> 1, 1 -> 2, ... where they change from round to round.
    scatters_too_little : bool
        Whether a refit is rejected since its rounds scatter less than so few samples do: chi-square and p-value, the
        lower tail, are those with that scatter.
    mean_of_runs : float or None
        Of a refit: of about how many runs such steady curves would be the mean, where that is more than one and nobody
        says; None otherwise.
    """

    name: str
    title: str
    parameters: dict[str, Estimate | None]
    chi_square: float
    freedom: int
    p_value: float
    plateau: FloatArray
    plateau_error: FloatArray
    contraction: FloatArray
    contraction_error: FloatArray
    predicted: FloatArray
    start: FloatArray
    free: int
    fitted: dict[str, tuple[float, float]]
    limits: dict[str, float] = field(default_factory=dict)
    contractions: FloatArray | None = None
    scatters_too_little: bool = False
    mean_of_runs: float | None = None

    def in_units(self, units: FloatArray | None) -> MechanismFit:
        """Return the fit of columns that were divided by units, shape (m,), in terms of those that were given."""
        if units is None:
            return self
        return self.replace(
            plateau=self.plateau * units,
            plateau_error=self.plateau_error * units,
            predicted=self.predicted * units,
            start=self.start * units,
        )

    def with_errors_beside(self, other: MechanismFit) -> MechanismFit:
        """Return the fit with errors that hold under another covariance of the same curves, too.

        Each is at least the root mean square deviation from the value here that the other fit leaves: its error, and
        the distance of its value.  What it leaves undetermined is undetermined.
        """
        parameters: dict[str, Estimate | None] = {}
        for name, value in self.parameters.items():
            beside = other.parameters[name]
            parameters[name] = (
                None
                if value is None or beside is None
                else value.replace(error=_beside(value.value, value.error, beside.value, beside.error))
            )
        limits = {
            name: (min if name == "samples" else max)(
                one.limits[name] for one in (self, other) if name in one.limits
            )
            for name in self.limits | other.limits
        }
        return self.with_long_run_beside(other).replace(
            parameters=parameters,
            limits=limits,
            fitted={
                name: (value, _beside(value, error, *other.fitted[name]))
                for name, (value, error) in self.fitted.items()
            },
        )

    def with_long_run_beside(self, other: MechanismFit) -> MechanismFit:
        """Return the fit with errors of rates and plateaus that hold for another law, too."""
        return self.replace(
            plateau_error=_beside(self.plateau, self.plateau_error, other.plateau, other.plateau_error),
            contraction_error=_beside(
                self.contraction, self.contraction_error, other.contraction, other.contraction_error
            ),
        )

    def gain_p_value(self, general: MechanismFit) -> float:
        """Return how likely one that contains this mechanism gains so much on chi-square by its further parameters."""
        gained, more = self.chi_square - general.chi_square, self.freedom - general.freedom
        return chi_square_p_value(gained, more) if more > 0 else 1.0

    @property
    def is_rejected(self) -> bool:
        """Whether the data reject the mechanism at five per cent."""
        return self.p_value < REJECTED_BELOW

    @property
    def is_accepted(self) -> bool:
        """Whether the mechanism was tested and not rejected."""
        return self.p_value >= REJECTED_BELOW

    @property
    def settles(self) -> BoolArray:
        """Whether each column's rate can be told from 1, so that it has a plateau or leaves one, shape (m,)."""
        distance = np.abs(1.0 - self.contraction)
        known = np.isfinite(self.contraction_error) & ~np.isinf(self.plateau_error)
        return (
            known
            & (distance > BORDER_ERRORS * np.where(known, self.contraction_error, 0.0))
            & (distance > 1e-6)
        )

    @property
    def leads(self) -> BoolArray:
        """Whether a column's plateau is in sight: its rate can be told from 1, or it lies among the fitted values."""
        span = np.ptp(self.predicted, axis=0)
        low, high = self.predicted.min(axis=0) - 0.01 * span, self.predicted.max(axis=0) + 0.01 * span
        is_within = (self.plateau >= low) & (self.plateau <= high) & ~np.isinf(self.plateau_error)
        may_go_on = np.isfinite(self.contraction_error) & ~self.settles  # at a rate of 1
        return self.settles | (is_within & ~may_go_on)

    @property
    def is_determined(self) -> bool:
        """Whether what makes the mechanism is determined, with an error; what it adds besides may be nothing."""
        return self.freedom >= LEAST_FREEDOM and all(
            value is not None for name, value in self.parameters.items() if name not in _BESIDES
        )


Number = TypeVar("Number", float, FloatArray)


def _beside(value: Number, error: Number, other: Number, other_error: Number) -> Number:
    """Return an error, or the root mean square deviation from a value that another one leaves, if larger and known."""
    with np.errstate(invalid="ignore"):
        deviation = np.hypot(other_error, np.subtract(other, value))
    return plain(np.fmax(error, deviation))


def fit(
    model: RoundModel,
    observations: Observations,
    *,
    fresh_fraction: float | None = None,
    fixed: dict[str, float] | None = None,
) -> MechanismFit:
    """Return the fit of one mechanism.

    Parameters
    ----------
    model : RoundModel
    observations : Observations
    fresh_fraction : float, optional
        Held at this value; fitted otherwise.
    fixed : dict, optional
        Own parameters held at a value.
    """
    least = minimum(model, observations, fresh_fraction=fresh_fraction, fixed=fixed, follows_valley=True)
    return _described(least)


def _described(least: Minimum) -> MechanismFit:
    problem, x, covariance = least.problem, least.x, least.covariance
    observations, model = problem.observations, problem.model
    chi_square, freedom = least.chi_square, least.freedom
    if not observations.has_errors and freedom > 0:
        covariance = covariance * max(chi_square / freedom, 1e-300)
    errors = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    if freedom < LEAST_FREEDOM:
        errors = np.full_like(errors, np.nan)
    with np.errstate(invalid="ignore"):
        plateau, contraction = (values[0] for values in problem.long_run(x[None, :]))
        propagated = _propagated(problem, x, covariance)
        plateau_error, rate_error = np.split(np.where(np.isinf(propagated), np.nan, propagated), 2)
    if freedom < LEAST_FREEDOM:
        plateau_error, rate_error = np.full_like(plateau, np.nan), np.full_like(plateau, np.nan)
    parameters, fitted = _parameters(problem, x, errors)
    return MechanismFit(
        name=model.name,
        title=model.title,
        parameters=parameters,
        chi_square=chi_square,
        freedom=freedom,
        p_value=least.p_value,
        plateau=plateau,
        plateau_error=plateau_error,
        contraction=contraction,
        contraction_error=rate_error,
        predicted=least.predicted,
        start=least.start,
        free=least.free,
        fitted=fitted,
        contractions=least.contractions,
    )


def _parameters(
    problem: Problem, x: FloatArray, errors: FloatArray
) -> tuple[dict[str, Estimate | None], dict[str, tuple[float, float]]]:
    """Return the named parameters, None where undetermined, and the values of those that were fitted."""
    values: dict[str, tuple[float, float]] = {}
    lost = set()
    if problem.held is not None:
        values["fresh_fraction"] = (problem.held, 0.0)
    fitted: dict[str, tuple[float, float]] = {}
    for j, k in enumerate(problem.free):
        parameter = problem.parameters[k]
        if k >= problem.count or parameter.name.startswith(("rate ", "step ", "offset of ")):
            continue
        value, error = float(x[j]), float(errors[j])
        if _is_lost(parameter, value, error):
            lost.add(parameter.name)
        fitted[parameter.name] = value, np.nan if error == np.inf else error
    values |= fitted
    for k, value in problem.fixed.items():
        values[problem.parameters[k].name] = (value, 0.0)
    reported = problem.model.reported(values)
    return {
        name: None if name in lost else Estimate(value, error, "standard_error", "samples")
        for name, (value, error) in reported.items()
    }, fitted


def _is_lost(parameter: Parameter, value: float, error: float) -> bool:
    """Return whether a parameter cannot be told from one of its borders, or from anything at all."""
    spread = error if np.isfinite(error) else 0.0
    if parameter.name in _SHARES and error > LARGEST_ERROR:
        return True
    at_border = any(abs(value - border) <= max(BORDER_ERRORS * spread, 1e-6) for border in parameter.borders)
    return bool(at_border or error == np.inf)


def _propagated(problem: Problem, x: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return standard errors of plateaus and contractions, one after the other, shape (2 m,)."""
    slope = problem.derivatives(lambda points: np.concatenate(problem.long_run(points), axis=1), x)
    finite = np.where(np.isfinite(covariance), covariance, 0.0)
    unknown: BoolArray = np.isinf(np.diagonal(covariance)) & (np.abs(slope) > 1e-9).any(axis=0)
    error = np.sqrt(np.maximum(np.einsum("mi,ij,mj->m", slope, finite, slope), 0.0))
    return np.where((np.abs(slope[:, unknown]) > 1e-9).any(axis=1), np.inf, error)
