"""Formulas as MathML, made at build time by docutils: no script, no font and no request to another host."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

SPELLINGS = {
    r"\\dots(?![a-zA-Z])": r"\\ldots",
    r"\\iff(?![a-zA-Z])": r"\\Longleftrightarrow",
    r"\\frac(\d)(\d)": r"\\frac{\1}{\2}",
}
"""What docutils does not read, and the same thing as it does."""


ACCENTS = "ˆˉ~˙¨→"
BARS = "‖|∥"
SPACE = "http://www.w3.org/1998/Math/MathML"


def converted(formula: str, as_block: bool) -> str:
    """Return a LaTeX formula as MathML."""
    for spelling, known in SPELLINGS.items():
        formula = re.sub(spelling, known, formula)
    text = tex2mathml(formula, as_block=as_block).replace("&ApplyFunction;", "\u2061")
    ET.register_namespace("", SPACE)
    root = ET.fromstring(text)
    for element in list(root.iter()):
        _place_accent(element)
        _place_operators(element)
    return ET.tostring(root, encoding="unicode")


def _tag(name: str) -> str:
    return f"{{{SPACE}}}{name}"


def _place_accent(element: ET.Element) -> None:
    """An accent with an index: docutils writes the index below the letter, where TeX writes it at the right."""
    if element.tag == _tag("msup") and element[0].tag == _tag("munderover"):
        base = element[0]
        _place_accent(base)
        if base.tag == _tag("msub"):
            element.tag = _tag("msubsup")
            element[:1] = list(base)
        return
    if element.tag != _tag("munderover") or (element[2].text or "") not in ACCENTS:
        return
    letter, index, accent = list(element)
    over = ET.Element(_tag("mover"), {"accent": "true"})
    over.extend([letter, accent])
    element.tag = _tag("msub")
    element[:] = [over, index]


def _place_operators(element: ET.Element) -> None:
    """Bars keep the height of a letter unless TeX's left and right made them; slashes and bars stand without space.

    A function is parted by a thin space from an argument without brackets.
    """
    inside = list(element)
    framed = len(inside) > 1 and all(
        part.tag == _tag("mo") and (part.text or "") in BARS for part in inside[:: len(inside) - 1]
    )
    framed = framed and element.tag == _tag("mrow")
    for place, part in enumerate(inside):
        bar = part if part.tag != _tag("msup") else part[0]
        if bar.tag == _tag("mo") and bar.text and bar.text in BARS + "/":
            bar.attrib |= {"lspace": "0", "rspace": "0"}
            if not framed:
                bar.set("stretchy", "false")
        if part.tag == _tag("mo") and part.text == "\u2061" and place + 1 < len(inside):
            after = inside[place + 1]
            if not (after.tag == _tag("mo") and after.text in ("(", "[")) and after.tag != _tag("mrow"):
                part.tag, part.text = _tag("mspace"), None
                part.set("width", "0.167em")


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
