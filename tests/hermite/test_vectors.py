"""Vectors of compiled code: every operation does with thirty-two numbers what it does with one."""

from __future__ import annotations

import numpy as np
import pytest

from hermite_collapse.hermite._exponential import LOWEST, exp_above_lowest, exp_nonpositive
from hermite_collapse.hermite._jit import jit
from hermite_collapse.hermite._vectors import (
    WIDTH,
    larger,
    load,
    rounded_down,
    spread,
    store,
    times_power_of_two,
    where_equal,
)

ROWS = (
    "sum",
    "difference",
    "product",
    "ratio",
    "with numbers",
    "larger",
    "rounded",
    "powers",
    "chosen",
    "spread",
)


@jit
def _every_operation(x, y, result):
    a, b = load(x, 0), load(y, 0)
    values = (
        a + b,
        a - b,
        a * b,
        a / b,
        2.0 * a + b * 3.0 - 1.0 / b,
        larger(a, b),
        rounded_down(a),
        times_power_of_two(a, rounded_down(b)),
        where_equal(rounded_down(a), rounded_down(b), a, spread(-1.0)),
        spread(x[1]),
    )
    for row in range(len(values)):
        store(result, row * WIDTH, values[row])


def _numbers():
    rng = np.random.default_rng(0)
    return rng.uniform(-4.0, 4.0, WIDTH), rng.uniform(1.0, 4.0, WIDTH) * rng.choice([-1.0, 1.0], WIDTH)


@pytest.mark.parametrize("row", range(len(ROWS)), ids=ROWS)
def test_operations_on_vectors(row):
    x, y = _numbers()
    result = np.empty(len(ROWS) * WIDTH)
    _every_operation(x, y, result)
    expected = (
        x + y,
        x - y,
        x * y,
        x / y,
        2.0 * x + 3.0 * y - 1.0 / y,
        np.maximum(x, y),
        np.floor(x),
        x * 2.0 ** np.floor(y),
        np.where(np.floor(x) == np.floor(y), x, -1.0),
        np.full(WIDTH, x[1]),
    )
    np.testing.assert_allclose(result.reshape(-1, WIDTH)[row], expected[row], rtol=1e-14, atol=1e-14)
    assert len(np.unique(expected[row])) > 1 or ROWS[row] == "spread"


@jit
def _exponentials(t, result):
    store(result, 0, exp_above_lowest(load(t, 0)))


def test_the_exponential_of_a_vector_is_that_of_its_numbers():
    t = -np.geomspace(1e-3, 900.0, WIDTH)
    result = np.empty(WIDTH)
    _exponentials(t, result)
    assert t[-1] < LOWEST
    np.testing.assert_allclose(result, np.exp(np.maximum(t, LOWEST)), rtol=2e-13)
    assert np.all(np.abs(result - np.exp(np.maximum(t, LOWEST))) < 2.3e-16)
    assert exp_nonpositive(t[-1]) == 0.0
