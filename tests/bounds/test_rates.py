"""Proved rates hold for random starts, are attained by extremal ones, and give way to the final rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse import bounds, distances
from tests.random_laws import line_mixtures, normal, random_mixture

FUNCTIONS = {
    "total_variation": distances.total_variation,
    "kl": distances.kl,
    "chi_square": distances.chi_square,
    "wasserstein1": lambda p, q: distances.wasserstein(p, q, order=1),
    "wasserstein2": distances.wasserstein,
    "l2_gamma": lambda p, q: distances.mehler(p, q, 1.0),
}
fractions = st.floats(0.05, 0.95)
times = st.floats(0.01, 1.5)


def _check_one_round(target, start, alpha, time):
    recursion = hc.Recursion(target, fresh_fraction=alpha, truncation_time=time, initial=start)
    limit, before, after = recursion.limit(24), recursion.law(0), recursion.law(1)
    rows = {row.metric: row for row in bounds.rate_table(fresh_fraction=alpha, truncation_time=time)}
    for metric, function in FUNCTIONS.items():
        try:
            first = function(before, limit)
            second = function(after, limit)
        except (hc.ConvergenceError, hc.InputError) as problem:
            # Finite but beyond the largest float, which mixtures far apart reach.
            assert "exceed" in str(problem) or "below 1e154" in str(problem), (metric, problem)
            continue
        if np.isfinite(first.value):
            allowed = rows[metric].bound * (first.value + first.error) + second.error
            assert second.value <= allowed * (1 + 1e-9) + 1e-13, metric


@given(line_mixtures(3), line_mixtures(3, spread=6.0), fractions, times)
def test_no_rate_is_violated(target, start, alpha, time):
    _check_one_round(target, start, alpha, time)


@pytest.mark.slow
def test_no_rate_is_violated_by_hundreds_of_starts():
    rng = np.random.default_rng(0)
    for _ in range(400):
        _check_one_round(
            random_mixture(rng, 1, 4),
            random_mixture(rng, 1, 4, 8.0),
            rng.uniform(0.02, 0.98),
            rng.uniform(0.01, 1.5),
        )


def _ratios(recursion, metric, rounds):
    """Ratios against a limit law whose ages are all listed: far starts resolve the ages one by one."""
    limit = recursion.law(60)
    values = [FUNCTIONS[metric](recursion.law(i), limit).value for i in range(rounds + 1)]
    return np.array(values[1:]) / np.array(values[:-1])


@pytest.mark.parametrize(
    "metric, distance", [("total_variation", 1e6), ("wasserstein1", 1e6), ("wasserstein2", 1e6)]
)
def test_a_start_far_out_attains_the_rate_for_many_rounds(metric, distance):
    alpha, time = 0.5, 0.4
    recursion = hc.Recursion(
        normal(0.2, 0.5), fresh_fraction=alpha, truncation_time=time, initial=normal(distance, 1.0)
    )
    bound = hc.contraction_rate(fresh_fraction=alpha, truncation_time=time, metric=metric)
    ratios = _ratios(recursion, metric, 8)
    assert np.all(ratios <= bound * (1 + 1e-9))
    assert np.all(ratios >= 0.98 * bound)


@pytest.mark.parametrize("metric, weight", [("kl", 1e-250), ("chi_square", 1e-9)])
def test_a_remote_cluster_attains_the_rate(metric, weight):
    """The data have a tiny far component; the start sits on its fifth age and walks down the ages."""
    alpha, time, far = 0.5, 0.4, 1e4
    target = hc.GaussianMixture([1.0 - weight, weight], [0.0, far], [1.0, 1.0])
    start = normal(far * np.exp(-0.5 * time * 5), 1.0)
    recursion = hc.Recursion(target, fresh_fraction=alpha, truncation_time=time, initial=start)
    bound = hc.contraction_rate(fresh_fraction=alpha, truncation_time=time, metric=metric)
    ratios = _ratios(recursion, metric, 4)
    assert np.all(ratios <= bound * (1 + 1e-9))
    assert np.all(ratios >= 0.98 * bound)


def test_a_small_shift_attains_the_rate_in_l2_gamma():
    alpha, time = 0.3, 0.5
    recursion = hc.Recursion(
        normal(0.0, 1.0), fresh_fraction=alpha, truncation_time=time, initial=normal(1e-3, 1.0)
    )
    observed = bounds.observed_rates(recursion, metric="l2_gamma", rounds=3)
    assert observed.respects_bound
    assert np.all(observed.ratios >= 0.98 * observed.bound)


def test_heavy_tails_keep_an_intermediate_wasserstein2_rate():
    """Clusters at 2^j with weights 2^{-beta j} and a = 1/2: W2 falls by sqrt(1-alpha) a^{beta/2} a round."""
    alpha, beta = 0.7, 2.2
    time = 2.0 * np.log(2.0)
    j = np.arange(0, 40)
    weights = 2.0 ** (-beta * j)
    start = hc.GaussianMixture(weights / weights.sum(), 2.0**j, 1.0)
    recursion = hc.Recursion(normal(0.0, 1.0), fresh_fraction=alpha, truncation_time=time, initial=start)
    ratios = _ratios(recursion, "wasserstein2", 9)
    expected = np.sqrt(1 - alpha) * 2.0 ** (-beta / 2)
    bound = hc.contraction_rate(fresh_fraction=alpha, truncation_time=time, metric="wasserstein2")
    assert expected < bound
    assert expected > (1 - alpha) * 0.5
    assert ratios[4:] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    "metric", ["total_variation", "wasserstein1", "wasserstein2", "kl", "chi_square", "l2_gamma"]
)
@pytest.mark.parametrize("name, degree", [("off_centre_1d", 1), ("two_modes_1d", 4)])
def test_from_the_data_the_final_rate_is_that_of_the_lowest_mode(metric, name, degree):
    recursion = hc.Recursion(
        hc.presets.load(name), fresh_fraction=0.3, truncation_time=1.2 if degree == 1 else 0.4
    )
    assert bounds.lowest_difference(recursion) == degree
    rounds = 12
    observed = bounds.observed_rates(recursion, metric=metric, rounds=rounds)
    assert observed.respects_bound
    row = next(
        row
        for row in bounds.rate_table(
            fresh_fraction=0.3, truncation_time=recursion.schedule.final, degree=degree
        )
        if row.metric == metric
    )
    assert observed.final == pytest.approx(row.final)
    last = np.flatnonzero(observed.ratio_errors < 1e-3 * observed.ratios)[-1]
    assert observed.ratios[last] == pytest.approx(row.final, rel=0.06)
    # The ratio closes in on the final rate from whichever side it starts.
    gaps = np.abs(observed.ratios[: last + 1] - row.final)
    assert gaps[-1] < 0.35 * gaps[0] + 1e-9


def test_rounds_to_a_tolerance():
    recursion = hc.Recursion(hc.presets.load("off_centre_1d"), fresh_fraction=0.3, truncation_time=0.8)
    for metric in ("total_variation", "wasserstein2", "kl"):
        found = bounds.rounds_to_distance(recursion, 1e-4, metric=metric)
        function = FUNCTIONS[metric]
        limit = recursion.limit()
        exact = int(found.exact)
        assert (
            function(recursion.law(exact), limit).value
            <= 1e-4
            < function(recursion.law(exact - 1), limit).value
        )
        assert exact <= found.guaranteed
        assert abs(found.predicted - exact) <= 2
    assert bounds.rounds_to_distance(recursion, 5.0, metric="wasserstein2").exact == 0


@pytest.mark.parametrize("metric", ["total_variation", "kl", "wasserstein2"])
@pytest.mark.parametrize("target", [normal(0.0, 1.0), hc.presets.load("three_modes_1d")])
@pytest.mark.parametrize("alpha, time", [(0.3, 0.0), (1.0, 0.1), (0.3, 100.0), (1.0, 100.0)])
def test_rounds_to_a_distance_at_the_ends_of_the_ranges(target, alpha, time, metric):
    recursion = hc.Recursion(target, fresh_fraction=alpha, truncation_time=time)
    found = bounds.rounds_to_distance(recursion, 0.01, metric=metric)
    near = time == 0.0 or np.array_equal(target.variances, [[1.0]])
    assert found.exact == 0 if near else 0 < found.exact <= found.guaranteed < 20
    assert FUNCTIONS[metric](recursion.law(int(found.exact)), recursion.limit()).value <= 0.01


@pytest.mark.parametrize(
    "options, message",
    [
        ({"truncation_time": [0.1, 0.2]}, "constant rounds"),
        ({"regime": "accumulate", "fresh_fraction": 0.0}, "replace"),
        ({"fresh_fraction": 0.0}, "fresh_fraction must be > 0"),
        ({"blur": 0.3}, "process must be"),
    ],
)
def test_rates_need_constant_rounds(options, message):
    given_options = {"fresh_fraction": 0.3, "truncation_time": 0.2, **options}
    recursion = hc.Recursion(normal(0.5, 0.5), **given_options)
    with pytest.raises(hc.InputError, match=message):
        bounds.observed_rates(recursion, metric="kl", rounds=2)
