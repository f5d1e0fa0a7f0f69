"""A planned schedule against the best constant and the best polynomial one, in a recursion with a real estimation error.

Every round's score is that of a pool of a few points (`generator="kernel"`), so that estimation error is large.  The
error of the last round, sum_n (c_n(N) - c_n*)^2 over degrees 1..8, is averaged over runs and set beside what
`planning` predicts for each schedule.  The plan truncates in the last round alone: noise of earlier rounds is
discounted anyway, while their bias would stay.  The schedules share their random numbers.

The error model is of leading order in 1/pool and takes the spread of the data for that of every round, so that errors
are predicted to about ten per cent (small size: 1.37 against 1.29 +- 0.03 planned, 1.63 against 1.75 +- 0.05 constant);
the order of the schedules, and the gain of nine paired standard errors, is what is tested.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import hermite_collapse as hc
from hermite_collapse.advice.error_models import FinitePool
from hermite_collapse.advice.planning import plan_schedule, predicted_errors
from hermite_collapse.recursion.schedules import Schedule
from hermite_collapse.simulation import simulate_many

from ..experiment import Experiment, Result, Settings, holm

DEGREES = np.arange(1, 9)
ROUNDS, FRESH_FRACTION, POOL = 8, 0.1, 20
SHORTEST = 1e-4  # a kernel score of no truncation at all is a sum of point masses


def experiments() -> list[Experiment]:
    return [Experiment("planned_schedules", "a planned schedule against constant and polynomial ones", run)]


def run(settings: Settings) -> Result:
    """Whether the plan wins by more than three paired standard errors, and every error is as predicted."""
    target = hc.presets.load("three_modes_1d")
    schedules, predicted = candidates(target)
    particles, runs = (2000, 4000) if settings.is_full else (400, 1200)
    records = simulate_many(
        {
            name: hc.Recursion(target, fresh_fraction=FRESH_FRACTION, truncation_time=schedule)
            for name, schedule in schedules.items()
        },
        rounds=ROUNDS,
        particles=particles,
        generator="kernel",
        pool=POOL,
        runs=runs,
        steps=50,
        degree=8,
        device=settings.device,
        seed=settings.seed,
    )
    data = target.hermite_coefficients(8).values[1:]
    errors = {name: np.sum((r.coefficients[:, -1, 1:] - data) ** 2, axis=1) for name, r in records.items()}
    z = np.array([pull(error, predicted[name]) for name, error in errors.items()])
    gains = {name: pull(errors[name] - errors["planned"], 0.0) for name in ("constant", "polynomial")}
    as_predicted, p = holm(z, settings.level)
    wins = min(gains.values()) > 3.0
    return Result(
        as_predicted and wins,
        f"The plan {'beats' if wins else 'does not beat'} the others by {min(gains.values()):.1f} paired standard "
        f"errors or more; errors are {'as' if as_predicted else 'not as'} predicted (adjusted p = {p:.2g}).",
        {
            "particles": particles,
            "runs": runs,
            "pool": POOL,
            "schedules": {name: s.times(ROUNDS).tolist() for name, s in schedules.items()},
            "predicted": predicted,
            "measured": {name: float(error.mean()) for name, error in errors.items()},
            "standard_error": {name: float(error.std() / np.sqrt(runs)) for name, error in errors.items()},
            "gain_in_standard_errors": gains,
        },
        {f"errors_{name}": error for name, error in errors.items()},
    )


def candidates(target: hc.GaussianMixture) -> tuple[dict[str, Schedule], dict[str, float]]:
    """The planned, the best constant and the best polynomial schedule, and their predicted errors."""
    from scipy.optimize import minimize

    data = target.hermite_coefficients(8).values[1:]
    spread = target.second_moments(DEGREES[:, None]) - data**2
    problem = {
        "rounds": ROUNDS,
        "fresh_fraction": FRESH_FRACTION,
        "error": FinitePool(POOL, (0.0, *(spread / data**2))),
        "weights": data**2,
        "objective": "mean_square",
    }

    def value(schedule: Schedule) -> float:
        return predicted_errors(schedule, DEGREES, **problem).value

    def polynomial(logs: NDArray[np.float64]) -> Schedule:
        return hc.schedules.Polynomial(*np.exp(logs))

    starts = [np.log([time, exponent]) for time in (0.01, 0.1) for exponent in (0.2, 1.0, 2.0)]
    fits = [minimize(lambda logs: value(polynomial(logs)), start) for start in starts]
    schedules: dict[str, Schedule] = {
        "planned": plan_schedule(DEGREES, floor=SHORTEST, **problem).schedule,
        "constant": plan_schedule(DEGREES, shape="constant", floor=SHORTEST, **problem).schedule,
        "polynomial": polynomial(min(fits, key=lambda fit: fit.fun).x),
    }
    return schedules, {name: value(schedule) for name, schedule in schedules.items()}


def pull(sample: NDArray[np.float64], expected: float) -> float:
    """Deviation of a sample's mean from its expected value in standard errors."""
    return float((sample.mean() - expected) / (sample.std(ddof=1) / np.sqrt(len(sample))))
