"""The identity of truncation bias and accumulated defects."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.recursion.identity import accumulate_defects, joint_identity, round_defects

pytest.importorskip("torch")

from hermite_collapse.simulation import simulate

OPTIONS = [
    {},
    {"regime": "accumulate_with_fresh"},
    {"blur": 0.3},
    {"initial": hc.GaussianMixture([1.0], [0.3], 0.5)},
]


def _simulated(steps=3, runs=16, particles=400, **options):
    recursion = hc.Recursion(
        hc.presets.load("three_modes_1d"), **{"fresh_fraction": 0.3, "truncation_time": 0.1, **options}
    )
    simulated = simulate(
        recursion,
        rounds=4,
        particles=particles,
        generator="kernel",
        pool=200,
        degree=4,
        runs=runs,
        steps=steps,
        start="normal",
        horizon=4.0,
        device="cpu",
    )
    return recursion, simulated


def _data(recursion):
    return recursion.target.hermite_coefficients(4).values


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o) or "replace")
def test_bias_plus_accumulated_defects_is_what_was_measured_run_by_run(options):
    recursion, simulated = _simulated(runs=3, **options)
    exact = recursion.coefficients(4, rounds=4)
    defects = round_defects(recursion, simulated.coefficients, simulated.indices, target=_data(recursion))
    start = simulated.coefficients[:, 0] - exact[0]
    accumulated = accumulate_defects(recursion, defects, simulated.indices, start=start)
    np.testing.assert_allclose(exact + accumulated, simulated.coefficients, atol=1e-12)


def test_replacement_discounts_defects_geometrically():
    recursion, simulated = _simulated(runs=2)
    defects = round_defects(recursion, simulated.coefficients, simulated.indices, target=_data(recursion))
    found = accumulate_defects(recursion, defects, simulated.indices)[:, -1]
    kappa = hc.mode_contraction(np.arange(5), fresh_fraction=0.3, truncation_time=0.1)
    by_hand = sum(kappa ** (3 - j) * defects[:, j] for j in range(4))
    np.testing.assert_allclose(found, by_hand, rtol=1e-12, atol=1e-15)


def test_defects_of_one_half_of_the_runs_predict_the_other_half():
    recursion, simulated = _simulated(runs=64)
    identity = joint_identity(recursion, simulated)
    data = recursion.target.hermite_coefficients(4).values
    factors = recursion.mode_factors(np.arange(5), rounds=4)
    np.testing.assert_allclose(identity.bias, -(1.0 - factors) * data, atol=1e-14)
    z = identity.z[:, 1:]
    assert np.abs(z).max() < 4.0
    # Three steps are a coarse grid: without the defects the truncation bias alone is far off.
    alone = (identity.measured - identity.bias)[1:, 1:] / identity.measured_error[1:, 1:]
    assert np.abs(alone).max() > 4.0


def test_too_few_runs_are_refused():
    recursion, simulated = _simulated(runs=3)
    with pytest.raises(hc.InputError, match="at least 4 runs to be split in halves, got 3"):
        joint_identity(recursion, simulated)
    with pytest.raises(hc.InputError, match="dimension of recursion, 2, got 1"):
        other = hc.Recursion(hc.presets.load("grid_2d"), fresh_fraction=0.3, truncation_time=0.1)
        joint_identity(other, _simulated(runs=4)[1])
