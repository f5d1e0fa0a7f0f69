"""Products of polynomials: grown one from another, and as pairs of two halves."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse.hermite.basis import hermite_values
from hermite_collapse.hermite.halves import growth, halves
from hermite_collapse.hermite.indices import total_degree_indices


def products(x: np.ndarray, degree: int) -> np.ndarray:
    """h_k(x) by the definition, one row for each multi-index."""
    if x.shape[1] == 0:
        return np.ones((1, len(x)))
    table = hermite_values(x, degree)
    indices = total_degree_indices(x.shape[1], degree)
    return np.prod(table[:, np.arange(x.shape[1]), indices], axis=-1).T


@pytest.mark.parametrize(("dimension", "degree"), [(1, 0), (1, 5), (2, 6), (3, 4), (5, 3), (9, 2)])
def test_products_grow_from_those_before_them(dimension: int, degree: int) -> None:
    x = np.random.default_rng(dimension).normal(size=(4, dimension))
    table, rule = hermite_values(x, degree), growth(dimension, degree)
    assert rule.axis[0] == -1
    grown = np.ones((len(rule.parent), len(x)))
    for row in range(1, len(grown)):
        assert rule.parent[row] < row
        grown[row] = grown[rule.parent[row]] * table[:, rule.axis[row], rule.exponent[row]]
    np.testing.assert_allclose(grown, products(x, degree), rtol=1e-13)


@pytest.mark.parametrize(("dimension", "degree"), [(1, 5), (2, 6), (3, 4), (5, 3), (9, 2)])
def test_every_product_is_a_left_times_a_right_one(dimension: int, degree: int) -> None:
    x = np.random.default_rng(dimension).normal(size=(4, dimension))
    parts = halves(dimension, degree)
    left, right = products(x[:, : parts.split], degree), products(x[:, parts.split :], degree)
    np.testing.assert_allclose(left[parts.row] * right[parts.column], products(x, degree), rtol=1e-13)
    assert len(parts.left.parent) == len(left) and len(parts.right.parent) == len(right)
    level = np.searchsorted(parts.starts, parts.row, side="right") - 1
    assert (parts.column < parts.widths[level]).all()
    pairs = sum(
        (b - a) * width for a, b, width in zip(parts.starts, parts.starts[1:], parts.widths, strict=False)
    )
    assert pairs == len(parts.row)  # nothing is computed that is not asked for
