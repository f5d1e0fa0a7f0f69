"""Spectra, schedules, bounds and moments: what is drawn is what was given, and what cannot be is said."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from hermite_collapse import Recursion, presets
from hermite_collapse.core.errors import InputError
from hermite_collapse.figures import (
    draw_bounds,
    draw_moment_drift,
    draw_schedule_curves,
    draw_spectrum,
    schedule_figure,
    style,
)
from hermite_collapse.recursion import schedules
from hermite_collapse.recursion.modes import mode_residuals
from tests.figures.figure_checks import assert_readable


def test_spectrum_leaves_degree_zero_out_and_marks_what_is_not_resolved() -> None:
    energy = np.array([1.0, 0.3, 0.1, 0.02, -0.004, 0.003])
    axes = draw_spectrum(
        energy=energy,
        standard_error=np.full(6, 0.005),
        noise_floor=np.full(6, 0.004),
        resolvable_degree=3,
        predicted=np.abs(energy),
        label="sample",
    )
    full, hollow = axes.containers
    np.testing.assert_allclose(full.lines[0].get_data(), [[1, 2, 3], energy[1:4]])
    assert to_hex(hollow.lines[0].get_markerfacecolor()) == "#ffffff"
    # The negative estimate has no point on a log axis, but its bar shows how high it may be.
    assert np.isnan(hollow.lines[0].get_ydata()[0])
    bars = [
        bar for c in axes.collections if hasattr(c, "get_segments") for bar in c.get_segments() if len(bar)
    ]
    tops = [bar[:, 1].max() for bar in bars]
    assert any(abs(top - 0.001) < 1e-12 for top in tops)
    assert_readable(axes.get_figure())


def test_spectrum_without_any_positive_energy_is_refused() -> None:
    with pytest.raises(InputError, match="energy"):
        draw_spectrum(energy=[1.0, -0.1, -0.2])


@pytest.mark.parametrize("logarithmic", [False, True])
def test_schedule_curves_are_the_residuals(logarithmic: bool) -> None:
    plans = {
        "constant": 0.1,
        "polynomial": schedules.Polynomial(0.1, 1.0),
        "geometric": schedules.Geometric(0.1, 0.6),
        "a floor": schedules.Geometric(0.1, 0.6, floor=0.01),
    }
    curves = {
        name: mode_residuals(4, fresh_fraction=0.3, truncation_time=plan, rounds=40)[1:]
        for name, plan in plans.items()
    }
    axes = draw_schedule_curves(curves=curves, logarithmic_rounds=logarithmic)
    for container, given in zip(axes.containers, curves.values(), strict=True):
        np.testing.assert_array_equal(container.lines[0].get_ydata(), given)
    assert {text.get_text() for text in axes.texts} == set(plans)
    assert_readable(axes.get_figure())


def test_schedules_leave_the_divergence_of_their_laws() -> None:
    target = presets.load("two_modes_1d")
    plans = {"constant": 0.1, "vanishing": schedules.Geometric(0.1, 0.5)}
    recursions = {
        name: Recursion(target, fresh_fraction=0.3, truncation_time=plan) for name, plan in plans.items()
    }
    figure = schedule_figure(recursions, rounds=4)
    right = figure.axes[1]
    grid = np.linspace(-9.0, 9.0, 20_001)
    for container, recursion in zip(right.containers, recursions.values(), strict=True):
        p, q = recursion.law(3).density(grid), target.density(grid)
        with np.errstate(divide="ignore", invalid="ignore"):
            exact = np.trapezoid(np.where(p > 0.0, p * np.log(p / q), 0.0), grid)
        assert container.lines[0].get_ydata()[2] == pytest.approx(exact, rel=1e-9)
    assert_readable(figure)
    with pytest.raises(InputError, match="start from the data"):
        schedule_figure(
            {"own": Recursion(target, fresh_fraction=0.3, truncation_time=0.1, initial=target)}, rounds=2
        )


def test_bounds_that_are_infinite_leave_a_gap_and_the_measured_points_stay() -> None:
    measured = np.array([0.1, 0.2, np.inf, 0.3])
    axes = draw_bounds(
        measured=measured, lower={"lower": 0.5 * measured}, upper={"upper": [0.3, np.inf, np.inf, 0.9]}
    )
    (points,) = axes.containers
    np.testing.assert_allclose(points.lines[0].get_data(), [[1, 2, 4], [0.1, 0.2, 0.3]])
    upper = axes.lines[1].get_ydata()
    np.testing.assert_array_equal(np.isnan(upper), [False, True, True, False])
    assert_readable(axes.get_figure())


def test_bounds_of_one_name_are_told_apart_and_an_equality_is_one_line() -> None:
    value = np.array([0.1, 0.2, 0.3])
    axes = draw_bounds(
        measured=value,
        lower={"triangle": 0.5 * value, "refresh": value, "floor": 0.1 * value},
        upper={"triangle": 2.0 * value, "refresh": value},
    )
    labels = [text.get_text() for text in axes.texts]
    bounds = ["triangle (lower)", "triangle (upper)", "refresh (equal)", "floor", "measured"]
    assert sorted(labels) == sorted(bounds)
    lines = {tuple(line.get_ydata()): line.get_color() for line in axes.lines if len(line.get_ydata()) == 3}
    assert lines[tuple(0.5 * value)] == lines[tuple(2.0 * value)] != lines[tuple(0.1 * value)]
    assert_readable(axes.get_figure())


def test_moments_drift_beside_their_limits() -> None:
    i = np.arange(12)
    predicted = {"$E\\,x_1^2$": -(1.0 - 0.7**i), "$E\\,x_3^2$": 0.2 * (1.0 - 0.7**i)}
    axes = draw_moment_drift(
        predicted=predicted,
        measured=predicted,
        standard_error={name: np.full(12, 0.01) for name in predicted},
        limits={"$E\\,x_1^2$": -1.0, "$E\\,x_3^2$": 0.2},
    )
    rules = [c for c in axes.lines if len(c.get_xdata()) == 2]
    assert sorted(float(c.get_ydata()[0]) for c in rules) == [-1.0, 0.2]
    for container, given in zip(axes.containers, predicted.values(), strict=True):
        np.testing.assert_array_equal(container.lines[0].get_ydata(), given)
    assert_readable(axes.get_figure())


def test_colours_differ_for_readers_who_do_not_see_them_all() -> None:
    """Simulated red- and green-blindness (Vienot, Brettel, Mollon 1999) keeps limit, data and rounds apart."""
    to_lms = np.array(
        [[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]]
    )
    protan = np.array([[0.0, 2.02344, -2.52581], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    deutan = np.array([[1.0, 0.0, 0.0], [0.494207, 0.0, 1.24827], [0.0, 0.0, 1.0]])

    def linear(colour: str) -> np.ndarray:
        return (np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0) ** 2.2

    for loss in (np.eye(3), protan, deutan):
        see = np.linalg.inv(to_lms) @ loss @ to_lms
        seen = {
            c: np.clip(see @ linear(c), 0.0, 1.0) ** (1 / 2.2)
            for c in (style.LIMIT, *style.ROUNDS, style.DATA)
        }
        for other in style.ROUNDS:
            assert np.linalg.norm(seen[style.LIMIT] - seen[other]) > 0.3
        assert np.linalg.norm(seen[style.ROUNDS[0]] - seen[style.ROUNDS[-1]]) > 0.4
