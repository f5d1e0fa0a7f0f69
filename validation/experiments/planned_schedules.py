"""A planned schedule against the best constant and the best polynomial one, in a recursion with estimation errors.

Every round's score is that of a pool of a few points (`generator="kernel"`), so that estimation error is large.  The
error of the last round, sum_n (c_n(N) - c_n*)^2 over degrees 1..8, is averaged over runs and set beside what
`planning` predicts for each schedule.  The plan truncates in the last round alone: noise of earlier rounds is
discounted anyway, while their bias would stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import hermite_collapse as hc
from hermite_collapse.error_models import FinitePool
from hermite_collapse.planning import plan_schedule, predicted_errors

SHORTEST = 1e-4  # a kernel score of no truncation at all is a sum of point masses


@dataclass(frozen=True)
class Outcome:
    """One schedule: predicted and measured mean squared error of the last round, with its standard error."""

    name: str
    times: tuple[float, ...]
    predicted: float
    measured: float
    standard_error: float


def measure(
    *,
    pool: int = 20,
    particles: int = 400,
    runs: int = 600,
    rounds: int = 8,
    fresh_fraction: float = 0.1,
    seed: int = 0,
) -> list[Outcome]:
    """Outcomes of the planned, the best constant and the best polynomial schedule, in this order."""
    from scipy.optimize import minimize

    target = hc.presets.load("three_modes_1d")
    degrees = np.arange(1, 9)
    data = target.hermite_coefficients(8).values[1:]
    spread = target.second_moments(degrees[:, None]) - data**2
    settings = {
        "rounds": rounds,
        "fresh_fraction": fresh_fraction,
        "error": FinitePool(pool, (0.0, *(spread / data**2))),
        "weights": data**2,
        "objective": "mean_square",
    }

    def polynomial(logs: np.ndarray) -> hc.schedules.Polynomial:
        return hc.schedules.Polynomial(*np.exp(logs))

    starts = [np.log([time, exponent]) for time in (0.01, 0.1) for exponent in (0.2, 1.0, 2.0)]
    fits = [minimize(lambda x: predicted_errors(polynomial(x), degrees, **settings).value, s) for s in starts]
    schedules = {
        "planned": plan_schedule(degrees, floor=SHORTEST, **settings).schedule,
        "constant": plan_schedule(degrees, shape="constant", floor=SHORTEST, **settings).schedule,
        "polynomial": polynomial(min(fits, key=lambda fit: fit.fun).x),
    }
    outcomes = []
    for name, schedule in schedules.items():
        simulated = hc.simulation.simulate(
            hc.Recursion(target, fresh_fraction=fresh_fraction, truncation=schedule),
            rounds=rounds,
            particles=particles,
            generator="kernel",
            pool=pool,
            runs=runs,
            degree=8,
            seed=seed,
        )
        error = np.sum((simulated.coefficients[:, -1, 1:] - data) ** 2, axis=1)
        predicted = predicted_errors(schedule, degrees, **settings).value
        times = tuple(float(t) for t in schedule.times(rounds))
        outcomes.append(
            Outcome(name, times, predicted, float(error.mean()), float(error.std() / np.sqrt(runs)))
        )
    return outcomes


if __name__ == "__main__":
    for outcome in measure():
        print(outcome)
