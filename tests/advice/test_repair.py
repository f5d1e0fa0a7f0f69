"""Repairs: orders of what is left, exact inverses, and what cannot be restored."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

import hermite_collapse as hc
from hermite_collapse import distances
from hermite_collapse.advice import repair

U = (np.arange(4000) + 0.5) / 4000


def _recursion(name, alpha, time):
    return hc.Recursion(hc.presets.load(name), fresh_fraction=alpha, truncation_time=time)


def _quantiles(law):
    """Quantiles of a one-dimensional mixture by bisection of its distribution function."""
    mixture = law if isinstance(law, hc.GaussianMixture) else law.mixture
    means, spreads = mixture.means[:, 0], np.sqrt(mixture.variances[:, 0])
    low, high = np.full_like(U, -20.0), np.full_like(U, 20.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = ndtr((middle[:, None] - means) / spreads) @ mixture.weights < U
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def _before_and_after(name, alpha, time, *, assumed=None):
    """W2 to the data of the limit and of its image under the step, which is increasing, by quantiles."""
    recursion = _recursion(name, alpha, time)
    limit, data = recursion.limit(), _quantiles(recursion.target)
    x = _quantiles(limit)
    moved = repair.repair_samples(x, score=limit.score, fresh_fraction=assumed or alpha, truncation_time=time)
    assert np.all(np.diff(moved) > 0.0)
    return np.sqrt(np.mean((x - data) ** 2)), np.sqrt(np.mean((moved - data) ** 2))


@pytest.mark.parametrize("name", ["off_centre_1d", "two_modes_1d", "wide_1d"])
@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_the_step_leaves_second_order(name, alpha):
    """Halving t halves the distance before and quarters the one after."""
    (before, after), (half, quarter) = (_before_and_after(name, alpha, t * alpha) for t in (4e-3, 2e-3))
    assert before / half == pytest.approx(2.0, rel=0.05)
    assert after / quarter == pytest.approx(4.0, rel=0.1)
    assert after / before < 0.05


def test_a_wrong_step_leaves_first_order():
    """Twice the step overshoots to the other side: as far as before, and halving t only halves it."""
    (before, after), (_, half) = (
        _before_and_after("off_centre_1d", 0.5, t, assumed=0.25) for t in (2e-3, 1e-3)
    )
    assert after == pytest.approx(before, rel=0.02)
    assert after / half == pytest.approx(2.0, rel=0.05)


def test_modes_are_restored_exactly_and_noise_is_told_apart():
    recursion = _recursion("three_modes_1d", 0.3, 0.2)
    options = {"fresh_fraction": 0.3, "truncation_time": 0.2}
    data = recursion.target.hermite_coefficients(12)
    exact = repair.restore_modes(recursion.limit().hermite_coefficients(12), **options)
    np.testing.assert_allclose(exact.coefficients.values, data.values, atol=1e-12)
    assert exact.significant.all()
    later = repair.restore_modes(recursion.law(7).hermite_coefficients(12), rounds=7, **options)
    np.testing.assert_allclose(later.coefficients.values, data.values, atol=1e-12)
    wrong = repair.restore_modes(recursion.law(7).hermite_coefficients(12), **options)
    assert np.abs(wrong.coefficients.values - data.values).max() > 1e-2

    sampled = hc.EmpiricalLaw(recursion.limit().sample(20_000, 5)).hermite_coefficients(12)
    restored = repair.restore_modes(sampled, **options)
    np.testing.assert_allclose(restored.amplification, 1 / hc.attenuation(sampled.degrees, **options))
    errors = np.asarray(restored.coefficients.standard_error)
    z = (restored.coefficients.values - data.values)[1:9] / errors[1:9]
    assert np.abs(z).max() < 4.5
    assert not restored.significant.all()  # the highest modes are noise, and are said to be
    assert restored.significant[2]


def test_samples_by_kernel_score():
    """No score is known: the samples' own kernel estimate removes most of the distance."""
    alpha, time = 0.2, 0.1
    recursion = _recursion("off_centre_1d", alpha, time)
    x = recursion.limit().sample(6000, 7)[:, 0]
    options = {"fresh_fraction": alpha, "truncation_time": time}
    moved = repair.repair_samples(x, **options)
    before = distances.wasserstein(x, recursion.target).value
    after = distances.wasserstein(moved, recursion.target).value
    assert moved.shape == x.shape
    assert after < 0.5 * before
    exact = repair.repair_samples(x, score=recursion.limit().score, **options)
    assert after < 2.5 * distances.wasserstein(exact, recursion.target).value


def test_the_kernel_score_leaves_its_own_sample_out():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2))
    x[0] = [50.0, 50.0]
    h = 0.7
    estimated = repair.kernel_score(x, bandwidth=h)
    for i in (1, 7, 59):
        others = np.delete(x, i, axis=0)
        weight = np.exp(-((others - x[i]) ** 2).sum(axis=1) / (2 * h**2))
        plain = (weight[:, None] * (others - x[i])).sum(axis=0) / weight.sum() / h**2
        np.testing.assert_allclose(estimated[i], plain, rtol=1e-9)
    assert np.all(estimated[0] == 0.0)
    # The law it estimates is the blurred one: N(0, 1 + h^2).
    many = rng.standard_normal(20_000)
    slope = np.polyfit(many, repair.kernel_score(many, bandwidth=0.5)[:, 0], 1)[0]
    assert slope == pytest.approx(-1 / 1.25, rel=0.03)
    assert abs(slope + 1.0) > 0.1


@pytest.mark.parametrize(
    ("samples", "settings", "message"),
    [
        ([1.0, 2.0], {"score": 3.0}, "score must be a function"),
        ([1.0, 1.0], {}, "all be equal"),
        ([1.0, 2.0], {"fresh_fraction": 0.0}, "fresh_fraction must be > 0"),
        (np.zeros((4, 2)), {"score": lambda x: x[:, 0]}, "shaped like its points"),
    ],
)
def test_bad_input_is_named(samples, settings, message):
    with pytest.raises(hc.InputError, match=message):
        repair.repair_samples(samples, **{"fresh_fraction": 0.1, "truncation_time": 0.1, **settings})
