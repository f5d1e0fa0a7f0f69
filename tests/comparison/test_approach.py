"""How rounds approach the limit: noise is taken off, what it hides is left out, rates are those of the recursion."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.comparison.approach import (
    corrected_square,
    has_visible_distance,
    mode_distances,
    observed_rate,
    reliable,
    simulated_rate,
)


@pytest.fixture(scope="module")
def results() -> tuple:
    """A prediction and 40 comparisons of independent simulations with it."""
    pytest.importorskip("torch")
    target = hc.GaussianMixture([0.5, 0.5], [1.5, 2.5], 0.5)
    recursion = hc.Recursion(target, fresh_fraction=0.3, truncation_time=0.3)
    comparisons = [
        hc.compare(
            recursion,
            hc.simulation.simulate(
                recursion, rounds=5, particles=4000, generator="channel", degree=2, seed=seed
            ),
        )
        for seed in range(40)
    ]
    return hc.predict(recursion, rounds=5, degree=2), comparisons


def test_noise_is_taken_off_squares_however_modes_are_correlated() -> None:
    """Standard normal noise of correlation 0 and 1: the mean square is the true one, the bound holds."""
    rng = np.random.default_rng(3)
    true, weight, draws = np.array([0.3, -1.0, 0.0]), np.array([1.0, 0.5, 2.0]), 200_000
    for noise in (rng.normal(size=(draws, 3)), np.repeat(rng.normal(size=(draws, 1)), 3, axis=1)):
        measured = true + 0.4 * noise
        square, bound = corrected_square(measured, np.full(3, 0.4), weight, size=true)
        exact, error = true**2 @ weight, np.std(square) / np.sqrt(draws)
        assert abs(np.mean(square) - exact) < 5.0 * error
        assert abs(np.mean(measured**2 @ weight) - exact) > 50.0 * error
        assert np.std(square) <= bound


def test_exact_distances_are_weighted_sums_of_squares(results: tuple) -> None:
    prediction, _ = results
    gap = prediction.coefficients - prediction.limit_coefficients
    distances = mode_distances(prediction)
    assert distances.degree == 2 and distances.measured is None and distances.standard_error is None
    expected = np.sqrt(sum(0.5**n * gap[:, n] ** 2 for n in (1, 2)))
    np.testing.assert_allclose(distances.exact, expected, rtol=1e-14)


def test_measured_squares_have_the_exact_ones_as_their_mean(results: tuple) -> None:
    """Round 1, far from the limit."""
    prediction, comparisons = results
    rows = [mode_distances(prediction, c) for c in comparisons]
    measured = np.array([row.measured[1] for row in rows])
    exact = mode_distances(prediction).exact
    error = np.std(measured**2, ddof=1) / np.sqrt(len(measured))
    assert abs(np.mean(measured**2) - exact[1] ** 2) < 5.0 * error
    assert abs(np.mean(measured**2) - exact[2] ** 2) > 20.0 * error
    bars = np.array([row.standard_error[1] for row in rows])
    assert 0.8 * np.std(measured) < np.mean(bars) < 2.0 * np.std(measured)


def test_distances_lost_in_the_noise_are_left_out(results: tuple) -> None:
    prediction, comparisons = results
    assert any(np.isnan(mode_distances(prediction, c).measured[-1]) for c in comparisons)


def test_the_simulated_rate_is_that_of_the_exact_coefficients(results: tuple) -> None:
    prediction, comparisons = results
    pulls, pulls_of_another = [], []
    for comparison in comparisons:
        rate = simulated_rate(prediction, comparison)
        assert rate is not None
        modes = comparison.tested[1:].all(axis=0) & (comparison.indices.sum(axis=1) > 0)
        size = np.sum((prediction.coefficients - prediction.limit_coefficients)[:, modes] ** 2, axis=1)
        exact = np.array([(size[k] / size[0]) ** (0.5 / k) for k in range(1, 6)])
        assert rate.exact == pytest.approx(exact[rate.rounds - 1], rel=1e-12) and rate.modes == modes.sum()
        measured = rate.measured
        assert rate.z == pytest.approx((measured.value - rate.exact) / measured.error)
        pulls.append(abs(rate.z))
        pulls_of_another.append(abs(measured.value - 1.5 * rate.exact) / measured.error)
    assert max(pulls) < 4.0 < min(pulls_of_another)


def test_there_is_no_distance_without_a_limit() -> None:
    table = [[0.5, 0.5, 0.0], [0.2, 0.4, 0.4]]
    recursion = hc.Recursion(
        hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1, regime=table
    )
    assert mode_distances(hc.predict(recursion, rounds=2, degree=2)) is None


def test_rates_come_from_neighbouring_rounds_known_sharply() -> None:
    values = [0.8, 0.4, 0.1, 0.05]
    assert observed_rate(values, [0.0] * 4) == pytest.approx(0.5)
    assert observed_rate(values, [0.0, 0.0, 0.1, 0.0]) == pytest.approx(0.5)
    assert observed_rate(values, [0.0, 0.1, 0.0, 0.1]) is None
    assert observed_rate([np.inf, np.inf], [0.0, 0.0]) is None


def test_what_is_shown_is_known_to_half_of_itself_and_above_rounding() -> None:
    np.testing.assert_array_equal(
        reliable([np.inf, 0.0, 0.1, 0.1], [0.0, 0.0, 0.05, 0.06]), [False, False, True, False]
    )
    assert has_visible_distance([np.inf, np.inf], [0.0, 0.0])
    assert not has_visible_distance([1e-14, 0.0], [0.0, 0.0])
    assert has_visible_distance([0.1, 0.0], [0.0, 0.0])
