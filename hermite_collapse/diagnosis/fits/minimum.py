r"""The least chi-square of one mechanism's curves: where it is, and how much the curves say of each parameter there.

    chi-square = (p - y)^T C^{-1} (p - y),     covariance of parameters = (J^T C^{-1} J)^{-1}

The curves are linear in most parameters (starts, offsets): on a grid of the others these are solved for, and the best
grid point is where the search begins.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...core.significance import SMALLEST_EIGENVALUE, chi_square_p_value
from ...core.types import FloatArray
from ..observed.estimated_errors import chi_square_of_estimates
from ..observed.innovations import against_the_last
from ..observed.observations import Observations
from ..observed.residuals import normal_scores
from .round_models import FRESH, AffineModel, LongRun, Parameter, RoundModel

_STEP = 1e-6
_REACHES = (2.0, 4.0, 8.0)
"""Errors from a minimum at which a valley is looked at, as long as chi-square rises by less than _BENT times theirs."""
_BENT = 0.6
_ROUGH = 1e-5
"""Precision of the search on the way."""
_SILENT = 1e-3  # change of the residuals, in their errors, by a parameter over its whole range


class Problem:
    """The parameters of one fit in one vector: fresh fraction if free, the mechanism's own, starts if free."""

    def __init__(
        self, model: RoundModel, observations: Observations, held: float | None, fixed: dict[str, float]
    ) -> None:
        self.model, self.observations, self.held = model, observations, held
        own = model.parameters(observations)
        # The law of rates and plateaus does not contain the fresh fraction.
        self.has_fresh = held is None and not isinstance(model, AffineModel)
        self.own = own
        # The rate of a single short curve, read off what rounds pass on, is far too small on average.
        self.is_against_the_last = observations.innovations is not None and not isinstance(model, AffineModel)
        self.parameters: list[Parameter] = [FRESH] * self.has_fresh + list(own)
        self.count = len(self.parameters)
        guesses = observations.start_guesses
        self.parameters += [
            Parameter(f"start {j}", -np.inf, np.inf, () if model.starts_are_linear else (float(guesses[j]),))
            for j in observations.free_starts
        ]
        self.fixed = {k: fixed[p.name] for k, p in enumerate(self.parameters) if p.name in fixed}
        self.free = [k for k in range(len(self.parameters)) if k not in self.fixed]

    @cached_property
    def valley(self) -> int | None:
        """Which free parameter may make up for the fresh fraction, where lower degrees feed higher ones."""
        are_fed = any(parameter.name.startswith("offset of ") for parameter in self.own)
        if not self.has_fresh or 0 in self.fixed or not are_fed or not np.any(self.observations.degrees > 2):
            return None
        own = (j for j, k in enumerate(self.free) if 0 < k < self.count and self.parameters[k].grid)
        return next(own, None)

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
        if self.is_against_the_last:
            return self.against_the_last(x[None, :])[0]
        return self.observations.residuals(self.predict(x[None, :]))[0]

    def against_the_last(self, x: FloatArray) -> FloatArray:
        """Return residuals (s, N) of rounds that are held against the one before, by the model's own factors."""
        alpha, own, starts = self.parts(self.full(x))
        steps = self.model.contractions(alpha, own, self.observations)
        with np.errstate(invalid="ignore"):
            kappa = self.long_run(x).contraction if steps is None else steps
        deviations = self.observations.deviations(self.model.predict(alpha, own, starts, self.observations))
        return against_the_last(deviations, kappa, self.observations)

    def long_run(self, x: FloatArray) -> LongRun:
        """Return plateaus and contractions (s, m)."""
        return self.model.long_run(*self.parts(self.full(x)), self.observations)

    def steps(self, x: FloatArray) -> FloatArray:
        low, high = self.bounds()
        scale = np.where(np.isfinite(high - low), np.minimum(high - low, 1.0), np.abs(x))
        return np.asarray(_STEP * np.maximum(np.minimum(scale, np.maximum(np.abs(x), 1e-3)), 1e-6))

    def entries(self, x: FloatArray) -> FloatArray:
        """Return predictions of the entries that are fitted, (s, N)."""
        return self.predict(x)[:, self.observations.used]

    def derivatives(self, function: Callable[[FloatArray], FloatArray], x: FloatArray) -> FloatArray:
        """Return derivatives (N, p) of a function of parameters (s, p) -> (s, N), by differences within their range."""
        steps, (low, high) = self.steps(x), self.bounds()
        above, below = np.minimum(x + steps, high) - x, np.maximum(x - steps, low) - x
        ahead, behind = np.split(function(np.concatenate([x + np.diag(above), x + np.diag(below)])), 2)
        return np.asarray(((ahead - behind) / (above - below)[:, None]).T)

    def jacobian(self, x: FloatArray) -> FloatArray:
        if self.is_against_the_last:
            return self.derivatives(self.against_the_last, x)
        return self.derivatives(lambda points: self.observations.whiten(self.entries(points)), x)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        parameters = [self.parameters[k] for k in self.free]
        return np.array([p.low for p in parameters]), np.array([p.high for p in parameters])


@dataclass(frozen=True)
class Minimum:
    """Where chi-square is least.

    Attributes
    ----------
    problem : Problem
    x : array, shape (p,)
        Free parameters.
    covariance : array, shape (p, p)
        Infinite where a parameter is not determined.
    rank : int
        How many numbers the curves fix.
    chi_square : float
    """

    problem: Problem
    x: FloatArray
    covariance: FloatArray
    rank: int
    chi_square: float

    @property
    def free(self) -> int:
        """Number of fitted parameters of the mechanism, with the fresh fraction, without starts."""
        return sum(k < self.problem.count for k in self.problem.free)

    @property
    def freedom(self) -> int:
        """Degrees of freedom that are left."""
        return self.problem.observations.count - self.rank

    @property
    def p_value(self) -> float:
        """NaN where nothing is tested."""
        is_tested = self.problem.observations.has_errors and self.freedom > 0
        return chi_square_p_value(self._of_scores, self.freedom) if is_tested else np.nan

    @property
    def _of_scores(self) -> float:
        """Chi-square, by the skew laws of few samples where these are what rounds add."""
        problem, observations = self.problem, self.problem.observations
        if observations.innovations is None or not observations.are_given_states:
            return self.chi_square
        rounds = observations.rounds[np.nonzero(observations.used)[0]]
        if not problem.is_against_the_last and np.any(np.diff(rounds) < 0.0):  # whitened in another order
            return self.chi_square
        values = np.where(rounds > 0.0, observations.values[observations.used], 0.0)
        scores = normal_scores(-problem.residuals(self.x), np.sqrt(observations.innovations), values)
        return float(scores @ scores)

    @property
    def predicted(self) -> FloatArray:
        """Curves, shape (r, m)."""
        return np.asarray(self.problem.predict(self.x[None, :])[0])

    @cached_property
    def _parts(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self.problem.parts(self.problem.full(self.x[None, :]))

    @property
    def start(self) -> FloatArray:
        """Values in round 0, shape (m,)."""
        return np.asarray(self._parts[2][0])

    @property
    def fresh_fraction(self) -> float:
        """Fitted or held; 0 where the mechanism does not contain it."""
        return float(self._parts[0][0, 0])

    @property
    def contraction(self) -> FloatArray:
        """Factors of one round, shape (m,)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.problem.long_run(self.x[None, :]).contraction[0])

    @property
    def slope(self) -> FloatArray:
        """Factors of an error that no fresh data dilute, shape (m,), or (k, m) where they change."""
        alpha, own, start = self._parts
        model, observations = self.problem.model, self.problem.observations
        by_round = model.contractions(np.zeros_like(alpha), own, observations)
        if by_round is not None:
            return np.asarray(by_round[0])
        return np.asarray(model.long_run(np.zeros_like(alpha), own, start, observations).contraction[0])

    @property
    def contractions(self) -> FloatArray | None:
        """Of rounds 0 -> 1, 1 -> 2, ..., shape (k, m), where they change from round to round."""
        alpha, own, _ = self._parts
        by_round = self.problem.model.contractions(alpha, own, self.problem.observations)
        return None if by_round is None else np.asarray(by_round[0])


def minimum(
    model: RoundModel,
    observations: Observations,
    *,
    fresh_fraction: float | None = None,
    fixed: dict[str, float] | None = None,
    near: FloatArray | None = None,
    precision: float = 1e-12,
    follows_valley: bool = False,
) -> Minimum:
    """Return where chi-square of one mechanism is least.

    Parameters
    ----------
    model : RoundModel
    observations : Observations
    fresh_fraction : float, optional
        Held at this value; fitted otherwise.
    fixed : dict, optional
        Own parameters held at a value.
    near : array, shape (p,), optional
        Where the search begins, in place of the best point of a grid.
    precision : float
        Relative change of chi-square at which the search ends.
    follows_valley : bool
        Whether to look for other minima where rates and fresh data may make up for each other.
    """
    problem = Problem(model, model.observed(observations, fresh_fraction), fresh_fraction, fixed or {})
    x, covariance, rank = _minimise(problem, near, precision)
    if follows_valley and problem.valley is not None:
        x, covariance, rank = _along_the_valley(problem, problem.valley, x, covariance, rank, precision)
    residuals = problem.residuals(x)
    chi_square = float(residuals @ residuals)
    freedom, groups = observations.error_freedom, observations.error_groups
    if freedom is not None and groups is not None:
        chi_square = chi_square_of_estimates(residuals, problem.jacobian(x), freedom, groups)
        covariance = covariance * observations.spread
    return Minimum(problem, x, covariance, rank, chi_square)


def _along_the_valley(
    problem: Problem, j: int, x: FloatArray, covariance: FloatArray, rank: int, precision: float
) -> tuple[FloatArray, FloatArray, int]:
    """Return the least of the minima along a curved valley, and a covariance that holds along it.

    Chi-square is followed outward along parameter j as long as it rises by far less than its curvature says.  Of
    several minima each counts by its likelihood; in a valley without another one a deviation d from x, at which
    chi-square has risen by some amount, has a variance of |d|^2 over that.
    """
    error = float(np.sqrt(covariance[j, j]))
    if not 0.0 < error < np.inf:
        return x, covariance, rank
    name, least = problem.parameters[problem.free[j]].name, _squares(problem, x)
    fixed = {problem.parameters[k].name: value for k, value in problem.fixed.items()}
    low, high = (ends[j] for ends in problem.bounds())
    minima, widest, excess = [(least, x, covariance, rank)], np.zeros_like(x), 0.0
    for side in (1.0, -1.0):
        before, at = least, x
        for reach in _REACHES:
            value = float(x[j] + side * reach * error)
            if not low < value < high:
                break
            held = Problem(problem.model, problem.observations, problem.held, fixed | {name: value})
            point = _minimise(held, np.delete(at, j), _ROUGH)[0]
            chi_square, at = _squares(held, point), np.insert(point, j, value)
            if chi_square < before:
                other = _minimise(problem, at, precision)
                minima.append((_squares(problem, other[0]), *other))
                break
            rise = max(chi_square - least, 1e-300)
            if reach**2 / rise > 1.0 + excess:
                widest, excess = (at - x) / reach, reach**2 / rise - 1.0
            if rise > _BENT * reach**2:
                break
            before = chi_square
    if len(minima) == 1:
        return x, covariance + excess * np.outer(widest, widest), rank
    first = min(minima, key=lambda one: one[0])
    weights = np.exp([0.5 * (first[0] - one[0]) for one in minima])
    spread = [one[2] + np.outer(one[1] - first[1], one[1] - first[1]) for one in minima]
    return first[1], np.average(spread, axis=0, weights=weights), first[3]


def _squares(problem: Problem, x: FloatArray) -> float:
    residuals = problem.residuals(x)
    return float(residuals @ residuals)


def _minimise(
    problem: Problem, near: FloatArray | None, precision: float
) -> tuple[FloatArray, FloatArray, int]:
    """Return the best parameters, their covariance, and how many numbers the curves fix of them."""
    from scipy.optimize import least_squares

    if not problem.free:
        return np.empty(0), np.empty((0, 0)), 0
    low, high = problem.bounds()
    start = _start(problem) if near is None else near
    inside = np.clip(start, low + 1e-9, np.where(np.isfinite(high), high - 1e-9, np.inf))
    with np.errstate(over="ignore", invalid="ignore"):  # steps towards bounds that are infinite
        solution = least_squares(
            problem.residuals,
            inside,
            jac=problem.jacobian,
            bounds=(low, high),
            x_scale="jac",
            xtol=1e-10,
            ftol=precision,
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


def _start(problem: Problem) -> FloatArray:
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


def _start_by_column(problem: Problem) -> FloatArray:
    """Return where each column alone begins, put together."""
    observations = problem.observations
    columns = len(observations.degrees)
    rates, steps, starts = np.empty(columns), np.empty(columns), observations.starts.copy()
    curves = observations.replace(measured=None, moments=None)
    for j in range(columns):
        own = curves.only(np.array([j]))
        own = own.replace(covariance=own.variances)
        single = _start(Problem(problem.model, own, None, {}))
        rates[j], steps[j] = single[:2]
        if len(single) > 2:
            starts[j] = single[2]
    return np.concatenate([rates, steps, starts[observations.free_starts]])[problem.free]
