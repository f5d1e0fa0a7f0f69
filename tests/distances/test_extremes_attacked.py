"""Distances under attack: needles, laws at the end of the doubles, bounds that must bound, no NaN in silence."""

from __future__ import annotations

import math
import warnings

import mpmath
import numpy as np
import pytest

import hermite_collapse as hc

D = hc.distances


def normal(mean, variance):
    return hc.GaussianMixture([1.0], [mean], [variance])


@pytest.mark.parametrize("variance", [1e-24, 1e-28, 1e-30, 1e-32, 1e-40, 1e-100, 1e-300, 5e-324, 0.0])
def test_a_needle_against_a_wide_law(variance):
    """Right: 1 - sigma, and sqrt(2 / pi) times that."""
    wide, needle = normal(0.0, 1.0), normal(0.0, variance)
    right = 1.0 - math.sqrt(variance)
    for p, q in ((needle, wide), (wide, needle)):
        second, first = D.wasserstein(p, q), D.wasserstein(p, q, order=1)
        assert abs(second.value - right) <= second.error < 1e-6
        assert abs(first.value - right * math.sqrt(2.0 / math.pi)) <= first.error < 1e-10


@pytest.mark.parametrize("variance", [1e-24, 1e-30, 1e-60])
def test_needles_beside_wide_components(variance):
    p = hc.GaussianMixture([0.5, 0.5], [0.0, 1.0], [variance, 1.0])
    q = hc.GaussianMixture([0.5, 0.5], [0.25, 1.0], [variance, 1.0])
    estimate = D.wasserstein(p, q, order=1)
    assert abs(estimate.value - 0.125) <= estimate.error < 1e-6
    assert D.wasserstein(p, q).value >= estimate.value - estimate.error


@pytest.mark.parametrize("unit", [1e-300, 1e-150, 1e-120, 1e120, 1e150, 1e200, 1e300])
def test_wasserstein_in_any_units(unit):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        samples = D.wasserstein([unit, 3.0 * unit], [0.0, unit])
        points = D.wasserstein(normal(unit, 0.0), normal(3.0 * unit, 0.0), order=1)
        assert D.bures(hc.EmpiricalLaw([unit]), hc.EmpiricalLaw([0.0])).value == pytest.approx(
            unit, rel=1e-14
        )
        assert D.sliced_wasserstein([[unit, 0.0]], [[0.0, 0.0]]).value == pytest.approx(
            unit / 2**0.5, rel=0.2
        )
    assert samples.value == pytest.approx(math.sqrt(2.5) * unit, rel=1e-14)
    assert points.value == pytest.approx(2.0 * unit, rel=1e-14)
    assert np.isfinite(samples.error) and np.isfinite(points.error)


def test_beyond_the_doubles_it_says_so():
    high = hc.GaussianMixture([1.0], np.zeros((1, 800)), 0.01)
    for call in (
        lambda: D.wasserstein([1.5e308], [-1.5e308], order=1),
        lambda: D.kl(normal(0.0, 1.0), normal(1e200, 1.0)),
        lambda: D.chi_square(hc.GaussianMixture([0.5, 0.5], [0.0, 100.0], 1.0), normal(0.0, 1.0)),
        lambda: D.l2(high, high.replace(means=np.ones((1, 800)))),
    ):
        with pytest.raises(hc.ConvergenceError):
            call()
    assert D.hellinger(normal(0.0, 1.0), normal(1e200, 1.0)).value == 1.0
    assert D.hellinger(normal(0.0, 1.0), normal(1e200, 1.0)).error < 1e-14


def test_kernel_distance_in_many_dimensions_and_of_any_bandwidth():
    """Right: sqrt(2 - 2 exp(-d / (2 b^2)))."""
    for dimension, bandwidth in ((1, 1e-100), (1, 1e100), (200, 1e3), (800, 10.0)):
        p, q = hc.EmpiricalLaw(np.zeros((1, dimension))), hc.EmpiricalLaw(np.ones((1, dimension)))
        right = math.sqrt(-2.0 * math.expm1(-0.5 * dimension / bandwidth**2))
        estimate = D.gaussian_mmd(p, q, bandwidth=bandwidth)
        assert abs(estimate.value - right) <= estimate.error < 1e-6
    with pytest.raises(hc.InputError, match="bandwidth must lie in"):
        D.gaussian_mmd(normal(0.0, 1.0), normal(0.0, 2.0), bandwidth=1e-320)


def test_bures_of_what_is_no_law():
    with pytest.raises(
        hc.InputError, match=r"p must be a GaussianMixture, AgedLaw or EmpiricalLaw, got list\."
    ):
        D.bures([1.0, 2.0], normal(0.0, 1.0))


@pytest.mark.parametrize("seed", range(12))
def test_l2_bound_holds_for_correlated_covariances(seed):
    """Condition numbers to 1e6 against 60 digits."""
    rng = np.random.default_rng(seed)
    dimension = int(rng.integers(2, 7))
    matrices = []
    for _ in range(2):
        frame = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0]
        matrix = (frame * 10.0 ** rng.uniform(-5, 1, dimension)) @ frame.T
        matrices.append(0.5 * (matrix + matrix.T))
    means = rng.normal(size=(2, dimension)) * 10.0 ** rng.uniform(-6, 0, (2, 1))
    p, q = (hc.GaussianMixture([1.0], m[None], s[None]) for m, s in zip(means, matrices, strict=True))
    with mpmath.workdps(60):
        a, b = (mpmath.matrix(matrix.tolist()) for matrix in matrices)
        gap = mpmath.matrix(means[0].tolist()) - mpmath.matrix(means[1].tolist())
        cross = mpmath.exp(-(gap.T * (a + b) ** -1 * gap)[0] / 2) / mpmath.sqrt(
            mpmath.det(2 * mpmath.pi * (a + b))
        )
        square = sum(1 / mpmath.sqrt(mpmath.det(4 * mpmath.pi * m)) for m in (a, b)) - 2 * cross
        right = float(mpmath.sqrt(square))
    estimate = D.l2(p, q)
    assert abs(estimate.value - right) <= estimate.error
    assert estimate.error < 1e-5 * right


@pytest.mark.parametrize(
    "name", ["bures", "chi_square", "hellinger", "kl", "l2", "total_variation", "wasserstein"]
)
def test_a_law_is_at_a_zero_without_a_sign_from_itself(name):
    law = hc.GaussianMixture([1.0], [0.0], 0.1)
    value = float(getattr(hc.distances, name)(law, law).value)
    assert value == 0.0 and np.copysign(1.0, value) == 1.0
