"""Laws under attack: variances and points at the end of the doubles, covariances of very different sizes."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import hermite_collapse as hc


@pytest.mark.parametrize("variance", [5e-324, 1e-320, 1e-310, 1e-300, 1e300])
def test_log_density_of_the_smallest_variances(variance):
    law = hc.GaussianMixture([1.0], [0.0], [variance])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = float(law.log_density(0.0))
    assert value == pytest.approx(-0.5 * (math.log(2.0 * math.pi) + math.log(variance)), rel=1e-14)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("frames", [False, True])
def test_log_density_where_squares_overflow(dimension, frames):
    if frames and dimension == 1:
        pytest.skip("no frames in one dimension")
    covariance = np.eye(dimension) + (0.2 * np.ones((dimension, dimension)) if frames else 0.0)
    law = hc.GaussianMixture([0.5, 0.5], np.zeros((2, dimension)), np.array([covariance, 2.0 * covariance]))
    far = np.zeros((3, dimension))
    far[0, 0], far[1, 0] = 1e200, -1e308
    values = law.log_density(far)
    assert values[:2].tolist() == [-math.inf, -math.inf]
    assert np.isfinite(values[2])
    with pytest.raises(hc.InputError, match="log-density and score are doubles"):
        law.score(far)


def test_a_score_that_is_no_double_is_refused():
    with pytest.raises(hc.InputError, match="log-density and score are doubles"):
        hc.GaussianMixture([1.0], [0.0], [5e-324]).score(0.0)


def test_each_covariance_is_judged_by_its_own_size():
    large = 1e6 * np.eye(2)
    with pytest.raises(hc.InputError, match="covariances must be symmetric, got an asymmetry of"):
        hc.GaussianMixture([0.5, 0.5], np.zeros((2, 2)), [large, [[1e-6, 5e-7], [-5e-7, 1e-6]]])
    with pytest.raises(hc.InputError, match="positive semi-definite, got an eigenvalue of -1e-06"):
        hc.GaussianMixture([0.5, 0.5], np.zeros((2, 2)), [large, [[1e-6, 2e-6], [2e-6, 1e-6]]])


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1e200, 1e308])
def test_directions_of_any_length(size):
    law = hc.GaussianMixture([1.0], [[1.0, 0.0]], 1.0)
    assert law.project([size, size]).mean[0] == pytest.approx(0.5**0.5, rel=1e-4 if size < 1e-310 else 1e-15)


def test_replace_keeps_eigenvalues_and_frames():
    law = hc.GaussianMixture([0.5, 0.5], [[0, 0], [1, 1]], [[[1, 0.2], [0.2, 1]], [[2, 0.3], [0.3, 1]]])
    assert law.replace() == law
    moved = law.replace(means=[[0, 1], [1, 2]])
    assert np.array_equal(moved.variances, law.variances)
    assert moved.frames is law.frames or np.array_equal(moved.frames, law.frames)
    with pytest.raises(hc.InputError):
        law.replace(weights=[1.0])
    with pytest.raises(hc.InputError):
        law.replace(surely_no_argument=1)


def test_samples_that_a_scale_makes_infinite_are_refused():
    with pytest.raises(hc.InputError, match="samples / scale must be finite"):
        hc.EmpiricalLaw([1e10], scale=1e-300)


def test_coefficients_known_already_do_not_hide_a_wrong_degree():
    law = hc.EmpiricalLaw([0.7, 1.0])
    law.hermite_coefficients(1)
    for degree in (True, 1.0, [1]):
        with pytest.raises(hc.InputError, match="degree must be an integer"):
            law.hermite_coefficients(degree)


def test_smallest_fresh_fraction_with_added_variance():
    recursion = hc.Recursion(
        hc.GaussianMixture([1.0], [0.0], [0.5]),
        fresh_fraction=1e-300,
        truncation_time=0.1,
        process=hc.VarianceExploding(),
    )
    assert recursion.limit().covariance[0, 0] == pytest.approx(1e299, rel=1e-9)
