"""The sentences of a report: each number is the theory's, each caveat is there when it applies and only then."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.core.estimates import Estimate
from hermite_collapse.recursion.prediction import predict
from hermite_collapse.reporting import tables, words


def recursion(target: object = None, **options: object) -> hc.Recursion:
    target = hc.presets.load("three_modes_1d") if target is None else target
    return hc.Recursion(target, **{"fresh_fraction": 0.3, "truncation_time": 0.1, **options})


def test_the_prediction_is_two_sentences_with_the_closed_forms() -> None:
    first, second = words.prediction(recursion())
    g = 0.3 / (0.3 + np.expm1(0.05 * np.array([1, 2, 4, 8])))
    for share, n in zip(g, (1, 2, 4, 8), strict=True):
        assert f"{100 * share:.0f} % of degree {n}" in first
    assert f"degree {np.log1p(0.3) / 0.05:.3g}" in first
    assert f"{np.sqrt(0.7) * np.exp(-0.05):.3g} in Wasserstein-2 and 0.7 in total variation" in second
    rounds = next(k for k in range(1, 100) if 0.7**k <= 0.01)
    assert f"in total variation, 99 % of it are gone after at most {rounds} rounds, by the bound." in second


@pytest.mark.parametrize(
    ("alpha", "time", "metric"), [(0.1, 0.02, "total variation"), (0.02, 0.5, "Wasserstein-2")]
)
def test_exact_rounds_stand_before_those_of_the_bound(alpha: float, time: float, metric: str) -> None:
    """Distances on a fine grid: laws as sums over ages, half the area between densities, and quantile functions."""
    target = hc.GaussianMixture([0.2, 0.3, 0.5], [-1.7, 0.1, 2.0], [0.12, 0.06, 0.06])
    r = recursion(target, fresh_fraction=alpha, truncation_time=time)
    x = np.linspace(-9.0, 9.0, 6001)

    def aged(k: int) -> np.ndarray:
        a = np.exp(-0.5 * k * time)
        variance = a**2 * np.array([0.12, 0.06, 0.06]) + 1.0 - a**2
        bells = np.exp(-0.5 * (x[:, None] - a * np.array([-1.7, 0.1, 2.0])) ** 2 / variance) / np.sqrt(
            variance
        )
        return bells @ [0.2, 0.3, 0.5] / np.sqrt(2.0 * np.pi)

    fresh = [aged(k) for k in range(1, 800)]
    limit = sum(alpha * (1.0 - alpha) ** k * density for k, density in enumerate(fresh))
    u = (np.arange(200_000) + 0.5) / 200_000

    def distance(p: np.ndarray) -> float:
        if metric == "total variation":
            return 0.5 * np.abs(p - limit).sum() * (x[1] - x[0])
        q, r = (np.interp(u, np.cumsum(law) / law.sum(), x) for law in (p, limit))
        return float(np.sqrt(np.mean((q - r) ** 2)))

    start, law, rounds = distance(aged(0)), aged(0), 0
    while distance(law) > 0.01 * start:
        rounds += 1
        law = (
            sum(alpha * (1 - alpha) ** k * fresh[k] for k in range(rounds))
            + (1 - alpha) ** rounds * fresh[rounds - 1]
        )
    known = predict(r, rounds=2, degree=2)
    proved = r.rounds_to(0.01, metric=metric.lower().replace(" ", "_").replace("-", ""))
    assert rounds < proved
    ending = f"in {metric}, 99 % of it are gone after {rounds} rounds (at most {proved:.0f}, by the bound)."
    assert words.prediction(r, known)[1].endswith(ending)


def test_exact_rounds_are_not_searched_for_where_that_is_dear() -> None:
    for r in (
        recursion(fresh_fraction=0.001, truncation_time=0.001),
        recursion(hc.EmpiricalLaw(np.linspace(-1.0, 1.0, 50))),
        recursion(hc.presets.load("grid_2d")),
        recursion(regime="accumulate_with_fresh"),
    ):
        known = predict(r, rounds=2, degree=2)
        assert known.exact_rounds is None
        assert words.prediction(r, known) == words.prediction(r)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"truncation_time": 0.0}, "Nothing is truncated"),
        ({"fresh_fraction": 0.0}, "standard normal law"),
        ({"fresh_fraction": 0.0, "truncation_time": hc.schedules.Geometric(0.1, 0.5)}, "blurred image"),
        ({"fresh_fraction": 1.0}, "after one round"),
        ({"truncation_time": hc.schedules.Polynomial(0.1, 1.0)}, "not geometric"),
        ({"regime": "accumulate_with_fresh"}, "power of the number of rounds"),
        ({"blur": 0.2}, "mixes Hermite degrees"),
        ({"process": hc.VarianceExploding()}, "mixes Hermite degrees"),
        ({"target": hc.GaussianMixture([1.0], [0.0], 1.0)}, "no collapse to see"),
        ({"regime": [[0.5, 0.5, 0.0], [0.2, 0.4, 0.4]]}, "come from a table"),
    ],
)
def test_every_regime_has_sentences_of_its_own(options: dict, part: str) -> None:
    said = words.prediction(recursion(**options))
    assert len(said) == 2 and part in " ".join(said)
    assert part not in " ".join(words.prediction(recursion()))


def test_total_variance_under_blur_is_that_of_the_limit() -> None:
    """Scale a, variance a^2 h^2 + 1 - a^2 a round: Var_inf solves V = a^2 (alpha V* + (1 - alpha) V) + v."""
    target = hc.GaussianMixture([0.5, 0.5], [-1.0, 1.0], 0.2)
    a2 = np.exp(-0.1)
    limit = (a2 * 0.3 * 1.2 + a2 * 0.2**2 + 1.0 - a2) / (1.0 - 0.7 * a2)
    said = words.prediction(recursion(target, blur=0.2))[1]
    assert f"{limit:.3g} against 1.2" in said


@pytest.mark.parametrize("name", ["two_modes_1d", "three_modes_1d", "off_centre_1d", "wide_1d"])
def test_an_infinite_chi_square_is_said_exactly_when_it_is(name: str) -> None:
    r = recursion(hc.presets.load(name))
    divergence = hc.distances.chi_square(r.limit(), r.target)
    said = any("chi-square" in note for note in words.caveats(r))
    assert said == np.isinf(divergence.value)


def test_one_thin_direction_suffices_for_an_infinite_chi_square() -> None:
    angle = 0.6
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def caveat(thin: float) -> bool:
        covariance = turn @ np.diag([1.0, thin]) @ turn.T
        r = recursion(hc.GaussianMixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], covariance[None]))
        return any("chi-square" in note for note in words.caveats(r))

    assert caveat(0.4) and not caveat(0.6)


def test_laws_outside_l2_are_said_to_be_and_only_those() -> None:
    assert any("not in L²(γ)" in note for note in words.caveats(recursion(hc.presets.load("wide_1d"))))
    assert not any("L²(γ)" in note for note in words.caveats(recursion()))
    # The limit is inside if and only if a^2 (largest - 1) < 1; here the largest variance is 2.5.
    outside = words.caveats(recursion(hc.presets.load("wide_1d"), truncation_time=0.3))
    inside = words.caveats(recursion(hc.presets.load("wide_1d"), truncation_time=0.5))
    assert np.exp(-0.3) * 1.5 > 1.0 > np.exp(-0.5) * 1.5
    assert any("The limit law is outside" in note for note in outside)
    assert any("The limit law is in L²" in note for note in inside)


def test_samples_are_told_from_their_population() -> None:
    r = recursion(hc.EmpiricalLaw(np.linspace(-1.0, 1.0, 1234)))
    notes = words.caveats(r)
    assert "1\u202f234 points" in notes[0] and "population" in notes[0]
    # Points spread evenly over [-1, 1]: standard error of x is sqrt(1/3 / n).
    assert f"{np.sqrt(1.0 / 3.0 / 1234):.2g} at degree 1" in notes[0]
    assert dict(words.question(r))["data"] == "empirical law of 1\u202f234 samples in 1 dimension"


def test_the_question_names_every_setting() -> None:
    asked = dict(words.question(recursion(blur=0.25, initial=hc.GaussianMixture([1.0], [0.0], 1.0))))
    assert asked["fresh fraction α"] == "0.3" and "t₀ = 0.1" in asked["truncation"]
    assert "0.25" in asked["kernel blur"] and "own" in asked["first model"]
    assert "σ² = 0.1" in dict(words.question(recursion(process=hc.VarianceExploding())))["truncation"]
    explicit = dict(words.question(recursion(truncation_time=[0.3, 0.2])))
    assert explicit["truncation"].startswith("t₀ = 0.3, 0.2, 0.2")


def test_tables_of_a_prediction_hold_its_numbers() -> None:
    known = predict(recursion(), rounds=4, degree=3)
    table = tables.prediction_table(known)
    assert table is not None and table.head == ("degree", "round 1", "round 2", "round 3", "round 4", "limit")
    for row, n in zip(table.rows, (1, 2, 3), strict=True):
        assert row.cells[0] == str(n)
        assert row.cells[-1] == f"{0.3 / (0.3 + np.expm1(0.05 * n)):.4f}"
        assert row.cells[2] == f"{known.factors[2, n]:.4f}"
    rates = tables.distance_table(known)
    assert rates is not None
    proved = {row.cells[0]: row.cells[2] for row in rates.rows}
    assert proved["total variation"] == "0.7" and proved["Wasserstein-1"] == f"{0.7 * np.exp(-0.05):.4g}"


def test_budgets_carry_no_more_digits_than_their_errors_allow() -> None:
    rows = tables.budget_table({"part": Estimate(0.2937, 0.0067, "standard_error"), "rest": 0.04}).rows
    assert [row.cells for row in rows] == [("part", "0.2937 ± 0.0067"), ("rest", "0.04")]
