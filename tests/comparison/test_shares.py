"""Shares of the error of the last round."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.comparison.shares import error_shares

pytest.importorskip("torch")


def test_shares_of_the_error_leave_nothing_over_unless_something_else_is_at_work() -> None:
    recursion = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    simulated = hc.simulation.simulate(
        recursion, rounds=8, particles=4096, generator="channel", degree=8, seed=2
    )
    comparison = hc.compare(recursion, simulated)
    shares, expected = error_shares(comparison), comparison.modes.expected
    assert set(shares) == {"recursion", "particles", "left over"}
    assert shares["recursion"].value == pytest.approx(np.sqrt(((expected[-1] - expected[0]) ** 2).sum()))
    assert shares["left over"].value < 3.0 * shares["left over"].error
    # Ten per cent more fresh data than was simulated: the difference has to show.
    other = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.4, truncation_time=0.1)
    wrong = error_shares(hc.compare(other, simulated))
    assert wrong["left over"].value > 3.0 * wrong["left over"].error
    difference = expected[-1] - other.coefficients(8, rounds=8)[-1]
    assert wrong["left over"].value == pytest.approx(
        np.sqrt((difference**2).sum()), abs=4.0 * wrong["left over"].error
    )
