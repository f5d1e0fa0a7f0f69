"""The look: nothing global changes, the same figure gives the same bytes, labels keep apart."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

import hermite_collapse as hc
from hermite_collapse.figures import draw_attenuation, save, style
from hermite_collapse.figures.labels import spread_labels
from tests.figures.figure_checks import off_the_page, overlaps, visible_texts

SCRIPT = """
import sys
from hermite_collapse.figures import draw_attenuation, save
axes = draw_attenuation(fresh_fraction=0.3, truncation_time=0.1, rounds=(1, 2, 4), highest_degree=12)
save(axes.get_figure(), sys.argv[1])
"""


def test_settings_of_the_caller_are_untouched() -> None:
    before = dict(mpl.rcParams)
    draw_attenuation(fresh_fraction=0.3, truncation_time=0.1, rounds=(1,))
    assert dict(mpl.rcParams) == before
    with style.style():
        assert mpl.rcParams["svg.hashsalt"] == "hermite_collapse"
    assert dict(mpl.rcParams) == before


def test_the_same_figure_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    for name in ("first", "second"):
        subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path / name)], check=True)
    for suffix in (".svg", ".png"):
        assert (tmp_path / f"first{suffix}").read_bytes() == (tmp_path / f"second{suffix}").read_bytes()


def test_saved_files_hold_no_date_and_no_version(tmp_path: Path) -> None:
    axes = draw_attenuation(fresh_fraction=0.3, truncation_time=0.1)
    vector, pixel = save(axes.get_figure(), tmp_path / "new" / "figure.svg")
    assert (vector.name, pixel.name) == ("figure.svg", "figure.png")
    text = vector.read_text("utf-8")
    assert "<dc:date>" not in text and mpl.__version__ not in text
    assert re.search(r"20\d\d-\d\d-\d\d", text) is None
    assert mpl.__version__.encode() not in pixel.read_bytes()


@given(st.lists(st.floats(-300.0, 300.0), min_size=1, max_size=8), st.floats(0.5, 60.0), st.booleans())
def test_labels_keep_their_order_and_their_distance(
    positions: list[float], gap: float, bounded: bool
) -> None:
    bounds = {"low": -250.0} if bounded else {}
    placed = spread_labels(positions, gap, **bounds)
    order = np.argsort(placed, kind="stable")
    assert np.all(np.diff(placed[order]) >= gap * (1.0 - 1e-9))
    wanted = np.asarray(positions)[order]
    assert np.all(np.diff(wanted) >= 0.0)
    if bounded:
        assert placed.min() >= -250.0 - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_labels_move_as_little_as_possible(seed: int) -> None:
    """Against a general constrained solver; a gap 5 % off is a different optimum."""
    rng = np.random.default_rng(seed)
    wanted, gap = np.sort(rng.normal(0.0, 20.0, 6)), 12.0
    constraint = {"type": "ineq", "fun": lambda y: np.diff(y) - gap}
    start = wanted[0] + gap * np.arange(6)
    best = minimize(lambda y: np.sum((y - wanted) ** 2), start, constraints=[constraint], tol=1e-12)
    placed = spread_labels(wanted, gap)
    np.testing.assert_allclose(placed, best.x, atol=1e-4)
    assert not np.allclose(spread_labels(wanted, 1.05 * gap), best.x, atol=1e-2)


def test_of_equal_labels_the_first_is_on_top() -> None:
    placed = spread_labels([5.0, 5.0, 5.0], 10.0)
    np.testing.assert_allclose(placed, [15.0, 5.0, -5.0])


def test_the_overlap_check_sees_an_overlap() -> None:
    figure = style.new_figure(4.0, 3.0)
    axes = figure.add_subplot()
    axes.text(0.5, 0.5, "one text")
    axes.text(0.52, 0.5, "another text")
    axes.text(1.6, 0.5, "gone").set_in_layout(False)
    texts = visible_texts(figure)
    assert ("one text", "another text") in overlaps(texts)
    assert off_the_page(figure, texts) == ["gone"]


def test_settings_of_the_user_that_need_other_programs_do_not_stop_a_figure(tmp_path) -> None:
    with mpl.rc_context(
        {"text.usetex": True, "path.sketch": (1.0, 100.0, 2.0), "axes.formatter.use_locale": True}
    ):
        before = dict(mpl.rcParams)
        axes = draw_attenuation(fresh_fraction=0.3, truncation_time=0.1, rounds=(1, 2), highest_degree=4)
        save(axes.get_figure(), tmp_path / "f")
        assert dict(mpl.rcParams) == before
    assert (tmp_path / "f.svg").stat().st_size > 1000


def test_threads_leave_the_settings_as_they_were(tmp_path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    before = dict(mpl.rcParams)

    def draw(number):
        for _ in range(20):
            with style.style():
                assert mpl.rcParams["font.size"] == 10.0
        save(style.new_figure(1.0, 1.0), tmp_path / str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(draw, range(8)))
    assert dict(mpl.rcParams) == before


def _contrast(colour, ground):
    """The ratio of WCAG 2: (L + 0.05) / (l + 0.05) of the relative luminances."""
    channels = np.array([[int(c[i : i + 2], 16) / 255.0 for i in (1, 3, 5)] for c in (colour, ground)])
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    low, high = np.sort(linear @ [0.2126, 0.7152, 0.0722])
    return (high + 0.05) / (low + 0.05)


def test_letters_in_the_colours_of_lines_can_be_read_in_the_light_and_in_the_dark():
    """Every colour of a line is that of a label somewhere, so all have the contrast that letters need."""
    sheet = (Path(hc.__file__).parent / "reporting/templates/page.css").read_text()
    light, dark = sheet.split("@media (prefers-color-scheme: dark)")
    dark = dark.split("@media")[0]
    for part in (light, dark):
        ground = re.search(r"--paper: (#\w{6})", part)[1]
        colours = re.findall(r"--(?:round|category)-\d: (#\w{6})", part)
        assert len(colours) == len(style.ROUNDS) + len(style.CATEGORIES)
        for colour in colours:
            assert _contrast(colour, ground) >= 4.5, (colour, ground)
    assert set(re.findall(r"--(?:round|category)-\d: (#\w{6})", light)) == {*style.ROUNDS, *style.CATEGORIES}
    assert _contrast("#000000", "#ffffff") == pytest.approx(21.0)
