"""Planned schedules: closed forms, brute force on grids, and gradients by differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.advice.error_models import FinitePool, PowerLaw, fit_error_model, measured_deviations
from hermite_collapse.advice.planning import (
    best_constant_truncation,
    plan_schedule,
    predicted_errors,
)
from hermite_collapse.advice.schedule_problem import ScheduleProblem
from hermite_collapse.storage.record import SimulatedRecursion

ERROR = PowerLaw(2e-3, 0.5)


@given(st.floats(1e-5, 1e-2), st.floats(0.2, 2.0), st.floats(0.05, 1.0), st.integers(1, 5))
def test_round_by_round_is_the_global_optimum(scale, exponent, alpha, degree):
    """Against brute force over all schedules on a grid of times, three rounds."""
    error = PowerLaw(scale, exponent)
    plan = plan_schedule(degree, rounds=3, fresh_fraction=alpha, error=error)
    assert plan.route == "round_by_round"
    grid = np.geomspace(1e-5, 20.0, 60)
    lost = -np.expm1(-0.5 * degree * grid)
    kept, sigma = (1 - alpha) * np.exp(-0.5 * degree * grid), scale * grid**-exponent
    level = np.zeros(1)
    for _ in range(3):
        level = (lost[:, None] + sigma[:, None] + kept[:, None] * level[None, :]).reshape(-1)
    assert plan.value <= level.min() * (1 + 1e-12)
    finer = plan.schedule.times(3)
    for factor in itertools.product([0.97, 1.0, 1.03], repeat=3):
        other = predicted_errors(
            finer * np.array(factor), degree, rounds=3, fresh_fraction=alpha, error=error
        )
        assert plan.value <= other.value * (1 + 1e-12)


def test_best_times_slowly_increase_from_the_data():
    plan = plan_schedule(3, rounds=8, fresh_fraction=0.2, error=ERROR)
    assert np.all(np.diff(plan.schedule.times(8)) > 0)


def test_joint_optimisation_agrees_with_round_by_round_where_both_hold():
    greedy = plan_schedule(3, rounds=6, fresh_fraction=0.2, error=ERROR)
    joint = plan_schedule(3, rounds=6, fresh_fraction=0.2, error=ERROR, shape="increasing")
    assert joint.route == "joint" and joint.value == pytest.approx(greedy.value, rel=1e-7)


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("error", [ERROR, FinitePool(400, (0.0, 0.5, 1.0, 3.0, 4.0))])
def test_gradients_agree_with_differences(square, error):
    problem = ScheduleProblem(
        np.array([1.0, 3.0, 4.0]), np.array([0.5, 1.0, 0.2]), 5, 0.7, error, square, 0.5
    )
    times = np.array([0.05, 0.02, 0.1, 0.03, 0.07])
    _, gradient = problem.value_and_gradient(times)
    for i, step in enumerate(1e-6 * np.eye(5)):
        difference = (
            problem.value_and_gradient(times + step)[0] - problem.value_and_gradient(times - step)[0]
        ) / 2e-6
        assert gradient[i] == pytest.approx(difference, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("objective", ["absolute", "mean_square"])
@pytest.mark.parametrize("shape", ["free", "decreasing", "increasing", "constant"])
def test_joint_plans_beat_random_schedules_of_their_shape(objective, shape):
    settings = {"rounds": 5, "fresh_fraction": 0.15, "error": ERROR, "objective": objective}
    plan = plan_schedule([1, 2, 6], shape=shape, **settings)
    times = plan.schedule.times(5)
    rng = np.random.default_rng(0)
    for _ in range(400):
        other = np.exp(np.log(times) + rng.normal(scale=rng.choice([0.02, 0.2, 1.0]), size=5))
        other = {"free": other, "decreasing": np.sort(other)[::-1], "increasing": np.sort(other)}.get(
            shape, np.full(5, other[0])
        )
        assert plan.value <= predicted_errors(other, [1, 2, 6], **settings).value * (1 + 1e-9)
    steps = np.diff(times)
    assert {"free": True, "decreasing": np.all(steps <= 1e-12), "increasing": np.all(steps >= -1e-12)}.get(
        shape, np.ptp(times) < 1e-12
    )


def test_round_by_round_is_not_optimal_for_squares():
    """A greedy schedule for bias squared plus variance loses to the joint one."""
    settings = {"fresh_fraction": 0.05, "error": PowerLaw(0.02, 0.25), "objective": "mean_square"}
    joint = plan_schedule(2, rounds=6, **settings)
    grid = np.geomspace(1e-6, 5.0, 4000)
    bias, variance = 0.0, 0.0
    for _ in range(6):
        lost, kept = -np.expm1(-grid), 0.95 * np.exp(-grid)
        options = (lost + kept * bias) ** 2 + kept**2 * variance + (0.02 * grid**-0.25) ** 2
        best = np.argmin(options)
        bias, variance = (
            lost[best] + kept[best] * bias,
            kept[best] ** 2 * variance + (0.02 * grid[best] ** -0.25) ** 2,
        )
    assert joint.value < 0.99 * (bias**2 + variance)


def test_a_total_time_is_respected_and_binds():
    free = plan_schedule([2, 4], rounds=6, fresh_fraction=0.2, error=ERROR)
    budget = 0.5 * free.schedule.times(6).sum()
    tight = plan_schedule([2, 4], rounds=6, fresh_fraction=0.2, error=ERROR, total_time=budget)
    assert tight.schedule.times(6).sum() <= budget * (1 + 1e-8) and tight.value > free.value


@given(st.floats(1e-6, 1e-3), st.floats(0.2, 2.0), st.floats(0.05, 1.0), st.integers(1, 6))
def test_best_constant_time(scale, exponent, alpha, degree):
    error = PowerLaw(scale, exponent)
    time, level = best_constant_truncation(degree, fresh_fraction=alpha, error=error)
    long_run = predicted_errors(float(time), degree, rounds=800, fresh_fraction=alpha, error=error).value
    assert long_run == pytest.approx(float(level), rel=1e-9)
    for factor in (0.9, 1.1):
        other = predicted_errors(
            factor * float(time), degree, rounds=800, fresh_fraction=alpha, error=error
        ).value
        assert other >= long_run * (1 - 1e-12)


def test_leading_order_of_the_best_constant_time():
    """t* ~ (b c / (n rate))^{1/(1+b)} and u_inf ~ n rate t* (1 + 1/b) / alpha as the error c tends to 0."""
    for scale in (1e-6, 1e-8):
        time, level = best_constant_truncation(3, fresh_fraction=0.4, error=PowerLaw(scale, 0.5))
        first = (0.5 * scale / 1.5) ** (1.0 / 1.5)
        assert first == pytest.approx(float(time), rel=20 * float(time))
        assert 1.5 * first * 3.0 / 0.4 == pytest.approx(float(level), rel=20 * float(time))


def test_error_models_are_recovered_from_measurements():
    times = np.geomspace(1e-3, 0.3, 12)
    rng = np.random.default_rng(2)
    clean = PowerLaw(0.01, 0.7).deviation(times, np.ones(1))[:, 0]
    fitted, covariance = fit_error_model(times, clean * (1 + 0.05 * rng.normal(size=12)), 0.05 * clean)
    assert abs(fitted.exponent - 0.7) < 4 * np.sqrt(covariance[1, 1]) < 0.1
    assert abs(np.log(fitted.scale / 0.01)) < 4 * np.sqrt(covariance[0, 0])


def test_error_models_are_fitted_to_recorded_runs():
    """Runs whose rounds err by a known power law, recorded and read back."""
    truth, runs, rounds = PowerLaw(0.01, 0.6), 400, 8
    target = hc.presets.load("three_modes_1d")
    recursion = hc.Recursion(target, fresh_fraction=0.3, truncation_time=np.geomspace(1e-3, 0.3, rounds))
    data = target.hermite_coefficients(4).values
    times = recursion.schedule.times(rounds)
    rng = np.random.default_rng(1)
    values = np.tile(data, (runs, rounds + 1, 1))
    for i in range(rounds):
        ideal = np.exp(-0.5 * np.arange(5) * times[i]) * (0.3 * data + 0.7 * values[:, i])
        error = truth.deviation(times[i : i + 1], np.ones(1)).item() * np.abs(data)
        values[:, i + 1] = ideal + error * rng.standard_normal((runs, 5))
    record = SimulatedRecursion(
        indices=np.arange(5)[:, None],
        coefficients=values,
        second_moments=np.zeros_like(values),
        means=np.zeros((runs, rounds + 1, 1)),
        covariances=np.zeros((runs, rounds + 1, 1, 1)),
        truncation_times=times,
        wall_seconds=np.zeros(rounds + 1),
        generator="channel",
        particles=2,
        seed=0,
        device="cpu",
        versions={},
    )
    measured = measured_deviations(recursion, record, 3)
    z = (measured[1] - truth.deviation(times, np.ones(1))[:, 0]) / measured[2]
    assert np.abs(z).max() < 4.5
    fitted, covariance = fit_error_model(*measured)
    assert abs(fitted.exponent - 0.6) < 4 * np.sqrt(covariance[1, 1]) < 0.2
    with pytest.raises(hc.InputError, match="degree must be one that was recorded"):
        measured_deviations(recursion, record, 7)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"degree": 0}, "degree must be >= 1 here"),
        ({"objective": "squares"}, "objective must be one of"),
        ({"shape": "falling"}, "shape must be one of"),
        ({"rounds": 0}, "rounds must be an integer >= 1, got 0"),
        ({"weights": [1.0, 2.0]}, "weights must be >= 0, one a degree (1)"),
        ({"total_time": 0.1, "floor": 0.1}, "total_time must be at least rounds * floor"),
    ],
)
def test_bad_input_is_named(settings, words):
    with pytest.raises(hc.InputError) as problem:
        plan_schedule(**{"degree": 2, "rounds": 4, "fresh_fraction": 0.2, "error": ERROR, **settings})
    assert words in str(problem.value)


@pytest.mark.parametrize(("scale", "exponent"), [(0.01, 50.0), (1e-300, 50.0), (0.01, 1e6), (1e300, 0.5)])
@pytest.mark.parametrize("objective", ["absolute", "mean_square"])
def test_errors_of_many_dimensions_are_planned(scale, exponent, objective):
    error = PowerLaw(scale, exponent)
    setting = {"rounds": 4, "fresh_fraction": 0.3, "error": error, "objective": objective}
    constant = plan_schedule(3, shape="constant", **setting)
    for shape in ("free", "decreasing", "increasing"):
        assert plan_schedule(3, shape=shape, **setting).value <= constant.value * (1.0 + 1e-6)
    # By the formula at the constant time, with its powers in logarithms.
    t, kept, x = constant.schedule.values[0], 0.7, 0.0
    carried, added = kept * np.exp(-1.5 * t), np.exp(min(np.log(scale) - exponent * np.log(t), np.log(1e100)))
    bias = variance = 0.0
    for _ in range(4):
        x = carried * x + (1.0 - np.exp(-1.5 * t)) + added
        bias = carried * bias + (1.0 - np.exp(-1.5 * t))
        variance = carried**2 * variance + added**2
    expected = x if objective == "absolute" else bias**2 + variance
    np.testing.assert_allclose(constant.value, expected, rtol=1e-9)
    time, value = best_constant_truncation(3, fresh_fraction=0.3, error=error)
    others = predicted_errors(np.full(200, time.value), 3, **{**setting, "rounds": 200})
    np.testing.assert_allclose(others.absolute[-1], value.value, rtol=1e-9)


@pytest.mark.parametrize(
    ("times", "deviations", "errors", "words"),
    [
        ([0.1, 0.2, 0.3], [0.1, 0.0, 0.05], None, "deviations must be > 0, got 0.0"),
        ([0.1, -0.2, 0.3], [0.1, 0.1, 0.05], None, "times must be > 0, got -0.2"),
        ([0.1, 0.2, 0.3], [0.1, 0.05], None, "times and deviations must be of one length, got 3 and 2"),
        ([0.1, 0.2], [0.1, 0.05], [0.1], "standard_errors must be one a deviation (2), got 1"),
        ([0.1, 0.2], [0.1, 0.05], [0.1, 0.0], "standard_errors must be > 0, got 0.0"),
    ],
)
def test_a_fit_names_what_it_cannot_use(times, deviations, errors, words):
    with pytest.raises(hc.InputError) as problem:
        fit_error_model(times, deviations, errors)
    assert words in str(problem.value)
