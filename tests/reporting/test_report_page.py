"""Pages: nothing outside is referred to, inlined figures keep to themselves and follow the page's colours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from matplotlib.figure import Figure

from hermite_collapse.figures import describe, draw_attenuation, style
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
