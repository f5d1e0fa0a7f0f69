"""Mehler distance: closed form against series, smoothing and samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from hermite_collapse import GaussianMixture
from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite.degree import degree_kernel, mixture_degree_energy
from hermite_collapse.hermite.mehler import mehler_distance

P = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], 0.3)
Q = GaussianMixture([1.0], [[0.2]], 1.1)


def random_law(rng, dimension, full):
    count = int(rng.integers(1, 4))
    root = rng.standard_normal((count, dimension, dimension))
    covariances = 0.3 * root @ root.transpose(0, 2, 1)
    covariances /= np.maximum(1.0, np.linalg.eigvalsh(covariances).max(axis=1) / 1.8)[:, None, None]
    if not full:
        covariances = np.diagonal(covariances, axis1=1, axis2=2).copy()
    weights, means = rng.dirichlet(np.ones(count)), rng.standard_normal((count, dimension))
    kind = "full" if full else "diagonal"
    return GaussianMixture(weights, means, covariances, covariance_type=kind)


@given(st.integers(1, 4), st.booleans(), st.floats(0.05, 0.8), st.integers(0, 10**6))
def test_closed_form_against_the_series(dimension, full, ratio, seed):
    rng = np.random.default_rng(seed)
    p, q = random_law(rng, dimension, full), random_law(rng, dimension, full)
    degree = 120
    terms = [
        mixture_degree_energy(p, degree),
        mixture_degree_energy(q, degree),
        mixture_degree_energy(p, degree, other=q),
    ]
    powers = ratio ** np.arange(degree + 1)
    square = powers @ (terms[0] + terms[1] - 2.0 * terms[2])
    value = mehler_distance(p, q, ratio)
    assert value.kind == "bound"
    # the rest of the series: energies of covariances in (0, 2) are bounded by those of the last degrees
    assert abs(value.value**2 - square) <= 2.0 * value.error * value.value + 1e-9 * (
        powers @ (terms[0] + terms[1])
    )
    assert mehler_distance(q, p, ratio).value == pytest.approx(value.value, rel=1e-9)


def test_closed_form_is_the_distance_after_smoothing():
    ratio = 0.6
    a = math.sqrt(ratio)

    def density(law, x):
        spread = ratio * law.variances[0, 0] + 1.0 - ratio
        return sum(
            w * math.exp(-((x - a * m[0]) ** 2) / (2 * spread)) for w, m in zip(law.weights, law.means)
        ) / math.sqrt(2 * math.pi * spread)

    def integrand(x, q):
        return (density(P, x) - density(q, x)) ** 2 * math.exp(x * x / 2) * math.sqrt(2 * math.pi)

    square, _ = quad(integrand, -12, 12, args=(Q,), epsabs=1e-13, epsrel=1e-12)
    value = mehler_distance(P, Q, ratio)
    assert value.value**2 == pytest.approx(square, rel=1e-11)
    moved, _ = quad(
        integrand, -12, 12, args=(GaussianMixture([1.0], [[0.2]], 1.1 + 1e-8),), epsabs=1e-13, epsrel=1e-12
    )
    assert value.value**2 != pytest.approx(moved, rel=1e-11)


def test_where_the_distance_is_infinite():
    wide = GaussianMixture([0.5, 0.5], [[0.0], [1.0]], [3.0, 1.0])
    assert mehler_distance(wide, Q, 0.49).value < np.inf
    assert mehler_distance(wide, Q, 0.5).value == np.inf
    # The heavy component is shared and cancels.
    other = GaussianMixture([0.5, 0.5], [[0.0], [2.0]], [3.0, 1.0])
    assert 0.0 < mehler_distance(wide, other, 0.9).value < np.inf
    # With another weight it does not.
    assert mehler_distance(wide, GaussianMixture([0.4, 0.6], [[0.0], [2.0]], [3.0, 1.0]), 0.9).value == np.inf
    # A point mass has c_n of order n^(-1/4): finite below r = 1 only.
    assert mehler_distance(GaussianMixture([1.0], [[0.0]], 0.0), Q, 0.99).value < np.inf
    assert mehler_distance(GaussianMixture([1.0], [[0.0]], 0.0), Q, 1.0).value == np.inf
    assert mehler_distance(P, Q, 1.0).value < np.inf


def test_equal_laws_are_at_distance_zero_exactly():
    assert (
        mehler_distance(P, GaussianMixture([0.25, 0.5, 0.25], [[1.0], [-1.0], [1.0]], 0.3), 0.7).value == 0.0
    )


def test_the_rounding_bound_covers_near_laws():
    # D of N(0, 1) and N(e, 1): sum_{n>=1} r^n e^{2n} / n! = expm1(r e^2)
    for shift in (1e-3, 1e-5, 1e-7, 1e-9):
        value = mehler_distance(
            GaussianMixture([1.0], [[0.0]], 1.0), GaussianMixture([1.0], [[shift]], 1.0), 0.5
        )
        assert abs(value.value - math.sqrt(math.expm1(0.5 * shift**2))) <= value.error
    assert value.error < 1e-6


def test_point_masses_against_the_kernel():
    rng = np.random.default_rng(0)
    x, y, ratio = rng.standard_normal((30, 3)), rng.standard_normal((20, 3)), 0.4
    powers = ratio ** np.arange(121)
    blocks = [degree_kernel(a[:, None], b[None], 120) @ powers for a, b in ((x, x), (y, y), (x, y))]
    square = blocks[0].mean() + blocks[1].mean() - 2.0 * blocks[2].mean()
    value = mehler_distance(
        GaussianMixture(np.full(30, 1 / 30), x, 0.0), GaussianMixture(np.full(20, 1 / 20), y, 0.0), ratio
    )
    assert value.value**2 == pytest.approx(square, rel=1e-11)


@pytest.mark.parametrize(
    ("q", "r", "message"),
    [
        (Q, 0.0, r"r must lie in \(0, 1\]"),
        (Q, 1.5, "r must lie in"),
        (GaussianMixture([1.0], [[1e4]], 1.0), 0.5, "r must keep the distance"),
    ],
)
def test_bad_input(q, r, message):
    with pytest.raises(InputError, match=message):
        mehler_distance(P, q, r)
