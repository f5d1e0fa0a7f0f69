"""Second moments of sums of Hermite polynomials are those of all pairs, contracted."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse import GaussianMixture
from hermite_collapse.hermite.combined_moments import combined_second_moments
from hermite_collapse.hermite.indices import total_degree_indices
from hermite_collapse.hermite.moments import product_moments


@pytest.mark.parametrize(
    ("dimension", "degree", "components"), [(1, 8, 3), (2, 5, 40), (3, 4, 5), (10, 3, 4)]
)
def test_equal_to_the_contracted_matrix_of_all_pairs(dimension, degree, components):
    rng = np.random.default_rng(7)
    indices = total_degree_indices(dimension, degree)
    weights = rng.dirichlet(np.ones(components))
    means = 0.7 * rng.normal(size=(components, dimension))
    variances = rng.uniform(0.0, 1.2, size=(components, dimension))
    law = GaussianMixture(weights, means, variances, covariance_type="diagonal")
    sums = np.where(indices.sum(axis=1) == np.arange(degree + 1)[:, None], rng.normal(size=len(indices)), 0.0)
    sums = np.vstack([sums, rng.normal(size=len(indices)), np.zeros(len(indices))])
    expected = sums @ product_moments(law, indices) @ sums.T
    size = np.sqrt(np.diagonal(expected))
    difference = combined_second_moments(law, indices, sums) - expected
    assert (np.abs(difference) <= 2e-14 * np.outer(size, size)).all()


def test_many_points_in_many_dimensions():
    """Points of mass 1/n and degree one: E (c . X)^2, in blocks."""
    rng = np.random.default_rng(8)
    points, row = rng.normal(size=(3000, 200)), rng.normal(size=201)
    row[0] = 0.0
    law = GaussianMixture(np.full(3000, 1 / 3000), points, 0.0)
    found = combined_second_moments(law, total_degree_indices(200, 1), row[None])
    ordered = row[1:][::-1]  # degree one in ascending order begins with the last axis
    np.testing.assert_allclose(found, np.mean((points @ ordered) ** 2), rtol=1e-12)
