"""Central moments against quadrature written out, closed forms of Gaussians, and components as narrow as they come."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.hermite import central_moments as module
from hermite_collapse.hermite import fluctuations
from hermite_collapse.hermite.basis import hermite_values
from hermite_collapse.hermite.central_moments import central_moments, mixed_moments
from hermite_collapse.hermite.indices import total_degree_indices


def by_quadrature(law, indices, rows=None):
    """Means, covariances, third and fourth central moments over a product rule for each component."""
    dimension, degree = law.dimension, int(indices.sum(axis=1).max())
    x, w = np.polynomial.hermite_e.hermegauss(4 * degree + 3)
    grid = np.stack(np.meshgrid(*[x] * dimension, indexing="ij"), -1).reshape(-1, dimension)
    mass = np.prod(np.stack(np.meshgrid(*[w / w.sum()] * dimension, indexing="ij"), -1), -1).ravel()
    values = []
    for mean, covariance in zip(law.means, law.covariances, strict=True):
        eigenvalues, frame = np.linalg.eigh(covariance)
        tables = hermite_values(mean + grid @ (frame * np.sqrt(np.maximum(eigenvalues, 0.0))).T, degree)
        values.append(np.prod(tables[:, np.arange(dimension), indices], axis=2))
    values, mass = np.concatenate(values), np.concatenate([weight * mass for weight in law.weights])
    if rows is not None:
        values = values @ rows.T
    mean = mass @ values
    deviation = values - mean
    return mean, (deviation.T * mass) @ deviation, mass @ deviation**3, mass @ deviation**4


def sums(indices, rng):
    """One sum a degree, one over all modes, and one of nothing."""
    degrees = np.arange(indices.sum(axis=1).max() + 1)
    by_degree = np.where(indices.sum(axis=1) == degrees[:, None], rng.normal(size=len(indices)), 0.0)
    return np.vstack([by_degree, rng.normal(size=len(indices)), np.zeros(len(indices))])


@pytest.mark.parametrize("name", ["three_modes_1d", "off_centre_1d", "grid_2d", "tilted_2d"])
@pytest.mark.parametrize("combined", [False, True])
def test_equal_to_quadrature(name, combined):
    law = hc.presets.load(name)
    indices = total_degree_indices(law.dimension, 6 if law.dimension == 1 else 4)
    rows = sums(indices, np.random.default_rng(0)) if combined else None
    mean, covariance, third, fourth = by_quadrature(law, indices, rows)
    deviation = np.sqrt(np.diagonal(covariance))
    for joint in (False, True):
        moments = central_moments(law, indices, rows, joint=joint)
        np.testing.assert_allclose(moments.mean, mean, rtol=1e-12, atol=1e-14)
        # The constant statistic: exactly no variance here, rounding in the quadrature.
        assert moments.variance[0] == moments.fourth[0] == 0.0 and np.isinf(moments.kurtosis[0])
        np.testing.assert_allclose(moments.variance, deviation**2, rtol=1e-12, atol=1e-28)
        np.testing.assert_allclose(moments.fourth, fourth, rtol=1e-12, atol=1e-28)
        assert np.all(np.abs(moments.third - third) <= 1e-12 * fourth**0.75 + 1e-28)
        assert np.all(moments.third_error == 0.0)
    assert np.all(np.abs(moments.covariance - covariance) <= 1e-12 * np.outer(deviation, deviation) + 1e-28)


@pytest.mark.parametrize(
    ("mean", "variance", "degree", "kurtosis"),
    [(5.0, 0.3, 1, 3.0), (0.0, 0.01, 2, 15.0), (5.0, 1e-12, 3, 3.0)],
)
def test_kurtosis_of_one_gaussian(mean, variance, degree, kurtosis):
    """A linear function of a Gaussian has kurtosis 3 wherever it lies, a centred square 15."""
    moments = central_moments(hc.GaussianMixture([1.0], [mean], variance), np.array([[degree]]))
    assert moments.kurtosis[0] == pytest.approx(kurtosis, rel=1e-6)


@pytest.mark.parametrize("mean", [0.0, 2.0, 30.0])
@pytest.mark.parametrize("variance", [1e-30, 1e-16, 1e-3, 1.0, 4.0])
def test_variances_against_mpmath(mean, variance):
    """E (h - E h)^2 and E (h - E h)^4 of N(m, v) at degree 5, with 60 digits."""
    with mpmath.workdps(120):
        m, v = mpmath.mpf(mean), mpmath.mpf(variance)

        def moment(polynomial):
            """E p(m + sqrt(v) Z) by the moments of Z."""
            shifted = mpmath.mpf(0)
            for power, coefficient in enumerate(polynomial):
                shifted += coefficient * sum(
                    mpmath.binomial(power, 2 * j) * m ** (power - 2 * j) * v**j * mpmath.fac2(2 * j - 1)
                    for j in range(power // 2 + 1)
                )
            return shifted

        def product(p, q):
            result = [mpmath.mpf(0)] * (len(p) + len(q) - 1)
            for i, a in enumerate(p):
                for j, b in enumerate(q):
                    result[i + j] += a * b
            return result

        polynomial = [mpmath.mpf(c) / mpmath.sqrt(120) for c in (0, 15, 0, -10, 0, 1)]
        centred = list(polynomial)
        centred[0] -= moment(polynomial)
        square = product(centred, centred)
        second, fourth = float(moment(square)), float(moment(product(square, square)))
    moments = central_moments(hc.GaussianMixture([1.0], [mean], variance), np.array([[5]]))
    assert moments.variance[0] == pytest.approx(second, rel=1e-11)
    assert moments.fourth[0] == pytest.approx(fourth, rel=1e-11)


def test_bounds_of_sums_in_many_dimensions_hold_and_are_not_vacuous():
    """A degree of many modes in ten dimensions, beyond the product rule: above the truth, below 9^n times it."""
    rng = np.random.default_rng(1)
    law = hc.presets.load("five_modes_10d")
    indices = total_degree_indices(10, 2)
    rows = np.where(indices.sum(axis=1) == 2, law.hermite_coefficients(2).values, 0.0)[None]
    moments = central_moments(law, indices, rows, joint=True)
    x = law.sample(40_000, rng)
    tables = hermite_values(x, 2)
    values = np.prod(tables[:, np.arange(10), indices], axis=2) @ rows[0]
    kurtosis = np.mean((values - values.mean()) ** 4) / values.var() ** 2
    assert moments.third_error[0] > 0.0
    assert kurtosis < moments.kurtosis[0] < 81.0 * 3.0


def test_bounds_are_above_the_exact_moments(monkeypatch):
    law = hc.presets.load("tilted_2d")
    indices = total_degree_indices(2, 3)
    rows = sums(indices, np.random.default_rng(2))
    exact = [central_moments(law, indices, given) for given in (None, rows)]
    monkeypatch.setattr(fluctuations, "LARGEST_RULE", 0)
    for given, known in zip((None, rows), exact, strict=True):
        bound = central_moments(law, indices, given)
        np.testing.assert_allclose(bound.variance, known.variance, rtol=1e-12)
        assert np.all(bound.fourth >= known.fourth * (1.0 - 1e-12))
        assert np.all(np.abs(bound.third - known.third) <= bound.third_error + 1e-12)
        assert bound.fourth.max() > 1.5 * known.fourth.max()


def test_full_covariances_are_rotated_diagonal_ones():
    """The same law with its axes written as full covariances: every moment agrees."""
    rng = np.random.default_rng(3)
    weights, means, variances = [0.3, 0.7], rng.normal(size=(2, 3)), rng.uniform(0.0, 2.0, size=(2, 3))
    indices = total_degree_indices(3, 3)
    diagonal = central_moments(hc.GaussianMixture(weights, means, variances), indices, joint=True)
    full = variances[:, :, None] * np.eye(3)
    full[:, 0, 1] = full[:, 1, 0] = 1e-13  # not diagonal to the last digit
    rotated = central_moments(hc.GaussianMixture(weights, means, full), indices, joint=True)
    np.testing.assert_allclose(rotated.covariance, diagonal.covariance, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(rotated.fourth, diagonal.fourth, rtol=1e-9, atol=1e-12)


def test_mixtures_of_laws_and_blocks_of_components(monkeypatch):
    """Moments of a mixture are the same in one piece, in blocks, and from the moments of its parts."""
    rng = np.random.default_rng(4)
    weights = rng.dirichlet(np.ones(7))
    means, variances = rng.normal(size=(7, 2)), rng.uniform(0.0, 1.0, size=(7, 2))
    indices = total_degree_indices(2, 3)
    rows = sums(indices, rng)
    whole = central_moments(hc.GaussianMixture(weights, means, variances), indices, rows, joint=True)
    parts = [
        central_moments(
            hc.GaussianMixture([1.0], means[i : i + 1], variances[i : i + 1]), indices, rows, joint=True
        )
        for i in range(7)
    ]
    monkeypatch.setattr(module, "BLOCK", 1)
    blocks = central_moments(hc.GaussianMixture(weights, means, variances), indices, rows, joint=True)
    for other in (mixed_moments(weights, parts), blocks):
        for name in ("mean", "covariance", "third", "fourth"):
            np.testing.assert_allclose(getattr(other, name), getattr(whole, name), rtol=1e-12, atol=1e-13)


def test_points_in_many_dimensions():
    """Mass 1/n on each of many points and degree one: moments of the sample itself."""
    rng = np.random.default_rng(5)
    points, row = rng.normal(size=(3000, 200)), rng.normal(size=201)
    row[0] = 0.0
    law = hc.EmpiricalLaw(points).as_mixture()
    moments = central_moments(law, total_degree_indices(200, 1), row[None], joint=True)
    values = points @ row[1:][::-1]  # degree one in ascending order begins with the last axis
    np.testing.assert_allclose(moments.covariance, values.var(), rtol=1e-12)
    np.testing.assert_allclose(moments.fourth, np.mean((values - values.mean()) ** 4), rtol=1e-12)
