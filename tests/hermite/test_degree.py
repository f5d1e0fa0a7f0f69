"""Degree kernel, degree spectrum and degree energies."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermite_collapse import GaussianMixture
from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite import degree_sums
from hermite_collapse.hermite.basis import hermite_values
from hermite_collapse.hermite.coefficients import mixture_coefficients
from hermite_collapse.hermite.degree import (
    degree_kernel,
    degree_spectrum,
    mixture_degree_energy,
)
from hermite_collapse.hermite.degree_sums import one_sample_sums, two_sample_sums
from hermite_collapse.hermite.gauss import gauss_rule
from hermite_collapse.hermite.indices import total_degree_indices
from hermite_collapse.hermite.pair_sums import OneSampleSums, TwoSampleSums


def products(x, y, degree):
    """K_0 .. K_degree by summing over all multi-indices."""
    dimension = x.shape[-1]
    indices = total_degree_indices(dimension, degree)
    axes = np.arange(dimension)
    left = np.prod(hermite_values(x, degree)[:, axes, indices], axis=-1)
    right = np.prod(hermite_values(y, degree)[:, axes, indices], axis=-1)
    order = indices.sum(axis=1)
    return np.stack([(left * right)[:, order == n].sum(axis=1) for n in range(degree + 1)], axis=-1)


def mehler_series(product, half_norms, dimension, degree, digits):
    """Coefficients of (1 - r^2)^(-d/2) exp((r b - r^2 A) / (1 - r^2)) by power series in mpmath."""
    with mpmath.workdps(digits):
        logs = [mpmath.mpf(0)]
        for n in range(1, degree + 1):
            logs.append(product if n % 2 else mpmath.mpf(dimension) / n - half_norms)
        series = [mpmath.mpf(1)]
        for n in range(1, degree + 1):
            series.append(mpmath.fsum(j * logs[j] * series[n - j] for j in range(1, n + 1)) / n)
        return series


def exact_kernel(x, y, degree, digits=60):
    with mpmath.workdps(digits):
        u, v = [mpmath.mpf(float(a)) for a in x], [mpmath.mpf(float(a)) for a in y]
        half = (mpmath.fdot(u, u) + mpmath.fdot(v, v)) / 2
        return mehler_series(mpmath.fdot(u, v), half, len(u), degree, digits)


@pytest.mark.parametrize(("dimension", "degree"), [(1, 40), (2, 20), (3, 12), (4, 9), (5, 7), (6, 6)])
def test_kernel_against_products(dimension, degree):
    rng = np.random.default_rng(dimension)
    x, y = 1.5 * rng.standard_normal((2, 20, dimension))
    value = degree_kernel(x, y, degree)
    reference = products(x, y, degree)
    size = np.maximum.accumulate(np.sqrt(products(x, x, degree) * products(y, y, degree)), axis=1)
    assert np.all(np.abs(value - reference) <= 3e-13 * size)
    assert not np.all(np.abs(degree_kernel(x * (1 + 1e-10), y, degree) - reference) <= 3e-13 * size)


@pytest.mark.parametrize("dimension", [784, 3072])
@pytest.mark.parametrize("power", [0.01, 1.0, 20.0])
@pytest.mark.parametrize("distance", [0.0, 0.1, 1.5])
def test_kernel_against_mpmath_in_high_dimension(dimension, power, distance):
    rng = np.random.default_rng(dimension)
    x = math.sqrt(power) * rng.standard_normal(dimension)
    y = x + distance * math.sqrt(power) * rng.standard_normal(dimension)
    reference = exact_kernel(x, y, 32)
    again = exact_kernel(x, y, 32, digits=30)
    assert all(abs(a - b) <= 1e-20 * abs(a) for a, b in zip(reference, again))
    size = [mpmath.sqrt(a * b) for a, b in zip(exact_kernel(x, x, 32), exact_kernel(y, y, 32))]
    value = degree_kernel(x, y, 32)

    def within(values):
        error = [float(abs(mpmath.mpf(float(v)) - r) / s) for v, r, s in zip(values, reference, size)]
        return np.all(np.array(error) <= 1e-15 * (1 + np.arange(33)))

    assert within(value)
    if distance == 0.0:
        assert not within(degree_kernel(x * (1 + 1e-13), y, 32))


def test_kernel_of_point_masses_is_the_closed_form():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 50))
    energy = mixture_degree_energy(
        GaussianMixture([1.0], [x], 0.0), 30, other=GaussianMixture([1.0], [y], 0.0)
    )
    size = np.sqrt(degree_kernel(x, x, 30) * degree_kernel(y, y, 30))
    assert np.all(np.abs(energy - degree_kernel(x, y, 30)) <= 1e-14 * size)


def test_kernel_averages_to_the_energy_of_a_mixture():
    weights, means, variances = (
        np.array([0.3, 0.7]),
        np.array([[1.0, -0.5], [-0.4, 0.8]]),
        np.array([0.5, 1.4]),
    )
    rule = gauss_rule(12)
    grid = np.stack(np.meshgrid(rule.nodes, rule.nodes), axis=-1).reshape(-1, 2)
    mass = np.outer(np.exp(rule.log_weights), np.exp(rule.log_weights)).ravel()
    nodes = np.concatenate([m + math.sqrt(v) * grid for m, v in zip(means, variances)])
    mass = np.concatenate([w * mass for w in weights])
    kernel = degree_kernel(nodes[:, None], nodes[None], 8)
    assert np.allclose(
        np.einsum("i,ijn,j->n", mass, kernel, mass),
        mixture_degree_energy(GaussianMixture(weights, means, variances), 8),
        rtol=1e-11,
        atol=1e-13,
    )


@given(st.integers(1, 40), st.integers(0, 10**6))
def test_kernel_is_symmetric_and_blind_to_rotations(dimension, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, dimension))
    rotation = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
    size = np.maximum.accumulate(np.sqrt(np.abs(degree_kernel(x, x, 9) * degree_kernel(y, y, 9))))
    value = degree_kernel(x, y, 9)
    assert np.allclose(value, degree_kernel(y, x, 9), rtol=1e-12, atol=0)
    assert np.all(np.abs(degree_kernel(x @ rotation, y @ rotation, 9) - value) <= 1e-12 * size)


@pytest.mark.parametrize("degree", [1, 4, 6, 9])
@pytest.mark.parametrize("count", [4, 128, 300])
def test_sums_over_pairs_across_panels(monkeypatch, degree, count):
    monkeypatch.setattr(degree_sums, "_PANEL_ROWS", 48)
    monkeypatch.setattr(degree_sums, "_PANEL_COLUMNS", 150)
    rng = np.random.default_rng(count)
    x, y = rng.standard_normal((count, 5)), rng.standard_normal((count + 37, 5))
    kernel = degree_kernel(x[:, None], y[None], degree)
    cross = two_sample_sums(x, y, degree)
    size = np.abs(kernel).sum(axis=1).max(axis=0)
    assert np.all(np.abs(cross.rows - kernel.sum(axis=1)) <= 1e-12 * size)
    assert np.all(
        np.abs(cross.columns - kernel.sum(axis=0)) <= 1e-12 * np.abs(kernel).sum(axis=0).max(axis=0)
    )
    assert np.allclose(cross.squares, np.square(kernel).sum(axis=(0, 1)), rtol=1e-12, atol=0)
    own = degree_kernel(x[:, None], x[None], degree)
    own[np.arange(count), np.arange(count)] = 0.0
    sums = one_sample_sums(x, degree)
    assert np.all(np.abs(sums.rows - own.sum(axis=1)) <= 1e-12 * np.abs(own).sum(axis=1).max(axis=0))
    assert np.allclose(sums.squares, np.square(own).sum(axis=(0, 1)), rtol=1e-12, atol=0)


def sums_of(x, y, degree):
    """Sums over the pairs of one sample, and of two, straight from the kernel."""
    own, cross = degree_kernel(x[:, None], x[None], degree), degree_kernel(x[:, None], y[None], degree)
    own[np.arange(len(x)), np.arange(len(x))] = 0.0
    return (
        OneSampleSums(own.sum(axis=1), np.square(own).sum(axis=(0, 1))),
        TwoSampleSums(cross.sum(axis=1), cross.sum(axis=0), np.square(cross).sum(axis=(0, 1))),
    )


def z_score(values):
    return values.mean(axis=0) / (values.std(axis=0, ddof=1) / math.sqrt(len(values)))


# Without signal in many dimensions the second-order term rules, with strong signal the first.
@pytest.mark.parametrize(("dimension", "shift"), [(30, 0.0), (3, 0.8)])
def test_energies_and_their_errors_over_repeated_samples(dimension, shift):
    rng = np.random.default_rng(11)
    runs, count, other, degree = 1200, 40, 25, 3
    truth = mixture_degree_energy(GaussianMixture([1.0], [np.full(dimension, shift)], 1.0), degree)[1:]
    own, cross = np.empty((runs, 2, degree)), np.empty((runs, 2, degree))
    for run in range(runs):
        x = shift + rng.standard_normal((count, dimension))
        y = shift + rng.standard_normal((other, dimension))
        for store, sums in zip((own, cross), sums_of(x, y, degree)):
            store[run] = (sums.mean - np.append(1.0, truth))[1:], sums.combined(*sums.zetas())[1:]
    for store in (own, cross):
        assert np.all(np.abs(z_score(store[:, 0])) < 4.0)
        assert np.all(np.abs(z_score(store[:, 0] ** 2 - store[:, 1])) < 4.0)
        assert np.any(np.abs(z_score(store[:, 0] ** 2 - 1.5 * store[:, 1])) > 4.0)


def test_noise_floor_is_the_standard_error_without_signal():
    rule = gauss_rule(8)
    grid = np.stack(np.meshgrid(rule.nodes, rule.nodes), axis=-1).reshape(-1, 2)
    mass = np.outer(np.exp(rule.log_weights), np.exp(rule.log_weights)).ravel()
    square = np.einsum("i,ijn,j->n", mass, degree_kernel(grid[:, None], grid[None], 5) ** 2, mass)
    rng = np.random.default_rng(0)
    spectrum = degree_spectrum(rng.standard_normal((50, 2)), degree=5)
    assert np.allclose(spectrum.noise_floor[1:] ** 2, 2.0 * square[1:] / (50 * 49), rtol=1e-12, atol=0)
    both = degree_spectrum(rng.standard_normal((50, 2)), rng.standard_normal((30, 2)), degree=5)
    assert np.allclose(both.noise_floor[1:] ** 2, square[1:] / (50 * 30), rtol=1e-12, atol=0)
    large = degree_spectrum(rng.standard_normal((20, 784)), degree=16)
    assert large.noise_floor[16] == pytest.approx(math.sqrt(2 * math.comb(799, 16) / (20 * 19)), rel=1e-12)


def test_resolvable_degree():
    rng = np.random.default_rng(4)
    noise = degree_spectrum(rng.standard_normal((1000, 20)), degree=6)
    assert noise.resolvable_degree == 0
    signal = degree_spectrum(rng.standard_normal((1000, 20)) + 1.0 / math.sqrt(20.0), degree=6)  # E_n = 1/n!
    clear = np.abs(signal.energy) > 3.0 * np.maximum(signal.standard_error, signal.noise_floor)
    assert signal.resolvable_degree == np.flatnonzero(clear).max()
    assert 2 <= signal.resolvable_degree < 6
    assert np.array_equal(signal.degree, np.arange(7))
    assert signal.energy[0] == 1.0
    assert signal.standard_error[0] == 0.0


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("full", [False, True])
def test_mixture_energy_against_coefficients(dimension, full):
    rng = np.random.default_rng(dimension)

    def law(count):
        root = rng.standard_normal((count, dimension, dimension))
        covariances = 0.4 * root @ root.transpose(0, 2, 1)
        if not full:
            covariances = np.diagonal(covariances, axis1=1, axis2=2).copy()
        kind = "full" if full else "diagonal"
        weights, means = rng.dirichlet(np.ones(count)), rng.standard_normal((count, dimension))
        return GaussianMixture(weights, means, covariances, covariance_type=kind)

    p, q = law(3), law(2)
    left, right = mixture_coefficients(p, 9), mixture_coefficients(q, 9)
    energies = [
        (mixture_degree_energy(p, 9), left.values**2),
        (mixture_degree_energy(p, 9, other=q), left.values * right.values),
    ]
    for value, terms in energies:
        order = left.indices.sum(axis=1)
        reference = np.bincount(order, weights=terms)
        size = np.maximum(np.bincount(order, weights=np.abs(terms)), 1.0)
        assert np.all(np.abs(value - reference) <= 1e-12 * size)
    moved = mixture_degree_energy(p.replace(means=p.means * (1 + 1e-9)), 9)
    assert not np.all(np.abs(moved - np.bincount(order, weights=left.values**2)) <= 1e-12)


def circle(p, q, degree, radius, count, principal):
    """The same coefficients from values of the determinant formula on a circle; one component each."""
    (m, s), (n, t) = p, q
    a, b = s - np.eye(len(m)), t - np.eye(len(n))
    identity = np.eye(len(m))
    eigenvalues = np.linalg.eigvals(a @ b)
    r = radius * np.exp(2j * np.pi * np.arange(count) / count)
    values = np.empty(count, dtype=complex)
    for i, z in enumerate(r):
        forward = np.linalg.inv(identity - z**2 * b @ a)
        exponent = z * m @ forward @ n + 0.5 * z**2 * (m @ b @ forward.T @ m + n @ a @ forward @ n)
        factors = 1.0 - z**2 * eigenvalues
        root = np.prod(factors**-0.5) if principal else np.prod(factors) ** -0.5
        values[i] = root * np.exp(exponent)
    return np.fft.fft(values).real[: degree + 1] / count / radius ** np.arange(degree + 1)


def test_mixture_energy_against_the_determinant_on_a_circle():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((2, 5, 5))
    s, t = 0.05 * np.eye(5) + 0.02 * root @ root.transpose(0, 2, 1)
    m, n = rng.standard_normal((2, 5))
    value = mixture_degree_energy(
        GaussianMixture([1.0], [m], [s]), 12, other=GaussianMixture([1.0], [n], [t])
    )
    spread = max(abs(np.linalg.eigvals((s - np.eye(5)) @ (t - np.eye(5)))))
    radius = 0.9 / math.sqrt(spread)
    reference = circle((m, s), (n, t), 12, radius, 512, True)
    assert np.all(np.abs(value - reference) <= 1e-11 * radius ** -np.arange(13.0))
    # The root of the whole determinant changes branch on the circle: a different, wrong answer.
    wrong = circle((m, s), (n, t), 12, radius, 512, False)
    assert np.any(np.abs(value - wrong) > 1e-3)


@pytest.mark.parametrize(("mean", "variance"), [(6.0, 0.0), (6.0, 0.3), (-6.0, 1.5), (15.0, 0.9)])
def test_mixture_energy_of_far_modes_to_degree_200(mean, variance):
    def exact(digits):
        with mpmath.workdps(digits):
            c, v = [mpmath.mpf(1), mpmath.mpf(mean)], mpmath.mpf(variance)
            for n in range(1, 200):
                c.append((mean * c[n] + (v - 1) * mpmath.sqrt(n) * c[n - 1]) / mpmath.sqrt(n + 1))
            return np.array([float(value**2) for value in c])

    reference = exact(60)
    assert np.array_equal(reference, exact(90))
    value = mixture_degree_energy(GaussianMixture([1.0], [mean], variance), 200)
    neighbours = np.array([reference[max(0, n - 3) : n + 4].max() for n in range(201)])
    assert np.all(np.abs(value - reference) <= 3e-12 * neighbours)


def test_constant_pixels_have_an_energy_of_their_own():
    assert degree_spectrum(np.zeros((50, 3)), degree=2).energy[2] == pytest.approx(1.5)  # (number) / 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: degree_spectrum(np.zeros((3, 2)), degree=2), "x must hold at least 4 samples, got 3"),
        (
            lambda: degree_spectrum(np.zeros((1, 2)), np.zeros((5, 2)), degree=2),
            "x must hold at least 2 samples, got 1",
        ),
        (
            lambda: degree_spectrum(np.zeros((5, 2)), np.zeros((5, 3)), degree=2),
            "same dimension, got 2 and 3",
        ),
        (lambda: degree_spectrum(np.zeros((5, 2)), degree=-1), "degree must be an integer >= 0"),
        (lambda: degree_spectrum(np.zeros((5, 2)), degree=2.5), "degree must be an integer"),
        (
            lambda: degree_spectrum([[0.0], [np.nan], [1.0], [2.0]], degree=2),
            r"x must be finite, got 1 .*first at \(1, 0\)",
        ),
        (lambda: degree_spectrum(np.full((9, 3), 1e4), degree=80), "degree must be low enough"),
        (lambda: degree_kernel(np.zeros(3), np.zeros(2), 2), "x and y must share their last axis"),
        (lambda: degree_kernel(np.array([np.inf]), np.zeros(1), 2), "x must be finite, got 1"),
        (
            lambda: mixture_degree_energy(GaussianMixture([1.0], [[1e9]], 1.0), 40),
            "degree must be low enough",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
