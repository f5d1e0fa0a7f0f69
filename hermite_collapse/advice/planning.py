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
from ..core.display import Displayed
from ..core.errors import InputError
from ..core.estimates import Estimate
from ..core.signature import public
from ..core.types import FloatArray
from ..core.value import Value
from ..recursion.schedules import Explicit, Schedule, as_schedule
from .error_models import ErrorModel, PowerLaw
from .schedule_problem import (
    LARGEST_TIME,
    SMALLEST_TIME,
    ScheduleProblem,
    jointly,
    limited_deviation,
    moderate_rate,
    round_by_round,
)

SHAPES = ("free", "decreasing", "increasing", "constant")


@dataclass(frozen=True, eq=False)
class SchedulePlan(Displayed, Value):
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

    Notes
    -----
    An error of one round above 1e100 counts as 1e100.  No plan is worse than the best constant time found.

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
    problem = ScheduleProblem.of(degrees, weights, rounds, fresh_fraction, error, objective, rate)
    kind = checks.one_of(shape, SHAPES, "shape")
    smallest = max(checks.nonnegative(floor, "floor"), SMALLEST_TIME / problem.rate)
    if smallest > LARGEST_TIME / problem.rate:
        raise InputError(f"floor must be at most {LARGEST_TIME / problem.rate:g}, got {smallest:g}.")
    largest = None if total_time is None else checks.positive(total_time, "total_time")
    if largest is not None and largest < smallest * problem.rounds:
        raise InputError(
            f"total_time must be at least rounds * floor = {smallest * problem.rounds:g}, got {largest:g}."
        )
    separable = isinstance(error, PowerLaw) and len(degrees) == 1 and not problem.square
    if separable and kind == "free" and largest is None:
        return _plan(problem, round_by_round(problem, smallest), "round_by_round")
    return _plan(problem, jointly(problem, kind, smallest, largest), "joint")


def predicted_errors(
    truncation_time: float | ArrayLike | Schedule,
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
    truncation_time : float, array or Schedule
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
    problem = ScheduleProblem.of(degrees, weights, rounds, fresh_fraction, error, objective, rate)
    return _plan(problem, as_schedule(truncation_time).times(problem.rounds), "given")


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

    n = checks.integer(degree, "degree", minimum=1) * moderate_rate(rate)
    alpha = checks.positive(checks.fraction(fresh_fraction), "fresh_fraction")

    def loss(log_time: float) -> float:
        time = np.exp(log_time)
        lost = -np.expm1(-n * time)
        added = limited_deviation(error, np.array([time]), np.ones(1))[0, 0]
        return float((lost + added) / (alpha + (1.0 - alpha) * lost))

    grid = np.linspace(np.log(SMALLEST_TIME / rate), np.log(LARGEST_TIME / rate), 800)
    start = int(np.argmin([loss(x) for x in grid]))
    bracket = (grid[max(start - 1, 0)], grid[min(start + 1, len(grid) - 1)])
    best = minimize_scalar(loss, bounds=bracket, method="bounded", options={"xatol": 1e-9})
    time = float(np.exp(best.x))
    return Estimate(time, 1e-8 * time, "bound", "quadrature"), Estimate(
        float(best.fun), 1e-12, "bound", "quadrature"
    )


def _plan(problem: ScheduleProblem, times: FloatArray, route: str) -> SchedulePlan:
    bias, variance, absolute = problem.propagate(times)
    value = problem.weights @ (bias[-1] ** 2 + variance[-1] if problem.square else absolute[-1])
    return SchedulePlan(Explicit(times), bias, variance, absolute, float(value), route)
