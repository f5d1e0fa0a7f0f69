"""The error budget: its sources against independent predictions, and its sum against the full experiment."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.recursion.sampling_error import predict_sampling_error
from hermite_collapse.simulation import EulerMaruyama, ExponentialMultistep, error_budget
from hermite_collapse.simulation.budget import BIASES, VARIANCES

RECURSION = hc.Recursion(
    hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1, blur=0.15
)
OPTIONS = {"rounds": 2, "particles": 500, "pool": 200, "degree": 4, "device": "cpu", "fine_steps": 40}


@pytest.fixture(scope="module")
def budget():
    return error_budget(RECURSION, sampler=EulerMaruyama(), steps=20, horizon=3.0, runs=48, **OPTIONS)


def test_closed_form_sources_are_differences_of_recursions(budget):
    plain = hc.Recursion(RECURSION.target, fresh_fraction=0.3, truncation_time=0.1)
    data = RECURSION.target.hermite_coefficients(4).values
    ideal, blurred = plain.coefficients(4, rounds=2), RECURSION.coefficients(4, rounds=2)
    np.testing.assert_allclose(budget.bias[BIASES.index("truncation")], ideal - data, atol=1e-14)
    np.testing.assert_allclose(budget.bias[BIASES.index("blur")], blurred - ideal, atol=1e-14)
    assert np.all(budget.bias_error[:2] == 0.0)


def test_variances_are_those_of_the_kernel_formula(budget):
    predicted = predict_sampling_error(RECURSION, 4, rounds=2, particles=500, generator="kernel", pool=200)
    ratio = budget.variance.sum(0)[:, 1:] / predicted.standard_error[:, 1:] ** 2
    # Fourth moments over 48 x 500 particles: a few per cent.
    np.testing.assert_allclose(ratio, 1.0, atol=0.1)
    small = predict_sampling_error(RECURSION, 4, rounds=2, particles=500, generator="kernel", pool=500)
    assert np.abs(budget.variance.sum(0)[1:, 1:] / small.standard_error[1:, 1:] ** 2 - 1.0).max() > 0.3
    assert np.all(budget.variance[VARIANCES.index("pool"), 0] == 0.0)


def test_sources_add_up_to_the_full_experiment_within_its_noise(budget):
    z = budget.bias_interaction / np.where(
        budget.bias_interaction_error > 0, budget.bias_interaction_error, np.inf
    )
    assert np.abs(z[:, 1:]).max() < 4.0
    variance_z = budget.variance_interaction[:, 1:] / budget.variance_interaction_error[:, 1:]
    assert np.abs(variance_z).max() < 4.5


def test_a_source_left_out_is_missed(budget):
    without = budget.total_bias - (budget.bias.sum(0) - budget.bias[BIASES.index("discretisation")])
    assert np.abs(without[1:, 1:] / budget.bias_interaction_error[1:, 1:]).max() > 5.0


def test_the_horizon_costs_a_gaussian_what_regression_on_the_start_says():
    variance, horizon, time = 4.0, 3.0, 0.1
    recursion = hc.Recursion(
        hc.GaussianMixture([1.0], [0.0], variance), fresh_fraction=0.5, truncation_time=time
    )
    options = {**OPTIONS, "rounds": 1, "degree": 2, "runs": 16, "pool": 100, "steps": 40, "particles": 2000}
    end, stop = (1.0 + (variance - 1.0) * np.exp(-t) for t in (horizon, time))
    gain = np.exp(-0.5 * (horizon - time)) * stop / end  # of X_t on X_T
    lost = gain**2 * (1.0 - end) / np.sqrt(2.0)
    row = BIASES.index("finite horizon")
    near = error_budget(recursion, horizon=horizon, **options)
    assert lost < -10.0 * near.bias_error[row, 1, 2]
    assert abs(near.bias[row, 1, 2] - lost) < 4.0 * near.bias_error[row, 1, 2]
    small = {**options, "particles": 50, "runs": 4, "steps": 5, "fine_steps": 5}
    exact_start = error_budget(recursion, horizon=horizon, start="marginal", **small)
    assert np.all(exact_start.bias[row] == 0.0)


def test_the_table_names_every_source(budget):
    text = budget.table(2)
    for word in (*BIASES, "interaction", "sd pool", "sd sampling"):
        assert word in text
    assert len(text.splitlines()) == 1 + 5


def test_final_steps_that_change_the_target_and_few_runs_are_refused():
    with pytest.raises(hc.InputError, match="final step 'noisy' for a budget, got 'half'"):
        error_budget(RECURSION, sampler=ExponentialMultistep(final_step="half"), **OPTIONS)
    with pytest.raises(hc.InputError, match="runs must be an integer >= 4, got 2"):
        error_budget(RECURSION, runs=2, **OPTIONS)
