r"""Planning truncation times when every round also makes an estimation error.

Stopping earlier biases less and estimates worse.  With an error sigma_n(t) added to mode n in a round of truncation
time t (PowerLaw: c t^{-b}; FinitePool: what a pool of M points leaves), bias and error propagate as

    bias       e_n(i+1) = 1 - a^n + a^n (1 - alpha) e_n(i)                                     a = exp(-rate t_i)
    variance   V_n(i+1) = (a^n (1 - alpha))^2 V_n(i) + sigma_n(t_i)^2                          independent errors
    absolute   u_n(i+1) = 1 - a^n + a^n (1 - alpha) u_n(i) + sigma_n(t_i)                      errors that add up

and the plan minimises sum_n w_n u_n(N) or sum_n w_n (e_n(N)^2 + V_n(N)).

One mode with errors that add up is solved round by round: u_n(i+1) increases with u_n(i), so each round may minimise
its own outcome, and the minimum solves t^{1+b} exp(-n rate t) = b c / (n rate (1 - (1-alpha) u)).  Several modes,
squares and shape constraints are coupled through the rounds and are optimised jointly, with exact gradients.

References
----------
arXiv:2602.16601, equation 12, for the error model; the optimality results are this package's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import ConvergenceError, InputError
from ..core.estimates import Estimate
from ..core.signature import public
from ..core.types import FloatArray
from ..core.value import Value
from ..recursion.schedules import Explicit, Schedule, as_schedule
from .error_models import ErrorModel, PowerLaw

SHAPES = ("free", "decreasing", "increasing", "constant")
OBJECTIVES = ("absolute", "mean_square")
SMALLEST_TIME = 1e-12  # of a planned round, in units of 1 / rate
LARGEST_TIME = 40.0


@dataclass(frozen=True, eq=False)
class SchedulePlan(Value):
    """A planned schedule and what it is predicted to do.

    Attributes
    ----------
    schedule : Explicit
        The times, one a round.
    bias, variance : array, shape (rounds + 1, m)
        e_n(i) and V_n(i).
    absolute : array, shape (rounds + 1, m)
        u_n(i).
    value : float
        The objective after the last round.
    route : str
        "round_by_round", "joint", or "given" for a schedule that was not planned here.
    """

    schedule: Explicit
    bias: FloatArray
    variance: FloatArray
    absolute: FloatArray
    value: float
    route: str


@public
def plan_schedule(
    degree: ArrayLike,
    *,
    rounds: int,
    fresh_fraction: float,
    error: ErrorModel,
    weights: ArrayLike | None = None,
    objective: str = "absolute",
    shape: str = "free",
    total_time: float | None = None,
    floor: float = 0.0,
    rate: float = 0.5,
) -> SchedulePlan:
    """Return the truncation times that minimise the error of the last round.

        minimise   sum_n w_n u_n(N)     or     sum_n w_n (e_n(N)^2 + V_n(N))

    Parameters
    ----------
    degree : int or array of int, shape (m,)
        Hermite degrees >= 1.
    rounds : int
        Number of rounds N >= 1.
    fresh_fraction : float
        alpha in [0, 1].
    error : ErrorModel
        The estimation error of a round: a PowerLaw, a FinitePool or any other with `deviation` and `slope`.
    weights : array, shape (m,), optional
        Of the degrees, >= 0; equal if None.
    objective : str
        "absolute" (errors add up) or "mean_square" (bias squared plus variance).
    shape : str
        "free", "decreasing", "increasing" or "constant" in the rounds.
    total_time : float, optional
        Upper bound on the sum of the times.
    floor : float
        Smallest time allowed, >= 0.
    rate : float
        Of the Ornstein-Uhlenbeck process, > 0.

    Returns
    -------
    SchedulePlan
        With one degree, errors that add up, a PowerLaw and no constraint but a floor, the round-by-round solution,
        which is the global optimum; otherwise the best of several joint optimisations started at different times.

    Raises
    ------
    InputError
        If an argument is outside its range.
    ConvergenceError
        If no joint optimisation found feasible times.

    References
    ----------
    arXiv:2602.16601, equation 12, for the error model; the optimality results are this package's.

    Examples
    --------
    >>> plan = plan_schedule(3, rounds=4, fresh_fraction=0.2, error=PowerLaw(2e-3, 0.5))
    >>> plan.route, [round(time, 4) for time in plan.schedule.values]
    ('round_by_round', [0.0077, 0.0078, 0.008, 0.0081])
    """
    degrees = np.atleast_1d(checks.degrees(degree)).astype(float)
    if np.any(degrees < 1):
        raise InputError(f"degree must be >= 1 here, since degree 0 carries no error, got {degree!r}.")
    problem = _Problem.of(degrees, weights, rounds, fresh_fraction, error, objective, rate)
    kind = checks.one_of(shape, SHAPES, "shape")
    smallest = max(checks.nonnegative(floor, "floor"), SMALLEST_TIME / problem.rate)
    largest = None if total_time is None else checks.positive(total_time, "total_time")
    if largest is not None and largest < smallest * problem.rounds:
        raise InputError(
            f"total_time must be at least rounds * floor = {smallest * problem.rounds:g}, got {largest:g}."
        )
    separable = isinstance(error, PowerLaw) and len(degrees) == 1 and not problem.square
    if separable and kind == "free" and largest is None:
        return problem.plan(_round_by_round(problem, smallest), "round_by_round")
    return problem.plan(_jointly(problem, kind, smallest, largest), "joint")


def predicted_errors(
    truncation: float | ArrayLike | Schedule,
    degree: ArrayLike,
    *,
    rounds: int,
    fresh_fraction: float,
    error: ErrorModel,
    weights: ArrayLike | None = None,
    objective: str = "absolute",
    rate: float = 0.5,
) -> SchedulePlan:
    """Return what any schedule is predicted to do under an error model, as a SchedulePlan of the route "given".

    Parameters
    ----------
    truncation : float, array or Schedule
        The times of the rounds.
    degree, rounds, fresh_fraction, error, weights, objective, rate
        As for `plan_schedule`.

    Returns
    -------
    SchedulePlan

    Raises
    ------
    InputError
        If an argument is outside its range.
    """
    degrees = np.atleast_1d(checks.degrees(degree)).astype(float)
    problem = _Problem.of(degrees, weights, rounds, fresh_fraction, error, objective, rate)
    return problem.plan(as_schedule(truncation).times(problem.rounds), "given")


def best_constant_truncation(
    degree: int, *, fresh_fraction: float, error: PowerLaw, rate: float = 0.5
) -> tuple[Estimate, Estimate]:
    """Return the constant time that minimises the error of one mode in the long run, and that error.

        u_inf(t) = (1 - a^n + c t^{-b}) / (1 - a^n (1 - alpha))

    For small errors t* ~ (b c / (n rate))^{1/(1+b)}, independent of alpha, and u_inf ~ n rate t* (1 + 1/b) / alpha.

    Parameters
    ----------
    degree : int
        n >= 1.
    fresh_fraction : float
        alpha in (0, 1].
    error : PowerLaw
        The estimation error of a round.
    rate : float
        Of the Ornstein-Uhlenbeck process, > 0.

    Returns
    -------
    time, error : Estimate
        The global minimiser over (0, 40 / rate], and its value; an error >= 1 means that sampling pure noise would do
        as well.

    Raises
    ------
    InputError
        If an argument is outside its range.

    Accuracy
    --------
    The time to relative 1e-8, its error to 1e-12.
    """
    from scipy.optimize import minimize_scalar

    n = checks.integer(degree, "degree", minimum=1) * checks.positive(rate, "rate")
    alpha = checks.positive(checks.fraction(fresh_fraction), "fresh_fraction")

    def loss(log_time: float) -> float:
        time = np.exp(log_time)
        lost = -np.expm1(-n * time)
        return float((lost + error.scale * time**-error.exponent) / (alpha + (1.0 - alpha) * lost))

    grid = np.linspace(np.log(SMALLEST_TIME / rate), np.log(LARGEST_TIME / rate), 800)
    start = int(np.argmin([loss(x) for x in grid]))
    bracket = (grid[max(start - 1, 0)], grid[min(start + 1, len(grid) - 1)])
    best = minimize_scalar(loss, bounds=bracket, method="bounded", options={"xatol": 1e-9})
    time = float(np.exp(best.x))
    return Estimate(time, 1e-8 * time, "bound", "quadrature"), Estimate(
        float(best.fun), 1e-12, "bound", "quadrature"
    )


@dataclass(frozen=True)
class _Problem:
    """The recursion of errors, its objective, and the gradient of that in the times."""

    degrees: FloatArray
    weights: FloatArray
    rounds: int
    keep: float
    error: ErrorModel
    square: bool
    rate: float

    @classmethod
    def of(
        cls,
        degrees: FloatArray,
        weights: ArrayLike | None,
        rounds: int,
        fresh_fraction: float,
        error: ErrorModel,
        objective: str,
        rate: float,
    ) -> _Problem:
        """Return the problem that a caller's arguments describe, each of them checked."""
        share = np.ones(len(degrees)) if weights is None else checks.vector(weights, "weights")
        if share.shape != degrees.shape or share.min() < 0.0:
            raise InputError(f"weights must be >= 0, one a degree ({len(degrees)}), got {weights!r}.")
        return cls(
            degrees=degrees,
            weights=share,
            rounds=checks.integer(rounds, "rounds", minimum=1),
            keep=1.0 - checks.fraction(fresh_fraction),
            error=error,
            square=checks.one_of(objective, OBJECTIVES, "objective") == "mean_square",
            rate=checks.positive(rate, "rate"),
        )

    def plan(self, times: FloatArray, route: str) -> SchedulePlan:
        bias, variance, absolute = self.propagate(times)
        value = self.weights @ (bias[-1] ** 2 + variance[-1] if self.square else absolute[-1])
        return SchedulePlan(Explicit(times), bias, variance, absolute, float(value), route)

    def propagate(self, times: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        exponent = -self.rate * np.outer(times, self.degrees)
        kept, lost = self.keep * np.exp(exponent), -np.expm1(exponent)
        sigma = self.error.deviation(times, self.degrees)
        bias, variance, absolute = np.zeros((3, self.rounds + 1, len(self.degrees)))
        for i in range(self.rounds):
            bias[i + 1] = lost[i] + kept[i] * bias[i]
            variance[i + 1] = kept[i] ** 2 * variance[i] + sigma[i] ** 2
            absolute[i + 1] = lost[i] + kept[i] * absolute[i] + sigma[i]
        return bias, variance, absolute

    def value_and_gradient(self, times: FloatArray) -> tuple[float, FloatArray]:
        """Objective and its gradient in the times, by the adjoint recursion."""
        bias, variance, absolute = self.propagate(times)
        exponent = -self.rate * np.outer(times, self.degrees)
        kept = self.keep * np.exp(exponent)
        drop = self.rate * self.degrees * np.exp(exponent)  # -d a^n / dt
        sigma, slope = self.error.deviation(times, self.degrees), self.error.slope(times, self.degrees)
        gradient = np.zeros(self.rounds)
        if self.square:
            on_bias, on_variance = 2.0 * self.weights * bias[-1], self.weights.copy()
            for i in reversed(range(self.rounds)):
                by_bias = drop[i] * (1.0 - self.keep * bias[i])
                by_variance = -2.0 * kept[i] * self.keep * drop[i] * variance[i] + 2.0 * sigma[i] * slope[i]
                gradient[i] = on_bias @ by_bias + on_variance @ by_variance
                on_bias, on_variance = on_bias * kept[i], on_variance * kept[i] ** 2
            return float(self.weights @ (bias[-1] ** 2 + variance[-1])), gradient
        adjoint = self.weights.copy()
        for i in reversed(range(self.rounds)):
            gradient[i] = adjoint @ (drop[i] * (1.0 - self.keep * absolute[i]) + slope[i])
            adjoint = adjoint * kept[i]
        return float(self.weights @ absolute[-1]), gradient


def _round_by_round(problem: _Problem, floor: float) -> FloatArray:
    """Each round minimises its own outcome: the smaller root of the stationarity condition, or the floor."""
    from scipy.optimize import brentq

    assert isinstance(problem.error, PowerLaw)
    c, b = problem.error.scale, problem.error.exponent
    n = float(problem.degrees[0]) * problem.rate
    peak = (1.0 + b) / n  # where t^{1+b} exp(-n t) is largest
    cap = LARGEST_TIME / problem.rate
    times, level = np.zeros(problem.rounds), 0.0
    for i in range(problem.rounds):
        target = np.log(b * c / (n * (1.0 - problem.keep * level))) if problem.keep * level < 1.0 else np.inf

        def balance(log_time: float, target: float = target) -> float:
            return (1.0 + b) * log_time - n * np.exp(log_time) - target

        candidates = [cap]
        if balance(np.log(peak)) > 0.0:
            low = (target - 1.0) / (1.0 + b) - 1.0
            candidates.append(float(np.exp(brentq(balance, low, np.log(peak), xtol=1e-14))))
        candidates = [max(t, floor) for t in candidates]

        def outcome(time: float, level: float = level) -> float:
            return float(-np.expm1(-n * time) + np.exp(-n * time) * problem.keep * level + c * time**-b)

        times[i] = min(candidates, key=outcome)
        level = outcome(times[i])
    return times


def _jointly(problem: _Problem, shape: str, floor: float, total_time: float | None) -> FloatArray:
    """The best of several local optimisations over monotone or free times, with exact gradients.

    Free and constant times are optimised in logarithms; monotone ones as sums of positive steps; a total time is a
    linear constraint.
    """
    from scipy.optimize import minimize

    count = 1 if shape == "constant" else problem.rounds
    build = {
        "free": np.eye(problem.rounds),
        "constant": np.ones((problem.rounds, 1)),
        "increasing": np.tril(np.ones((problem.rounds, problem.rounds))),
        "decreasing": np.triu(np.ones((problem.rounds, problem.rounds))),
    }[shape]
    cap = LARGEST_TIME / problem.rate
    monotone = shape in ("increasing", "decreasing")

    def times_of(parameters: FloatArray) -> FloatArray:
        steps = np.exp(parameters)
        return build @ steps + (floor if monotone else 0.0)

    def objective(parameters: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = problem.value_and_gradient(times_of(parameters))
        return value, (build.T @ gradient) * np.exp(parameters)

    lowest = np.log(SMALLEST_TIME / problem.rate) if monotone else np.log(floor)
    bounds = [(lowest, np.log(cap))] * count
    constraints = []
    if total_time is not None:
        constraints.append(
            {
                "type": "ineq",
                "fun": lambda p: total_time - times_of(p).sum(),
                "jac": lambda p: -build.sum(axis=0) * np.exp(p),
            }
        )
    method, options = (
        ("SLSQP", {"maxiter": 500, "ftol": 1e-14})
        if constraints
        else ("L-BFGS-B", {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-12})
    )
    best: tuple[float, FloatArray] | None = None
    last = None
    for start in (1e-4, 1e-3, 1e-2, 0.1, 1.0):
        level = start / (problem.rate * (problem.rounds if monotone else 1))
        if total_time is not None:
            level = min(level, 0.9 * total_time / problem.rounds / (problem.rounds if monotone else 1))
        first = np.full(count, np.clip(np.log(level), *bounds[0]))
        last = minimize(
            objective, first, jac=True, bounds=bounds, method=method, constraints=constraints, options=options
        )
        feasible = total_time is None or times_of(last.x).sum() <= total_time * (1.0 + 1e-9)
        if np.isfinite(last.fun) and feasible and (best is None or last.fun < best[0]):
            best = (float(last.fun), times_of(last.x))
    if best is None:
        raise ConvergenceError(
            "the joint optimisation of the schedule found no feasible times", value=last, bound=None
        )
    return np.maximum(best[1], floor)
