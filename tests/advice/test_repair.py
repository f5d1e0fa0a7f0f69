"""Repairs: orders of what is left, exact inverses, and what cannot be restored."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse import distances
from hermite_collapse.advice import repair


def _recursion(name, alpha, time):
    return hc.Recursion(hc.presets.load(name), fresh_fraction=alpha, truncation=time)


@pytest.mark.parametrize("name", ["off_centre_1d", "two_modes_1d", "wide_1d"])
@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_the_step_leaves_second_order(name, alpha):
    """Halving t halves the distance before and quarters the one after."""
    qualities = [repair.repair_quality(_recursion(name, alpha, t * alpha)) for t in (4e-3, 2e-3)]
    before = [q.before.value for q in qualities]
    after = [q.after.value for q in qualities]
    assert before[0] / before[1] == pytest.approx(2.0, rel=0.05)
    assert after[0] / after[1] == pytest.approx(4.0, rel=0.1)
    assert qualities[0].remaining < 0.05
    assert qualities[0].after.error < 1e-3 * qualities[0].after.value


def test_a_wrong_step_leaves_first_order():
    """Twice the step overshoots to the other side: as far as before, and halving t only halves it."""
    recursion = _recursion("off_centre_1d", 0.5, 2e-3)
    limit, data = recursion.limit(), recursion.target
    x = limit.sample(200_000, 0)
    right = repair.deterministic_step(x, limit, fresh_fraction=0.5, truncation_time=2e-3)
    wrong = repair.deterministic_step(x, limit, fresh_fraction=0.25, truncation_time=2e-3)
    exact = repair.repair_quality(recursion)
    coupled = np.sqrt(np.mean((right - x) ** 2))
    assert coupled == pytest.approx(exact.before.value, rel=0.02)
    assert np.sqrt(np.mean((wrong - x) ** 2)) == pytest.approx(2 * coupled, rel=1e-9)
    # The sample's own distance is that of the pushed-forward law up to sampling noise common to all three.
    noise = distances.wasserstein(data.sample(200_000, 1)[:, 0], data).value
    assert distances.wasserstein(right[:, 0], data).value < exact.after.value + 2.5 * noise


def test_the_exact_push_forward_against_samples():
    recursion = _recursion("off_centre_1d", 0.3, 0.06)
    quality = repair.repair_quality(recursion)
    limit = recursion.limit()
    moved = repair.deterministic_step(
        limit.sample(400_000, 3), limit, fresh_fraction=0.3, truncation_time=0.06
    )
    noise = distances.wasserstein(recursion.target.sample(400_000, 4)[:, 0], recursion.target).value
    found = distances.wasserstein(moved[:, 0], recursion.target).value
    assert quality.remaining < 0.35
    assert abs(found - quality.after.value) < 3.0 * noise < 0.3 * quality.before.value


def test_a_step_that_folds_is_refused():
    target = hc.GaussianMixture([0.5, 0.5], [-1.0, 1.0], 0.001)
    with pytest.raises(hc.InputError, match="keep the order"):
        repair.repair_quality(hc.Recursion(target, fresh_fraction=0.05, truncation=0.05))


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
    found = repair.restore_modes(sampled, **options)
    np.testing.assert_allclose(found.amplification, 1 / hc.attenuation(sampled.degrees, **options))
    errors = np.asarray(found.coefficients.standard_error)
    z = (found.coefficients.values - data.values)[1:9] / errors[1:9]
    assert np.abs(z).max() < 4.5
    assert not found.significant.all()  # the highest modes are noise, and are said to be
    assert found.significant[2]


def test_one_deconvolution_gives_the_data_density():
    for name, dimension in (("off_centre_1d", 1), ("tilted_2d", 2)):
        recursion = hc.Recursion(hc.presets.load(name), fresh_fraction=0.4, truncation=0.02)
        signed = repair.deconvolve(recursion.limit(48), fresh_fraction=0.4, truncation_time=0.02)
        points = recursion.target.sample(300, 1)
        truth = recursion.target.density(points)
        np.testing.assert_allclose(signed.density(points), truth, rtol=1e-6, atol=1e-8 * truth.max())
        plain = recursion.limit().density(points)
        assert np.abs(plain / truth - 1).max() > 0.02
        coefficients = signed.hermite_coefficients(4)
        np.testing.assert_allclose(
            coefficients.values, recursion.target.hermite_coefficients(4).values, atol=1e-10
        )
        assert signed.dimension == dimension
        assert signed.negative_mass(sample_count=4000).value < 1e-8


def test_deconvolution_of_what_no_round_produces():
    with pytest.raises(hc.InputError, match="noise of one round"):
        repair.deconvolve(hc.GaussianMixture([1.0], [0.0], 0.01), fresh_fraction=0.4, truncation_time=0.1)
    # A law that is no fixed point of the recursion has a signed, partly negative inverse, and says so.
    lump = hc.GaussianMixture([0.5, 0.5], [-1.0, 1.0], [0.0201, 1.0])
    signed = repair.deconvolve(lump, fresh_fraction=0.05, truncation_time=0.02)
    assert signed.negative_mass().value > 0.01


def test_means_under_the_data_from_samples_of_the_limit():
    """Second and fourth moments, with the exact score: bias below the noise, and far below that of the plain mean."""
    alpha, time = 0.1, 0.02
    recursion = _recursion("off_centre_1d", alpha, time)
    x = recursion.limit().sample(400_000, 2)
    options = {"fresh_fraction": alpha, "truncation_time": time}
    u, w = np.polynomial.hermite_e.hermegauss(20)
    for function in (lambda y: y[:, 0] ** 2, lambda y: np.cos(2 * y[:, 0])):
        nodes = recursion.target.means[:, :1] + np.sqrt(recursion.target.variances[:, :1]) * u
        inner = function(nodes.reshape(-1, 1)).reshape(nodes.shape) @ w / np.sqrt(2 * np.pi)
        truth = float(recursion.target.weights @ inner)
        found = repair.restored_mean(function, x, score=recursion.limit(), **options)
        plain = float(np.mean(function(x)))
        assert abs(plain - truth) > 10 * found.error
        assert abs(found.value - truth) < 4.5 * found.error + 0.03 * abs(plain - truth)


def test_samples_by_kernel_score():
    """No score is known: the samples' own kernel estimate removes most of the distance."""
    alpha, time = 0.2, 0.1
    recursion = _recursion("off_centre_1d", alpha, time)
    x = recursion.limit().sample(6000, 7)[:, 0]
    moved = repair.repair_samples(x, fresh_fraction=alpha, truncation_time=time)
    before = distances.wasserstein(x, recursion.target).value
    after = distances.wasserstein(moved, recursion.target).value
    assert moved.shape == x.shape
    assert after < 0.5 * before
    exact = repair.deterministic_step(x, recursion.limit(), fresh_fraction=alpha, truncation_time=time)
    assert after < 2.5 * distances.wasserstein(exact, recursion.target).value


def test_the_kernel_score_leaves_its_own_sample_out():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2))
    x[0] = [50.0, 50.0]
    h = 0.7
    found = repair.kernel_score_at_samples(x, bandwidth=h)
    for i in (1, 7, 59):
        others = np.delete(x, i, axis=0)
        weight = np.exp(-((others - x[i]) ** 2).sum(axis=1) / (2 * h**2))
        plain = (weight[:, None] * (others - x[i])).sum(axis=0) / weight.sum() / h**2
        np.testing.assert_allclose(found[i], plain, rtol=1e-9)
    assert np.all(found[0] == 0.0)
    # The law it estimates is the blurred one: N(0, 1 + h^2).
    many = rng.standard_normal(20_000)
    slope = np.polyfit(many, repair.kernel_score_at_samples(many, bandwidth=0.5)[:, 0], 1)[0]
    assert slope == pytest.approx(-1 / 1.25, rel=0.03)
    assert abs(slope + 1.0) > 0.1


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: repair.deterministic_step([[0.0]], 3.0, fresh_fraction=0.1, truncation_time=0.1),
            "score must be",
        ),
        (lambda: repair.repair_samples([1.0, 1.0], fresh_fraction=0.1, truncation_time=0.1), "all be equal"),
        (
            lambda: repair.repair_samples([1.0, 2.0], fresh_fraction=0.0, truncation_time=0.1),
            "fresh_fraction",
        ),
        (
            lambda: repair.deterministic_step(
                np.zeros((4, 2)), lambda x: x[:, 0], fresh_fraction=0.1, truncation_time=0.1
            ),
            "shaped like its points",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(hc.InputError, match=message):
        call()
