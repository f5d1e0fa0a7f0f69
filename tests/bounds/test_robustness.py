"""Balls, ellipsoids and the identity of modes, on recursions whose defects are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse import bounds, distances
from tests.random_laws import line_mixtures, normal, random_mixture


def _shifted(law, shift):
    return hc.GaussianMixture(law.weights, law.means + shift, law.covariances)


def _mix(p, q, alpha):
    if alpha == 0.0:
        return q
    return hc.GaussianMixture(
        np.concatenate([alpha * p.weights, (1 - alpha) * q.weights]),
        np.concatenate([p.means, q.means]),
        np.concatenate([p.covariances, q.covariances]),
    )


def _imperfect(target, start, alpha, times, shifts):
    """Laws p^_i whose every round is followed by a translation: W2 defect abs(shift), exactly."""
    laws = [start]
    for time, shift in zip(times, shifts):
        channel = hc.OrnsteinUhlenbeck().channel(time)
        laws.append(_shifted(_mix(target, laws[-1], alpha).through(channel), shift))
    return laws


def _check_ball(target, start, alpha, times, shifts):
    perfect = _imperfect(target, target, alpha, times, np.zeros(4))
    flawed = _imperfect(target, start, alpha, times, shifts)
    first = distances.wasserstein(start, target)
    allowed = bounds.wasserstein_bound(
        np.abs(shifts),
        initial_distance=first.value + first.error,
        fresh_fraction=alpha,
        truncation_time=times,
    )
    for i, (p, q) in enumerate(zip(flawed, perfect)):
        found = distances.wasserstein(p, q)
        assert found.value <= allowed[i] + found.error + 1e-9


@given(
    line_mixtures(2),
    line_mixtures(2),
    st.floats(0.0, 0.9, allow_subnormal=False),
    st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4),
    st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=4),
)
def test_no_run_leaves_its_ball(target, start, alpha, times, shifts):
    _check_ball(target, start, alpha, times, shifts)


@pytest.mark.slow
def test_none_of_hundreds_of_runs_leaves_its_ball():
    rng = np.random.default_rng(3)
    for _ in range(300):
        target, start = random_mixture(rng, 1, 3), random_mixture(rng, 1, 3, 6.0)
        _check_ball(target, start, rng.uniform(0, 0.95), rng.uniform(0, 1, 4), rng.uniform(-0.5, 0.5, 4))


@given(
    line_mixtures(2),
    line_mixtures(2),
    st.floats(0.0, 0.9, allow_subnormal=False),
    st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4),
    st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=4),
)
def test_the_identity_of_modes_is_exact(target, start, alpha, times, shifts):
    degree = np.arange(1, 7)
    laws = _imperfect(target, start, alpha, times, shifts)
    values = np.array([law.hermite_coefficients(6).values[1:] for law in laws])
    data = target.hermite_coefficients(6).values[1:]
    trained = alpha * data + (1 - alpha) * values[:-1]
    defects = values[1:] - np.exp(-0.5 * np.array(times)[:, None] * degree) * trained
    found = bounds.mode_deviation(
        degree, defects, target=data, initial=values[0], fresh_fraction=alpha, truncation_time=times
    )
    scale = 1.0 + np.abs(values).max()
    np.testing.assert_allclose(found, values - data, atol=1e-12 * scale)
    runs = np.stack([values, values])
    measured = bounds.mode_defects(runs, degree, target=data, fresh_fraction=alpha, truncation_time=times)
    np.testing.assert_allclose(measured.values, defects, atol=1e-12 * scale)
    assert measured.standard_error.max() == 0.0


def test_the_ball_is_attained_without_fresh_data():
    """alpha = 0 and one translation every round: deviations add up to delta / (1 - a)."""
    time, delta, rounds = 0.3, 0.05, 60
    target = normal(0.0, 0.5)
    flawed = _imperfect(target, target, 0.0, [time] * rounds, [delta] * rounds)[-1]
    perfect = _imperfect(target, target, 0.0, [time] * rounds, [0.0] * rounds)[-1]
    radius = bounds.ball_radius(delta, fresh_fraction=0.0, truncation_time=time)
    found = distances.wasserstein(flawed, perfect).value
    assert 0.98 * radius < found <= radius * (1 + 1e-9)
    sequence = bounds.wasserstein_bound(np.full(rounds, delta), fresh_fraction=0.0, truncation_time=time)
    assert found == pytest.approx(sequence[-1], rel=1e-9)
    assert sequence[-1] == pytest.approx(radius, rel=1e-3)


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_one_round_with_fresh_data_attains_its_step(alpha):
    """sqrt(1-alpha) a B + delta: a far start, moved further along the same line."""
    time, far = 0.3, 1e4
    target = normal(0.0, 1.0)
    options = {"fresh_fraction": alpha, "truncation_time": [time]}
    flawed = _imperfect(target, normal(far, 1.0), alpha, [time], [0.0])[-1]
    perfect = _imperfect(target, target, alpha, [time], [0.0])[-1]
    bound = bounds.wasserstein_bound([0.0], initial_distance=far, **options)[-1]
    assert 0.98 * bound < distances.wasserstein(flawed, perfect).value <= bound * (1 + 1e-9)


def test_the_ellipsoid_is_attained_by_constant_defects():
    degree, alpha, time = np.array([1, 2, 5]), 0.2, 0.1
    defect = np.array([0.01, 0.03, 0.002])
    data = np.array([0.5, -0.2, 0.1])
    path = bounds.mode_deviation(
        degree, np.tile(defect, (400, 1)), target=data, fresh_fraction=alpha, truncation_time=time
    )
    limit = (hc.attenuation(degree, fresh_fraction=alpha, truncation_time=time) - 1.0) * data
    radius = bounds.mode_radius(degree, defect, fresh_fraction=alpha, truncation_time=time)
    np.testing.assert_allclose(np.abs(path[-1] - limit), radius, rtol=1e-9)
    assert isinstance(bounds.mode_radius(3, 0.1, fresh_fraction=0.2, truncation_time=0.1), float)


def test_rates_of_one_give_infinite_radii():
    assert bounds.ball_radius(0.1, fresh_fraction=0.0, truncation_time=0.0) == np.inf
    assert bounds.ball_radius(0.0, fresh_fraction=0.0, truncation_time=0.0) == 0.0
    assert bounds.mode_radius(0, 0.1, fresh_fraction=0.0, truncation_time=0.3) == np.inf
    with pytest.raises(hc.InputError, match="defect must be >= 0"):
        bounds.ball_radius(-1.0, fresh_fraction=0.1, truncation_time=0.1)
    with pytest.raises(hc.InputError, match="at least 4 runs"):
        bounds.check_robustness(
            np.zeros((3, 2, 1)), [1], target=[0.0], fresh_fraction=0.1, truncation_time=0.1
        )


def _simulated(shifts, *, runs, rounds, particles, seed):
    """Coefficients of degrees 1..4 of channel recursions whose rounds are translated by shifts[run]."""
    rng = np.random.default_rng(seed)
    target, alpha, channel = hc.presets.load("off_centre_1d"), 0.3, hc.OrnsteinUhlenbeck().channel(0.2)
    found = np.empty((runs, rounds + 1, 4))
    for run in range(runs):
        x = target.sample(particles, rng)[:, 0]
        for i in range(rounds + 1):
            found[run, i] = hc.EmpiricalLaw(x).hermite_coefficients(4).values[1:]
            fresh = rng.random(particles) < alpha
            parents = np.where(fresh, target.sample(particles, rng)[:, 0], rng.choice(x, particles))
            x = (
                channel.scale * parents
                + np.sqrt(channel.variance) * rng.standard_normal(particles)
                + shifts[run]
            )
    return found, target.hermite_coefficients(4).values[1:]


def test_defects_of_one_half_predict_the_other_and_a_different_half_is_rejected():
    runs, rounds = 16, 6
    options = {"fresh_fraction": 0.3, "truncation_time": 0.2}
    degree = np.arange(1, 5)
    same, data = _simulated(np.full(runs, 0.1), runs=runs, rounds=rounds, particles=2000, seed=0)
    check = bounds.check_robustness(same, degree, target=data, **options)
    assert check.holds and check.is_inside
    # The defect of degree 1 is the translation itself; its plateau is seen.
    assert check.defects.values[:, 0] == pytest.approx(0.1, abs=5 * check.defects.standard_error.max())
    assert np.abs(check.z[:, 0]).max() < 4.5
    assert check.radius[0] > 0.1
    mixed, data = _simulated(
        np.repeat([0.1, 0.2], runs // 2), runs=runs, rounds=rounds, particles=2000, seed=1
    )
    wrong = bounds.check_robustness(mixed, degree, target=data, **options)
    assert not wrong.holds and not wrong.is_inside
    assert np.abs(wrong.z[:, 0]).max() > 10


def test_curves_that_no_constant_defect_explains_are_rejected():
    """Both halves share arbitrary curves: they lie in each other's ellipsoid, and constant defects are rejected."""
    rng = np.random.default_rng(4)
    degree, data = np.arange(1, 5), np.array([0.3, -0.2, 0.1, 0.4])
    options = {"target": data, "fresh_fraction": 0.3, "truncation_time": 0.2}
    curves = data + np.cumsum(0.2 * rng.standard_normal((7, 4)), axis=0)
    runs = curves + 0.01 * rng.standard_normal((12, 7, 4))
    check = bounds.check_robustness(runs, degree, **options)
    assert check.is_inside
    assert not check.holds
    assert np.abs(check.scores).max() > 10.0


def test_halves_of_few_runs_rarely_leave_their_ellipsoid():
    """Standard errors of two runs are off by factors: a normal quantile calls 17 of 100 true sets outside."""
    rng, degree = np.random.default_rng(0), np.repeat([1, 2, 3], [2, 3, 4])
    outside, shift = 0, 0.01 * np.sign(np.arange(9) - 4)
    for _ in range(200):
        runs = np.zeros((4, 4, 9))
        for i in range(3):
            noise = 0.01 * rng.standard_normal((4, 9))
            runs[:, i + 1] = 0.5 * np.exp(-0.05 * degree) * runs[:, i] + shift + noise
        options = {"target": np.zeros(9), "fresh_fraction": 0.5, "truncation_time": 0.1}
        outside += not bounds.check_robustness(runs, degree, **options).is_inside
    assert outside <= 6  # 2 expected at most


def test_true_models_are_rarely_rejected():
    """Defects of one mean and independent noise: at level 0.2 about that share of 200 sets of four runs is rejected."""
    rng = np.random.default_rng(5)
    degree, data, rejected = np.array([1, 2]), np.array([0.5, -0.3]), 0
    options = {"target": data, "fresh_fraction": 0.3, "truncation_time": 0.2}
    for _ in range(200):
        defects = np.array([0.1, -0.05]) + 0.02 * rng.standard_normal((4, 3, 2))
        runs = [data + bounds.mode_deviation(degree, d, **options) for d in defects]
        rejected += not bounds.check_robustness(runs, degree, level=0.2, **options).holds
    assert 15 < rejected < 65


def test_exact_constant_defects_hold():
    degree, data = np.array([1, 3]), np.array([0.5, -0.3])
    options = {"target": data, "fresh_fraction": [0.3, 0.1], "truncation_time": [0.2, 0.1, 0.4]}
    run = data + bounds.mode_deviation(degree, np.tile([0.1, 0.2], (3, 1)), **options)
    assert bounds.check_robustness(np.stack([run] * 4), degree, **options).holds
    other = data + bounds.mode_deviation(degree, np.tile([0.1, 0.3], (3, 1)), **options)
    assert not bounds.check_robustness(np.stack([run, run, other, other]), degree, **options).holds
