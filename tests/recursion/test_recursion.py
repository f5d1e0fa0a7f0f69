"""The recursion: laws by unrolling against laws by iteration, limits in every regime, coefficients by two routes."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.laws.mixture import joined_mixture

TARGET = hc.presets.load("three_modes_1d")
OTHER = hc.GaussianMixture([1.0], [0.5], 0.3)
X = np.linspace(-3.5, 3.5, 15)


def iterated(recursion, rounds):
    """Laws p_0, ..., p_rounds as explicit mixtures, round by round from the definition."""
    laws = [recursion.initial or recursion.target]
    for i in range(rounds):
        fresh, earlier = recursion.mixing(i)
        training = joined_mixture([recursion.target, *laws], np.array([fresh, *earlier]))
        laws.append(training.through(recursion.channel(i)))
    return laws


CASES = {
    "constant": {"fresh_fraction": 0.3, "truncation_time": 0.1},
    "no fresh data": {"fresh_fraction": 0.0, "truncation_time": 0.1},
    "all fresh data": {"fresh_fraction": 1.0, "truncation_time": 0.1},
    "no truncation": {"fresh_fraction": 0.3, "truncation_time": 0.0},
    "a pause": {"fresh_fraction": 0.3, "truncation_time": [0.1, 0.0, 0.2]},
    "polynomial": {"fresh_fraction": 0.3, "truncation_time": hc.schedules.Polynomial(0.2, 1.5)},
    "varying fractions": {"fresh_fraction": [0.5, 0.1, 0.3], "truncation_time": 0.1},
    "initial law": {"fresh_fraction": 0.3, "truncation_time": 0.1, "initial": OTHER},
    "blur": {"fresh_fraction": 0.3, "truncation_time": 0.1, "blur": 0.25},
    "variance exploding": {"fresh_fraction": 0.3, "truncation_time": 0.05, "process": hc.VarianceExploding()},
    "accumulate": {"fresh_fraction": 0.0, "truncation_time": 0.1, "regime": "accumulate"},
    "accumulate with fresh": {
        "fresh_fraction": 0.3,
        "truncation_time": 0.1,
        "regime": "accumulate_with_fresh",
    },
    "accumulate, varying": {
        "fresh_fraction": 0.0,
        "truncation_time": hc.schedules.Geometric(0.2, 0.7),
        "regime": "accumulate",
    },
    "faster rate": {"fresh_fraction": 0.3, "truncation_time": 0.1, "process": hc.OrnsteinUhlenbeck(1.7)},
}


@pytest.mark.parametrize("case", CASES)
def test_laws_agree_with_iteration(case):
    recursion = hc.Recursion(TARGET, **CASES[case])
    laws = iterated(recursion, 6)
    values = recursion.coefficients(6, rounds=6)
    for i, law in enumerate(laws):
        exact = recursion.law(i)
        np.testing.assert_allclose(exact.log_density(X), law.log_density(X), rtol=0, atol=1e-12)
        assert exact.weights.sum() == pytest.approx(1.0, rel=1e-13)
        flat = law.hermite_coefficients(6).values
        np.testing.assert_allclose(values[i], flat, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(exact.mean, law.mean, rtol=1e-12)
        np.testing.assert_allclose(exact.covariance, law.covariance, rtol=1e-12)
    fresh, earlier = recursion.mixing(3)
    training = joined_mixture([recursion.target, *laws[:4]], np.array([fresh, *earlier]))
    np.testing.assert_allclose(
        recursion.training_law(3).log_density(X), training.log_density(X), rtol=0, atol=1e-12
    )
    if recursion.is_diagonal and recursion.initial is None:
        data = TARGET.hermite_coefficients(6)
        np.testing.assert_allclose(
            values, recursion.mode_factors(data.degrees, rounds=6) * data.values, rtol=1e-12, atol=1e-13
        )


@pytest.mark.parametrize("alpha", [0.0, 0.02, 0.7])
@pytest.mark.parametrize("initial", [None, OTHER])
def test_long_runs_use_compressed_ages(alpha, initial):
    compressed = hc.Recursion(TARGET, fresh_fraction=alpha, truncation_time=0.01, initial=initial).law(300)
    listed = hc.Recursion(TARGET, fresh_fraction=alpha, truncation_time=[0.01], initial=initial).law(300)
    assert compressed.age_count < 120
    np.testing.assert_allclose(compressed.log_density(X), listed.log_density(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "case", ["constant", "all fresh data", "no truncation", "blur", "variance exploding", "initial law"]
)
def test_the_limit_is_where_long_runs_arrive(case):
    recursion = hc.Recursion(TARGET, **CASES[case])
    np.testing.assert_allclose(
        recursion.limit().log_density(X), recursion.law(200).log_density(X), rtol=0, atol=1e-11
    )


def test_the_limit_is_a_fixed_point():
    recursion = hc.Recursion(TARGET, fresh_fraction=0.15, truncation_time=0.2)
    limit = recursion.limit()
    again = joined_mixture([TARGET, limit.mixture], np.array([0.15, 0.85])).through(recursion.channel(0))
    np.testing.assert_allclose(again.log_density(X), limit.log_density(X), rtol=0, atol=1e-12)


def gaussian(mean, variance):
    return -0.5 * (X - mean) ** 2 / variance - 0.5 * np.log(2 * np.pi * variance)


def test_limits_at_the_edges():
    def limit(**settings):
        return hc.Recursion(TARGET, **settings).limit().log_density(X)

    np.testing.assert_allclose(limit(fresh_fraction=0.0, truncation_time=0.1), gaussian(0.0, 1.0), atol=1e-13)
    np.testing.assert_allclose(
        limit(fresh_fraction=0.0, truncation_time=0.1, regime="accumulate"), gaussian(0.0, 1.0), atol=1e-13
    )
    blurred = 0.2**2 * np.exp(-0.1) / -np.expm1(-0.1) + 1.0
    np.testing.assert_allclose(
        limit(fresh_fraction=0.0, truncation_time=0.1, blur=0.2), gaussian(0.0, blurred), atol=1e-12
    )
    data = TARGET.log_density(X)
    np.testing.assert_allclose(limit(fresh_fraction=0.2, truncation_time=0.0), data, atol=1e-13)
    np.testing.assert_allclose(limit(fresh_fraction=0.0, truncation_time=0.0), data, atol=1e-13)
    np.testing.assert_allclose(
        limit(fresh_fraction=0.0, truncation_time=0.0, initial=OTHER), OTHER.log_density(X), atol=1e-13
    )
    np.testing.assert_allclose(
        limit(fresh_fraction=0.2, truncation_time=hc.schedules.Geometric(0.3, 0.5)), data, atol=1e-13
    )
    once = TARGET.through(hc.OrnsteinUhlenbeck().channel(0.1)).log_density(X)
    np.testing.assert_allclose(limit(fresh_fraction=1.0, truncation_time=0.1), once, atol=1e-13)
    total = TARGET.through(hc.OrnsteinUhlenbeck().channel(0.6)).log_density(X)
    np.testing.assert_allclose(
        limit(fresh_fraction=0.0, truncation_time=hc.schedules.Geometric(0.3, 0.5)), total, atol=1e-12
    )


def test_variance_of_the_variance_exploding_limit():
    limit = hc.Recursion(
        TARGET, fresh_fraction=0.01, truncation_time=0.02, process=hc.VarianceExploding()
    ).limit()
    assert limit.covariance[0, 0] == pytest.approx(TARGET.covariance[0, 0] + 2.0, rel=1e-12)


def test_gamma_is_fixed():
    normal = hc.GaussianMixture([1.0], [0.0], 1.0)
    limit = hc.Recursion(normal, fresh_fraction=0.1, truncation_time=0.7).limit()
    np.testing.assert_allclose(limit.log_density(X), normal.log_density(X), atol=1e-13)


@pytest.mark.parametrize("metric", ["total_variation", "wasserstein2", "l2_gamma"])
def test_rounds_to_is_the_first_round_within_tolerance(metric):
    recursion = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.1)
    rate = hc.contraction_rate(fresh_fraction=0.3, truncation_time=0.1, metric=metric)
    rounds = recursion.rounds_to(1e-3, metric=metric)
    assert rate**rounds <= 1e-3 < rate ** (rounds - 1)
    assert (
        hc.Recursion(TARGET, fresh_fraction=0.0, truncation_time=0.0).rounds_to(0.1, metric=metric) == np.inf
    )


def test_an_empirical_target_is_exact():
    sample = TARGET.sample(200, 3)
    recursion = hc.Recursion(hc.EmpiricalLaw(sample), fresh_fraction=0.3, truncation_time=0.1)
    as_mixture = hc.Recursion(
        hc.GaussianMixture(np.full(200, 1 / 200), sample, 0.0), fresh_fraction=0.3, truncation_time=0.1
    )
    np.testing.assert_allclose(
        recursion.limit().log_density(X), as_mixture.limit().log_density(X), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(
        recursion.coefficients(5, rounds=3), as_mixture.coefficients(5, rounds=3), rtol=1e-11, atol=1e-12
    )


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: hc.Recursion("data", fresh_fraction=0.1, truncation_time=0.1), "target must be a law"),
        (
            lambda: hc.Recursion(
                TARGET, fresh_fraction=0.1, truncation_time=0.1, initial=hc.presets.load("grid_2d")
            ),
            "initial must have the dimension of target, 1, got 2",
        ),
        (
            lambda: hc.Recursion(TARGET, fresh_fraction=0.1, truncation_time=-0.1),
            "truncation_time must be >= 0, got -0.1",
        ),
        (
            lambda: hc.Recursion(TARGET, fresh_fraction=0.1, truncation_time=0.1, blur=-1.0),
            "blur must be >= 0, got -1.0",
        ),
        (
            lambda: hc.Recursion(
                TARGET, fresh_fraction=0.0, truncation_time=0.1, process=hc.VarianceExploding()
            ).limit(),
            "fresh_fraction must be > 0 for a limit law",
        ),
        (
            lambda: hc.Recursion(TARGET, fresh_fraction=0.1, truncation_time=0.1, blur=0.1).mode_factors(
                2, rounds=3
            ),
            "process must be OrnsteinUhlenbeck without blur",
        ),
        (
            lambda: hc.Recursion(TARGET, fresh_fraction=0.1, truncation_time=0.1, initial=OTHER).mode_factors(
                2, rounds=3
            ),
            "initial must be None for mode factors",
        ),
        (
            lambda: hc.Recursion(
                TARGET,
                fresh_fraction=0.0,
                truncation_time=hc.schedules.Polynomial(0.1, 1.0),
                regime="accumulate",
            ).law(20),
            "accumulation under varying times doubles them",
        ),
        (
            lambda: hc.Recursion(TARGET, fresh_fraction=0.1, truncation_time=0.1).limit(0),
            "ages must be an integer >= 1, got 0",
        ),
        (
            lambda: hc.Recursion(TARGET, fresh_fraction=0.1, truncation_time=0.1).law(-1),
            "rounds must be an integer >= 0, got -1",
        ),
        (
            lambda: hc.Recursion(TARGET, fresh_fraction=[0.1, 0.2], truncation_time=0.1).rounds_to(
                0.1, metric="kl"
            ),
            "must be constant",
        ),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(hc.InputError) as problem:
        build()
    assert words in str(problem.value)
