"""Divergences of laws with components far narrower than their distances, against closed forms in mpmath."""

from __future__ import annotations

import time
import warnings

import mpmath
import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.distances import _divergences_line, _divergences_local, _transport
from hermite_collapse.distances.finiteness import dominating_line
from hermite_collapse.distances.line import LineMixture

D = hc.distances
NORMAL = hc.GaussianMixture([1.0], [0.0], 1.0)
VARIANCES = [1e-16, 1e-20, 1e-40, 1e-100, 1e-300]


def needles(variance, mean=1.0):
    return hc.GaussianMixture([0.5, 0.5], [-mean, mean], variance)


@pytest.fixture(autouse=True)
def at_once():
    """No call of these takes a second of the processor, or warns."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert time.process_time() - began < 20.0


def agrees(estimate, right):
    assert abs(mpmath.mpf(estimate.value) - right) <= estimate.error + 1e-15 * abs(right)
    assert estimate.error <= 1e-9 * abs(estimate.value)


def exact(variance):
    """KL both ways, squared Hellinger, TV and chi2 of two needles at -1 and 1 against N(0, 1).

    The needles meet where each is below exp(-1 / (2 v)): less than any digit that is kept.
    """
    v, pi, log = mpmath.mpf(variance), mpmath.pi, mpmath.log
    forth = -log(2 * pi * mpmath.e * v) / 2 - log(2) + log(2 * pi) / 2 + (1 + v) / 2
    back = -log(2 * pi * mpmath.e) / 2 + log(2 * pi * v) / 2 + log(2)
    back += (2 - 2 * mpmath.sqrt(2 / pi)) / (2 * v)  # E (abs(x) - 1)^2
    overlap = mpmath.sqrt(2) * mpmath.sqrt(2 * mpmath.sqrt(v) / (1 + v)) * mpmath.exp(-1 / (4 * (1 + v)))
    # p > q between the roots of log(1/2) - log(s) - (x - 1)^2 / (2 v) = -x^2 / 2
    a, c = (1 - 1 / v) / 2, log(mpmath.mpf(1) / 2) - log(v) / 2 - 1 / (2 * v)
    root = mpmath.sqrt(1 / v**2 - 4 * a * c)
    low, high = sorted([(-1 / v + root) / (2 * a), (-1 / v - root) / (2 * a)])
    width = mpmath.sqrt(2 * v)
    inside = (mpmath.erf((high - 1) / width) - mpmath.erf((low - 1) / width)) / 2
    variation = inside - (mpmath.erf(high / mpmath.sqrt(2)) - mpmath.erf(low / mpmath.sqrt(2)))
    square = mpmath.exp(1 / (2 - v)) / mpmath.sqrt(v * (2 - v)) / 2 - 1
    return forth, back, 1 - overlap, variation, square


@pytest.mark.parametrize("variance", VARIANCES)
def test_two_needles_against_the_standard_normal_law(variance):
    law = needles(variance)
    with mpmath.workdps(700):
        forth, back, square, variation, chi = exact(variance)
        agrees(D.kl(law, NORMAL), forth)
        agrees(D.kl(NORMAL, law), back)
        agrees(D.chi_square(law, NORMAL), chi)
        for p, q in ((law, NORMAL), (NORMAL, law)):
            agrees(D.hellinger(p, q), mpmath.sqrt(square))
            agrees(D.total_variation(p, q), variation)
    assert D.chi_square(NORMAL, law).value == np.inf


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("mean", [1.0, 1e10])
def test_needles_against_needles_of_other_widths(variance, mean):
    """Each needle meets its own partner alone: averages of closed forms of single Gaussians."""
    p = needles(variance, mean)
    q = hc.GaussianMixture([0.25, 0.75], [-mean, mean], [variance, 1.5 * variance])
    u = mpmath.mpf(2) / 3
    half, log = mpmath.mpf(1) / 2, mpmath.log
    agrees(D.kl(p, q), half * log(2) + half * (log(2 * half / (3 * half)) + (u - 1 - log(u)) / 2))
    overlap = mpmath.sqrt(half / 4) + mpmath.sqrt(3 * half / 4) * mpmath.sqrt(2 * mpmath.sqrt(u) / (1 + u))
    agrees(D.hellinger(p, q), mpmath.sqrt(1 - overlap))
    agrees(D.chi_square(p, q), 1 + half**2 / (3 * half / 2) / mpmath.sqrt(u * (2 - u)) - 1)


@pytest.mark.parametrize("unit", [1e-140, 1e-60, 1e60, 1e140])
def test_divergences_do_not_depend_on_the_unit(unit):
    p, q = needles(0.3), hc.GaussianMixture([0.25, 0.75], [-1.0, 0.4], [0.5, 0.4])
    here, there = (
        hc.GaussianMixture(law.weights, law.means * unit, law.variances[:, 0] * unit**2) for law in (p, q)
    )
    lengths = [lambda p, q: D.wasserstein(p, q, order=1), D.wasserstein]
    for distance in (D.kl, D.hellinger, D.total_variation, D.chi_square, *lengths):
        size = unit if distance in lengths else 1.0
        right, scaled = distance(p, q), distance(here, there)
        error = right.error + scaled.error / size
        assert scaled.value / size == pytest.approx(right.value, abs=error, rel=1e-14)
        assert error < 1e-7


@pytest.mark.parametrize("variance", [0.05, 1e-6, 1e-10])
@pytest.mark.parametrize(
    "share, line",
    [
        (_divergences_local.kl_share, _divergences_line.kl),
        (_divergences_local.hellinger_share, _divergences_line.hellinger),
        (_divergences_local.variation_share, _transport.total_variation),
        (_divergences_local.chi_square_share, None),
    ],
)
def test_the_same_as_on_the_line(share, line, variance):
    laws = needles(variance), hc.GaussianMixture([0.3, 0.7], [-0.5, 0.4], [1.0, 1.2])
    p, q = (LineMixture.of(law, "law") for law in laws)
    above = dominating_line(*laws) if line is None else None
    here = _divergences_local.at_components(p, q, share, above)
    there = line(p, q) if line else _divergences_line.chi_square(p, q, above)
    value = here.value**0.5 if share is _divergences_local.hellinger_share else here.value
    assert value == pytest.approx(there.value, rel=1e-9, abs=there.error)


def test_what_exceeds_the_doubles_is_said():
    for call in (
        lambda: D.kl(NORMAL, needles(1e-300, 1e5)),
        lambda: D.chi_square(needles(1e-300, 1e10), NORMAL),
        lambda: D.chi_square(needles(1.0, 1e10), NORMAL),
    ):
        with pytest.raises(hc.ConvergenceError, match="finite but exceeds"):
            call()


def test_too_many_narrow_components_are_one_sentence():
    many = hc.GaussianMixture(np.full(200, 1 / 200), np.linspace(-1.0, 1.0, 200), 1e-40)
    with pytest.raises(hc.ConvergenceError, match="201 of them are too many"):
        D.kl(many, NORMAL)


@pytest.mark.parametrize("variance", [1e8, 1e100, 1e300])
def test_wide_laws_are_infinitely_far_where_the_integral_diverges(variance):
    """p^2 / q decays iff v < 2; the Mehler distance at r converges iff r (v - 1) < 1."""
    for mean in (0.0, 1.0, 1e150):
        assert D.chi_square(needles(variance, mean), NORMAL) == hc.Estimate(
            np.inf, 0.0, "bound", "closed_form"
        )
        assert D.mehler(needles(variance, mean), NORMAL, 0.5).value == np.inf
        assert D.chi_square_finiteness(needles(variance, mean), NORMAL).is_infinite
    assert np.isfinite(D.mehler(needles(2.9), NORMAL, 0.5).value)


def test_mehler_at_ratio_one_of_narrow_laws():
    """int p^2 / gamma - 1 is finite: below 1e-16 the excess variance -1 + v is rounded to -1."""
    law = hc.GaussianMixture([1.0], [0.0], 1e-3)
    right = (1e-3 * (2.0 - 1e-3)) ** -0.5 - 1.0
    assert D.mehler(law, NORMAL, 1.0).value ** 2 == pytest.approx(right, rel=1e-9)
    with pytest.raises(hc.InputError, match="r must be below 1"):
        D.mehler(law.replace(covariances=1e-20), NORMAL, 1.0)
    assert D.mehler(law.replace(covariances=0.0), NORMAL, 1.0).value == np.inf
