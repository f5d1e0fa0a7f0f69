"""Self-contained pages: one template environment, one style sheet, figures inlined as SVG.

    page.render("claims.html.j2", folder=Path(__file__).parent, title="Claims", rows=rows)

A page refers to nothing outside itself: style, script and figures are in the file, so it opens offline, from a mail
attachment or an archive, and looks the same.  `external_references` checks the finished text.  Templates of other
folders extend `base.html.j2`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from ..core.numbers import significant
from ..core.printable import printable_lines
from ..figures import style
from ..figures.saving import Drawing, drawing, drawings

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

# Colour in a figure -> name of the page's custom property, so that figures follow the light or dark scheme.
_VARIABLES = {
    style.INK: "--ink",
    style.MUTED: "--muted",
    style.RULE: "--rule",
    style.DATA: "--data",
    style.LIMIT: "--limit",
    "#ffffff": "--paper",
    **{colour: f"--fill-{i}" for i, colour in enumerate(style.DATA_FILLS)},
    **{colour: f"--round-{i}" for i, colour in enumerate(style.ROUNDS)},
    **{colour: f"--category-{i}" for i, colour in enumerate(style.CATEGORIES)},
}

_EXTERNAL = re.compile(
    r"""(?:\b(?:src|href|action|poster|srcset)\s*=\s*["']?\s*(?!\#|data:)[^\s"'>]"""
    r"""|url\(\s*["']?(?!\#|data:)|@import|\bfetch\s*\(|XMLHttpRequest|https?://"""
    r"""|<(?:link|iframe|object|embed)\b)""",
    re.IGNORECASE,
)


@lru_cache(maxsize=8)
def environment(folder: Path | None = None) -> Environment:
    """Return the Jinja2 environment over the package's templates, those of `folder` first; everything is escaped."""
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

    own = PackageLoader("hermite_collapse.reporting", "templates")
    loader = own if folder is None else ChoiceLoader([FileSystemLoader(folder), own])
    made = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    made.filters["significant"] = significant
    return made


@lru_cache(maxsize=1)
def style_sheet() -> Markup:
    """Return the style sheet of every page, to stand inside a <style> element."""
    return Markup(files("hermite_collapse.reporting").joinpath("templates/page.css").read_text("utf-8"))


def render(template: str, *, title: str, folder: Path | None = None, **context: object) -> str:
    """Return the text of one page from a template that extends `base.html.j2`.

    Parameters
    ----------
    template : str
        Name within the package's templates or `folder`.
    title : str
        Heading and title of the page.
    folder : Path, optional
        Further templates, looked at first.
    **context : object
        Whatever the template names; also `kicker` and `colophon`, the lines above and below.

    Returns
    -------
    str

    Raises
    ------
    jinja2.UndefinedError
        If the template names something that is not given.

    Examples
    --------
    >>> "<h1>A title</h1>" in render("base.html.j2", title="A title", body="text")
    True
    """
    defaults = {"kicker": "", "colophon": "", "body": "", "style_sheet": style_sheet()}
    text = environment(folder).get_template(template).render({**defaults, **context, "title": title})
    return printable_lines(text)


def external_references(text: str) -> list[str]:
    """Return every reference of a page to the outside, with a little of the text around it."""
    return [text[max(0, m.start() - 20) : m.end() + 60] for m in _EXTERNAL.finditer(text)]


def inline_svg(
    figure: Figure | Drawing, *, name: str | None = None, description: str | None = None, narrow: bool = False
) -> Markup:
    """Return the figure as an SVG element for a page, an empty one where it has no narrow form and that is asked for.

    Parameters
    ----------
    figure : matplotlib.figure.Figure or Drawing
    name : str, optional
        Put before identifiers, so that several figures can share a page; else the figure's own name.
    description : str, optional
        Alternative text; else the figure's label.
    narrow : bool
        The figure made narrow for telephones.

    Returns
    -------
    Markup

    Notes
    -----
    Colours that carry a role become the page's custom properties.  The width follows the page, from 0.68 to 1.3
    times the figure's own.
    """
    drawn = drawing(figure)
    name = re.sub(r"[^a-z0-9]+", "-", (name or drawn.figure.get_gid() or "figure").lower()).strip("-")
    words = description if description is not None else str(drawn.figure.get_label() or name)
    document = drawn.narrow_svg if narrow else drawn.svg
    if document is None:
        return Markup()
    name = f"{name}-narrow" if narrow else name
    text = document[document.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # A style element inside an inlined figure would apply to the whole page; the style sheet has its rule.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'((?:xlink:)?href)="#([^"]+)"', rf'href="#{name}-\2"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'style="[^"]*"', _with_variables, text)
    box = re.search(r'viewBox="([^"]+)"', text)
    assert box is not None
    width = float(box.group(1).split()[2]) * 96.0 / 72.0
    head = (
        f'<svg viewBox="{box.group(1)}" role="img" aria-label="{escape(words, quote=True)}" '
        f'style="max-width:{1.3 * width:.0f}px;min-width:{0.68 * width:.0f}px">'
    )
    return Markup(head + text[text.index(">") + 1 :])


def captioned(figures: Mapping[str, Figure | Drawing]) -> list[dict[str, object]]:
    """Return figures by name as what the templates show: each as SVG, wide and narrow, under its label."""
    return [
        {
            "svg": inline_svg(figure, name=name),
            "narrow": inline_svg(figure, name=name, narrow=True),
            "caption": figure.figure.get_label(),
        }
        for name, figure in drawings(figures).items()
    ]


def _with_variables(match: re.Match[str]) -> str:
    return re.sub(
        r"#[0-9a-f]{6}\b",
        lambda m: f"var({_VARIABLES[m.group()]})" if m.group() in _VARIABLES else m.group(),
        match.group(),
    )
