"""One-dimensional distances against mpmath, SciPy and closed forms, and the speed they promise."""

from __future__ import annotations

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize
from scipy.special import log_ndtr, ndtr, ndtri_exp

import hermite_collapse as hc
from hermite_collapse import distances
from hermite_collapse.distances import _transport
from hermite_collapse.distances._divergences_line import excess
from tests.random_laws import line_mixtures, normal

PAIRS = {
    "two bumps": (
        hc.GaussianMixture([0.4, 0.6], [-1.0, 0.8], [0.3, 0.5]),
        hc.GaussianMixture([0.7, 0.3], [-0.5, 1.5], [0.6, 0.4]),
    ),
    "gap": (
        hc.GaussianMixture([0.5, 0.5], [-4.0, 4.0], [0.2, 0.3]),
        hc.GaussianMixture([0.3, 0.7], [-4.2, 3.9], [0.25, 0.3]),
    ),
    "narrow": (hc.GaussianMixture([0.9, 0.1], [0.0, 1.0], [1.0, 1e-4]), normal(0.2, 1.1)),
    "near": (normal(0.0, 1.0), normal(1e-3, 1.002)),
}


def _density(law, x, tilt=0.0):
    """Mixture density in mpmath; `tilt` changes one mean."""
    total = mpmath.mpf(0)
    means = law.means[:, 0].copy()
    means[0] += tilt
    for w, m, v in zip(law.weights, means, law.variances[:, 0]):
        total += (
            mpmath.mpf(w)
            * mpmath.exp(-((x - mpmath.mpf(m)) ** 2) / (2 * mpmath.mpf(v)))
            / mpmath.sqrt(2 * mpmath.pi * mpmath.mpf(v))
        )
    return total


def _tail(law, x, tilt=0.0):
    means = law.means[:, 0].copy()
    means[0] += tilt
    return sum(
        mpmath.mpf(w) * mpmath.ncdf((x - mpmath.mpf(m)) / mpmath.sqrt(mpmath.mpf(v)))
        for w, m, v in zip(law.weights, means, law.variances[:, 0])
    )


def _points(p, q):
    """Where the mpmath rule is split: around every component, and at changes of sign."""
    grid = np.concatenate(
        [
            law.means[:, 0] + k * np.sqrt(law.variances[:, 0])
            for law in (p, q)
            for k in (-11, -6, -3, -1, 0, 1, 3, 6, 11)
        ]
    )
    return sorted(set(np.round(grid, 6)))


def _roots(function, points):
    fine = np.unique(np.concatenate([np.linspace(a, b, 9) for a, b in pairwise(points)]))
    values = np.array([float(function(mpmath.mpf(float(x)))) for x in fine])
    turns = np.flatnonzero(values[:-1] * values[1:] < 0)
    return [
        float(mpmath.findroot(function, (fine[i], fine[i + 1]), solver="anderson", tol=1e-20)) for i in turns
    ]


def _oracle(kind, p, q, tilt=0.0):
    with mpmath.workdps(20):
        points = _points(p, q)
        f, g = (lambda x: _density(p, x, tilt)), (lambda x: _density(q, x))
        if kind == "total_variation":
            difference = lambda x: f(x) - g(x)  # noqa: E731
            nodes = sorted(points + _roots(difference, points))
            return 0.5 * mpmath.quad(lambda x: abs(difference(x)), nodes)
        if kind == "wasserstein1":
            difference = lambda x: _tail(p, x, tilt) - _tail(q, x)  # noqa: E731
            nodes = sorted(points + _roots(difference, points))
            return mpmath.quad(lambda x: abs(difference(x)), nodes)
        if kind == "kl":
            return mpmath.quad(lambda x: f(x) * mpmath.log(f(x) / g(x)), points)
        if kind == "hellinger":
            return mpmath.sqrt(
                mpmath.quad(lambda x: (mpmath.sqrt(f(x)) - mpmath.sqrt(g(x))) ** 2, points) / 2
            )
        wide = [-40.0, *points, 40.0]
        return mpmath.quad(lambda x: (f(x) - g(x)) ** 2 / g(x), wide)


def _ours(kind, p, q):
    if kind == "wasserstein1":
        return distances.wasserstein(p, q, order=1)
    return getattr(distances, kind)(p, q)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("kind", ["total_variation", "wasserstein1", "kl", "hellinger", "chi_square"])
def test_quadrature_against_mpmath(pair, kind):
    p, q = PAIRS[pair]
    ours = _ours(kind, p, q)
    if not np.isfinite(ours.value):
        pytest.skip("infinite, decided elsewhere")
    truth = float(_oracle(kind, p, q))
    assert abs(ours.value - truth) <= max(ours.error, 2e-12 * truth)
    assert ours.error <= 1e-8 * truth


@pytest.mark.parametrize("kind", ["total_variation", "wasserstein1", "kl", "hellinger", "chi_square"])
def test_the_oracle_sees_one_mean_moved_by_a_millionth(kind):
    p, q = PAIRS["two bumps"]
    ours = _ours(kind, p, q)
    assert abs(ours.value - float(_oracle(kind, p, q, tilt=1e-6))) > 100 * (ours.error + 1e-12)


def _quantile_route(p, q):
    """W2 through quantile functions and a Gaussian change of variable, by SciPy."""

    def cdf(law, x):
        z = (x - law.means[:, 0]) / np.sqrt(law.variances[:, 0])
        return float(law.weights @ ndtr(z)), float(law.weights @ ndtr(-z))

    def quantile(law, z):
        lower, upper = ndtr(z), ndtr(-z)
        function = lambda x: cdf(law, x)[0] - lower if z < 0 else upper - cdf(law, x)[1]  # noqa: E731
        return optimize.brentq(function, -60, 60, xtol=1e-14, rtol=1e-14)

    def integrand(z):
        return (quantile(p, z) - quantile(q, z)) ** 2 * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)

    value = integrate.quad(integrand, -9, 9, limit=500, epsabs=0, epsrel=1e-10)[0]
    return np.sqrt(value)


@pytest.mark.parametrize("pair", ["two bumps", "near"])
def test_wasserstein2_against_quantiles(pair):
    p, q = PAIRS[pair]
    truth = _quantile_route(p, q)
    ours = distances.wasserstein(p, q)
    assert abs(ours.value - truth) <= 2e-9 * truth
    moved = hc.GaussianMixture(q.weights, q.means[:, 0] + 1e-6, q.variances[:, 0])
    assert abs(distances.wasserstein(p, moved).value - truth) > 1e-8 * truth


def test_wasserstein2_of_gaussians_is_exact():
    for m, s, t in [(0.3, 1.0, 2.0), (1e-5, 1.0, 1.0 + 1e-6), (50.0, 0.01, 3.0)]:
        ours = distances.wasserstein(normal(0.0, s**2), normal(m, t**2))
        truth = np.hypot(m, s - t)
        assert abs(ours.value - truth) <= max(ours.error, 1e-12 * truth)
        assert ours.error <= 1e-8 * truth


def test_mass_that_crosses_a_gap():
    """A tenth of the mass moves by 40; every component is far narrower than the first panels."""
    p = hc.GaussianMixture([0.5, 0.5], [-20.0, 20.0], [1e-10, 1e-10])
    q = hc.GaussianMixture([0.4, 0.6], [-20.0, 20.0], [1e-10, 1e-10])
    assert distances.wasserstein(p, q).value == pytest.approx(40.0 * np.sqrt(0.1), rel=1e-5)
    assert distances.wasserstein(p, q, order=1).value == pytest.approx(4.0, rel=1e-9)
    assert distances.total_variation(p, q).value == pytest.approx(0.1, rel=1e-9)


def _coupled_by_hand(p, q):
    """W2 through both tails on fine grids around every component of both laws, images by bisection."""

    def tails(law, x):
        z = (x[:, None] - law.means[:, 0]) / np.sqrt(law.variances[:, 0])
        return ndtr(z) @ law.weights, ndtr(-z) @ law.weights

    def image(law, lower, upper):
        reach = 40.0 * np.sqrt(law.variances[:, 0])
        low = np.full(len(lower), (law.means[:, 0] - reach).min())
        high = np.full(len(lower), (law.means[:, 0] + reach).max())
        for _ in range(120):
            middle = 0.5 * (low + high)
            below, above = tails(law, middle)
            right = np.where(lower < 0.5, below < lower, above > upper)
            low, high = np.where(right, middle, low), np.where(right, high, middle)
        return 0.5 * (low + high)

    grids = []
    for law, other in ((p, q), (q, p)):
        x = np.unique(law.means[:, 0] + np.sqrt(law.variances[:, 0]) * np.linspace(-9.0, 9.0, 4001)[:, None])
        lower, upper = tails(law, x)
        grids.append((lower, upper, x, image(other, lower, upper)))
    lower, upper = (np.concatenate([grids[0][k], grids[1][k]]) for k in (0, 1))
    x, y = np.concatenate([grids[0][2], grids[1][3]]), np.concatenate([grids[0][3], grids[1][2]])
    by = np.argsort(x + y)
    lower, upper, shift = lower[by], upper[by], (y - x)[by]
    mass = np.where(lower[1:] < 0.5, np.diff(lower), -np.diff(upper))
    return np.sqrt(np.sum(mass * (shift[1:] ** 2 + shift[1:] * shift[:-1] + shift[:-1] ** 2) / 3.0))


def test_a_narrow_mode_that_moves_is_seen_by_wasserstein2():
    p = hc.GaussianMixture([0.5, 0.5], [0.0, 1.0], [1.0, 25e-8])
    q = hc.GaussianMixture([0.5, 0.5], [0.0, 1.0005], [1.0, 25e-8])
    found = distances.wasserstein(p, q)
    assert found.value == pytest.approx(_coupled_by_hand(p, q), rel=2e-5)
    assert found.value == pytest.approx(3.5e-4, rel=0.02)
    assert found.error < 1e-8 * found.value


@pytest.mark.parametrize("variance", [1e-12, 3e-11, 1e-4])
def test_narrow_modes_that_widen_are_seen_by_wasserstein2(variance):
    """Each mode by itself becomes sqrt(2) times as wide; what crosses the gap is far below rounding."""
    p = hc.GaussianMixture([0.5, 0.5], [-1.0, 1.0], variance)
    q = hc.GaussianMixture([0.5, 0.5], [-1.0, 1.0], 2.0 * variance)
    found = distances.wasserstein(p, q)
    assert found.value == pytest.approx((np.sqrt(2.0) - 1.0) * np.sqrt(variance), rel=1e-8)
    assert found.error < 1e-8 * found.value


@given(
    weight=st.floats(0.05, 0.95),
    log_scale=st.floats(-7.0, -0.5),
    mean=st.floats(-4.0, 4.0),
    change=st.sampled_from(["mean", "scale", "weight"]),
    log_size=st.floats(-3.0, 1.0),
)
def test_wasserstein2_is_never_below_wasserstein1(weight, log_scale, mean, change, log_size):
    """One broad component, and a narrow one of which one parameter changes."""
    scale, size = 10.0**log_scale, 10.0**log_size
    other = (
        min(weight * (1.0 + size), 0.99) if change == "weight" else weight,
        mean + scale * size if change == "mean" else mean,
        scale * (1.0 + size) if change == "scale" else scale,
    )
    p, q = (
        hc.GaussianMixture([w, 1.0 - w], [m, 0.0], [s**2, 1.0]) for w, m, s in ((weight, mean, scale), other)
    )
    first, second = distances.wasserstein(p, q, order=1), distances.wasserstein(p, q)
    assert first.value - first.error <= second.value + second.error
    assert second.error < 1e-6 * second.value + 1e-13


def test_remote_clusters_of_tiny_mass_count():
    """Clusters at 2^j of weight 2^{-2.2 j}: far masses of 1e-15 carry as much of W2^2 as near ones."""
    j = np.arange(24.0)
    weights = np.append(1.0 - 1e-3, 1e-3 * 2 ** (-2.2 * j) / np.sum(2 ** (-2.2 * j)))
    centres = np.append(0.0, 2.0**j)
    p, q = hc.GaussianMixture(weights, centres, 1.0), normal(0.0, 1.0)
    # The same coupling by bare hands: T(x) = - Phi^{-1}(P(X > x)) on grids around every cluster.
    x = np.unique(np.concatenate([c + np.linspace(-9, 9, 2401) for c in centres]))
    log_tail = np.logaddexp.reduce(np.log(weights) + log_ndtr(centres - x[:, None]), axis=1)
    image = -ndtri_exp(log_tail)
    integrand = (x - image) ** 2 * p.density(x)
    plain = np.sqrt(np.sum(0.5 * (integrand[1:] + integrand[:-1]) * np.diff(x)))
    assert distances.wasserstein(p, q).value == pytest.approx(plain, rel=1e-4)
    # Without the farthest cluster it is visibly less.
    less = hc.GaussianMixture(weights[:-1] / weights[:-1].sum(), centres[:-1], 1.0)
    assert distances.wasserstein(less, q).value < 0.995 * plain


def test_a_component_between_the_nodes_is_not_missed():
    p = normal(0.0, 1.0)
    q = hc.GaussianMixture([1.0 - 1e-5, 1e-5], [0.0, 0.317], [1.0, 1e-14])
    found = distances.total_variation(p, q)
    assert found.value == pytest.approx(1e-5, rel=1e-5)
    with mpmath.workdps(20):
        points = sorted(
            [-12, -6, -3, -1, 0, 1, 3, 6, 12] + [0.317 + k * 1e-7 for k in (-12, -6, -3, 0, 3, 6, 12)]
        )
        kl = mpmath.quad(lambda x: _density(p, x) * mpmath.log(_density(p, x) / _density(q, x)), points)
    assert distances.kl(p, q).value == pytest.approx(float(kl), rel=1e-10)
    # To first order 1e-5 of mass spread like p is gathered at 0.317.
    u = np.linspace(-9, 9, 400001)
    apart = np.sum(np.abs(ndtr(u) - (u > 0.317))) * (u[1] - u[0])
    assert distances.wasserstein(p, q, order=1).value == pytest.approx(1e-5 * apart, rel=1e-4)


def test_limit_law_against_data_takes_few_points(monkeypatch):
    """Ninety components on each other are covered by a few dozen panels: 15 ms on one core."""
    target = hc.presets.load("three_modes_1d")
    limit = hc.Recursion(target, fresh_fraction=0.1, truncation_time=0.02).limit(32)
    assert len(limit.mixture.weights) >= 90
    counts = []

    def counted(positions, *arguments):
        counts.append(len(positions))
        return couple(positions, *arguments)

    couple = _transport.couple
    monkeypatch.setattr(_transport, "couple", counted)
    found = distances.wasserstein(limit, target)
    assert 0.0 < found.error <= 1e-8 * found.value
    assert sum(counts) < 6000


@pytest.mark.parametrize("truncation", [1e-2, 1e-4, 1e-6])
def test_relative_accuracy_for_laws_that_nearly_agree(truncation):
    target = hc.presets.load("off_centre_1d")
    limit = hc.Recursion(target, fresh_fraction=0.5, truncation_time=truncation).limit(32)
    found = distances.wasserstein(limit, target)
    more = distances.wasserstein(
        hc.Recursion(target, fresh_fraction=0.5, truncation_time=truncation).limit(48), target
    )
    assert found.error <= 1e-8 * found.value
    assert abs(found.value - more.value) <= found.error + more.error + 1e-9 * found.value


@pytest.mark.parametrize("mean", [0.0, 0.3, 7.0])
@pytest.mark.parametrize("ulps", [1, 2, -1])
def test_components_that_rounding_sets_apart_are_one(mean, ulps):
    """N(m, v) and N(m, v + ulps): sigma' - sigma times sqrt(2 / pi), and at most as much of total variation."""
    variance = 0.83
    other = variance + ulps * np.spacing(variance)
    p, q = (
        hc.GaussianMixture([1.0], [mean], [variance]),
        hc.GaussianMixture([0.4, 0.6], [mean] * 2, [variance, other]),
    )
    first, half = distances.wasserstein(p, q, order=1), distances.total_variation(p, q)
    right = 0.6 * abs(float(mpmath.sqrt(other) - mpmath.sqrt(variance))) * (2.0 / np.pi) ** 0.5
    assert abs(first.value - right) <= first.error < 1e-14
    assert half.value <= half.error + right < 1e-14


def test_identical_laws_are_at_distance_zero():
    p = hc.presets.load("three_modes_1d")
    for function in (distances.total_variation, distances.kl, distances.hellinger, distances.chi_square):
        found = function(p, p)
        assert found.value == 0.0
        assert found.error < 1e-12
    found = distances.wasserstein(p, p)
    assert found.value <= found.error < 1e-6
    assert distances.wasserstein(p, p, order=1).value <= 1e-14


@given(line_mixtures(), line_mixtures())
def test_inequalities_between_distances(p, q):
    tv, kl, h = distances.total_variation(p, q), distances.kl(p, q), distances.hellinger(p, q)
    w1, w2 = distances.wasserstein(p, q, order=1), distances.wasserstein(p, q)
    slack = 1e-9
    assert tv.value <= np.sqrt(kl.value / 2) + slack
    assert h.value**2 <= tv.value + slack <= h.value * np.sqrt(2 - h.value**2) + 2 * slack
    assert abs(float(p.mean[0] - q.mean[0])) <= w1.value + w1.error + slack
    assert w1.value <= w2.value + w2.error + slack
    assert distances.bures(p, q).value <= w2.value + w2.error + 1e-7
    assert tv.value == pytest.approx(distances.total_variation(q, p).value, abs=tv.error + 1e-12)
    assert w2.value == pytest.approx(distances.wasserstein(q, p).value, abs=w2.error + 1e-11)
    verdict = distances.chi_square_finiteness(p, q)
    if verdict.is_finite and verdict.margin > 0.05:
        try:
            chi = distances.chi_square(p, q)
        except hc.ConvergenceError as overflow:
            assert overflow.value == np.inf
        else:
            assert kl.value <= np.log1p(chi.value) + slack
            assert 4.0 * tv.value**2 <= chi.value + slack


@given(line_mixtures(), line_mixtures())
def test_affine_maps(p, q):
    """TV and KL do not change under x -> 3x - 7; W1 and W2 triple; translation by either sign changes nothing."""

    def image(law):
        return hc.GaussianMixture(law.weights, 3.0 * law.means[:, 0] - 7.0, 9.0 * law.variances[:, 0])

    for function, factor in [
        (distances.total_variation, 1.0),
        (distances.kl, 1.0),
        (distances.hellinger, 1.0),
        (distances.wasserstein, 3.0),
        (lambda a, b: distances.wasserstein(a, b, order=1), 3.0),
    ]:
        before, after = function(p, q), function(image(p), image(q))
        assert after.value == pytest.approx(
            factor * before.value, abs=factor * before.error + after.error + 1e-10
        )


@given(line_mixtures(), line_mixtures(), line_mixtures())
def test_triangle_inequality(p, q, r):
    for order in (1, 2):
        sides = [distances.wasserstein(a, b, order=order) for a, b in ((p, q), (q, r), (p, r))]
        assert sides[2].value <= sides[0].value + sides[1].value + sum(s.error for s in sides) + 1e-12


def test_excess_keeps_its_digits():
    for t in (-30.0, -0.6, -1e-3, -1e-9, 1e-12, 0.3, 0.49999, 0.5, 2.0):
        with mpmath.workdps(40):
            truth = float(mpmath.expm1(mpmath.mpf(t)) - mpmath.mpf(t))
        assert float(excess(np.array([t]))[0]) == pytest.approx(truth, rel=1e-14)


def _gaussian_oracle(kind, mean, v, u):
    """KL, Hellinger or chi-square of N(mean, v) against N(0, u)."""
    ratio, square = mpmath.mpf(v) / mpmath.mpf(u), mpmath.mpf(mean) ** 2 / mpmath.mpf(u)
    if kind == "kl":
        return (ratio - 1 - mpmath.log(ratio) + square) / 2
    if kind == "hellinger":
        overlap = mpmath.sqrt(2 * mpmath.sqrt(ratio) / (1 + ratio)) * mpmath.exp(-square / (4 * (1 + ratio)))
        return mpmath.sqrt(1 - overlap)
    return mpmath.expm1(square / (2 - ratio) - mpmath.log(ratio * (2 - ratio)) / 2)


@pytest.mark.parametrize("kind", ["kl", "hellinger", "chi_square"])
@pytest.mark.parametrize("mean", [0.0, 1e-3, 0.3])
@pytest.mark.parametrize("v", [1e-17, 1e-16, 1e-12, 1e-3, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.5, 1e6])
def test_closed_forms_of_gaussians_do_not_cancel(kind, mean, v):
    function = getattr(distances, kind)
    for first, second in ((v, 1.0), (1.0, v)):
        if kind == "chi_square" and first >= 2.0 * second:
            assert function(normal(mean, first), normal(0.0, second)).value == np.inf
            continue
        with mpmath.workdps(60):
            truth = _gaussian_oracle(kind, mean, first, second)
            if kind == "chi_square" and truth > mpmath.mpf(10) ** 300:
                continue
        found = function(normal(mean, first), normal(0.0, second))
        assert found.value == pytest.approx(float(truth), rel=1e-13, abs=1e-30)
        assert abs(found.value - float(truth)) <= found.error <= 1e-13 * max(found.value, 1e-3) or truth == 0


@given(st.integers(0, 10_000), st.integers(2, 4), st.sampled_from([0.1, 1.0, 5.0]))
def test_closed_forms_of_correlated_gaussians_keep_their_bounds(seed, dimension, decades):
    rng = np.random.default_rng(seed)

    def matrix():
        axes = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
        return (axes * 10.0 ** -rng.uniform(0.0, decades, dimension)) @ axes.T

    s, mean = matrix(), 0.1 * rng.standard_normal(dimension)
    t = s * (1.0 + 1e-6) if seed % 3 == 0 else matrix()
    p = hc.GaussianMixture([1.0], mean[None], (0.5 * (s + s.T))[None])
    q = hc.GaussianMixture([1.0], np.zeros((1, dimension)), (0.5 * (t + t.T))[None])
    with mpmath.workdps(50):
        a, b, m = (mpmath.matrix(x.tolist()) for x in (p.covariances[0], q.covariances[0], mean))
        middle = (a + b) / 2
        kl = sum((b**-1 * a)[i, i] for i in range(dimension)) - dimension
        kl = (kl - mpmath.log(mpmath.det(a) / mpmath.det(b)) + (m.T * b**-1 * m)[0]) / 2
        overlap = mpmath.sqrt(mpmath.sqrt(mpmath.det(a) * mpmath.det(b)) / mpmath.det(middle))
        hellinger = mpmath.sqrt(1 - overlap * mpmath.exp(-(m.T * middle**-1 * m)[0] / 8))
    for found, truth in ((distances.kl(p, q), kl), (distances.hellinger(p, q), hellinger)):
        assert abs(found.value - float(truth)) <= found.error + 1e-15 * found.value
        assert found.error <= 1e-5 * found.value + 1e-9
