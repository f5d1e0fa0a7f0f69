"""A round from which on curves follow another law is named where one law describes none of them, and nowhere else."""

from __future__ import annotations

import re

import numpy as np
import pytest

import hermite_collapse as hc

SAID, INDEPENDENT = "It is as if something had changed in ", {"noise": "independent"}
ROUNDS, HALF = 16, 8


def table(kind, seed, degrees=(1, 2), error=0.01):
    """Factors whose law changes in round 9, or does not, with independent errors."""
    told = {"fresh_fraction": 0.2, "truncation_time": 0.1, "rounds": ROUNDS}
    if kind == "fraction":
        told["fresh_fraction"] = [0.4] * HALF + [0.05]
    if kind == "time":
        told["truncation_time"] = [0.03] * HALF + [0.15]
    if kind == "drift":
        told["truncation_time"] = (0.02 * 1.15 ** np.arange(ROUNDS)).tolist()
    exact = hc.mode_factors(degrees, **told)
    if kind == "level":
        exact[HALF + 1 :] -= 0.08
    if kind == "random":
        exact[1:] = np.random.default_rng([seed, 1]).uniform(size=exact[1:].shape)
    errors = np.full(exact.shape, error)
    errors[0] = 0.0
    return exact + errors * np.random.default_rng(seed).standard_normal(exact.shape), errors


@pytest.mark.parametrize(
    ("degrees", "settings"), [((2,), INDEPENDENT), ((1, 2), {"runs": np.inf}), ((1, 2, 4), INDEPENDENT)]
)
@pytest.mark.parametrize("kind", ["fraction", "time", "level"])
def test_the_round_of_a_change_is_named(kind, degrees, settings):
    values, errors = table(kind, 0, degrees)
    result = hc.diagnose(values, degrees=degrees, standard_errors=errors, **settings)
    if not settings.get("noise") and result.verdict == "undetermined":  # noise of rounds describes them, too
        assert SAID not in result.text
        return
    assert result.verdict == "rejected"
    named = re.search(re.escape(SAID) + r"(?:one of rounds (\d+) to|round) (\d+)", result.text)
    first, last = named[1] or named[2], named[2]
    assert HALF <= int(first) <= HALF + 1 <= int(last) + 1 <= HALF + 3
    described = r"before and from there on .* describes them \(p = 0\.\d+ of both parts\)"
    assert re.search(described, result.text)


@pytest.mark.parametrize("kind", ["constant", "drift", "random"])
def test_nothing_is_named_where_nothing_changes_in_one_round(kind):
    for seed in range(3):
        values, errors = table(kind, seed)
        assert SAID not in hc.diagnose(values, standard_errors=errors, **INDEPENDENT).text


def test_one_value_that_is_off_is_no_change():
    values, errors = table("constant", 1)
    values[5, 1] += 0.1
    text = hc.diagnose(values, standard_errors=errors, **INDEPENDENT).text
    assert "alone is off" in text and SAID not in text


def test_kept_generations_are_no_change():
    exact = hc.mode_factors(
        [1, 2], fresh_fraction=0.0, truncation_time=0.15, rounds=ROUNDS, regime="accumulate"
    )
    errors = np.full(exact.shape, 0.003)
    errors[0] = 0.0
    values = exact + errors * np.random.default_rng(0).standard_normal(exact.shape)
    assert SAID not in hc.diagnose(values, standard_errors=errors, **INDEPENDENT).text


def test_values_may_be_missing_and_rounds_in_any_order():
    values, errors = table("fraction", 0)
    values[3, 0] = np.nan
    order = np.random.default_rng(1).permutation(ROUNDS + 1)
    told = {"standard_errors": errors[order], "rounds": order}
    assert SAID + "round " in hc.diagnose(values[order], **told, **INDEPENDENT).text


def test_errors_that_are_a_part_of_their_values():
    """Those of what a fit predicts are taken in their place, and values by their logarithms."""
    starts, values = np.array([0.05, 6.0]), [np.array([0.05, 6.0])]
    for i in range(24):
        share = 0.9 if i < 12 else 0.02
        values.append(np.exp(-0.15) * (share * starts + (1.0 - share) * values[-1]) + 1.0 - np.exp(-0.15))
    curve = np.array(values)
    curve[1:] *= 1.0 + 0.05 * np.random.default_rng(0).standard_normal(curve[1:].shape)
    errors = 0.05 * curve
    errors[0] = 0.0
    result = hc.diagnose(curve, kind="variances", standard_errors=errors, **INDEPENDENT)
    assert result.verdict == "rejected" and result.observations.reference is not None
    assert SAID + "round 13" in result.text
