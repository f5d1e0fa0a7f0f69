"""Lines that break where a reader expects it: not within an option, nor between a formula and its full stop."""

from __future__ import annotations

import re

from docutils import nodes
from pygments.lexer import RegexLexer
from pygments.token import Name, Text
from sphinx.application import Sphinx

LONGEST = 32
"""Characters of a word in code that stays on one line; a longer one may be broken where it must."""
STOPS = re.compile(r"[.,;:?!)\u2019\u201d]+")


class CommandLexer(RegexLexer):
    """A command line, word by word, so that the style sheet can keep each word together."""

    name = "Command"
    aliases = ["command"]
    tokens = {"root": [(r"\s+", Text), (r"--?[A-Za-z][\w-]*", Name.Attribute), (r"\S+", Name)]}


def _keep_together(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Mark code of short words, and join formulas with the punctuation that follows them."""
    for literal in list(document.findall(nodes.literal)):
        if max(map(len, literal.astext().split()), default=0) <= LONGEST:
            literal["classes"].append("short")
    for formula in list(document.findall(nodes.math)):
        parent = formula.parent
        place = parent.index(formula)
        after = parent[place + 1] if place + 1 < len(parent) else None
        stop = STOPS.match(after.astext()) if isinstance(after, nodes.Text) else None
        if stop is not None:
            rest = nodes.Text(after.astext()[stop.end() :])
            parent[place : place + 2] = [
                nodes.inline("", "", formula, nodes.Text(stop.group()), classes=["together"]),
                rest,
            ]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_lexer("command", CommandLexer)
    app.connect("doctree-resolved", _keep_together)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
