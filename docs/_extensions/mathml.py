"""Formulas as MathML, made at build time by docutils: no script, no font and no request to another host."""

from __future__ import annotations

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

SPELLINGS = {
    r"\\dots(?![a-zA-Z])": r"\\ldots",
    r"\\iff(?![a-zA-Z])": r"\\Longleftrightarrow",
    r"\\frac(\d)(\d)": r"\\frac{\1}{\2}",
}
"""What docutils does not read, and the same thing as it does."""


def converted(formula: str, as_block: bool) -> str:
    """Return a LaTeX formula as MathML."""
    for spelling, known in SPELLINGS.items():
        formula = re.sub(spelling, known, formula)
    return tex2mathml(formula, as_block=as_block)


def inline(translator, node: nodes.math) -> None:
    translator.body.append(converted(node.astext(), False))
    raise nodes.SkipNode


def block(translator, node: nodes.math_block) -> None:
    formula = converted(node.astext(), True)
    translator.body.append(f'<div class="formula" tabindex="0">{formula}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
