"""Laws, recursions and operators are values: read-only, comparable, picklable, changed by copies."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import hermite_collapse as hc

SAMPLES = np.random.default_rng(0).standard_normal((40, 2))


def everything():
    mixture, tilted = hc.presets.load("three_modes_1d"), hc.presets.load("tilted_2d")
    recursion = hc.Recursion(mixture, fresh_fraction=[0.3, 0.2], truncation_time=[0.1, 0.05], blur=0.1)
    operator = hc.AttenuationOperator(fresh_fraction=0.3, truncation_time=0.1)
    return {
        "mixture": mixture,
        "tilted": tilted,
        "empirical": hc.EmpiricalLaw(SAMPLES),
        "recursion": recursion,
        "table": hc.Recursion(mixture, fresh_fraction=0.5, truncation_time=0.1, regime=[[0.5, 0.5]]),
        "limit": hc.Recursion(tilted, fresh_fraction=0.3, truncation_time=0.1).limit(),
        "law": recursion.law(3),
        "smoothed": hc.EmpiricalLaw(SAMPLES).through(hc.GaussianChannel(0.9, 0.19)),
        "coefficients": hc.EmpiricalLaw(SAMPLES).hermite_coefficients(3),
        "operator": operator,
        "power": operator.power(3) @ operator.contraction,
        "schedule": hc.schedules.Geometric(0.2, 0.5),
        "channel": hc.OrnsteinUhlenbeck().channel(0.1),
        "spectrum": hc.degree_spectrum(SAMPLES, degree=3),
    }


VALUES = everything()


@pytest.mark.parametrize("name", VALUES)
def test_values_are_equal_to_their_pickles_and_to_those_made_alike(name):
    value, again = VALUES[name], everything()[name]
    back = pickle.loads(pickle.dumps(value))
    assert back == value and again == value and hash(back) == hash(value)
    assert all(value != other for key, other in VALUES.items() if key != name)


@pytest.mark.parametrize("name", VALUES)
def test_nothing_of_a_value_can_be_set(name):
    value = VALUES[name]
    for attribute in vars(value):
        if attribute.startswith("_"):
            continue
        with pytest.raises(AttributeError):
            setattr(value, attribute, 0)
        array = getattr(value, attribute)
        if isinstance(array, np.ndarray) and not hasattr(type(value), attribute):
            with pytest.raises(ValueError, match="read-only"):
                array.flat[0] = 5.0


def test_pickles_answer_alike():
    limit = VALUES["limit"]
    back = pickle.loads(pickle.dumps(limit))
    x = np.array([[0.1, 0.2], [1.0, -1.0]])
    np.testing.assert_array_equal(back.log_density(x), limit.log_density(x))
    assert back.error_bound == limit.error_bound and back.tail_channel == limit.tail_channel
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(VALUES["power"])).eigenvalues([1, 2]), VALUES["power"].eigenvalues([1, 2])
    )


def test_a_changed_copy_leaves_the_first_alone():
    mixture, tilted = VALUES["mixture"], VALUES["tilted"]
    moved = mixture.replace(means=mixture.means + 1.0)
    np.testing.assert_allclose(moved.mean, mixture.mean + 1.0)
    np.testing.assert_array_equal(moved.variances, mixture.variances)
    assert tilted.replace(weights=[0.2, 0.3, 0.5]).weights.tolist() == [0.2, 0.3, 0.5]
    np.testing.assert_allclose(
        tilted.replace(weights=[0.2, 0.3, 0.5]).covariances, tilted.covariances, atol=1e-15
    )
    recursion = VALUES["recursion"]
    assert recursion.replace(blur=0.0).blur == 0.0 and recursion.blur == 0.1
    assert recursion.replace(fresh_fraction=0.9).fresh_fraction == 0.9
    assert recursion.replace(truncation_time=0.3).schedule == hc.schedules.Constant(0.3)
    assert VALUES["table"].replace(blur=0.2).regime == VALUES["table"].regime
    assert (
        hc.Recursion(mixture, fresh_fraction=0.1, truncation_time=0.1)
        .replace(regime="accumulate_with_fresh")
        .regime.name
    )


def test_the_parts_of_laws_that_cost_something_are_computed_once():
    law = hc.EmpiricalLaw(SAMPLES)
    assert law.mean is law.mean and law.covariance is law.covariance and law.as_mixture() is law.as_mixture()
    assert law.hermite_coefficients(3) is law.hermite_coefficients(3)
    assert np.shares_memory(law.samples, SAMPLES)


def test_a_mixture_does_not_share_the_arrays_it_was_made_from():
    means, covariances = np.zeros((2, 1)), np.ones(2)
    law = hc.GaussianMixture([0.5, 0.5], means, covariances)
    means += 1.0
    covariances += 1.0
    assert law.means.tolist() == [[0.0], [0.0]] and law.variances.tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_square_of_covariances_that_can_be_read_in_two_ways_is_refused(dimension):
    weights, means = np.full(dimension, 1.0 / dimension), np.eye(dimension)
    square = np.eye(dimension) + 0.2
    with pytest.raises(hc.InputError, match="covariance_type") as refused:
        hc.GaussianMixture(weights, means, square)
    assert str(refused.value).count(".") == 1
    rows = hc.GaussianMixture(weights, means, square, covariance_type="diagonal")
    np.testing.assert_array_equal(rows.variances, square)
    shared = hc.GaussianMixture(weights, means, square, covariance_type="shared")
    np.testing.assert_allclose(shared.covariances, np.broadcast_to(square, (dimension,) * 3), atol=1e-15)
    assert shared == hc.GaussianMixture(weights, means, square[None])
    one = hc.GaussianMixture([1.0], means[:1], square)
    np.testing.assert_allclose(one.covariance, square, atol=1e-15)
    with pytest.raises(hc.InputError, match="covariance_type must be one of"):
        hc.GaussianMixture(weights, means, square, covariance_type="tied")
    with pytest.raises(hc.InputError, match="covariances must have shape"):
        hc.GaussianMixture(weights, means, square, covariance_type="full")


def test_a_regime_and_a_schedule_are_taken_as_they_are():
    recursion = VALUES["recursion"]
    again = hc.Recursion(
        recursion.target,
        fresh_fraction=0.9,
        truncation_time=recursion.schedule,
        regime=recursion.regime,
        blur=0.1,
    )
    assert again == recursion


def test_samples_are_taken_for_their_empirical_law():
    by_array = hc.Recursion(SAMPLES, fresh_fraction=0.3, truncation_time=0.1)
    assert by_array == hc.Recursion(hc.EmpiricalLaw(SAMPLES), fresh_fraction=0.3, truncation_time=0.1)


def test_large_noise_levels_and_long_times_are_converted():
    assert hc.time_from_sigma(1e200) == pytest.approx(2 * np.log(1e200), rel=1e-15)
    assert hc.time_from_sigma(1e-200) == 0.0 and hc.time_from_sigma(1e-8) == pytest.approx(1e-16, rel=1e-15)
    assert hc.sigma_from_time(1400.0) == pytest.approx(np.exp(700.0), rel=1e-12)
    with pytest.raises(hc.InputError, match="time must be at most"):
        hc.sigma_from_time(1500.0)
    for bad in (np.nan, np.inf, -1.0):
        with pytest.raises(hc.InputError, match="sigma must be"):
            hc.time_from_sigma(bad)
