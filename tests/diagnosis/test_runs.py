"""Tables with a few runs: the truth is rejected in five per cent of cases, whatever the number of runs."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.diagnosis.observed.estimated_errors import chi_square_of_estimates, spread_of_estimates


def p_value(path, runs, seed):
    rng = np.random.default_rng(seed)
    curve = np.array(hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=9))
    rows = [
        f"{run},{i}," + ",".join(f"{value + 0.01 * rng.normal() * (i > 0):.6f}" for value in curve[i])
        for run in range(runs)
        for i in range(10)
    ]
    path.write_text("seed,round,degree 1,degree 2\n" + "\n".join(rows))
    curve = hc.read_curve(path)
    return hc.diagnose(curve, mechanism="truncation", noise="independent").p_value


def largest_distance_from_uniform(p_values):
    p = np.sort(p_values)
    count = len(p)
    return max(np.max(np.arange(1, count + 1) / count - p), np.max(p - np.arange(count) / count))


@pytest.mark.parametrize("runs", [2, 4, 6])
def test_the_truth_is_rejected_in_five_per_cent_of_sixty_tables(tmp_path, runs):
    p = np.array([p_value(tmp_path / "c.csv", runs, seed) for seed in range(60)])
    assert np.mean(p < 0.05) <= 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / 60)
    assert largest_distance_from_uniform(p) < 1.95 / np.sqrt(60)  # Kolmogorov's law at 0.1 %


@pytest.mark.slow
@pytest.mark.parametrize("runs", [2, 3, 4, 6, 10])
def test_the_truth_is_rejected_in_five_per_cent_of_two_hundred_tables(tmp_path, runs):
    p = np.array([p_value(tmp_path / "c.csv", runs, seed) for seed in range(200)])
    assert np.mean(p < 0.05) <= 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / 200)
    assert largest_distance_from_uniform(p) < 1.95 / np.sqrt(200)


def test_chi_square_of_estimated_errors_is_a_chi_square():
    """Two groups of different freedom, one fitted mean: mean and variance of chi-square, which the plain sum misses."""
    rng = np.random.default_rng(0)
    groups = np.array([0] * 9 + [1] * 6)
    freedom = np.where(groups == 0, 9.0, 5.0)
    sums, plain = [], []
    for _ in range(4000):
        scatter = np.sqrt(np.array([rng.chisquare(9.0) / 9.0, rng.chisquare(5.0) / 5.0]))[groups]
        values = rng.normal(size=15)
        residuals = (values - np.average(values, weights=scatter**-2)) / scatter
        sums.append(chi_square_of_estimates(residuals, 1.0 / scatter[:, None], freedom, groups))
        plain.append(float(residuals @ residuals))
    assert np.mean(sums) == pytest.approx(14.0, abs=0.5) and np.var(sums) == pytest.approx(28.0, rel=0.12)
    assert np.mean(plain) > 18.0


def test_known_errors_leave_chi_square_as_it_is():
    residuals = np.array([1.0, -2.0, 0.5])
    exact = chi_square_of_estimates(residuals, np.ones((3, 1)), np.full(3, np.inf), np.arange(3))
    assert exact == pytest.approx(5.25) and spread_of_estimates(np.full(3, np.inf)) == 1.0
    nearly = chi_square_of_estimates(residuals, np.zeros((3, 0)), np.full(3, 1e8), np.zeros(3, dtype=int))
    assert nearly == pytest.approx(5.25, rel=1e-5) and spread_of_estimates(np.array([9.0])) == pytest.approx(
        9 / 7
    )


def test_columns_of_different_scales_have_their_own_scatter_and_constant_ones_are_left_out():
    """A metric with a floor beside recall, without errors: each alone gives the same plateau as both together."""
    i = np.arange(10)
    fid, recall = np.round(3 + 20 * (1 - 0.6**i), 3), np.round(0.3 + 0.4 * 0.6**i, 3)
    result = hc.diagnose(np.stack([fid, recall, np.full(10, 0.7)], axis=1), kind="distances")
    assert "Left out, since nothing changes in it: column 3" in result.text
    assert np.all(np.abs(result.plateau - [23.0, 0.3]) < [0.02, 0.001])
    alone = hc.diagnose(fid[:, None], kind="distances")
    assert result.plateau[0] == pytest.approx(alone.plateau[0], abs=1e-3)
    assert hc.diagnose(np.full((10, 2), 0.7), kind="distances").verdict == "undetermined"
