"""One value that alone is off is named, and none where nothing, or more than one value, is off."""

from __future__ import annotations

import time

import numpy as np
import pytest

import hermite_collapse as hc

SAID, INDEPENDENT = "alone is off", {"noise": "independent"}


def table(seed, moved=(), *, columns=1, rounds=20, schedule=0.1, error=0.01):
    """Truncation with independent errors, and values moved by so many of them."""
    exact = hc.mode_factors(
        range(1, columns + 1), fresh_fraction=0.3, truncation_time=schedule, rounds=rounds - 1
    )
    errors = np.where(np.arange(rounds)[:, None] > 0, np.full(exact.shape, error), 0.0)
    values = exact + errors * np.random.default_rng(seed).standard_normal(exact.shape)
    for row, column, size in moved:
        values[row, column] += size * errors[row, column]
    return exact, values, errors


def said(values, errors, **keywords):
    return SAID in hc.diagnose(values, standard_errors=errors, **keywords).text


def named(text):
    """The sentence on an outlier."""
    return next((one for one in text.split(". ") if SAID in one), "")


@pytest.mark.parametrize("settings", [{}, INDEPENDENT, {"runs": np.inf}], ids=["unsaid", "said", "exact"])
@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("size", [8.0, -15.0])
def test_one_value_is_named(columns, size, settings):
    exact, values, errors = table(1, [(5, columns - 1, size)], columns=columns)
    result = hc.diagnose(values, standard_errors=errors, **settings)
    assert result.verdict in ("rejected", "undetermined")
    text = named(result.text)
    assert text.startswith(f"The value of round 5 (column {columns}) alone is off: ")
    given, rest = text.split(": ")[1].split(" where the others give ")
    predicted, spread = (float(one) for one in rest.split(";")[0].split(" ± "))
    assert float(given.split(" ± ")[0]) == pytest.approx(values[5, columns - 1], rel=1e-3)
    assert given.endswith("± 0.01") and abs(predicted - exact[5, columns - 1]) < 3.0 * spread < 0.02
    assert text.count("the rest is described by a rate and a plateau of each curve (p = ") == 1


def test_the_value_that_is_named_is_the_one_that_is_off():
    found = 0
    for seed in range(20):
        place = np.random.default_rng(seed).integers([1, 0], [20, 2])
        _, values, errors = table(seed, [(*place, 10.0)], columns=2)
        text = named(hc.diagnose(values, standard_errors=errors, **INDEPENDENT).text)
        assert not text or text.startswith(f"The value of round {place[0]} (column {place[1] + 1}) ")
        found += bool(text)
    assert found >= 15


def test_the_last_value_may_be_that_of_another_round():
    _, values, errors = table(1, [(19, 0, 12.0)])
    assert "unless the last round differs from those before" in named(
        hc.diagnose(values, standard_errors=errors, **INDEPENDENT).text
    )


def test_standard_deviations_are_named_as_they_stand():
    variances = 0.5 + 1.5 * 0.7 ** np.arange(15)
    values = np.sqrt(variances)
    errors = np.full_like(values, 0.01)
    values = values + errors * np.random.default_rng(0).standard_normal(15)
    values[6] += 0.15
    text = named(hc.diagnose(values, kind="deviations", standard_errors=errors, **INDEPENDENT).text)
    assert f"round 6 (column 1) alone is off: {values[6]:.4g}"[:42] in text and "± 0.01 where" in text
    assert abs(float(text.split("give ")[1].split(" ")[0]) - np.sqrt(variances[6])) < 0.02


def test_estimated_errors_name_a_value_too():
    rng = np.random.default_rng(3)
    exact, _, _ = table(0)
    runs = exact[None] + 0.02 * rng.standard_normal((6, *exact.shape))
    runs[:, 7] += 0.15
    values, errors = runs.mean(axis=0), runs.std(axis=0, ddof=1) / np.sqrt(6.0)
    errors[0] = 0.0
    text = named(hc.diagnose(values, standard_errors=errors, runs=6, **INDEPENDENT).text)
    assert text.startswith("The value of round 7 (column 1) alone is off")


@pytest.mark.parametrize("columns", [1, 2])
def test_clean_tables_have_none(columns):
    assert not any(said(*table(seed, columns=columns)[1:], **INDEPENDENT) for seed in range(20))


@pytest.mark.parametrize("sizes", [(8.0, 8.0), (15.0, -8.0)])
def test_two_values_are_not_one(sizes):
    for seed in range(8):
        _, values, errors = table(seed, [(4, 0, sizes[0]), (12, 1, sizes[1])], columns=2)
        assert not said(values, errors, **INDEPENDENT)
        _, values, errors = table(seed, [(4, 0, sizes[0]), (12, 0, sizes[1])])
        assert not said(values, errors, **INDEPENDENT)
    assert not said(values, errors)


@pytest.mark.parametrize("passed", [0.66, 1.0])
def test_random_walks_have_none(passed):
    for seed in range(10):
        exact, _, errors = table(seed)
        noise = np.zeros_like(exact)
        rng = np.random.default_rng(seed)
        for i in range(1, 20):
            noise[i] = passed * noise[i - 1] + 0.02 * rng.standard_normal()
        assert not said(exact + noise, errors, **INDEPENDENT)
    assert not said(exact + noise, errors)


@pytest.mark.parametrize("error", [0.01, 0.003])
@pytest.mark.parametrize(
    "schedule",
    [hc.schedules.Geometric(0.3, 0.8), hc.schedules.Geometric(0.3, 0.9), [0.1] * 9 + [0.3] * 11],
    ids=["fast", "slow", "step"],
)
def test_schedules_have_none(schedule, error):
    for seed in range(6):
        _, values, errors = table(seed, schedule=schedule, error=error)
        assert not said(values, errors, **INDEPENDENT)


def test_generations_that_are_kept_have_none():
    """Whose deviations fall by powers of the round, even where they are said to replace one another."""
    for seed in range(6):
        kept = [2.0]
        for _ in range(19):
            kept.append(0.7 * np.mean(kept) + 0.06)
        values = np.array(kept) + 0.02 * np.random.default_rng(seed).standard_normal(20)
        for settings in ({}, {"regime": "replace"}):
            assert not said(values, np.full(20, 0.02), kind="variances", **INDEPENDENT, **settings)


def test_it_takes_little_time():
    from hermite_collapse.diagnosis.fits.minimum import minimum
    from hermite_collapse.diagnosis.fits.round_models import AffineModel
    from hermite_collapse.diagnosis.outliers import on_an_outlier
    from tests.diagnosis.observed_arrays import observed

    _, values, errors = table(1, [(5, 3, 10.0)], columns=6)
    curves = observed(values, errors, kind="factors")
    took = []
    for _ in range(3):
        begin = time.process_time()
        assert on_an_outlier(minimum(AffineModel(), curves))
        took.append(time.process_time() - begin)
    assert min(took) < 0.3, took
