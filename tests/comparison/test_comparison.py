"""The comparison: simulations drawn in NumPy from the definitions pass, those five per cent off are rejected."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.comparison.comparison import compare
from hermite_collapse.comparison.implied import is_determined
from hermite_collapse.comparison.result import mode_label
from hermite_collapse.core.significance import Test, Verdict, holm
from hermite_collapse.hermite.indices import total_degree_indices
from hermite_collapse.hermite.sums import sample_coefficients
from hermite_collapse.reporting.words import implied
from hermite_collapse.storage.record import SimulatedRecursion

TARGET = hc.presets.load("three_modes_1d")


def channel_record(recursion, *, rounds, particles, degree, runs=1, seed=0):
    """A record of the channel generator, particle by particle from its definition, in NumPy."""
    rng = np.random.default_rng(seed)
    dimension = recursion.dimension
    values = np.empty((runs, rounds + 1, len(total_degree_indices(dimension, degree))))
    for run in range(runs):
        x = recursion.target.sample(particles, rng)
        values[run, 0] = sample_coefficients(x, degree).values
        for i in range(rounds):
            fresh, _ = recursion.mixing(i)
            parents = x[rng.integers(particles, size=particles)]
            data = recursion.target.sample(particles, rng)
            chosen = np.where(rng.random(particles)[:, None] < fresh, data, parents)
            channel = recursion.channel(i)
            noise = rng.standard_normal((particles, dimension))
            x = channel.scale * chosen + np.sqrt(channel.variance) * noise
            values[run, i + 1] = sample_coefficients(x, degree).values
    shape = (runs, rounds + 1)
    return SimulatedRecursion(
        indices=total_degree_indices(dimension, degree),
        coefficients=values,
        second_moments=np.full_like(values, np.nan),
        means=np.full((*shape, dimension), np.nan),
        covariances=np.full((*shape, dimension, dimension), np.nan),
        truncation_times=recursion.schedule.times(rounds),
        wall_seconds=np.zeros(rounds + 1),
        generator="channel",
        particles=particles,
        seed=seed,
        device="cpu",
        versions={},
    )


@pytest.fixture(scope="module")
def record():
    recursion = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1)
    return channel_record(recursion, rounds=10, particles=100_000, degree=12, runs=4)


def test_a_true_simulation_passes(record):
    comparison = compare(hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1), record)
    assert comparison.verdict.passed and comparison.verdict.tests > 80
    assert (
        abs(comparison.implied_fresh_fraction.value - 0.3)
        < 4 * comparison.implied_fresh_fraction.error
        < 0.02
    )
    assert abs(comparison.implied_truncation.value - 1.0) < 4 * comparison.implied_truncation.error < 0.04
    tested = comparison.tested
    assert np.abs(comparison.z[tested]).max() < 4.5 and np.std(comparison.z[tested]) == pytest.approx(
        1.0, abs=0.35
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"fresh_fraction": 0.315, "truncation_time": 0.1},
        {"fresh_fraction": 0.285, "truncation_time": 0.1},
        {"fresh_fraction": 0.3, "truncation_time": 0.105},
        {"fresh_fraction": 0.3, "truncation_time": 0.095},
    ],
)
def test_parameters_five_per_cent_off_are_rejected(record, settings):
    verdict = compare(hc.Recursion(TARGET, **settings), record).verdict
    assert not verdict.passed and verdict.rejected and "disagree" in verdict.text


def test_one_replaced_coefficient_is_rejected(record):
    changed = record.coefficients.copy()
    changed[:, 5, 4] += 0.05
    verdict = compare(
        hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1),
        dataclasses.replace(record, coefficients=changed),
    ).verdict
    assert not verdict.passed and "degree 4" in verdict.text


def test_several_dimensions_use_the_energy_of_each_degree():
    recursion = hc.Recursion(hc.presets.load("tilted_2d"), fresh_fraction=0.4, truncation_time=0.2)
    record = channel_record(recursion, rounds=4, particles=40_000, degree=4)
    comparison = compare(recursion, record)
    assert comparison.verdict.passed
    assert comparison.factor_z.shape == (5, 5)
    wrong = hc.Recursion(hc.presets.load("tilted_2d"), fresh_fraction=0.4, truncation_time=0.26)
    assert not compare(wrong, record).verdict.passed


def test_coupled_degrees_are_compared_by_coefficient():
    recursion = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1, blur=0.3)
    record = channel_record(recursion, rounds=4, particles=40_000, degree=5)
    comparison = compare(recursion, record)
    assert (
        comparison.verdict.passed and comparison.degrees is None and comparison.implied_fresh_fraction is None
    )
    assert "mode" in comparison.table([4])
    unblurred = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1)
    assert not compare(unblurred, record).verdict.passed


def test_the_error_of_a_sample_as_target_stays_out_of_the_tests():
    recursion = hc.Recursion(hc.EmpiricalLaw(TARGET.sample(500, 1)), fresh_fraction=0.3, truncation_time=0.1)
    record = channel_record(recursion, rounds=3, particles=20_000, degree=5)
    comparison = compare(recursion, record)
    assert comparison.verdict.passed and comparison.target_standard_error is not None
    assert comparison.target_standard_error[3] > 3 * comparison.standard_error[0, 3]
    population = compare(hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1), record)
    assert not population.verdict.passed


def test_dataset_and_table(record, tmp_path):
    comparison = compare(hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1), record)
    dataset = comparison.dataset
    assert dict(dataset.sizes) == {"round": 11, "mode": 13, "degree_block": 13}
    assert all(
        "long_name" in variable.attrs and variable.attrs["units"] == "1" for variable in dataset.values()
    )
    dataset.to_netcdf(tmp_path / "results.nc", engine="h5netcdf")
    lines = comparison.table([0, 8]).splitlines()
    assert len(lines) == 1 + 2 * 12 and max(map(len, lines)) <= 80


def test_holm_steps_down():
    tests = [Test("a", 0, 0.001), Test("b", 0, 0.004), Test("c", 0, 0.006), Test("d", 0, 0.5)]
    verdict = holm(tests, 0.01, 3)
    assert [test.name for test in verdict.rejected] == ["a"]
    assert verdict.adjusted_p_value == pytest.approx(0.004) and verdict.untested == 3
    assert [t.name for t in holm(tests, 0.013, 0).rejected] == ["a", "b", "c"]
    heavy = [*tests[:1], Test("e", 0, 0.008, weight=10.0)]
    assert [t.name for t in holm(heavy, 0.01, 0).rejected] == ["e", "a"]
    empty = holm([], 0.01, 5)
    assert (
        isinstance(empty, Verdict)
        and not empty.passed
        and not empty.rejected
        and "Nothing could be tested" in empty.text
    )


def test_discretisation_is_extrapolated_from_doubled_steps(record):
    recursion = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1)
    coarse = dataclasses.replace(
        record, steps=50, sampler={"order": 1}, coefficients=record.coefficients + 0.02
    )
    fine = dataclasses.replace(
        record, steps=100, sampler={"order": 1}, coefficients=record.coefficients + 0.01
    )
    comparison = compare(recursion, coarse, refined=fine)
    np.testing.assert_allclose(comparison.discretisation, 0.02, rtol=1e-9)
    assert "discretisation" in comparison.dataset
    np.testing.assert_allclose(
        comparison.measured, record.mean_coefficients, atol=1e-12
    )  # h + 0.02, h + 0.01 -> h
    plain = compare(recursion, record).standard_error
    np.testing.assert_allclose(comparison.standard_error, np.sqrt(5.0) * plain)  # of 2 b - a
    with pytest.raises(hc.InputError, match="refined must have twice the steps"):
        compare(recursion, coarse, refined=record)


def test_records_of_something_else_are_refused(record):
    recursion = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1)
    with pytest.raises(hc.InputError, match="generator with predicted error bars"):
        compare(recursion, dataclasses.replace(record, generator="neural"))
    with pytest.raises(hc.InputError, match="simulated must have the dimension of recursion, 2, got 1"):
        compare(hc.Recursion(hc.presets.load("grid_2d"), fresh_fraction=0.3, truncation_time=0.1), record)


def test_other_final_steps_are_refused(record):
    recursion = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1)
    denoised = dataclasses.replace(record, sampler={"name": "exponential_multistep", "final_step": "full"})
    with pytest.raises(hc.InputError, match="must end with the noisy step"):
        compare(recursion, denoised)


def test_modes_have_short_names_in_many_dimensions():
    assert mode_label([4]) == "4" and mode_label([2, 0, 1]) == "2,0,1"
    index = np.zeros(784, dtype=int)
    assert mode_label(index) == "1"
    index[[2, 16]] = 2, 1
    assert mode_label(index) == "x3^2 x17"


def test_the_draw_of_the_start_alone_is_no_agreement():
    recursion = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1)
    comparison = compare(recursion, channel_record(recursion, rounds=4, particles=40, degree=8))
    testable = comparison.modes.is_testable(1)
    assert testable[0].any() and not testable[1:].any()  # else this is about nothing
    assert not comparison.verdict.passed and not comparison.verdict.is_tested
    assert not comparison.tested.any() and not comparison.statistics.tested.any()
    assert "Nothing could be tested" in comparison.verdict.text


def test_fits_that_tell_nothing_of_a_parameter_are_undetermined():
    for value, error, upper, expected in (
        (0.3, 0.01, 1.0, True),
        (0.02, 0.03, 1.0, True),  # at most 0.08: most of [0, 1] is excluded
        (0.575, 0.36, 1.0, False),
        (-4.17, 3.4, 1.0, False),
        (1.2, 0.05, 1.0, False),
        (1.0, 0.05, np.inf, True),
        (0.0, 0.68, np.inf, False),
        (1.0, 0.6, np.inf, False),
    ):
        estimate = hc.Estimate(value, error, "standard_error", "samples")
        assert is_determined(estimate, upper=upper) == expected, (value, error)
    recursion = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1)
    comparison = compare(recursion, channel_record(recursion, rounds=4, particles=40_000, degree=4))
    vague = comparison.replace(implied_truncation=hc.Estimate(0.0, 0.68, "standard_error", "samples"))
    assert "truncation times of" in implied(comparison) and "undetermined" not in implied(comparison)
    assert implied(vague).endswith("They leave the truncation times undetermined.")
