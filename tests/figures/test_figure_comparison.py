"""The figures of a result, on small simulations: which come, that they can be read, that they show the data."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from matplotlib import image
from matplotlib.colors import to_rgb

import hermite_collapse as hc
from hermite_collapse.core.display import PLOTS, shown_by
from hermite_collapse.core.numbers import spread_rounds
from hermite_collapse.core.significance import Test, holm
from hermite_collapse.figures import comparison_figures, prediction_figures, save, style
from hermite_collapse.recursion.prediction import predict
from tests.figures.figure_checks import assert_readable

pytest.importorskip("torch")

CAPTIONS = {
    "attenuation": "Share of each Hermite mode of the data that survives, by degree",
    "density": "Density of the data (filled), after the rounds given (thin lines) and in the limit (thick line)",
    "approach": "Distance to the limit by round, on a log axis",
}


def result(target: object, *, degree: int = 6, rounds: int = 4, **options: object) -> tuple:
    recursion = hc.Recursion(target, **{"fresh_fraction": 0.3, "truncation_time": 0.1, **options})
    simulated = hc.simulation.simulate(
        recursion, rounds=rounds, particles=8192, generator="channel", degree=degree, seed=5, keep="last"
    )
    return hc.compare(recursion, simulated), recursion, simulated


@pytest.fixture(scope="module")
def line_result() -> tuple:
    return result(hc.presets.load("three_modes_1d"))


@pytest.fixture(scope="module")
def line_figures(line_result: tuple) -> dict:
    return comparison_figures(*line_result)


def test_one_dimension_gives_the_three_figures(line_figures: dict, tmp_path: Path) -> None:
    drawn = line_figures
    assert list(drawn) == ["attenuation", "density", "approach"]
    for name, figure in drawn.items():
        assert_readable(figure)
        assert figure.get_gid() == name and figure.get_label().startswith(CAPTIONS[name])
        vector, pixel = save(figure, tmp_path / name)
        text = vector.read_text("utf-8")
        assert all(colour in text for colour in (style.LIMIT, style.INK))
        picture = image.imread(pixel)[..., :3].reshape(-1, 3)
        red = np.abs(picture - np.array(to_rgb(style.LIMIT))).max(axis=1) < 0.02
        assert red.any() and (picture == 1.0).all(axis=1).any()  # the limit, on white ground


def test_measured_factors_and_their_z_scores_are_those_of_the_comparison(
    line_result: tuple, line_figures: dict
) -> None:
    comparison = line_result[0]
    upper, lower = line_figures["attenuation"].axes
    shown = spread_rounds(comparison.rounds)
    heights_drawn = np.concatenate([c.lines[0].get_ydata() for c in upper.containers])
    expected = np.concatenate([comparison.measured_factors[i, 1:] for i in shown])
    np.testing.assert_allclose(np.sort(heights_drawn), np.sort(expected[np.isfinite(expected)]))
    scattered = [np.asarray(c.get_offsets()) for c in lower.collections if hasattr(c, "get_sizes")]
    heights = np.concatenate([points[:, 1] for points in scattered if len(points)])
    z = np.concatenate([comparison.factor_z[i, 1:] for i in shown])
    np.testing.assert_allclose(np.sort(heights), np.sort(z[np.isfinite(z)]))
    low, high = lower.get_ylim()
    assert np.all((heights > low) & (heights < high))


def test_the_critical_size_is_where_the_verdict_turns(line_result: tuple) -> None:
    """A family of the same size and weights, with one p-value just inside and just outside of the drawn size."""
    comparison = line_result[0]
    assert comparison.implied_fresh_fraction is not None and comparison.implied_truncation is not None
    count = comparison.verdict.tests - 2
    size = comparison.verdict.critical_z
    for factor, rejected in ((1.001, True), (0.999, False)):
        p = 2.0 * (1.0 - NormalDist().cdf(factor * size))
        tests = [Test("one", factor * size, p), *[Test("rest", 0.0, 0.9)] * (count - 1)]
        tests += [Test("implied", 0.0, 0.9, weight=count / 2.0)] * 2
        assert bool(holm(tests, comparison.verdict.level, 0).rejected) == rejected


def test_two_dimensions_add_the_map_of_coefficients() -> None:
    drawn = comparison_figures(*result(hc.presets.load("tilted_2d"), degree=3, rounds=2))
    assert list(drawn) == ["attenuation", "density", "approach", "heat_map"]
    assert [axes.get_title(loc="left") for axes in drawn["density"].axes] == ["round 1", "round 2", "limit"]
    for figure in drawn.values():
        assert_readable(figure)


def test_ten_dimensions_add_the_drift_of_moments() -> None:
    comparison, recursion, simulated = result(hc.presets.load("five_modes_10d"), degree=2, rounds=2)
    drawn = comparison_figures(comparison, recursion, simulated)
    assert list(drawn) == ["attenuation", "density", "approach", "moments"]
    (axes,) = drawn["moments"].axes
    exact = [np.diag(recursion.law(i).covariance) + recursion.law(i).mean ** 2 for i in range(3)]
    change = np.array(exact) - exact[0]
    lines = [c.get_ydata() for c in axes.lines if len(c.get_xdata()) == 3 and c.get_marker() == "None"]
    assert any(np.allclose(line, change[:, 0], atol=1e-9) for line in lines)
    assert any(np.allclose(line, change[:, 2], atol=1e-9) for line in lines)
    for figure in drawn.values():
        assert_readable(figure)


def test_where_degrees_mix_coefficients_take_the_place_of_factors() -> None:
    drawn = comparison_figures(*result(hc.presets.load("two_modes_1d"), degree=4, blur=0.2))
    assert list(drawn) == ["coefficients", "density", "approach"]
    for figure in drawn.values():
        assert_readable(figure)


def test_a_start_of_its_own_has_no_factors_either() -> None:
    start = hc.GaussianMixture([1.0], [0.5], 0.8)
    drawn = comparison_figures(*result(hc.presets.load("two_modes_1d"), degree=4, initial=start))
    assert "coefficients" in drawn and "attenuation" not in drawn


def test_samples_as_target_are_drawn_as_points() -> None:
    samples = hc.presets.load("three_modes_1d").sample(2000, 3)
    drawn = comparison_figures(*result(hc.EmpiricalLaw(samples), degree=4))
    assert "Drawn from 1500 of the samples, evenly chosen." in drawn["density"].get_label()
    for figure in drawn.values():
        assert_readable(figure)


@pytest.mark.parametrize(
    "options",
    [
        {"fresh_fraction": 0.0},
        {"fresh_fraction": 1.0},
        {"truncation_time": 0.0},
        {"truncation_time": hc.schedules.Polynomial(0.2, 1.0)},
        {"fresh_fraction": 0.0, "regime": "accumulate"},
        {"regime": "accumulate_with_fresh"},
        {"process": hc.VarianceExploding(), "fresh_fraction": 0.0},
    ],
)
def test_every_regime_has_figures_of_its_prediction(options: dict) -> None:
    recursion = hc.Recursion(
        hc.presets.load("two_modes_1d"), **{"fresh_fraction": 0.3, "truncation_time": 0.1, **options}
    )
    drawn = prediction_figures(predict(recursion, rounds=3, degree=4))
    assert "density" in drawn
    for figure in drawn.values():
        assert_readable(figure)


def test_a_law_that_does_not_move_has_no_distance_to_show() -> None:
    still = hc.Recursion(hc.GaussianMixture([1.0], [0.0], 1.0), fresh_fraction=0.3, truncation_time=0.1)
    moving = hc.Recursion(hc.GaussianMixture([1.0], [0.0], 1.01), fresh_fraction=0.3, truncation_time=0.1)
    assert "approach" not in prediction_figures(predict(still, rounds=2, degree=2))
    assert "approach" in prediction_figures(predict(moving, rounds=2, degree=2))


def test_the_demonstration_shows_samples_that_follow_its_curves() -> None:
    """Within five standard errors of f_n(i), and not of the factors of a round later."""
    figure = hc.demo(particles=50_000)
    assert_readable(figure)
    far_from_next = []
    rounds = iter((1, 2, 4))
    lowest_before = 0
    for container in figure.axes[0].containers:
        degree, value = (np.asarray(v) for v in container.lines[0].get_data())
        if lowest_before == 0 or degree[0] <= lowest_before:
            i = next(rounds)
        lowest_before = degree[0]
        half = np.array([np.ptp(bar[:, 1]) / 2.0 for bar in container.lines[2][0].get_segments()])
        exact = hc.mode_factors(degree.astype(int), fresh_fraction=0.3, truncation_time=0.1, rounds=i + 1)
        assert np.all(np.abs(value - exact[i]) < 5.0 * half)
        far_from_next.append(np.max(np.abs(value - exact[i + 1]) / half))
    assert max(far_from_next) > 10.0


def test_a_prediction_draws_its_factors() -> None:
    prediction = predict(
        hc.Recursion(hc.presets.load("two_modes_1d"), fresh_fraction=0.3, truncation_time=0.1),
        rounds=2,
        degree=4,
    )
    _, grid = style.panels(1, 2)
    axes = prediction.plot(grid[0, 1])
    assert axes is grid[0, 1] and not grid[0, 0].lines
    (curve,) = [c for c in axes.lines if c.get_color() == style.LIMIT]
    x, y = curve.get_data()
    np.testing.assert_allclose(y, 0.3 / (0.3 + np.expm1(0.05 * x)), rtol=1e-12)


def test_what_has_no_single_figure_says_so() -> None:
    with pytest.raises(hc.InputError, match=r"value must be one of Law, Recursion, .* got float"):
        shown_by(PLOTS, 3.0)
    plane = hc.presets.load("tilted_2d")
    mixing = hc.Recursion(plane, fresh_fraction=0.3, truncation_time=0.1, blur=0.2)
    with pytest.raises(hc.InputError, match="keeps Hermite degrees apart"):
        predict(mixing, rounds=2, degree=4).plot()
    with pytest.raises(hc.InputError, match="must keep Hermite degrees apart and start from the data"):
        mixing.plot()
