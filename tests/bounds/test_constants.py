"""Final constants against the exact distances they are the limits of, and against other forms of the integrals."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse import bounds, distances
from hermite_collapse.bounds.constants import mean_absolute_hermite

FUNCTIONS = {
    "total_variation": (distances.total_variation, 1),
    "kl": (distances.kl, 2),
    "chi_square": (distances.chi_square, 2),
    "wasserstein2": (distances.wasserstein, 1),
}
CASES = {
    "mean": (hc.presets.load("off_centre_1d"), None, 0.3, 1.2, 1),
    "fourth": (hc.presets.load("two_modes_1d"), None, 0.5, 0.6, 4),
    "another start": (hc.presets.load("two_modes_1d"), hc.GaussianMixture([1.0], [0.7], 1.4), 0.4, 1.0, 1),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("metric", FUNCTIONS)
def test_distances_tend_to_the_constant(case, metric):
    target, start, alpha, time, degree = CASES[case]
    recursion = hc.Recursion(target, fresh_fraction=alpha, truncation_time=time, initial=start)
    lead = bounds.leading_difference(recursion)
    assert lead.degree == degree
    constant = bounds.final_constant(recursion, metric=metric)
    assert constant.error < 1e-10 * constant.value
    function, power = FUNCTIONS[metric]
    limit = recursion.limit()
    rounds = np.arange(4, 18)
    found = [function(recursion.law(int(i)), limit) for i in rounds]
    usable = [k for k, entry in enumerate(found) if entry.error < 1e-4 * entry.value]
    ratio = (
        np.array([found[k].value for k in usable])
        / lead.contraction ** (power * rounds[usable])
        / constant.value
    )
    # The error of the last ratio is below two per cent, and it shrinks geometrically before.
    assert abs(ratio[-1] - 1.0) < 0.02
    assert abs(ratio[-1] - 1.0) < 0.6 * abs(ratio[-4] - 1.0) + 1e-4


def test_leading_differences_are_the_coefficients_of_the_laws():
    target, start, alpha, time, _ = CASES["another start"]
    recursion = hc.Recursion(target, fresh_fraction=alpha, truncation_time=time, initial=start)
    lead = bounds.leading_difference(recursion)
    plain = start.hermite_coefficients(1).values[1] - recursion.limit().hermite_coefficients(1).values[1]
    assert lead.values[0] == pytest.approx(plain, rel=1e-12)
    assert lead.contraction == pytest.approx(0.6 * np.exp(-0.5), rel=1e-14)
    plane = hc.Recursion(hc.presets.load("grid_2d"), fresh_fraction=0.3, truncation_time=0.2)
    found = bounds.leading_difference(plane)
    assert found.degree == 4  # symmetric, and of variance 1 in each coordinate
    data = hc.presets.load("grid_2d").hermite_coefficients(4)
    expected = data.values[data.degrees == 4] * (
        1 - hc.attenuation(4, fresh_fraction=0.3, truncation_time=0.2)
    )
    np.testing.assert_allclose(found.values, expected, atol=1e-14)
    normal = hc.GaussianMixture([1.0], [0.0], 1.0)
    with pytest.raises(hc.InputError, match="differ"):
        bounds.leading_difference(hc.Recursion(normal, fresh_fraction=0.3, truncation_time=0.2))


@pytest.mark.parametrize("degree", [1, 2, 3, 6, 11])
def test_mean_absolute_hermite_against_mpmath(degree):
    with mpmath.workdps(25):
        polynomial = lambda x: 2 ** (-mpmath.mpf(degree) / 2) * mpmath.hermite(degree, x / mpmath.sqrt(2))  # noqa: E731
        zeros = [float(z) for z in np.polynomial.hermite_e.hermegauss(degree)[0]]
        nodes = [-14, *zeros, 14]
        density = lambda x: mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)  # noqa: E731
        truth = mpmath.quad(lambda x: abs(polynomial(x)) * density(x), nodes) / mpmath.sqrt(
            mpmath.factorial(degree)
        )
    assert mean_absolute_hermite(degree) == pytest.approx(float(truth), rel=1e-12)


def test_constants_in_the_plane():
    """TV and KL of two-dimensional laws, sampled without cancellation, against the constants."""
    target = hc.presets.load("tilted_2d")
    recursion = hc.Recursion(target, fresh_fraction=0.4, truncation_time=1.6)
    lead = bounds.leading_difference(recursion)
    limit = recursion.limit()
    for metric, power in (("total_variation", 1), ("kl", 2)):
        constant = bounds.final_constant(recursion, metric=metric, sample_count=24_000)
        function = FUNCTIONS[metric][0]
        found = function(recursion.law(6), limit, sample_count=24_000)
        ratio = found.value / lead.contraction ** (6 * power)
        error = np.hypot(found.error / lead.contraction ** (6 * power), constant.error)
        assert error < 0.05 * constant.value
        assert abs(ratio - constant.value) < 4.5 * error + 0.02 * constant.value
    with pytest.raises(hc.InputError, match="wasserstein2"):
        bounds.final_constant(recursion, metric="wasserstein2")


def test_the_sampled_integral_is_the_quadrature_on_a_product():
    """A second, standard normal coordinate changes nothing: E[H^2 gamma / p_inf] factorises."""
    line = hc.presets.load("off_centre_1d")
    means, spreads = line.means[:, 0], line.variances[:, 0]
    plane = hc.GaussianMixture(
        line.weights,
        np.stack([means, np.zeros(2)], axis=1),
        np.stack([spreads, np.ones(2)], axis=1),
        covariance_type="diagonal",
    )
    options = {"fresh_fraction": 0.4, "truncation_time": 0.8}
    flat = bounds.final_constant(hc.Recursion(line, **options), metric="kl")
    sampled = bounds.final_constant(hc.Recursion(plane, **options), metric="kl", sample_count=40_000)
    assert sampled.kind == "standard_error"
    assert abs(sampled.value - flat.value) < 4.5 * sampled.error < 0.2 * flat.value
