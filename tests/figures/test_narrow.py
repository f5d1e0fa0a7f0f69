"""Figures for telephones: panels one above the other, legends in fewer columns, nothing cut."""

from __future__ import annotations

import itertools

import matplotlib as mpl
import numpy as np
import pytest

from hermite_collapse.figures import panels
from hermite_collapse.figures.labels import legend_above
from hermite_collapse.figures.narrow import WIDTH, narrowed
from hermite_collapse.figures.style import CATEGORIES


def drawn(columns: int):
    figure, grid = panels(1, columns, width=8.0, height=3.0)
    for axes in grid[0]:
        for i in range(6):
            axes.plot(np.arange(4), np.arange(4) + i, label=f"a curve with a name {i}")
        legend_above(axes)
    return figure, grid[0]


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_panels_stand_one_above_the_other_and_letters_keep_their_size(columns):
    figure, row = drawn(columns)
    row[0].set_ylabel("of all")
    assert narrowed(figure) is figure
    figure.draw_without_rendering()
    boxes = [axes.get_position() for axes in row]
    assert figure.get_size_inches()[0] == WIDTH
    assert all(upper.y0 > lower.y1 for upper, lower in itertools.pairwise(boxes))
    assert all(box.width > 0.6 for box in boxes)
    assert [axes.get_ylabel() for axes in row] == ["of all"] * columns
    for axes in row:
        box = axes.get_legend().get_window_extent()
        assert box.x1 <= figure.bbox.x1 and axes.get_legend()._ncols == 2


def test_flat_pictures_are_stacked_without_gaps():
    figure, grid = panels(1, 2, width=8.0, height=3.0)
    for axes in grid[0]:
        axes.imshow(np.eye(10)[:3])
    narrowed(figure).draw_without_rendering()
    upper, lower = (axes.get_window_extent() for axes in grid[0])
    assert upper.y0 > lower.y1 > upper.y0 - 0.6 * figure.dpi and figure.get_size_inches()[1] < 3.5


def test_short_names_stand_in_three_columns():
    figure, grid = panels(1, 1, width=8.0, height=3.0)
    for i in range(6):
        grid[0, 0].plot([0, 1], [0, i], label=f"round {i}")
    legend_above(grid[0, 0])
    narrowed(figure)
    assert grid[0, 0].get_legend()._ncols == 3


@pytest.mark.parametrize(
    ("place", "side"), [("outside lower center", "below"), ("outside upper left", "above")]
)
def test_the_key_of_all_panels_fits(place, side):
    figure, grid = panels(1, 2, width=8.0, height=3.0)
    lines = [grid[0, 0].plot([0, 1], [0, i], color="black")[0] for i in range(8)]
    figure.legend(lines, [f"data, the share {i}" for i in range(8)], loc=place, ncols=8)
    narrowed(figure).draw_without_rendering()
    (key,) = figure.legends
    box, axes = key.get_window_extent(), grid[0, 1].get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and key._ncols in (2, 3)
    assert box.y1 < axes.y0 if side == "below" else box.y0 > grid[0, 0].get_window_extent().y1
    assert [text.get_text() for text in key.get_texts()] == [f"data, the share {i}" for i in range(8)]


def test_wide_grids_stand_in_two_columns():
    figure, grid = panels(2, 3, width=7.2, height=5.0)
    narrowed(figure).draw_without_rendering()
    boxes = [axes.get_position() for axes in grid.flat]
    assert figure.get_size_inches()[0] < 5.5
    for left, right in zip(boxes[::2], boxes[1::2], strict=True):
        assert left.x1 < right.x0 and left.y0 == pytest.approx(right.y0)


def test_pairs_of_rows_stay_pairs_and_shared_colour_bars_stay_at_the_right():
    figure, grid = panels(2, 2, width=8.0, height=6.0)
    narrowed(figure).draw_without_rendering()
    assert figure.get_size_inches()[0] < 5.5
    assert grid[0, 0].get_position().x1 < grid[0, 1].get_position().x0
    assert grid[0, 0].get_position().y0 > grid[1, 0].get_position().y1
    figure, grid = panels(1, 2, width=8.0, height=3.0)
    bar = figure.colorbar(grid[0, 0].imshow(np.eye(3)), ax=list(grid[0]))
    grid[0, 1].imshow(np.eye(3))
    narrowed(figure).draw_without_rendering()
    upper, lower, beside = (axes.get_position() for axes in (grid[0, 0], grid[0, 1], bar.ax))
    assert figure.get_size_inches()[0] == WIDTH and upper.y0 > lower.y1
    assert beside.x0 > max(upper.x1, lower.x1) and beside.y1 > upper.y0 and beside.y0 < lower.y1
    figure, grid = panels(1, 1, width=8.0, height=3.0)
    figure.colorbar(grid[0, 0].imshow(np.eye(3)), ax=grid[0, 0])
    assert narrowed(figure).get_size_inches()[0] == WIDTH


def test_what_a_script_adds_to_a_panel_has_the_look_of_the_panel():
    with mpl.rc_context({"font.family": ["monospace"], "legend.frameon": True}):
        _, grid = panels(1, 1)
        axes = grid[0, 0]
        (line,) = axes.plot([0, 1], [0, 1], label="a")
        legend = axes.legend()
        note = axes.text(0.5, 0.5, "note")
    assert line.get_color() == CATEGORIES[0]
    assert not legend.get_frame_on()
    assert (
        legend.get_texts()[0].get_fontfamily() == note.get_fontfamily() == axes.xaxis.label.get_fontfamily()
    )
    assert "STIXGeneral" in note.get_fontfamily()
