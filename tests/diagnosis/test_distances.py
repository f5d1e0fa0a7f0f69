"""Distances of exactly truncated Gaussians, by formulas of their own: nothing is rejected, no plateau is claimed."""

from __future__ import annotations

import re

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.storage.roles import is_squared

WIDTHS, MEANS = np.geomspace(4.0, 0.02, 10), np.linspace(1.0, -1.0, 10)
SETTINGS = [(0.1, 0.02, 30), (0.3, 0.1, 12), (0.05, 0.005, 30), (0.5, 0.05, 10)]
SQUARED = {"FID": True, "KL": True, "W2": False, "TV": False}


def laws(alpha, time, rounds):
    """Variances and means of rounds 0, 1, ... in ten directions."""
    variances, means = [WIDTHS], [MEANS]
    for _ in range(rounds):
        mixed = alpha * WIDTHS + (1 - alpha) * variances[-1]
        variances.append(np.exp(-time) * mixed + 1 - np.exp(-time))
        means.append(np.exp(-time / 2) * (alpha * MEANS + (1 - alpha) * means[-1]))
    return np.array(variances), np.array(means)


def curve(name, variances, means):
    moved = (means - MEANS) ** 2
    if name == "KL":
        return 0.5 * np.sum(variances / WIDTHS - 1 - np.log(variances / WIDTHS) + moved / WIDTHS, axis=1)
    if name == "TV":  # of one direction, by quadrature
        x = np.linspace(-12, 12, 4001)
        density = np.exp(-((x - means[:, 4:5]) ** 2) / (2 * variances[:, 4:5])) / np.sqrt(
            2 * np.pi * variances[:, 4:5]
        )
        return 0.5 * np.abs(density - density[0]).sum(axis=1) * (x[1] - x[0])
    squared = np.sum((np.sqrt(variances) - np.sqrt(WIDTHS)) ** 2 + moved, axis=1)
    return squared if name == "FID" else np.sqrt(squared)


@pytest.mark.parametrize("name", SQUARED)
@pytest.mark.parametrize("setting", SETTINGS)
def test_distances_of_exact_truncation_reject_nothing(tmp_path, name, setting):
    alpha, time, rounds = setting
    values = curve(name, *laws(alpha, time, rounds))
    limit = curve(name, *laws(alpha, time, 3000))[-1]
    rng = np.random.default_rng([rounds, sum(map(ord, name))])
    floor = 0.03 * limit if SQUARED[name] else 0.0
    errors = 0.01 * np.maximum(values + floor, values[1])
    measured = values + floor + errors * rng.normal(size=rounds + 1)
    rows = "".join(f"{i},{y:.8g},{e:.8g}\n" for i, (y, e) in enumerate(zip(measured, errors, strict=True)))
    (tmp_path / "c.csv").write_text(f"round,{name},error\n{rows}")
    result = hc.diagnose(hc.read_curve(tmp_path / "c.csv"))
    assert result.verdict in ("undetermined", "rate_and_plateau") and result.fits is not False
    assert "Rejected" not in result.text and "Something else" not in result.text
    assert "mixes directions of several rates" in result.text and "±" not in result.text
    ((_, plateau, shown),) = result.long_run
    if result.verdict == "undetermined":  # exact truncation is no single rate
        assert plateau == "undetermined" and np.isnan(shown) and np.isnan(result.plateau).all()
    else:
        assert "to leading order and extrapolated by one rate" in result.text
        assert result.plateau[0] == pytest.approx(limit + floor, rel=0.05)


@pytest.mark.parametrize(("kind", "power"), [("distances", 1), ("squared_distances", 2)])
def test_a_single_rate_comes_back_by_the_form_of_its_kind(kind, power):
    i = np.arange(16)
    exact = 0.4 + 5.0 * (1.0 - 0.7**i) ** power
    errors = np.full(16, 0.02)
    pulls, p_values = [], []
    for seed in range(20):
        measured = exact + errors * np.random.default_rng(seed).normal(size=16)
        result = hc.diagnose(measured, kind=kind, standard_errors=errors)
        leading = result.leading
        pulls.append((leading.contraction[0] - 0.7) / leading.contraction_error[0])
        pulls.append((leading.plateau[0] - 5.4) / leading.plateau_error[0])
        p_values.append(leading.p_value)
        other = {"distances": "squared_distances", "squared_distances": "distances"}[kind]
        wrong = hc.diagnose(measured, kind=other, standard_errors=errors)
        assert wrong.leading.p_value < 1e-6 and wrong.verdict == "undetermined"
    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1.0, abs=0.4) and np.mean(p_values) > 0.3
    left = 1.0 - (1.0 - leading.contraction[0] ** result.rounds[0]) ** power
    before = 1.0 - (1.0 - leading.contraction[0] ** (result.rounds[0] - 1)) ** power
    assert left <= 0.01 < before


def test_names_say_which_distances_are_squared():
    squared = (
        "FID",
        "FID-50k",
        "KID x10^3",
        "run 1 - eval/fid",
        "fid seed 0",
        "MMD²",
        "W2^2",
        "KL divergence",
        "chi2",
    )
    plain = ("W2", "MMD", "recall", "total variation", "distance", "Wasserstein", "precision", "IS")
    assert all(map(is_squared, squared)) and not any(map(is_squared, plain))


def test_a_curve_of_unknown_kind_rejects_nothing_either(tmp_path):
    values = [1, 5, 2, 7, 1, 9, 3, 8]
    (tmp_path / "c.csv").write_text(
        "round,value,error\n" + "".join(f"{i},{y},0.1\n" for i, y in enumerate(values))
    )
    result = hc.diagnose(hc.read_curve(tmp_path / "c.csv"))
    assert result.verdict == "undetermined" and result.fits is None and "Rejected" not in result.text


def test_no_plateau_is_claimed_where_none_is_in_sight():
    rising = 3.0 * np.arange(8.0) ** 2 + np.random.default_rng(1).normal(size=8)
    result = hc.diagnose(rising, kind="squared_distances")
    assert "no plateau is in sight" in result.text and result.long_run[0][1] == "undetermined"
    assert np.isnan(result.plateau[0]) and np.isnan(result.rounds[0])
    drawn = result.plot()
    assert not any(line.get_transform() == drawn.get_yaxis_transform() for line in drawn.lines)


def test_nothing_is_promised_by_a_rejected_fit():
    values = np.array([1.0, 5.0, 2.0, 7.0, 1.0, 9.0, 3.0, 8.0])
    result = hc.diagnose(values, kind="variances", standard_errors=np.full(8, 0.1))
    assert result.verdict == "rejected" and np.isnan(result.plateau).all()
    assert result.long_run[0][1] == "undetermined"


def test_plateaus_are_named_where_some_curves_have_none():
    i = np.arange(8)
    slow = 0.2 + 0.01 * i
    settled = [0.5 + 0.3 * (1 - 0.4**i), 0.1 + 0.2 * (1 - 0.5**i)]
    noise = 1e-3 * np.random.default_rng(2).normal(size=(8, 3))
    curve = np.stack([slow, *settled], axis=1) + noise
    told = {"kind": "variances", "standard_errors": np.full((8, 3), 1e-3), "noise": "independent"}
    text = hc.diagnose(curve, **told).text
    assert re.search(
        r"Curves that level off: column 2 at 0\.(79|80)\d+ ± .* and column 3 at 0\.(29|30)\d+ ±", text
    )
    assert "Without a plateau in sight: column 1 (chi-square" in text


def test_three_values_show_no_plateau_in_text_and_table():
    result = hc.diagnose([2.1, 5.4, 11.2], kind="squared_distances")
    assert "no plateau is in sight" in result.text and result.long_run[0][1] == "undetermined"
