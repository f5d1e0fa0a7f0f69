"""The figure and the table of measured generations show the numbers that were measured."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_collapse as hc
from hermite_collapse.reporting.measured import measured_table


@pytest.fixture(scope="module")
def measured():
    rng = np.random.default_rng(0)
    real = 1.0 + rng.standard_normal((300, 8, 8)) * np.geomspace(2.0, 0.5, 8)
    return hc.measure(real, {"gen_1": 0.9 * real, "gen_3": 0.7 * real})


def test_every_kind_is_drawn_relative_to_the_data(measured):
    axes = measured.plot()
    assert len(axes.containers) == 2 * len(set(measured.kinds)) == len(axes.texts)
    names = [text.get_text() for text in axes.texts]
    for container, name in zip(axes.containers, names, strict=True):
        j = measured.names.index(name)
        line = container.lines[0]
        np.testing.assert_allclose(line.get_xdata(), [0, 1, 3])
        expected = [1.0, *(measured.values[:, j] / measured.data[j])]
        np.testing.assert_allclose(line.get_ydata(), expected)
    assert axes.get_yscale() == "log" and {name.split()[0] for name in names} == {
        "direction",
        "degree",
        "frequency",
    }


def test_a_notebook_shows_units_rounds_and_values(measured):
    html = measured._repr_html_()
    assert "gen_1 is round 1, gen_3 is round 3." in html and "Numbers as they are." in html
    table = measured_table(measured)
    assert table.head == ("curve", "data", "round 1", "round 3")
    assert [row.cells[0] for row in table.rows] == list(measured.names)
    value, error = table.rows[0].cells[2].split(" ± ")
    assert float(value) == pytest.approx(measured.values[0, 0], rel=1e-2)
    assert float(error) == pytest.approx(measured.standard_errors[0, 0], rel=0.06)


def test_what_is_drawn_is_said_and_colours_are_not_repeated(measured):
    axes = measured.plot()
    colours = [container.lines[0].get_color() for container in axes.containers]
    assert len(set(colours)) == len(colours) < len(measured.names)
    caption = axes.figure.get_label()
    assert caption.startswith(f"{len(colours)} of {len(measured.names)} curves")
    for kind in ("variances along directions", "shares of degrees", "power by frequency"):
        assert kind in caption
    low, high = axes.get_ylim()
    assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 3
