"""Diagnosis of curves: known answers recovered, wrong models rejected."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.diagnosis.diagnosis import diagnose
from hermite_collapse.diagnosis.particles import required_particles

DEGREES = np.array([1, 2, 4])


def noisy_factors(alpha=0.25, time=0.12, rounds=15, sigma=0.004, seed=0):
    exact = hc.mode_factors(DEGREES, fresh_fraction=alpha, truncation=time, rounds=rounds)
    return exact + sigma * np.random.default_rng(seed).normal(size=exact.shape), np.full(exact.shape, sigma)


def test_both_parameters_are_recovered_within_their_errors():
    pulls = []
    for seed in range(40):
        curve, errors = noisy_factors(seed=seed)
        result = diagnose(curve, degrees=DEGREES, standard_errors=errors)
        pulls.append(
            [
                (result.fresh_fraction.value - 0.25) / result.fresh_fraction.error,
                (result.truncation_time.value - 0.12) / result.truncation_time.error,
            ]
        )
    pulls = np.array(pulls)
    assert np.abs(pulls).max() < 4.5
    np.testing.assert_allclose(pulls.std(axis=0), 1.0, atol=0.4)


def test_plateau_and_rounds():
    curve, errors = noisy_factors()
    result = diagnose(curve, degrees=DEGREES, standard_errors=errors)
    exact = hc.attenuation(DEGREES, fresh_fraction=0.25, truncation_time=0.12)
    assert np.all(np.abs(result.plateau - exact) < 4.5 * result.plateau_error)
    assert result.fits and "explained by fresh fraction" in result.text


def test_one_parameter_can_be_held():
    curve, errors = noisy_factors()
    result = diagnose(curve, degrees=DEGREES, standard_errors=errors, truncation_time=0.12)
    assert result.truncation_time.error == 0.0 and result.fresh_fraction.value == pytest.approx(
        0.25, abs=0.02
    )


def test_a_curve_of_something_else_is_not_explained():
    curve, errors = noisy_factors()
    curve[:, 1] = np.linspace(1.0, 0.2, len(curve))
    result = diagnose(curve, degrees=DEGREES, standard_errors=errors)
    assert not result.fits and "something other than truncation" in result.text


def test_variances_are_degree_two():
    target = hc.GaussianMixture([0.5, 0.5], [-1.5, 1.5], 0.2)
    recursion = hc.Recursion(target, fresh_fraction=0.3, truncation=0.2)
    curve = np.array([recursion.law(i).covariance[0, 0] for i in range(12)])
    result = diagnose(curve, kind="variances")
    assert result.fresh_fraction.value == pytest.approx(0.3, rel=1e-5)
    assert result.truncation_time.value == pytest.approx(0.2, rel=1e-5)
    assert result.plateau[0] == pytest.approx(recursion.limit().covariance[0, 0], rel=1e-6)


def test_distances_saturate():
    i = np.arange(14)
    result = diagnose(0.4 * (1 - 0.6**i), kind="distances")
    assert result.plateau[0] == pytest.approx(0.4, rel=1e-6) and result.fresh_fraction is None
    assert result.rounds[0] == np.ceil(np.log(0.01) / np.log(0.6))


def test_required_particles_invert_the_predicted_error():
    from hermite_collapse.recursion.sampling_error import predict_degree_error

    recursion = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation=0.1)
    count = required_particles(4, 0.02, recursion=recursion, rounds=5)
    error = predict_degree_error(recursion, 4, rounds=5, particles=count).standard_error[-1, 4]
    assert 0.02 / error == pytest.approx(2.5758 + 1.2816, rel=1e-3)
    with pytest.raises(hc.InputError, match="must have energy in the data"):
        symmetric = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation=0.1)
        required_particles(3, 0.02, recursion=symmetric, rounds=5)


def test_required_particles_off_centre_are_those_of_a_mean():
    """The mean of N(5, 0.3) in units of 5: z^2 Var / (25 effect^2), no more for lying off centre."""
    recursion = hc.Recursion(hc.GaussianMixture([1.0], [5.0], 0.3), fresh_fraction=1.0, truncation=0.0)
    count = required_particles(1, 0.01, recursion=recursion, rounds=1)
    assert count == pytest.approx((2.5758 + 1.2816) ** 2 * 0.3 / 25.0 / 0.01**2, rel=1e-3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"curve": np.ones((1, 1))}, "curve must hold more than 2 usable values"),
        ({"curve": np.ones((5, 2)), "degrees": [1]}, "degrees must have one entry a column of curve (2)"),
        (
            {"curve": np.ones(5), "standard_errors": np.ones(4)},
            "standard_errors must be >= 0 and shaped like curve",
        ),
        ({"curve": np.ones(5), "kind": "moments"}, "kind must be one of"),
        ({"curve": np.ones(5), "rounds": [0, 1]}, "rounds must be >= 0, one a row of curve (5)"),
    ],
)
def test_bad_curves_are_named(settings, words):
    with pytest.raises(hc.InputError) as problem:
        diagnose(**settings)
    assert words in str(problem.value)
