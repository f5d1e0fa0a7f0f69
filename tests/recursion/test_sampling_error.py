"""Predicted sampling errors against plain NumPy simulations of the generators, replicated many times."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.hermite.basis import hermite_values
from hermite_collapse.recursion.sampling_error import (
    carried_covariances,
    degree_combinations,
    predict_degree_error,
    predict_sampling_error,
)

TARGET = hc.presets.load("three_modes_1d")
ROUNDS, DEGREE, PARTICLES, RUNS = 5, 6, 300, 4000


def simulate(recursion, generator, *, pool=None, seed=0, runs=RUNS):
    """Coefficients (runs, rounds + 1, degree + 1) of a one-dimensional recursion, straight from the definitions."""
    rng = np.random.default_rng(seed)
    pool = pool or PARTICLES
    initial = recursion.initial or recursion.target

    def coefficients(x):
        return hermite_values(x, DEGREE).mean(axis=1)

    past = [initial.sample(runs * PARTICLES, rng).reshape(runs, PARTICLES)]
    values = [coefficients(past[0])]
    for i in range(ROUNDS):
        fresh, earlier = recursion.mixing(i)
        channel = recursion.channel(i)

        def draw(count, i=i, fresh=fresh, earlier=earlier):
            if generator == "exact":
                return recursion.training_law(i).sample(runs * count, rng).reshape(runs, count)
            source = rng.choice(len(earlier) + 1, size=(runs, count), p=[fresh, *earlier])
            data = recursion.target.sample(runs * count, rng).reshape(runs, count)
            pick = rng.integers(PARTICLES, size=(runs, count))
            for j, particles in enumerate(past):
                data = np.where(source == j + 1, np.take_along_axis(particles, pick, axis=1), data)
            return data

        if generator == "kernel":
            points = draw(pool)
            parents = np.take_along_axis(points, rng.integers(pool, size=(runs, PARTICLES)), axis=1)
        else:
            parents = draw(PARTICLES)
        noise = rng.standard_normal((runs, PARTICLES))
        past.append(channel.scale * parents + np.sqrt(channel.variance) * noise)
        values.append(coefficients(past[-1]))
    return np.stack(values, axis=1)


CASES = {
    "channel": ("channel", {}, None),
    "exact": ("exact", {}, None),
    "kernel": ("kernel", {}, None),
    "small pool": ("kernel", {}, 100),
    "large pool": ("kernel", {}, 900),
    "blur, small pool": ("kernel", {"blur": 0.4}, 100),
    "blur": ("channel", {"blur": 0.4}, None),
    "variance exploding": ("channel", {"process": hc.VarianceExploding()}, None),
    "accumulate": ("channel", {"fresh_fraction": 0.0, "regime": "accumulate"}, None),
    "fresh and accumulated": ("channel", {"regime": "accumulate_with_fresh"}, None),
    "initial law": ("channel", {"initial": hc.GaussianMixture([1.0], [0.4], 0.5)}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_means_and_covariances_over_replications(case):
    generator, settings, pool = CASES[case]
    recursion = hc.Recursion(TARGET, **{"fresh_fraction": 0.3, "truncation_time": 0.15, **settings})
    values = simulate(recursion, generator, pool=pool)
    predicted = predict_sampling_error(
        recursion, DEGREE, rounds=ROUNDS, particles=PARTICLES, generator=generator, pool=pool
    )
    tested = predicted.standard_error[:, 1:]
    z = (values.mean(axis=0) - predicted.expected)[:, 1:] / (tested / np.sqrt(RUNS))
    assert np.abs(z).max() < 4.5
    ratio = values.var(axis=0, ddof=1)[:, 1:] / tested**2
    # Relative variance of a variance over replications: 2 plus the excess kurtosis of a mean of N.
    spread = np.sqrt((2.0 + predicted.kurtosis[:, 1:] / PARTICLES) / RUNS)
    assert np.abs((ratio - 1.0) / spread).max() < 5.0
    assert spread[:, :3].max() < 0.05
    last_two = np.mean(
        (values[:, -1] - values[:, -1].mean(0)) * (values[:, -2] - values[:, -2].mean(0)), axis=0
    )
    scale = predicted.standard_error[-1, 1:] * predicted.standard_error[-2, 1:]
    gap = (last_two - predicted.covariance[-1, -2])[1:] / scale
    assert np.abs(gap).max() < 5.0 / np.sqrt(RUNS)


def test_the_wrong_formula_is_noticed():
    """The channel formula for a kernel simulation understates the variance by far more than the tolerance."""
    recursion = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.15)
    values = simulate(recursion, "kernel", pool=100)
    wrong = predict_sampling_error(recursion, DEGREE, rounds=ROUNDS, particles=PARTICLES, generator="channel")
    ratio = values.var(axis=0, ddof=1)[1:, 1:] / wrong.standard_error[1:, 1:] ** 2
    assert ratio.min() > 1.0 + 5.0 * np.sqrt(2.0 / RUNS)


def test_degree_statistics_in_two_dimensions():
    target = hc.presets.load("tilted_2d")
    recursion = hc.Recursion(target, fresh_fraction=0.4, truncation_time=0.2)
    data = target.hermite_coefficients(3)
    combinations = degree_combinations(data.indices, data.values)
    predicted = predict_degree_error(recursion, 3, rounds=2, particles=200, generator="exact")
    factors = hc.mode_factors(np.arange(4), fresh_fraction=0.4, truncation_time=0.2, rounds=2)
    np.testing.assert_allclose(predicted.expected, factors, rtol=1e-12)
    rng, runs = np.random.default_rng(5), 3000
    for i in (0, 2):
        x = recursion.law(i).sample(runs * 200, rng)
        tables = [hermite_values(x[:, axis], 3) for axis in range(2)]
        modes = tables[0][:, data.indices[:, 0]] * tables[1][:, data.indices[:, 1]]
        values = (modes @ combinations.T).reshape(runs, 200, 4).mean(axis=1)
        covariance = np.cov(values[:, 1:].T)
        exact = predicted.joint[i, i][1:, 1:]
        scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
        assert np.abs((covariance - exact) / scale).max() < 5.0 * np.sqrt(2.0 / runs)


def test_joint_and_separate_routes_agree():
    recursion = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.15)
    modes = predict_sampling_error(recursion, DEGREE, rounds=3, particles=50, generator="kernel", pool=20)
    degrees = predict_degree_error(recursion, DEGREE, rounds=3, particles=50, generator="kernel", pool=20)
    scale = np.abs(TARGET.hermite_coefficients(DEGREE).values)
    np.testing.assert_allclose(
        degrees.standard_error[:, 1:] * scale[1:], modes.standard_error[:, 1:], rtol=1e-9, atol=1e-12
    )
    np.testing.assert_array_equal(degrees.is_testable(), modes.is_testable())


def test_modes_too_far_from_normal_are_left_untested():
    recursion = hc.Recursion(hc.presets.load("off_centre_1d"), fresh_fraction=0.3, truncation_time=0.15)
    few = predict_sampling_error(recursion, 10, rounds=2, particles=5000)
    many = predict_sampling_error(recursion, 10, rounds=2, particles=500_000)
    assert not few.is_testable()[2, 10] and few.is_testable()[2, 2]
    assert np.all(many.is_testable() >= few.is_testable())
    assert not many.is_testable()[:, 0].any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"generator": "channels"}, "did you mean 'channel'?"),
        ({"particles": 1}, "particles must be an integer >= 2, got 1"),
        ({"pool": 0}, "pool must be an integer >= 1, got 0"),
    ],
)
def test_bad_input_is_named(settings, words):
    recursion = hc.Recursion(TARGET, fresh_fraction=0.3, truncation_time=0.15)
    with pytest.raises(hc.InputError) as problem:
        predict_sampling_error(recursion, 3, **{"rounds": 2, "particles": 10, **settings})
    assert words in str(problem.value)


@pytest.mark.parametrize(
    ("law", "degree", "kurtosis"),
    [(hc.GaussianMixture([1.0], [5.0], 0.3), 1, 3.0), (hc.GaussianMixture([1.0], [0.0], 0.01), 2, 15.0)],
)
def test_kurtosis_off_centre_is_that_of_the_deviation(law, degree, kurtosis):
    """The mean of N(5, 0.3) is as normal as any; raw moments made it look like 57 719."""
    recursion = hc.Recursion(law, fresh_fraction=1.0, truncation_time=0.0)
    error = predict_sampling_error(recursion, degree, rounds=1, particles=400)
    np.testing.assert_allclose(error.kurtosis[:, degree], kurtosis, rtol=1e-12)
    assert error.is_testable()[:, degree].all()
    by_degree = predict_degree_error(recursion, degree, rounds=1, particles=400)
    np.testing.assert_allclose(by_degree.kurtosis[:, degree], kurtosis, rtol=1e-12)


def test_standard_errors_of_narrow_laws():
    """Var of N(2, 1e-16) is 1e-16, not a second moment minus a square."""
    recursion = hc.Recursion(hc.GaussianMixture([1.0], [2.0], 1e-16), fresh_fraction=1.0, truncation_time=0.0)
    error = predict_sampling_error(recursion, 2, rounds=1, particles=100)
    np.testing.assert_allclose(error.standard_error[:, 1], 1e-9, rtol=1e-12)
    np.testing.assert_allclose(error.standard_error[:, 2], 2.0 * np.sqrt(2.0) * 1e-9, rtol=1e-7)
    assert np.all(error.standard_error[:, 0] == 0.0)


@pytest.mark.parametrize(("generator", "pool"), [("channel", None), ("kernel", 7), ("exact", None)])
def test_variances_of_one_gaussian_written_out(generator, pool):
    """N(0, 1) data and degree 1 with 20 particles: the recursion of the variance, number by number.

    S' = a^2 (1 - 1/N) (1 - alpha)^2 S + 1/N, with (1 - 1/M) S + 1/M / (1 - alpha)^2 from a pool; 1/N if exact.
    """
    alpha, time, count = 0.3, 0.2, 20
    recursion = hc.Recursion(
        hc.GaussianMixture([1.0], [0.0], 1.0), fresh_fraction=alpha, truncation_time=time
    )
    error = predict_sampling_error(recursion, 1, rounds=4, particles=count, generator=generator, pool=pool)
    variance, scale = 1.0 / count, np.exp(-0.5 * time)
    for i in range(5):
        assert error.standard_error[i, 1] ** 2 == pytest.approx(variance, rel=1e-12)
        generated = (1.0 - alpha) ** 2 * variance
        if generator == "kernel":
            generated = (1.0 - 1.0 / pool) * generated + 1.0 / pool
        inherited = 0.0 if generator == "exact" else scale**2 * (1.0 - 1.0 / count) * generated
        variance = inherited + 1.0 / count


def test_carried_covariances_of_two_modes():
    """Matrices and diagonals agree, and a second mode that inherits from the first is carried to it."""
    local = [np.diag([1.0, 2.0]), np.diag([0.5, 0.25])]
    action = np.array([[0.5, 0.0], [0.3, 0.2]])
    covariance = carried_covariances(local, mixing=[np.array([0.8])], actions=[action], inherited=0.9)
    expected = 0.9 * 0.64 * action @ local[0] @ action.T + local[1]
    np.testing.assert_allclose(covariance[1, 1], expected, rtol=1e-14)
    np.testing.assert_allclose(covariance[1, 0], 0.8 * action @ local[0], rtol=1e-14)
    np.testing.assert_allclose(covariance[0, 1], covariance[1, 0].T, rtol=1e-14)
    diagonal = carried_covariances(
        [np.diagonal(own) for own in local],
        mixing=[np.array([0.8])],
        actions=[np.array([0.5, 0.2])],
        inherited=0.9,
    )
    assert diagonal[1, 1, 0] == pytest.approx(0.9 * 0.64 * 0.25 + 0.5)


def test_normality_needs_sixty_draws_of_a_gaussian():
    """Kurtosis 3 against the rule kurtosis / N < 0.05; several runs count together."""
    recursion = hc.Recursion(hc.GaussianMixture([1.0], [0.0], 1.0), fresh_fraction=1.0, truncation_time=0.0)
    few, enough = (predict_sampling_error(recursion, 1, rounds=1, particles=n) for n in (59, 61))
    assert not few.is_testable()[:, 1].any() and enough.is_testable()[:, 1].all()
    assert few.is_testable(runs=2)[:, 1].all()
