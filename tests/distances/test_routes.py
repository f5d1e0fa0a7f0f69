"""One quantity by several routes: closed forms, quadrature, samples, linear programming."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

import hermite_collapse as hc
from hermite_collapse import distances
from tests.random_laws import line_mixtures, normal, random_mixture

DIVERGENCES = ["total_variation", "kl", "hellinger", "chi_square"]


@pytest.mark.parametrize("kind", DIVERGENCES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_samples_agree_with_quadrature_on_the_line(kind, seed):
    rng = np.random.default_rng(seed)
    p = random_mixture(rng, variances=(0.3, 0.6))
    q = random_mixture(rng, variances=(0.5, 1.0))
    function = getattr(distances, kind)
    exact, sampled = function(p, q), function(p, q, route="samples", sample_count=40_000, rng=seed)
    assert sampled.kind == "standard_error"
    assert abs(sampled.value - exact.value) < 4.5 * sampled.error
    assert sampled.error < 0.05 * exact.value
    assert sampled.effective_sample_size > 500
    # Laws one twentieth further apart are told from these.
    away = hc.GaussianMixture(q.weights, q.means[:, 0] + 0.1, q.variances[:, 0])
    other = function(p, away)
    if abs(other.value - exact.value) > 9 * sampled.error:
        assert abs(sampled.value - other.value) > 4.5 * sampled.error


@pytest.mark.parametrize("kind", ["kl", "hellinger", "chi_square"])
@pytest.mark.parametrize("dimension", [1, 3])
def test_samples_and_closed_forms_of_gaussians(kind, dimension):
    rng = np.random.default_rng(dimension)
    p = random_mixture(rng, dimension, 1, spread=0.4, variances=(0.4, 0.8))
    q = random_mixture(rng, dimension, 1, spread=0.4, variances=(0.6, 1.2))
    function = getattr(distances, kind)
    closed = function(p, q, route="closed_form")
    sampled = function(p, q, route="samples", sample_count=40_000)
    assert closed.kind == "bound"
    assert abs(sampled.value - closed.value) < 4.5 * sampled.error
    assert sampled.error < 0.05 * closed.value
    if dimension == 1:
        assert function(p, q, route="quadrature").value == pytest.approx(closed.value, rel=1e-11)


def test_closed_forms_keep_their_digits():
    p = hc.GaussianMixture([1.0], [[0.0, 0.0]], np.array([[[1.0, 0.3], [0.3, 1.0]]]))
    q = hc.GaussianMixture([1.0], [[1e-6, 0.0]], np.array([[[1.0, 0.3], [0.3, 1.0]]]))
    # norm(shift)^2 / 2 with shift^2 = 1e-12 / (1 - 0.09)
    assert distances.kl(p, q).value == pytest.approx(0.5e-12 / 0.91, rel=1e-9)
    assert distances.chi_square(p, q, route="closed_form").value == pytest.approx(1e-12 / 0.91, rel=1e-3)
    assert distances.hellinger(p, q).value == pytest.approx(np.sqrt(1e-12 / 0.91 / 8), rel=1e-9)
    assert distances.bures(p, q).value == pytest.approx(1e-6, rel=1e-6)


def test_chi_square_of_a_mixture_against_one_gaussian():
    rng = np.random.default_rng(4)
    p = random_mixture(rng, 1, 4, variances=(0.1, 0.8))
    q = normal(0.2, 1.0)
    assert distances.chi_square(p, q, route="closed_form").value == pytest.approx(
        distances.chi_square(p, q, route="quadrature").value, rel=1e-12
    )
    several = random_mixture(rng, 4, 3, spread=0.7, variances=(0.4, 0.9))
    wide = hc.GaussianMixture([1.0], np.zeros((1, 4)), 1.0)
    closed = distances.chi_square(several, wide)
    sampled = distances.chi_square(several, wide, route="samples")
    assert closed.route == "closed_form"
    assert abs(closed.value - sampled.value) < 4.5 * sampled.error < 0.3 * closed.value


@given(st.integers(0, 10_000), st.integers(1, 3))
def test_l2_and_mmd_against_sums_on_a_grid(seed, dimension):
    """Through projections: the MMD of a product-free mixture is checked by its own kernel on samples' exact law."""
    rng = np.random.default_rng(seed)
    p, q = random_mixture(rng, dimension, 3), random_mixture(rng, dimension, 3)
    width = float(rng.uniform(0.4, 2.0))
    # MMD^2 = (2 pi b^2)^{d/2} L2^2 of the laws smoothed by b^2 / 2 each.
    smooth = hc.GaussianChannel(1.0, 0.5 * width**2)
    ours = distances.gaussian_mmd(p, q, bandwidth=width)
    other = distances.l2(p.through(smooth), q.through(smooth))
    factor = (2 * np.pi * width**2) ** (dimension / 4)
    assert ours.value == pytest.approx(factor * other.value, rel=1e-9, abs=factor * other.error + ours.error)
    if dimension == 1:
        x = np.linspace(-14, 14, 40_001)
        plain = np.sqrt(np.sum((p.density(x) - q.density(x)) ** 2) * (x[1] - x[0]))
        assert distances.l2(p, q).value == pytest.approx(plain, rel=1e-8, abs=1e-10)


def test_mmd_of_samples_is_the_plain_double_sum():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((60, 2)), 0.7 * rng.standard_normal((80, 2)) + 0.2

    def kernel(a, b):
        return np.exp(-((a[:, None] - b[None]) ** 2).sum(axis=2) / (2 * 0.9**2))

    plain = np.sqrt(kernel(x, x).mean() + kernel(y, y).mean() - 2 * kernel(x, y).mean())
    found = distances.gaussian_mmd(hc.EmpiricalLaw(x), hc.EmpiricalLaw(y), bandwidth=0.9)
    assert found.value == pytest.approx(plain, rel=1e-10)


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_bures_against_the_trace_formula(seed, dimension):
    rng = np.random.default_rng(seed)
    p, q = random_mixture(rng, dimension, 3), random_mixture(rng, dimension, 3)
    values, vectors = np.linalg.eigh(p.covariance)
    root = (vectors * np.sqrt(values)) @ vectors.T
    inner = np.linalg.eigvalsh(root @ q.covariance @ root)
    square = np.sum((p.mean - q.mean) ** 2) + np.trace(p.covariance + q.covariance) - 2 * np.sqrt(inner).sum()
    assert distances.bures(p, q).value == pytest.approx(np.sqrt(square), rel=1e-6)
    assert distances.bures(p, p).value <= 1e-7


def test_samples_on_the_line_against_scipy_and_each_other():
    rng = np.random.default_rng(8)
    law = hc.presets.load("three_modes_1d")
    x, y = law.sample(700, rng)[:, 0], 1.1 * law.sample(450, rng)[:, 0]
    assert distances.wasserstein(x, y, order=1).value == pytest.approx(
        stats.wasserstein_distance(x, y), rel=1e-11
    )
    exact = distances.wasserstein(x, y)
    program = distances.optimal_transport(x, y)
    assert program.value == pytest.approx(exact.value, rel=1e-9)
    assert program.error <= 1e-8 * program.value
    assert distances.optimal_transport(x, y, order=1).value == pytest.approx(
        distances.wasserstein(x, y, order=1).value, rel=1e-9
    )


@pytest.mark.parametrize("order", [1, 2])
def test_a_sample_against_a_law(order):
    """Every sample point is spread to a Gaussian of standard deviation 1e-5: mixture against mixture."""
    law = hc.presets.load("three_modes_1d")
    x = law.sample(40, 2)[:, 0]
    spread = hc.GaussianMixture(np.full(40, 1 / 40), x, 1e-10)
    ours = distances.wasserstein(x, law, order=order)
    assert abs(ours.value - distances.wasserstein(spread, law, order=order).value) < 1.1e-5
    assert ours.value == distances.wasserstein(law, x, order=order).value
    # One point against a Gaussian: E (X - c)^2 and E abs(X - c) are known.
    one = distances.wasserstein(np.array([0.4]), normal(0.0, 1.0), order=order).value
    truth = (
        np.sqrt(1.16)
        if order == 2
        else 2 * np.exp(-0.08) / np.sqrt(2 * np.pi) + 0.4 * (2 * stats.norm.cdf(0.4) - 1)
    )
    assert one == pytest.approx(truth, rel=1e-12)


def test_a_linear_program_in_the_plane():
    """A translation is optimal: the distance is its length; and Bures is below, sliced below that."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((300, 2))
    moved = x + np.array([0.3, -0.4])
    assert distances.optimal_transport(x, moved).value == pytest.approx(0.5, rel=1e-12)
    assert distances.sliced_wasserstein(x, moved, directions=400).value == pytest.approx(
        0.5 / np.sqrt(2), rel=0.1
    )
    y = 1.4 * rng.standard_normal((300, 2))
    exact = distances.optimal_transport(x, y).value
    assert distances.bures(hc.EmpiricalLaw(x), hc.EmpiricalLaw(y)).value < exact
    assert distances.sliced_wasserstein(x, y).value < exact


def test_sliced_wasserstein_of_isotropic_gaussians():
    """Projections of N(0, I) and N(0, 4 I) differ by 1 in every direction: no error at all."""
    p, q = (hc.GaussianMixture([1.0], np.zeros((1, 5)), v) for v in (1.0, 4.0))
    found = distances.sliced_wasserstein(p, q, directions=5)
    assert found.value == pytest.approx(1.0, rel=1e-10)
    assert found.error < 1e-9
    assert distances.wasserstein(p, q).value == pytest.approx(np.sqrt(5.0), rel=1e-12)


@given(line_mixtures(), line_mixtures(), st.floats(0.05, 0.95))
def test_mehler_distance_is_an_l2_distance_after_smoothing(p, q, r):
    """D_r^2 = int (p' - q')^2 / gamma with p', q' smoothed by the channel of scale sqrt(r)."""
    channel = hc.GaussianChannel(float(np.sqrt(r)), 1.0 - float(np.sqrt(r)) ** 2)
    widest = max(float(law.variances.max()) for law in (p.through(channel), q.through(channel)))
    assume(widest < 1.9)
    x = np.linspace(-60.0, 60.0, 60_001)
    a, b = p.through(channel), q.through(channel)
    log_gamma = -0.5 * x**2 - 0.5 * np.log(2 * np.pi)
    plain = np.sum(
        (np.exp(a.log_density(x) - 0.5 * log_gamma) - np.exp(b.log_density(x) - 0.5 * log_gamma)) ** 2
    )
    found = distances.mehler(p, q, r)
    assert found.value == pytest.approx(np.sqrt(plain * (x[1] - x[0])), rel=1e-6, abs=10 * found.error + 1e-7)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda p, q: distances.kl(p, q, route="quadrature"), "route must be one of"),
        (lambda p, q: distances.kl(p, q, route="exact"), "route must be one of"),
        (lambda p, q: distances.kl(p, normal(0, 1)), "dimension"),
        (lambda p, q: distances.kl(p, hc.EmpiricalLaw(np.zeros((3, 2)))), "q must have a density"),
        (lambda p, q: distances.wasserstein(p, q), "sliced_wasserstein"),
        (lambda p, q: distances.wasserstein(p, q, order=3), "order must be 1 or 2"),
        (lambda p, q: distances.gaussian_mmd(p, q, bandwidth=0.0), "bandwidth must be > 0"),
        (lambda p, q: distances.total_variation(p, hc.GaussianMixture([1.0], [[0.0, 0.0]], 0.0)), "density"),
        (lambda p, q: distances.optimal_transport(np.zeros((3, 2)), np.zeros((3, 1))), "dimension of x"),
    ],
)
def test_bad_input_is_named(call, message):
    rng = np.random.default_rng(0)
    p = hc.GaussianMixture([0.3, 0.7], rng.standard_normal((2, 2)), 0.5)
    q = hc.GaussianMixture([0.5, 0.5], [[0.0, 0.0], [1.0, 1.0]], 1.0)
    with pytest.raises(hc.InputError, match=message):
        call(p, q)


@pytest.mark.parametrize("order", [1, 2])
def test_point_masses_are_laws_too(order):
    """A normal law against its mean, two masses against their middle, a mass beside a density."""
    point, normal_law = hc.GaussianMixture([1.0], [0.0], 0.0), normal(0.0, 1.0)
    moment = 1.0 if order == 2 else np.sqrt(2.0 / np.pi)
    for first in (point, hc.EmpiricalLaw([0.0])):
        for pair in ((first, normal_law), (normal_law, first)):
            assert distances.wasserstein(*pair, order=order).value == pytest.approx(moment, rel=1e-12)
    pair_of_points = hc.GaussianMixture([0.3, 0.7], [2.0, -1.0], 0.0)
    spread = 0.3 * 2.0**order + 0.7
    assert distances.wasserstein(pair_of_points, point, order=order).value == pytest.approx(
        spread ** (1.0 / order)
    )
    drawn = hc.EmpiricalLaw(np.repeat([2.0, -1.0], [3, 7]))
    assert distances.wasserstein(pair_of_points, drawn, order=order).value < 1e-7
    assert distances.wasserstein(drawn, normal_law, order=order).value == pytest.approx(
        distances.wasserstein(pair_of_points, normal_law, order=order).value, rel=1e-12
    )
    # Half of the mass lies at -5 already; the other half is moved by 1 and widened by its own.
    half = hc.GaussianMixture([0.5, 0.5], [-50.0, 50.0], [0.0, 1.0])
    moved = hc.GaussianMixture([0.5, 0.5], [-50.0, 51.0], [0.0, 4.0])
    truth = np.sqrt(0.5 * 2.0) if order == 2 else None
    found = distances.wasserstein(half, moved, order=order)
    assert found.error < 1e-9
    if truth is not None:
        assert found.value == pytest.approx(truth, rel=1e-9)


def test_sliced_distances_of_flat_laws():
    flat = hc.GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.0], [0.0, 0.0]]])
    point = hc.GaussianMixture([1.0], [[0.0, 0.0]], 0.0)
    # E_u (u.e_1)^2 = 1/2
    found = distances.sliced_wasserstein(flat, point, directions=256)
    assert abs(found.value - np.sqrt(0.5)) < 4.0 * found.error
    assert distances.wasserstein(flat, point).value == pytest.approx(1.0, rel=1e-12)
