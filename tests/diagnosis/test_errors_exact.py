"""Standard errors of fitted parameters against the linear theory of least squares."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc

ALPHA, TIME, ROUNDS = 0.3, 0.2, 12


def curve(alpha, time):
    factors = hc.mode_factors([1, 2, 3], fresh_fraction=alpha, truncation_time=time, rounds=ROUNDS)
    return np.asarray(factors)[1:]


def jacobian():
    step = 1e-6
    by_alpha = (curve(ALPHA + step, TIME) - curve(ALPHA - step, TIME)) / (2 * step)
    by_time = (curve(ALPHA, TIME + step) - curve(ALPHA, TIME - step)) / (2 * step)
    return np.stack([by_alpha.reshape(-1), by_time.reshape(-1)], axis=1)


@pytest.mark.parametrize("held", ["truncation_time", "fresh_fraction", None])
def test_errors_of_the_fit(held):
    sigma = 1e-3
    known = {"truncation_time": TIME, "fresh_fraction": ALPHA}
    found = hc.diagnose(
        curve(ALPHA, TIME),
        rounds=np.arange(1, ROUNDS + 1),
        standard_errors=np.full((ROUNDS, 3), sigma),
        noise="independent",
        **({held: known[held]} if held else {}),
    )
    J = jacobian()
    columns = {"truncation_time": [0], "fresh_fraction": [1], None: [0, 1]}[held]
    exact = sigma * np.sqrt(np.diagonal(np.linalg.inv(J[:, columns].T @ J[:, columns])))
    estimates = [(found.fresh_fraction, found.truncation_time)[column] for column in columns]
    assert [estimate.value for estimate in estimates] == pytest.approx(
        [(ALPHA, TIME)[c] for c in columns], rel=1e-6
    )
    assert [estimate.error for estimate in estimates] == pytest.approx(list(exact), rel=1e-3)
