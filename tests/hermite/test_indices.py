"""Multi-indices: against brute force, and the positions as their inverse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite.indices import (
    as_indices,
    index_count,
    last_axes,
    lowered,
    positions,
    total_degree_indices,
)

CASES = [(1, 0), (1, 9), (2, 0), (2, 6), (3, 5), (4, 4), (5, 3), (7, 2)]


def brute_force(dimension: int, degree: int) -> np.ndarray:
    every = itertools.product(range(degree + 1), repeat=dimension)
    return np.array(sorted((k for k in every if sum(k) <= degree), key=lambda k: (sum(k), k)))


@pytest.mark.parametrize(("dimension", "degree"), CASES)
def test_table_is_graded_and_lexicographic(dimension: int, degree: int) -> None:
    expected = brute_force(dimension, degree)
    table = total_degree_indices(dimension, degree)
    assert table.dtype == np.int64
    np.testing.assert_array_equal(table, expected)
    assert index_count(dimension, degree) == len(expected)


@given(st.integers(1, 40), st.integers(0, 3))
def test_positions_invert_the_table(dimension: int, degree: int) -> None:
    table = total_degree_indices(dimension, degree)
    np.testing.assert_array_equal(positions(table), np.arange(len(table)))


def test_positions_at_high_degree_and_in_high_dimension() -> None:
    table = total_degree_indices(2, 300)
    np.testing.assert_array_equal(positions(table), np.arange(len(table)))
    corner = np.zeros((1, 3072), dtype=np.int64)
    corner[0, 0] = 2  # the very last index of degree 2
    assert positions(corner)[0] == index_count(3072, 2) - 1


@pytest.mark.parametrize(("dimension", "degree"), CASES)
def test_lowered_indices_grow_into_their_children(dimension: int, degree: int) -> None:
    table, below = total_degree_indices(dimension, degree), lowered(dimension, degree)
    np.testing.assert_array_equal(below >= 0, table > 0)
    row, axis = np.nonzero(table)
    grown = table[below[row, axis]].copy()
    grown[np.arange(len(grown)), axis] += 1
    np.testing.assert_array_equal(grown, table[row])
    last = last_axes(dimension, degree)
    assert last[0] == -1
    assert all(table[k, j] > 0 and not table[k, j + 1 :].any() for k, j in enumerate(last) if k)


def test_tables_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        total_degree_indices(2, 3)[0, 0] = 1


@pytest.mark.parametrize(
    ("dimension", "degree", "words"),
    [
        (0, 2, "dimension must be an integer >= 1, got 0"),
        (2, -1, "degree must be an integer >= 0, got -1"),
        (2, 1.5, "degree must be an integer, got 1.5"),
        (3072, 3, "use degree_spectrum"),
    ],
)
def test_bad_input(dimension: int, degree: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        total_degree_indices(dimension, degree)


def test_indices_of_a_user() -> None:
    np.testing.assert_array_equal(as_indices([0, 3], 1), [[0], [3]])
    with pytest.raises(InputError, match=r"indices must have shape \(m, 2\), got \(1, 1\)"):
        as_indices([[1]], 2)
    with pytest.raises(InputError, match="indices must hold integers >= 0, got -1"):
        as_indices([[-1, 0]], 2)
