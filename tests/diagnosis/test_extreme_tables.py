"""Tables at the ends of what can be fitted are answered, whatever is said of their noise; warnings are errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.optimize

import hermite_collapse as hc

RNG = np.random.default_rng(0)
SETTLED = 0.41 * (1.0 + 0.01 * RNG.standard_normal(11))
FALLING = 0.5 * 0.02 ** np.arange(7.0)
TABLES = {
    "a value of 0": ([1.0, 0.31, 0.09, 0.03, 0.01, 0.0, 0.0], [0.0] + [0.01] * 6, {}),
    "zeros": (np.zeros(7), np.full(7, 0.1), {}),
    "zeros after the data": ([1.0] + [0.0] * 7, [0.0] + [0.1] * 7, {}),
    "data of 0": ([0.0, 0.1, 0.17, 0.22, 0.26, 0.29, 0.31], np.full(7, 0.005), {}),
    "errors beyond values": ([0.5, 0.51, 0.52, 0.53, 0.52, 0.54, 0.55], np.full(7, 6.0), {}),
    "errors far beyond": ([0.5, 0.51, 0.52, 0.53, 0.52, 0.54, 0.55], np.full(7, 600.0), {}),
    "late rounds": (SETTLED, np.full(11, 0.0041), {"rounds": np.arange(50, 61)}),
    "falling by decades": (FALLING, 0.01 * FALLING, {}),
    "falling by many decades": (0.5 * 0.002 ** np.arange(7.0), 0.005 * 0.002 ** np.arange(7.0), {}),
}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"noise": "training_sets"},
        {"noise": "between_runs"},
        {"noise": "own_samples"},
        {"runs": 5},
        {"regime": "accumulate"},
    ],
    ids=lambda said: "-".join(map(str, said.values())) or "nothing",
)
@pytest.mark.parametrize("table", TABLES)
def test_it_is_answered(table, said):
    curve, errors, given = TABLES[table]
    told = {"fresh_fraction": 0.2} if "regime" not in said else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = hc.diagnose(curve, kind="variances", standard_errors=errors, **given, **told, **said)
    assert result.verdict in ("rate_and_plateau", "undetermined", "rejected")


def test_sets_of_known_size_of_values_that_fall_by_decades():
    assert hc.diagnose(0.5 * 0.01 ** np.arange(7.0), kind="variances", training_samples=500).verdict


def test_settled_curves_of_late_rounds_take_few_evaluations(monkeypatch):
    """Their parameters are nearly free: 13 500 where limits were searched to all digits of a chi-square."""
    evaluations, search = [], scipy.optimize.least_squares

    def counted(*arguments, **settings):
        solution = search(*arguments, **settings)
        evaluations.append(solution.nfev)
        return solution

    monkeypatch.setattr(scipy.optimize, "least_squares", counted)
    values = np.array([0.41, 0.8]) * (1.0 + 0.01 * np.random.default_rng(0).standard_normal((11, 2)))
    result = hc.diagnose(values, kind="variances", standard_errors=0.01 * values, rounds=np.arange(20, 31))
    assert result.verdict == "undetermined" and sum(evaluations) < 10_000


def test_curves_that_grow_and_others_are_told_apart():
    rounds = np.arange(13)[:, None]
    exact = np.concatenate([0.2 * np.exp(-0.05 * rounds), 0.6 * np.exp(0.05 * rounds)], axis=1)
    values = exact * (1.0 + 0.01 * np.random.default_rng(0).standard_normal(exact.shape))
    told = {"kind": "variances", "standard_errors": 0.01 * exact, "fresh_fraction": 0.2}
    text = hc.diagnose(values, noise="independent", **told).text
    assert text.startswith(
        "Rate and plateau only: no mechanism that was tried describes the curves. Deviations grow "
    )
    assert "(column 2). Others level off at " in text and "(column 1)" in text
    assert "would tell more" not in text
