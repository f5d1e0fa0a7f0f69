"""Pages: nothing outside is referred to, inlined figures keep to themselves and follow the page's colours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from matplotlib.figure import Figure

from hermite_collapse.figures import describe, draw_attenuation, style
from hermite_collapse.figures.narrow import WIDTH
from hermite_collapse.reporting import page


def figure(name: str = "one", caption: str = "A caption.") -> Figure:
    axes = draw_attenuation(fresh_fraction=0.3, truncation_time=0.1, rounds=(1, 2))
    return describe(axes.get_figure(), name, caption)


@pytest.mark.parametrize(
    "text",
    [
        '<img src="picture.png">',
        "<a href='https://example.org'>",
        '<link rel="stylesheet" href="x.css">',
        "<style>@import 'x.css';</style>",
        "<style>p { background: url(x.png) }</style>",
        "<script>fetch('data.json')</script>",
        '<script src="x.js"></script>',
        "<iframe>",
        '<svg xmlns:xlink="http://www.w3.org/1999/xlink">',
    ],
)
def test_references_to_the_outside_are_found(text: str) -> None:
    assert page.external_references(text)


@pytest.mark.parametrize(
    "text", ['<a href="#figures">', '<path clip-path="url(#one-p1)">', '<img src="data:image/png;base64,AA">']
)
def test_references_within_the_page_are_not(text: str) -> None:
    assert not page.external_references(text)


def test_two_figures_on_a_page_share_no_identifier() -> None:
    text = str(page.inline_svg(figure("one"))) + str(page.inline_svg(figure("two")))
    names = re.findall(r'\bid="([^"]+)"', text)
    assert len(names) > 20 and len(names) == len(set(names))
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)
    assert used and {a or b for a, b in used} <= set(names)
    assert not page.external_references(text)


def test_a_page_shows_a_figure_narrow_on_narrow_screens_and_wide_elsewhere() -> None:
    (shown,) = page.captioned({"one": figure("one")})
    wide, narrow = str(shown["svg"]), str(shown["narrow"])
    widths = [float(re.findall(r'viewBox="0 0 ([0-9.]+)', text)[0]) for text in (wide, narrow)]
    assert widths[1] == pytest.approx(72.0 * WIDTH) and widths[0] > 1.2 * widths[1]
    names = [re.findall(r'\bid="([^"]+)"', text) for text in (wide, narrow)]
    assert min(map(len, names)) > 20 and not set(names[0]) & set(names[1])
    text = page.render(
        "result.html.j2",
        title="x",
        lead="",
        tone="",
        facts=(),
        figures=[shown],
        tables=(),
        sections=(),
        notes=(),
        command="",
        config_text="",
    )
    assert text.count('class="plate wide-screen"') == text.count('class="plate narrow-screen"') == 1
    screens = re.findall(r"@media screen and \(max-width: 36rem\) \{(.*?)\n\}", text, flags=re.DOTALL)
    assert len(screens) == 1 and ".wide-screen { display: none; }" in screens[0]


def test_a_figure_that_is_narrow_or_cannot_be_copied_has_one_form() -> None:
    small = style.new_figure(width=WIDTH, height=3.0)
    assert not page.inline_svg(small, narrow=True) and page.inline_svg(small)
    fixed = figure("fixed")
    fixed.axes[0].xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    assert not page.inline_svg(fixed, narrow=True) and page.inline_svg(fixed)


def test_colours_with_a_role_become_properties_that_the_style_sheet_defines() -> None:
    text = str(page.inline_svg(figure()))
    variables = set(re.findall(r"var\((--[a-z0-9-]+)\)", text))
    assert {"--ink", "--limit", "--round-0"} <= variables
    for colour in (style.INK, style.LIMIT, style.ROUNDS[0]):
        assert colour not in text
    sheet = str(page.style_sheet())
    schemes = re.findall(r":root \{(.*?)\}", sheet, flags=re.DOTALL)
    assert len(schemes) == 3  # light, dark, print
    for scheme in schemes:
        for name in page._VARIABLES.values():
            assert f"{name}:" in scheme, name


def test_the_light_scheme_has_the_colours_of_the_figures() -> None:
    light = re.findall(r":root \{(.*?)\}", str(page.style_sheet()), flags=re.DOTALL)[0]
    for colour, name in page._VARIABLES.items():
        assert f"{name}: {colour};" in light


def test_the_caption_is_the_alternative_text_and_is_escaped() -> None:
    text = str(page.inline_svg(figure(caption='a < b & "c"')))
    assert 'role="img"' in text and 'aria-label="a &lt; b &amp; &quot;c&quot;"' in text


def test_what_a_page_is_given_is_escaped_and_what_it_lacks_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "own.html.j2").write_text(
        '{% extends "base.html.j2" %}{% block content %}<p>{{ words }}</p>{% endblock %}', "utf-8"
    )
    text = page.render("own.html.j2", folder=tmp_path, title="A <title>", words="<script>")
    assert "A &lt;title&gt;" in text and "<p>&lt;script&gt;</p>" in text
    assert text.startswith("<!DOCTYPE html>") and not page.external_references(text)
    with pytest.raises(UndefinedError):
        page.render("own.html.j2", folder=tmp_path, title="x")
