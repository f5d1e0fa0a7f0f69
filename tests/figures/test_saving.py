"""Figures as files: formats, widths of columns, and the same bytes every time."""

from __future__ import annotations

import re

import pytest

from hermite_collapse import InputError
from hermite_collapse.figures import draw_attenuation, panels, save, style


def figure():
    axes = draw_attenuation(fresh_fraction=0.3, truncation_time=0.1, rounds=(1, 2, 4), highest_degree=12)
    return style.figure_of(axes)


def width_of(path) -> float:
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", path.read_bytes())
    assert box is not None
    return float(box[1]) / 72.0


def test_pdf_files_are_the_same_bytes_and_hold_no_date(tmp_path):
    first, second = (save(figure(), tmp_path / name, formats=("pdf",))[0] for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    assert b"CreationDate" not in first.read_bytes() and b"matplotlib" not in first.read_bytes().lower()


@pytest.mark.parametrize(("width", "inches"), [("single", 3.4), ("double", 7.0), (5.0, 5.0), (None, 5.6)])
def test_figures_take_the_width_of_a_column_and_stay_what_they_were(width, inches, tmp_path):
    drawn = figure()
    before = drawn.get_size_inches().tolist(), [text.get_fontsize() for text in drawn.axes[0].texts]
    (file,) = save(drawn, tmp_path / "f", formats=("pdf",), width=width)
    assert width_of(file) == pytest.approx(inches, abs=0.01)
    assert (drawn.get_size_inches().tolist(), [text.get_fontsize() for text in drawn.axes[0].texts]) == before


def test_panels_side_by_side_span_two_columns(tmp_path):
    drawn, _ = panels(1, 3)
    assert width_of(save(drawn, tmp_path / "f", formats=("pdf",), width="single")[0]) == pytest.approx(
        7.0, abs=0.01
    )


@pytest.mark.parametrize("arguments", [{"formats": ("gif",)}, {"width": "triple"}, {"width": -1.0}])
def test_other_formats_and_widths_are_refused(arguments, tmp_path):
    with pytest.raises(InputError, match=f"{next(iter(arguments))} must be"):
        save(figure(), tmp_path / "f", **arguments)
    assert not list(tmp_path.iterdir())
