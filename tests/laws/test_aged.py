"""Laws over ages and empirical laws: moments, densities, sampling by two routes."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc


@pytest.fixture(scope="module")
def sample():
    return hc.presets.load("tilted_2d").sample(300, 7)


def test_a_smoothed_empirical_law_is_a_kernel_density_estimate(sample):
    channel = hc.GaussianChannel(0.9, 0.3)
    law = hc.EmpiricalLaw(sample).through(channel)
    points = hc.presets.load("tilted_2d").sample(20, 1)
    distance = np.sum((points[:, None, :] - 0.9 * sample) ** 2, axis=2)
    plain = np.mean(np.exp(-distance / 0.6), axis=1) / (2 * np.pi * 0.3)
    np.testing.assert_allclose(law.density(points), plain, rtol=1e-12)
    np.testing.assert_allclose(law.mixture.log_density(points), law.log_density(points), rtol=1e-12)
    responsibilities = np.exp(-distance / 0.6)
    responsibilities /= responsibilities.sum(axis=1, keepdims=True)
    plain_score = (0.9 * responsibilities @ sample - points) / 0.3
    np.testing.assert_allclose(law.score(points), plain_score, rtol=1e-10, atol=1e-12)


def test_scores_of_several_ages_of_a_sample(sample):
    law = hc.Recursion(hc.EmpiricalLaw(sample), fresh_fraction=0.4, truncation_time=0.2).law(3)
    points = sample[:5] + 0.1
    step = 1e-6
    gradient = [
        (law.log_density(points + step * e) - law.log_density(points - step * e)) / (2 * step)
        for e in np.eye(2)
    ]
    np.testing.assert_allclose(law.score(points), np.transpose(gradient), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(law.log_density(points), law.mixture.log_density(points), rtol=1e-12)


def test_moments_of_a_limit_law_in_closed_form():
    target = hc.presets.load("off_centre_1d")
    alpha, time = 0.2, 0.3
    limit = hc.Recursion(target, fresh_fraction=alpha, truncation_time=time).limit()
    g = hc.attenuation([1, 2], fresh_fraction=alpha, truncation_time=time)
    mean, variance = target.mean[0], target.covariance[0, 0]
    assert limit.mean[0] == pytest.approx(g[0] * mean, rel=1e-14)
    phantom = (g[1] - g[0] ** 2) * mean**2
    assert limit.covariance[0, 0] == pytest.approx(g[1] * variance + 1 - g[1] + phantom, rel=1e-13)


def test_two_samplers_of_the_limit_law_agree():
    """Age nodes on one side, the geometric number of rounds played out on the other."""
    target = hc.presets.load("three_modes_1d")
    recursion = hc.Recursion(target, fresh_fraction=0.3, truncation_time=0.1)
    count, rng = 200_000, np.random.default_rng(11)
    by_nodes = recursion.limit().sample(count, rng)[:, 0]
    rounds = rng.geometric(0.3, size=count)
    scale = np.exp(-0.05 * rounds)
    by_rounds = scale * target.sample(count, rng)[:, 0] + np.sqrt(1 - scale**2) * rng.standard_normal(count)
    both = np.sort(np.concatenate([by_nodes, by_rounds]))
    gap = np.searchsorted(np.sort(by_nodes), both, side="right") - np.searchsorted(
        np.sort(by_rounds), both, side="right"
    )
    assert np.max(np.abs(gap)) / np.sqrt(2 * count) < 1.95  # Kolmogorov-Smirnov at 0.1 %


def test_coefficients_of_ages_agree_with_the_flat_mixture():
    for name in hc.presets.names():
        target = hc.presets.load(name)
        degree = 3 if target.dimension > 2 else 8
        law = hc.Recursion(target, fresh_fraction=0.1, truncation_time=0.2, blur=0.3).limit()
        by_ages = law.hermite_coefficients(degree).values
        flat = law.mixture.hermite_coefficients(degree).values
        np.testing.assert_allclose(by_ages, flat, rtol=1e-9, atol=1e-11 * np.abs(flat).max())


def test_second_moments_average_over_ages(sample):
    law = hc.Recursion(hc.EmpiricalLaw(sample), fresh_fraction=0.4, truncation_time=0.2).law(3)
    indices = law.hermite_coefficients(3).indices
    np.testing.assert_allclose(law.second_moments(indices), law.mixture.second_moments(indices), rtol=1e-12)


def test_projection_of_a_limit_law_is_the_limit_of_the_projection():
    target = hc.presets.load("tilted_2d")
    direction = [1.0, -2.0]
    one = hc.Recursion(target, fresh_fraction=0.3, truncation_time=0.1).limit().project(direction)
    two = hc.Recursion(target.project(direction), fresh_fraction=0.3, truncation_time=0.1).limit()
    x = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(one.log_density(x), two.log_density(x), rtol=1e-12)
    assert one.error_bound < 1e-12


def test_series_and_mixture_forms_of_the_limit_density_agree():
    recursion = hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.5)
    limit = recursion.limit()
    x = np.linspace(-2.5, 2.5, 11)
    series = limit.hermite_coefficients(400).series()
    np.testing.assert_allclose(series.density(x), limit.density(x), rtol=1e-9)


def test_the_series_is_refused_outside_l2_and_the_exact_route_named():
    target = hc.presets.load("wide_1d")
    limit = hc.Recursion(target, fresh_fraction=0.3, truncation_time=0.1).limit()
    with pytest.raises(hc.InputError, match="density"):
        limit.hermite_coefficients(20).series()
    assert np.isfinite(limit.log_density(3.0))
    late = hc.Recursion(target, fresh_fraction=0.3, truncation_time=1.0).limit()
    assert late.hermite_coefficients(4).square_integrable
