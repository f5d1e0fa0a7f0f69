"""What the attenuation figure shows is the theory: curves at real degrees, points where they were measured."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from hermite_collapse.core.errors import InputError
from hermite_collapse.figures import MeasuredFactors, draw_attenuation, draw_mode_values, draw_z_scores, style
from hermite_collapse.recursion.schedules import Geometric, Polynomial
from tests.figures.figure_checks import assert_readable

ALPHA, TIME, RATE = 0.3, 0.1, 0.7


def line(axes: Axes, colour: str, width: float) -> tuple[np.ndarray, np.ndarray]:
    matches = [c for c in axes.lines if to_hex(c.get_color()) == colour and c.get_linewidth() == width]
    assert len(matches) == 1
    return matches[0].get_xdata(), matches[0].get_ydata()


def limit_oracle(degree: float, alpha: float) -> float:
    with mpmath.workdps(40):
        return float(alpha / (alpha + mpmath.expm1(mpmath.mpf(degree) * RATE * TIME)))


def round_oracle(degree: float, alpha: float, rounds: int) -> float:
    with mpmath.workdps(40):
        a, f = mpmath.exp(-mpmath.mpf(degree) * RATE * TIME), mpmath.mpf(1)
        for _ in range(rounds):
            f = a * (alpha + (1 - mpmath.mpf(alpha)) * f)
        return float(f)


@pytest.fixture(scope="module")
def axes() -> Axes:
    return draw_attenuation(
        fresh_fraction=ALPHA, truncation_time=TIME, rate=RATE, rounds=(1, 3), highest_degree=9.7
    )


def test_limit_curve_is_the_attenuation_at_real_degrees(axes: Axes) -> None:
    x, y = line(axes, style.LIMIT, 2.1)
    assert x[0] == 0.0 and x[-1] == pytest.approx(9.7) and np.any(np.abs(x - np.rint(x)) > 0.1)
    np.testing.assert_allclose(y, [limit_oracle(n, ALPHA) for n in x], rtol=1e-13)
    assert np.max(np.abs(y - [limit_oracle(n, 1.05 * ALPHA) for n in x])) > 5e-3


def test_round_curves_are_the_factors_at_real_degrees(axes: Axes) -> None:
    for rounds, colour in ((1, style.ROUNDS[0]), (3, style.ROUNDS[5])):
        x, y = line(axes, colour, 1.15)
        np.testing.assert_allclose(y, [round_oracle(n, ALPHA, rounds) for n in x], rtol=1e-13)
        assert np.max(np.abs(y - [round_oracle(n, ALPHA, rounds + 1) for n in x])) > 5e-3


def test_half_amplitude_is_marked_where_the_curve_crosses_half(axes: Axes) -> None:
    marks = [c for c in axes.lines if len(c.get_xdata()) == 3]
    assert len(marks) == 1
    half = marks[0].get_xdata()[1]
    assert limit_oracle(half, ALPHA) == pytest.approx(0.5, rel=1e-12)
    assert any(f"{half:.3g}" in text.get_text() for text in axes.texts)


@pytest.mark.parametrize(
    "settings",
    [
        {"fresh_fraction": 0.3, "truncation_time": 0.1},
        {"fresh_fraction": 0.3, "truncation_time": 0.0},
        {"fresh_fraction": 1.0, "truncation_time": 0.1},
        {"fresh_fraction": 0.5, "truncation_time": 5.0},
        {"fresh_fraction": 0.001, "truncation_time": 0.002},
        {"fresh_fraction": 0.9, "truncation_time": 0.02},
        {"fresh_fraction": 0.3, "truncation_time": Polynomial(0.2, 1.0)},
        {"fresh_fraction": (0.5, 0.2), "truncation_time": Geometric(0.2, 0.5, floor=0.05)},
        {"fresh_fraction": 0.0, "truncation_time": 0.1, "regime": "accumulate", "limit": False},
    ],
)
@pytest.mark.parametrize("top", [6.0, 40.0])
def test_words_keep_apart_in_every_regime(settings: dict, top: float) -> None:
    axes = draw_attenuation(**settings, rounds=(1, 2, 4, 8), highest_degree=top)
    assert_readable(axes.get_figure())


def test_points_stand_at_their_values_and_untested_ones_are_hollow() -> None:
    points = MeasuredFactors(
        round=2,
        degree=[1, 2, 2],
        factor=[0.9, 0.8, 0.7],
        standard_error=[0.01, 0.02, 0.03],
        tested=[True, True, False],
    )
    axes = draw_attenuation(fresh_fraction=ALPHA, truncation_time=TIME, rounds=(2,), measured=[points])
    full, hollow = axes.containers
    np.testing.assert_allclose(full.lines[0].get_ydata(), [0.9, 0.8])
    np.testing.assert_allclose(hollow.lines[0].get_ydata(), [0.7])
    assert to_hex(hollow.lines[0].get_markerfacecolor()) == "#ffffff"
    assert to_hex(full.lines[0].get_markerfacecolor()) != "#ffffff"
    bars = full.lines[2][0].get_segments()
    np.testing.assert_allclose([bar[:, 1] for bar in bars], [[0.89, 0.91], [0.78, 0.82]])
    assert full.lines[0].get_xdata()[0] == 1.0
    # Two modes of one degree stand apart, both nearer to it than to any other.
    shared = np.array([full.lines[0].get_xdata()[1], hollow.lines[0].get_xdata()[0]])
    assert shared[0] != shared[1] and np.all(np.abs(shared - 2.0) < 0.2)


def test_an_axes_of_the_caller_is_drawn_on_and_returned() -> None:
    _, grid = style.panels(1, 2)
    assert draw_attenuation(grid[0, 1], fresh_fraction=ALPHA, truncation_time=TIME) is grid[0, 1]
    assert not grid[0, 0].lines


def test_z_scores_show_the_critical_size_and_cut_only_untested_ones() -> None:
    axes = draw_z_scores(degree=[1, 2, 3], z=[0.5, -4.0, 30.0], tested=[True, True, False], critical=3.4)
    heights = sorted({float(c.get_ydata()[0]) for c in axes.lines})
    assert heights == [-3.4, 0.0, 3.4]
    low, high = axes.get_ylim()
    assert low < -4.0 and 4.0 < high < 30.0
    assert_readable(axes.get_figure())


def test_mode_values_show_the_largest_modes_and_never_degree_zero() -> None:
    indices = np.array([[0], [1], [2], [3]])
    predicted = np.array([[1.0, 0.5, -0.4, 0.01], [1.0, 0.25, -0.2, 0.005]])
    axes = draw_mode_values(
        indices=indices,
        rounds=(0, 1),
        predicted=predicted,
        measured=predicted + 0.01,
        standard_error=np.full((2, 4), 0.01),
        most=2,
    )
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2"]
    assert_readable(axes.get_figure())


def test_bad_values_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="fresh_fraction"):
        draw_attenuation(fresh_fraction=1.3, truncation_time=0.1)
    with pytest.raises(InputError, match="highest_degree"):
        draw_attenuation(fresh_fraction=0.3, truncation_time=0.1, highest_degree=0)
    with pytest.raises(InputError, match="degree"):
        MeasuredFactors(1, [-1], [0.5], [0.1], [True])
