"""Every figure of a command is drawn once in each format, and once narrow: its file and the page share a drawing."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from hermite_collapse.app.cli.app import run
from hermite_collapse.diagnosis import diagnosis

CURVE = Path(diagnosis.__file__).parent / "examples" / "curves.csv"
SMALL = ["--particles", "2000", "--rounds", "2", "--degree", "2", "--generator", "channel"]
COMMANDS = {
    "compare": (["compare", *SMALL], {"attenuation", "density", "approach"}),
    "predict": (["predict", "--rounds", "2", "--degree", "2"], {"attenuation", "density", "approach"}),
    "audit": (["audit", "edm", "--steps", "5"], {"audit"}),
    "diagnose": (["diagnose", str(CURVE)], {"diagnosis"}),
}


@pytest.fixture
def drawn(monkeypatch) -> Counter[tuple[str, str]]:
    """How often each figure was drawn in each format, counted where matplotlib draws.

    In place of the picture stands one outline, that of no other figure and of no other size.
    """
    counts: Counter[tuple[str, str]] = Counter()

    def counted(figure, stream, *, format, **options):
        name, (width, height) = str(figure.get_gid()), 72.0 * figure.get_size_inches()
        counts[name, format] += 1
        outline = " L ".join(f"{ord(letter)} {width:.3f}" for letter in name)
        ink = f'<path d="M {outline}"/>'
        size = f'width="{width}pt" height="{height}pt" viewBox="0 0 {width} {height}"'
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{ink}</svg>'
        stream.write(svg if format == "svg" else svg.encode())

    monkeypatch.setattr(Figure, "savefig", counted)
    return counts


def paths(text: str) -> list[str]:
    """The outlines of an SVG file, which a page repeats."""
    return re.findall(r' d="([^"]{40,})"', text)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_figure_is_drawn_once_in_each_format(command, drawn, tmp_path):
    arguments, names = COMMANDS[command]
    if command == "compare":
        pytest.importorskip("torch")
    assert run([*arguments, "--out", str(tmp_path / "o")]) in (0, 1)
    # The page holds the figure of the file, and the same made narrow for telephones.
    assert drawn == {(name, kind): count for name in names for kind, count in (("svg", 2), ("png", 1))}
    page = set(paths((tmp_path / "o" / "report.html").read_text()))
    for name in names:
        inside = paths((tmp_path / "o" / "figures" / f"{name}.svg").read_text())
        assert inside and page.issuperset(inside)


def test_another_width_of_the_files_is_another_drawing(drawn, tmp_path):
    formats = ["--figure-format", "svg", "--width", "single"]
    assert run(["audit", "edm", "--steps", "5", *formats, "--out", str(tmp_path / "o")]) == 0
    assert drawn == {("audit", "svg"): 3}
    inside = set(paths((tmp_path / "o" / "figures" / "audit.svg").read_text()))
    assert inside and not inside.issubset(paths((tmp_path / "o" / "report.html").read_text()))
