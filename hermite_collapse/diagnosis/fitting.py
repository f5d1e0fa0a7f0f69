r"""Generalised least squares of one mechanism's curves, and what the fit determines.

    chi-square = (p - y)^T C^{-1} (p - y),     covariance of parameters = (J^T C^{-1} J)^{-1}

The curves are linear in most parameters (starts, offsets): on a grid of the others these are solved for, and the best
grid point is where the search begins.  A parameter within two errors of a border, where the mechanism is not at work,
is not determined: its limit is where the profile of chi-square has risen by 3.84.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from ..core.estimates import Estimate
from ..core.significance import SMALLEST_EIGENVALUE, chi_square_p_value
from ..core.types import BoolArray, FloatArray
from ..core.value import Value
from .estimated_errors import chi_square_of_estimates, spread_of_estimates
from .observations import Observations
from .round_models import FRESH, AffineModel, LongRun, Parameter, RoundModel

REJECTED_BELOW = 0.05
LEAST_FREEDOM = 3
BORDER_ERRORS = 2.0
PROFILE_RISE = 3.841459  # of chi-square, at 95 %
LARGEST_ERROR = 0.25  # of a share that counts as determined
_SHARES = ("fresh_fraction", "slope", "gain")
_STEP = 1e-6
_SILENT = 1e-3  # change of the residuals, in their errors, by a parameter over its whole range
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
        By column: value in the long run, its standard error, and the factor of one round.
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
        known = np.isfinite(self.contraction_error)
        return (
            known
            & (distance > BORDER_ERRORS * np.where(known, self.contraction_error, 0.0))
            & (distance > 1e-6)
        )

    @property
    def is_determined(self) -> bool:
        """Whether what makes the mechanism is determined, with an error; what it adds besides may be nothing."""
        return self.freedom >= LEAST_FREEDOM and all(
            value is not None for name, value in self.parameters.items() if name not in _BESIDES
        )


class _Problem:
    """The parameters of one fit in one vector: fresh fraction if free, the mechanism's own, starts if free."""

    def __init__(
        self, model: RoundModel, observations: Observations, held: float | None, fixed: dict[str, float]
    ) -> None:
        self.model, self.observations, self.held = model, observations, held
        own = model.parameters(observations)
        # The law of rates and plateaus does not contain the fresh fraction.
        self.has_fresh = held is None and not isinstance(model, AffineModel)
        self.own = own
        self.parameters: list[Parameter] = [FRESH] * self.has_fresh + list(own)
        self.count = len(self.parameters)
        guesses = observations.start_guesses
        self.parameters += [
            Parameter(f"start {j}", -np.inf, np.inf, () if model.starts_are_linear else (float(guesses[j]),))
            for j in observations.free_starts
        ]
        self.fixed = {k: fixed[p.name] for k, p in enumerate(self.parameters) if p.name in fixed}
        self.free = [k for k in range(len(self.parameters)) if k not in self.fixed]

    def full(self, x: FloatArray) -> FloatArray:
        """Return all parameters (s, P) of the free ones (s, p)."""
        vector = np.empty((len(x), len(self.parameters)))
        vector[:, self.free] = x
        for k, value in self.fixed.items():
            vector[:, k] = value
        return vector

    def parts(self, vector: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return fresh fractions (s, 1), own parameters and starts."""
        first = int(self.has_fresh)
        alpha = vector[:, :1] if self.has_fresh else np.full((len(vector), 1), self.held or 0.0)
        starts = np.tile(self.observations.starts, (len(vector), 1))
        starts[:, self.observations.free_starts] = vector[:, self.count :]
        return alpha, vector[:, first : self.count], starts

    def predict(self, x: FloatArray) -> FloatArray:
        """Return curves (s, r, m)."""
        return self.model.predict(*self.parts(self.full(x)), self.observations)

    def residuals(self, x: FloatArray) -> FloatArray:
        return self.observations.residuals(self.predict(x[None, :]))[0]

    def long_run(self, x: FloatArray) -> LongRun:
        """Return plateaus and contractions (s, m)."""
        return self.model.long_run(*self.parts(self.full(x)), self.observations)

    def steps(self, x: FloatArray) -> FloatArray:
        low, high = self.bounds()
        scale = np.where(np.isfinite(high - low), np.minimum(high - low, 1.0), np.abs(x))
        return np.asarray(_STEP * np.maximum(np.minimum(scale, np.maximum(np.abs(x), 1e-3)), 1e-6))

    def jacobian(self, x: FloatArray) -> FloatArray:
        steps = self.steps(x)
        points = np.concatenate([x + np.diag(steps), x - np.diag(steps)])
        ahead, behind = np.split(self.observations.whiten(self.predict(points)[:, self.observations.used]), 2)
        return np.asarray(((ahead - behind) / (2.0 * steps[:, None])).T)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        parameters = [self.parameters[k] for k in self.free]
        return np.array([p.low for p in parameters]), np.array([p.high for p in parameters])


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
    problem = _Problem(model, model.observed(observations, fresh_fraction), fresh_fraction, fixed or {})
    x, covariance, rank = _minimise(problem)
    residuals = problem.residuals(x)
    chi_square = float(residuals @ residuals)
    freedom, groups = observations.error_freedom, observations.error_groups
    if freedom is not None and groups is not None:
        chi_square = chi_square_of_estimates(residuals, problem.jacobian(x), freedom, groups)
        covariance = covariance * spread_of_estimates(freedom)
    return _described(problem, x, covariance, rank, chi_square)


def _minimise(problem: _Problem) -> tuple[FloatArray, FloatArray, int]:
    """Return the best parameters, their covariance, and how many numbers the curves fix of them."""
    from scipy.optimize import least_squares

    if not problem.free:
        return np.empty(0), np.empty((0, 0)), 0
    low, high = problem.bounds()
    start = _start(problem)
    inside = np.clip(start, low + 1e-9, np.where(np.isfinite(high), high - 1e-9, np.inf))
    solution = least_squares(
        problem.residuals,
        inside,
        jac=problem.jacobian,
        bounds=(low, high),
        x_scale="jac",
        xtol=1e-10,
        ftol=1e-12,
        gtol=1e-10,
        max_nfev=200,
    )
    x = np.asarray(solution.x)
    jacobian = np.array(solution.jac)
    # What changes nothing over its whole range is not there, whatever rounding makes of its derivative.
    span = np.where(np.isfinite(high - low), high - low, np.inf)
    norms = np.linalg.norm(jacobian, axis=0)
    jacobian[:, np.multiply(norms, span, out=np.zeros_like(norms), where=norms > 0.0) < _SILENT] = 0.0
    return x, *_inverse(jacobian.T @ jacobian)


def _inverse(information: FloatArray) -> tuple[FloatArray, int]:
    """Return the inverse of an information matrix, infinite where a parameter is not determined, and its rank."""
    scale = np.sqrt(np.maximum(np.diagonal(information), 0.0))
    silent = scale == 0.0
    scale = np.where(silent, 1.0, scale)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    visible = values > SMALLEST_EIGENVALUE * max(float(values[-1]), 1e-300)
    inverse = (vectors[:, visible] / values[visible]) @ vectors[:, visible].T / np.outer(scale, scale)
    hidden = silent | np.any(np.abs(vectors[:, ~visible]) > 1e-6, axis=1)
    inverse[hidden, hidden] = np.inf
    return np.asarray(inverse), int(visible.sum() - silent.sum())


def _start(problem: _Problem) -> FloatArray:
    """Return the best point of a grid, linear parameters solved for."""
    observations = problem.observations
    if isinstance(problem.model, AffineModel) and len(observations.degrees) > 1:
        return _start_by_column(problem)
    parameters = [problem.parameters[k] for k in problem.free]
    axes = [p.grid for p in parameters if p.grid]
    grid = np.array(list(itertools.product(*axes))) if axes else np.empty((1, 0))
    nonlinear = [k for k, p in enumerate(parameters) if p.grid]
    linear = [k for k, p in enumerate(parameters) if not p.grid]
    points = np.zeros((len(grid), len(parameters)))
    points[:, nonlinear] = grid
    base = observations.residuals(problem.predict(points))
    if linear:
        columns = []
        for k in linear:
            moved = points.copy()
            moved[:, k] = 1.0
            columns.append(observations.residuals(problem.predict(moved)) - base)
        design = np.stack(columns, axis=2)
        # The smallest solution where the data do not fix all of them.
        gram = np.einsum("snk,snl->skl", design, design)
        solved = -np.einsum("skl,snl,sn->sk", np.linalg.pinv(gram, hermitian=True), design, base)
        low, high = problem.bounds()
        points[:, linear] = np.clip(solved, low[linear], high[linear])
        base = observations.residuals(problem.predict(points))
    cost = np.einsum("sn,sn->s", base, base)
    return np.asarray(points[int(np.nanargmin(np.where(np.isfinite(cost), cost, np.inf)))])


def _start_by_column(problem: _Problem) -> FloatArray:
    """Return where each column alone begins, put together."""
    observations = problem.observations
    columns = len(observations.degrees)
    rates, steps, starts = np.empty(columns), np.empty(columns), observations.starts.copy()
    curves = observations.replace(measured=None, moments=None)
    for j in range(columns):
        own = curves.only(np.array([j]))
        own = own.replace(covariance=own.variances)
        single = _start(_Problem(problem.model, own, None, {}))
        rates[j], steps[j] = single[:2]
        if len(single) > 2:
            starts[j] = single[2]
    return np.concatenate([rates, steps, starts[observations.free_starts]])[problem.free]


def _described(
    problem: _Problem, x: FloatArray, covariance: FloatArray, rank: int, chi_square: float
) -> MechanismFit:
    observations, model = problem.observations, problem.model
    freedom = observations.count - rank
    tested = observations.has_errors and freedom > 0
    p_value = chi_square_p_value(chi_square, freedom) if tested else np.nan
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
    alpha, own, start = problem.parts(problem.full(x[None, :]))
    by_round = model.contractions(alpha, own, observations)
    return MechanismFit(
        name=model.name,
        title=model.title,
        parameters=parameters,
        chi_square=chi_square,
        freedom=freedom,
        p_value=p_value,
        plateau=plateau,
        plateau_error=plateau_error,
        contraction=contraction,
        contraction_error=rate_error,
        predicted=problem.predict(x[None, :])[0],
        start=start[0],
        free=sum(k < problem.count for k in problem.free),
        fitted=fitted,
        contractions=None if by_round is None else by_round[0],
    )


def _parameters(
    problem: _Problem, x: FloatArray, errors: FloatArray
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


def _propagated(problem: _Problem, x: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return standard errors of plateaus and contractions, one after the other, shape (2 m,)."""
    steps = problem.steps(x)
    points = np.concatenate([x + np.diag(steps), x - np.diag(steps)])
    ahead, behind = np.split(np.concatenate(problem.long_run(points), axis=1), 2)
    slope = ((ahead - behind) / (2.0 * steps[:, None])).T
    finite = np.where(np.isfinite(covariance), covariance, 0.0)
    unknown: BoolArray = np.isinf(np.diagonal(covariance)) & (np.abs(slope) > 1e-9).any(axis=0)
    error = np.sqrt(np.maximum(np.einsum("mi,ij,mj->m", slope, finite, slope), 0.0))
    return np.where((np.abs(slope[:, unknown]) > 1e-9).any(axis=1), np.inf, error)
