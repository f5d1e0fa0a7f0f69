"""Schedules and regimes: their times, totals, weights and messages."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.recursion.regimes import as_regime
from hermite_collapse.recursion.schedules import as_schedule


def test_times_of_each_family():
    s = hc.schedules
    np.testing.assert_allclose(s.Constant(0.2).times(3), [0.2] * 3)
    np.testing.assert_allclose(s.Polynomial(0.2, 2.0).times(3), [0.2, 0.05, 0.2 / 9])
    np.testing.assert_allclose(s.Geometric(0.2, 0.5, floor=0.06).times(4), [0.2, 0.1, 0.06, 0.06])
    np.testing.assert_allclose(s.Explicit([0.3, 0.1]).times(4), [0.3, 0.1, 0.1, 0.1])
    assert as_schedule(0.1) == s.Constant(0.1)
    assert as_schedule([0.1, 0.2]) == s.Explicit([0.1, 0.2])
    assert as_schedule(s.Constant(1.0)) == s.Constant(1.0)


def test_totals_are_the_sums_of_the_times():
    s = hc.schedules
    assert s.Polynomial(0.2, 3.0).total == pytest.approx(s.Polynomial(0.2, 3.0).times(4000).sum(), rel=1e-6)
    assert s.Geometric(0.2, 0.9).total == pytest.approx(s.Geometric(0.2, 0.9).times(900).sum(), rel=1e-12)
    assert s.Explicit([0.3, 0.1, 0.0]).total == pytest.approx(0.4)
    for endless in (
        s.Constant(0.1),
        s.Polynomial(0.1, 1.0),
        s.Geometric(0.1, 0.5, floor=0.01),
        s.Explicit([0.0, 0.1]),
    ):
        assert endless.total == np.inf


@pytest.mark.parametrize("name", ["replace", "accumulate", "accumulate_with_fresh"])
def test_weights_sum_to_one(name):
    regime = as_regime(name, 0.0 if name == "accumulate" else 0.3)
    for i in range(12):
        fresh, earlier = regime.mixing(i)
        assert earlier.shape == (i + 1,) and fresh + earlier.sum() == pytest.approx(1.0, rel=1e-15)
        assert min(fresh, *earlier) >= 0.0


def test_a_table_reproduces_a_named_regime():
    rows = np.zeros((5, 6))
    for i in range(5):
        rows[i, 0], rows[i, i + 1] = 0.3, 0.7
    arguments = {"truncation_time": 0.2, "rounds": 5}
    np.testing.assert_allclose(
        hc.mode_factors([1, 4], fresh_fraction=0.0, regime=rows, **arguments),
        hc.mode_factors([1, 4], fresh_fraction=0.3, **arguments),
        rtol=1e-15,
    )


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: hc.schedules.Constant(-1.0), "truncation_time must be >= 0, got -1.0"),
        (lambda: hc.schedules.Geometric(0.1, 1.0), "ratio must lie in (0, 1), got 1.0"),
        (lambda: hc.schedules.Polynomial(0.1, 0.0), "exponent must be > 0, got 0.0"),
        (lambda: hc.schedules.Explicit([0.1, -0.2]), "truncation_time must hold times >= 0, got -0.2"),
        (lambda: hc.schedules.Explicit([]), "truncation_time must be a non-empty vector"),
        (lambda: as_regime("replaced", 0.1), "did you mean 'replace'?"),
        (lambda: as_regime(np.ones((2, 2)), 0.1), "regime must be a name or a table"),
        (
            lambda: as_regime([[0.5, 0.4, 0.0], [0.5, 0.5, 0.0]], 0.1),
            "regime[0] must sum to 1, got a sum of 0.9",
        ),
        (
            lambda: as_regime([[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]], 0.1),
            "regime[0] must give no weight to rounds after 0",
        ),
        (lambda: as_regime("replace", [0.1, 2.0]), "fresh_fraction must lie in [0, 1], got 2.0"),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(hc.InputError) as problem:
        build()
    assert words in str(problem.value)
