r"""The errors of a schedule as a function of its times, and the times that minimise them.

bias       e_n(i+1) = 1 - a^n + a^n (1 - alpha) e_n(i)                                     a = exp(-rate t_i)
variance   V_n(i+1) = (a^n (1 - alpha))^2 V_n(i) + sigma_n(t_i)^2                          independent errors
absolute   u_n(i+1) = 1 - a^n + a^n (1 - alpha) u_n(i) + sigma_n(t_i)                      errors that add up
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray
from .error_models import ErrorModel, PowerLaw

OBJECTIVES = ("absolute", "mean_square")
SMALLEST_TIME = 1e-12  # of a planned round, in units of 1 / rate
LARGEST_TIME = 40.0
SMALLEST_RATE = 1e-100
LARGEST_ERROR = 1e100  # of a round: what is larger counts as this, whose square is a number
STEEPEST = 1e150  # of its derivative


@dataclass(frozen=True)
class ScheduleProblem:
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
    ) -> ScheduleProblem:
        """Return the problem that a caller's arguments describe, each of them checked."""
        share = np.ones(len(degrees)) if weights is None else checks.vector(weights, "weights")
        if share.shape != degrees.shape or share.min() < 0.0:
            raise InputError(f"weights must be >= 0, one a degree ({len(degrees)}), got {weights!r}.")
        return cls(
            degrees=degrees,
            weights=share,
            rounds=checks.entries(rounds, "rounds", minimum=1),
            keep=1.0 - checks.fraction(fresh_fraction),
            error=error,
            square=checks.one_of(objective, OBJECTIVES, "objective") == "mean_square",
            rate=moderate_rate(rate),
        )

    def propagate(self, times: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return bias, variance and absolute error of each round and degree, (rounds + 1, m)."""
        exponent = -self.rate * np.outer(times, self.degrees)
        carried, lost = self.keep * np.exp(exponent), -np.expm1(exponent)
        sigma = limited_deviation(self.error, times, self.degrees)
        return _rounds(carried, lost), _rounds(carried**2, sigma**2), _rounds(carried, lost + sigma)

    def value_and_gradient(self, times: FloatArray) -> tuple[float, FloatArray]:
        """Objective and its gradient in the times, by the adjoint recursion."""
        attenuation = np.exp(-self.rate * np.outer(times, self.degrees))
        carried, lost = self.keep * attenuation, -np.expm1(-self.rate * np.outer(times, self.degrees))
        drop = self.rate * self.degrees * attenuation  # -d a^n / dt
        sigma = limited_deviation(self.error, times, self.degrees)
        slope = np.clip(self.error.slope(times, self.degrees), -STEEPEST, STEEPEST)
        # What a change after round i is multiplied by until the last.
        after = np.ones_like(carried)
        np.cumprod(carried[:0:-1], axis=0, out=after[-2::-1])
        if self.square:
            bias, variance = _rounds(carried, lost), _rounds(carried**2, sigma**2)
            by_bias = drop * (1.0 - self.keep * bias[:-1])
            by_variance = 2.0 * (sigma * slope - carried * self.keep * drop * variance[:-1])
            gradient = (2.0 * bias[-1] * after * by_bias + after**2 * by_variance) @ self.weights
            return float(self.weights @ (bias[-1] ** 2 + variance[-1])), gradient
        absolute = _rounds(carried, lost + sigma)
        gradient = (after * (drop * (1.0 - self.keep * absolute[:-1]) + slope)) @ self.weights
        return float(self.weights @ absolute[-1]), gradient


def _rounds(factor: FloatArray, term: FloatArray) -> FloatArray:
    """Return x_0 = 0 and x_{i+1} = factor_i x_i + term_i, column by column: (rounds + 1, m)."""
    from scipy.linalg import solve_banded

    result = np.zeros((len(factor) + 1, factor.shape[1]))
    band = np.ones((2, len(factor)))
    for j in range(factor.shape[1]):
        band[1, :-1] = -factor[1:, j]
        result[1:, j] = solve_banded((1, 0), band, term[:, j], check_finite=False)
    return result


def limited_deviation(error: ErrorModel, times: FloatArray, degrees: FloatArray) -> FloatArray:
    """Return the errors of rounds, (r, m), whose squares are numbers."""
    return np.asarray(np.minimum(error.deviation(times, degrees), LARGEST_ERROR))


def moderate_rate(rate: float) -> float:
    """Return a rate whose times are numbers."""
    number = checks.positive(rate, "rate")
    if not SMALLEST_RATE <= number <= 1.0 / SMALLEST_RATE:
        raise InputError(
            f"rate must lie in [{SMALLEST_RATE:g}, {1.0 / SMALLEST_RATE:g}] for a plan, got {number!r}."
        )
    return number


def round_by_round(problem: ScheduleProblem, floor: float) -> FloatArray:
    """Each round minimises its own outcome: the smaller root of the stationarity condition, or the floor."""
    from scipy.optimize import brentq

    assert isinstance(problem.error, PowerLaw)
    c, b = problem.error.scale, problem.error.exponent
    n = float(problem.degrees[0]) * problem.rate
    peak = (1.0 + b) / n  # where t^{1+b} exp(-n t) is largest
    cap = LARGEST_TIME / problem.rate
    times, level = np.zeros(problem.rounds), 0.0
    for i in range(problem.rounds):
        inherited = problem.keep * level
        target = np.log(b) + np.log(c) - np.log(n * (1.0 - inherited)) if inherited < 1.0 else np.inf

        def balance(log_time: float, target: float = target) -> float:
            return float(log_time - (n * np.exp(log_time) + target) / (1.0 + b))

        candidates = [cap]
        if balance(np.log(peak)) > 0.0:
            low = (target - 1.0) / (1.0 + b) - 1.0
            candidates.append(float(np.exp(brentq(balance, low, np.log(peak), xtol=1e-14))))
        candidates = [max(t, floor) for t in candidates]

        def outcome(time: float, level: float = level) -> float:
            added = limited_deviation(problem.error, np.array([time]), problem.degrees)[0, 0]
            return float(-np.expm1(-n * time) + np.exp(-n * time) * problem.keep * level + added)

        times[i] = min(candidates, key=outcome)
        level = outcome(times[i])
    return times


def _backwards(values: FloatArray) -> FloatArray:
    return np.cumsum(values[::-1])[::-1]


_Build = Callable[[FloatArray, int], FloatArray]
_BUILDS: dict[str, tuple[_Build, Callable[[FloatArray], FloatArray]]] = {
    "free": (lambda steps, rounds: steps, lambda gradient: gradient),
    "constant": (np.repeat, lambda gradient: gradient.sum(keepdims=True)),
    "increasing": (lambda steps, rounds: np.cumsum(steps), _backwards),
    "decreasing": (lambda steps, rounds: _backwards(steps), np.cumsum),
}
"""Times from positive steps, and the transposed map for gradients."""


def _best_constant(problem: ScheduleProblem, floor: float, cap: float) -> float:
    """Return which of 100 constant times leaves the least error."""
    times = np.geomspace(floor, cap, 100)
    values = [problem.value_and_gradient(np.full(problem.rounds, time))[0] for time in times]
    return float(times[np.argmin(values)])


def jointly(problem: ScheduleProblem, shape: str, floor: float, total_time: float | None) -> FloatArray:
    """The best of several local optimisations over monotone or free times, with exact gradients, and of constant times.

    Free and constant times are optimised in logarithms; monotone ones as sums of positive steps; a total time is a
    linear constraint.
    """
    from scipy.optimize import minimize

    count = 1 if shape == "constant" else problem.rounds
    cap = LARGEST_TIME / problem.rate
    monotone = shape in ("increasing", "decreasing")
    build, transposed = _BUILDS[shape]

    most = np.inf if total_time is None else total_time / problem.rounds
    if shape == "constant":
        constant = max(floor, min(_best_constant(problem, floor, cap), most))
    else:
        constant = float(jointly(problem, "constant", floor, total_time)[0])
    best_times = np.full(problem.rounds, constant)
    least = problem.value_and_gradient(best_times)[0]
    # Optimisers stop at changes that are small against 1: errors are counted in units of a constant time's.
    unit, best = least if least > 0.0 else 1.0, 1.0

    def times_of(parameters: FloatArray) -> FloatArray:
        return build(np.exp(parameters), problem.rounds) + (floor if monotone else 0.0)

    def objective(parameters: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = problem.value_and_gradient(times_of(parameters))
        return value / unit, transposed(gradient) * np.exp(parameters) / unit

    lowest = np.log(SMALLEST_TIME / problem.rate) if monotone else np.log(floor)
    bounds = [(lowest, np.log(cap))] * count
    constraints = []
    if total_time is not None:
        constraints.append(
            {
                "type": "ineq",
                "fun": lambda p: total_time - times_of(p).sum(),
                "jac": lambda p: -transposed(np.ones(problem.rounds)) * np.exp(p),
            }
        )
    method, options = (
        ("SLSQP", {"maxiter": 500, "ftol": 1e-14})
        if constraints
        else ("L-BFGS-B", {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-12})
    )
    share = problem.rounds if monotone else 1
    starts = [
        np.full(count, np.log(min(s / problem.rate, 0.9 * most) / share))
        for s in (1e-4, 1e-3, 1e-2, 0.1, 1.0)
    ]
    starts.append(np.full(count, np.log(constant)))
    if monotone:  # nearly constant: one step holds almost all of it
        starts[-1] += np.log(1e-3 / problem.rounds)
        starts[-1][0 if shape == "increasing" else -1] = np.log(constant)
    for start in starts:
        first = np.clip(start, *bounds[0])
        last = minimize(
            objective, first, jac=True, bounds=bounds, method=method, constraints=constraints, options=options
        )
        feasible = total_time is None or times_of(last.x).sum() <= total_time * (1.0 + 1e-9)
        if np.isfinite(last.fun) and feasible and last.fun < best:
            best, best_times = float(last.fun), times_of(last.x)
    return np.maximum(best_times, floor)
