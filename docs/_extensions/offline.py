"""A page asks no other host for anything: scripts, styles, fonts and pictures all come with the site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

ELEMENT = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|srcset|data)\s*=\s*["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?=[^>]*\brel\s*=\s*["']?(?:stylesheet|icon|shortcut|preload|prefetch|preconnect|dns-prefetch))[^>]*?\bhref\s*=\s*["']?((?:https?:)?//[^"'\s>]+)""",
    re.IGNORECASE,
)
STYLE = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


def requests(text: str, *, is_style: bool = False) -> list[str]:
    """Return the addresses on other hosts that a browser would ask when it shows a page or reads a style sheet."""
    found = [] if is_style else ["".join(match.groups(default="")) for match in ELEMENT.finditer(text)]
    styles = [text] if is_style else re.findall(r"<style\b[^>]*>(.*?)</style>|style=\"([^\"]*)\"", text, re.S)
    for style in styles:
        found += STYLE.findall(style if isinstance(style, str) else "".join(style))
    return found


def _all_requests(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in [*folder.rglob("*.html"), *folder.rglob("*.css")]:
        for address in requests(path.read_text("utf-8", errors="replace"), is_style=path.suffix == ".css"):
            yield path, address


def _check(app: Sphinx, problem: Exception | None) -> None:
    if problem is None and app.builder.format == "html":
        for path, address in _all_requests(Path(app.outdir)):
            logging.getLogger(__name__).warning(
                "%s asks another host: %s", path.relative_to(app.outdir), address
            )


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
