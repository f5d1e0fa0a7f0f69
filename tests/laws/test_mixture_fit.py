"""The fit of mixtures: in any unit, along directions however small, and without collapsed components."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc

SAMPLE = np.random.default_rng(2).normal(size=(500, 2)) @ [[1.0, 0.4], [0.0, 0.5]]
TWO = np.concatenate([SAMPLE - [3.0, 0.0], 0.5 * SAMPLE + [3.0, 0.0]])


@pytest.mark.parametrize("unit", [1e-149, 1e-100, 1e-3, 1.0, 1e100, 1e149])
def test_one_component_is_the_empirical_covariance_in_every_unit(unit):
    law = hc.GaussianMixture.fit(unit * SAMPLE, components=1)
    np.testing.assert_allclose(law.covariance / unit / unit, np.cov(SAMPLE.T, bias=True), rtol=1e-12)
    np.testing.assert_allclose(law.mean / unit, SAMPLE.mean(axis=0), rtol=1e-11)


@pytest.mark.parametrize("unit", [1e-100, 1e-5, 1e100])
def test_several_components_are_the_same_in_every_unit(unit):
    law, other = (hc.GaussianMixture.fit(u * TWO, components=range(1, 4)) for u in (1.0, unit))
    assert len(law.weights) == len(other.weights) == 2
    np.testing.assert_allclose(other.weights, law.weights, rtol=1e-9)
    np.testing.assert_allclose(other.means / unit, law.means, rtol=1e-9)
    np.testing.assert_allclose(other.covariances / unit / unit, law.covariances, rtol=1e-7)


def test_components_are_those_of_scikit_learn_where_nothing_is_small():
    from sklearn.mixture import GaussianMixture as Estimator

    law = hc.GaussianMixture.fit(TWO, components=2)
    other = Estimator(2, random_state=0, reg_covar=0.0, tol=1e-9, max_iter=1000).fit(TWO)
    np.testing.assert_allclose(law.log_density(TWO).mean(), other.score(TWO), atol=1e-4)
    np.testing.assert_allclose(np.sort(law.weights), np.sort(other.weights_), atol=1e-3)


def test_units_of_single_coordinates_do_not_matter():
    units = np.array([1.0, 1e-6])
    law = hc.GaussianMixture.fit(TWO[:, ::-1] * units, components=2)
    plain = hc.GaussianMixture.fit(TWO[:, ::-1], components=2)
    order, usual = np.argsort(law.weights), np.argsort(plain.weights)
    np.testing.assert_allclose(law.weights[order], plain.weights[usual], atol=2e-3)
    np.testing.assert_allclose(
        law.covariances[order, 1, 1] / 1e-12, plain.covariances[usual, 1, 1], rtol=0.02
    )


def test_small_rotated_directions_keep_their_variance():
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0]
    sample = np.random.default_rng(1).normal(size=(400, 12)) * np.geomspace(1.0, 1e-4, 12) @ rotation
    law = hc.GaussianMixture.fit(sample, components=1)
    singular = np.linalg.svd(sample - sample.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(law.variances[0], np.sort(singular**2) / 400, rtol=1e-9)


def test_directions_without_spread_have_variance_zero():
    x = SAMPLE[:, 0]
    law = hc.GaussianMixture.fit(np.stack([x, 2.0 * x + 0.1, np.full_like(x, 0.1)], axis=1), components=1)
    assert not law.has_density and law.variances[0, :2].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(
        law.covariance[:2, :2], x.var() * np.array([[1.0, 2.0], [2.0, 4.0]]), rtol=1e-12
    )
    constant = hc.GaussianMixture.fit(np.full((5, 2), 1e200))
    assert constant.mean.tolist() == [1e200, 1e200] and not constant.variances.any()


@pytest.mark.parametrize(
    ("samples", "components", "words"),
    [
        (SAMPLE * 1e180, 1, "samples must spread by at most 1e+150, got"),
        (
            SAMPLE * 1e-180,
            1,
            "samples must be constant or spread by at least 1e-150 in every coordinate, got",
        ),
        (np.ones(5), 2, "components must be so few that each spreads in every direction"),
        (
            np.concatenate([np.zeros(9), SAMPLE[:20, 0] + 9.0]),
            2,
            "components must be so few that each spreads",
        ),
    ],
)
def test_what_has_no_fit_is_refused(samples, components, words):
    with pytest.raises(hc.InputError) as problem:
        hc.GaussianMixture.fit(samples, components=components)
    assert words in str(problem.value)


def test_counts_with_a_collapsed_component_are_left_out():
    points = np.concatenate([np.zeros(9), SAMPLE[:20, 0] + 9.0])
    assert len(hc.GaussianMixture.fit(points, components=range(1, 3)).weights) == 1
