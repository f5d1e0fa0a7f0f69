"""Distance to the limit: bounds are drawn where they hold, rates are those of the points."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from hermite_collapse.core.errors import InputError
from hermite_collapse.figures import Approach, approach_figure, draw_approach, style
from tests.figures.figure_checks import assert_readable

ROUNDS = np.arange(9)
VALUES = 0.4 * 0.66**ROUNDS * (1.0 + 0.5 * 0.6**ROUNDS)


def test_the_bound_starts_at_the_first_distance_and_falls_at_the_proved_rate() -> None:
    axes = draw_approach(approach=Approach("metric", VALUES, 0.0, proved_rate=0.9, asymptotic_rate=0.66))
    (bound,) = [c for c in axes.lines if to_hex(c.get_color()) == style.MUTED]
    x, y = bound.get_data()
    np.testing.assert_allclose(y, VALUES[0] * 0.9**x)
    assert np.all(y >= VALUES)
    (slope,) = [c for c in axes.lines if to_hex(c.get_color()) == style.LIMIT]
    x, y = slope.get_data()
    np.testing.assert_allclose(y[1:] / y[:-1], 0.66)
    assert y[-1] == pytest.approx(VALUES[-1])


def test_a_bound_that_is_crossed_is_seen_to_be_crossed() -> None:
    axes = draw_approach(approach=Approach("metric", VALUES, 0.0, proved_rate=0.4))
    (bound,) = [c for c in axes.lines if to_hex(c.get_color()) == style.MUTED]
    assert np.all(VALUES[1:] > bound.get_ydata()[1:])
    assert axes.get_ylim()[0] < VALUES[-1] and axes.get_ylim()[1] > VALUES[0]


def test_observed_rate_is_that_of_the_last_round_known_well_enough() -> None:
    known = Approach("metric", VALUES, 1e-9)
    assert known.observed_rate == pytest.approx(VALUES[8] / VALUES[7])
    errors = np.where(ROUNDS > 5, 0.05 * VALUES, 1e-9)
    assert Approach("metric", VALUES, errors).observed_rate == pytest.approx(VALUES[5] / VALUES[4])
    assert Approach("metric", VALUES, 0.05 * VALUES).observed_rate is None


def test_infinite_and_lost_distances_are_said_in_words() -> None:
    infinite = draw_approach(approach=Approach("metric", np.full(5, np.inf)))
    assert [t.get_text() for t in infinite.texts] == ["infinite in every round"]
    lost = draw_approach(approach=Approach("metric", np.full(5, 1e-17), 1e-15))
    assert [t.get_text() for t in lost.texts] == ["zero to the accuracy reached"]
    late = draw_approach(approach=Approach("metric", [np.inf, np.inf, 0.2, 0.1]))
    assert "infinite to round 1" in [t.get_text() for t in late.texts]
    np.testing.assert_array_equal(late.containers[0].lines[0].get_xdata(), [2, 3])
    ended = draw_approach(approach=Approach("metric", [0.2, 0.0, 0.0], 1e-15))
    assert "zero from round 1" in [t.get_text() for t in ended.texts]


def test_a_slow_approach_looks_slow() -> None:
    """At least a decade and a half on the axis, however little the points move."""
    axes = draw_approach(approach=Approach("metric", 0.2 * 0.999**ROUNDS))
    low, high = axes.get_ylim()
    assert np.log10(high / low) >= 1.5


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_panels_are_readable_in_any_number(count: int) -> None:
    one = Approach(
        "Kullback-Leibler divergence", VALUES, 1e-9, 0.9, 0.66, measured=VALUES, measured_errors=0.1 * VALUES
    )
    figure = approach_figure([one] * count)
    assert sum(axes.get_visible() for axes in figure.axes) == count
    assert_readable(figure)


def test_bad_values_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="values"):
        Approach("metric", [0.1, -0.1])
    with pytest.raises(InputError, match="values"):
        Approach("metric", [0.1, np.nan])
    with pytest.raises(InputError, match="approaches"):
        approach_figure([])
