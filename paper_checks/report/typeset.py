"""Formulas as inline SVG, drawn by matplotlib's own typesetter: no script, no font, nothing from the network.

Each glyph is defined once per page and used by reference; a formula is a handful of `use` elements that sit on the
text's baseline and take its colour.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

SIZE = 10.0  # points; the page scales em-wise


@dataclass
class Typesetter:
    """Turns LaTeX-like text into HTML and collects the glyphs that it used."""

    glyphs: dict[str, str] = field(default_factory=dict)
    _names: dict[tuple[str, int], str] = field(default_factory=dict)

    def formula(self, source: str, *, display: bool = False) -> str:
        """One formula, inline or on a line of its own; displayed parts that a wide space separates may wrap."""
        if display:
            parts = "".join(self._drawn(part, display=True) for part in source.split(r"\qquad"))
            return f'<div class="display">{parts}</div>'
        return self._drawn(source, display=False)

    def _drawn(self, source: str, *, display: bool) -> str:
        from matplotlib.font_manager import FontProperties
        from matplotlib.mathtext import MathTextParser

        prepared = _prepare(source)
        parse = MathTextParser("path").parse(
            f"${_full_size(prepared) if display else prepared}$",
            72,
            FontProperties(size=SIZE, math_fontfamily="cm"),
        )
        width, height, depth = float(parse.width), float(parse.height), float(parse.depth)
        body = []
        for glyph in parse.glyphs:
            font, size, code, x, y = _glyph(glyph)
            name = self._define(font, code)
            scale = size / 64.0
            body.append(
                f'<use href="#{name}" transform="translate({x:.2f} {-y:.2f}) scale({scale:.4f} {-scale:.4f})"/>'
            )
        for x, y, w, h in parse.rects:
            body.append(
                f'<rect x="{float(x):.2f}" y="{-float(y) - float(h):.2f}" width="{float(w):.2f}" height="{max(float(h), 0.4):.2f}"/>'
            )
        top = height - depth
        return (
            f'<svg class="m" role="img" aria-label="{html.escape(source.strip(), quote=True)}" '
            f'style="width:{width / SIZE:.3f}em;height:{(height + 1) / SIZE:.3f}em;vertical-align:{-(depth + 0.5) / SIZE:.3f}em" '
            f'viewBox="0 {-top - 0.5:.2f} {width:.2f} {height + 1:.2f}">{"".join(body)}</svg>'
        )

    def text(self, source: str) -> str:
        """Prose with formulas between dollars."""
        pieces = re.split(r"(\$[^$]+\$)", source)
        return "".join(
            self.formula(piece[1:-1])
            if piece.startswith("$") and piece.endswith("$") and len(piece) > 2
            else html.escape(piece)
            for piece in pieces
        )

    def definitions(self) -> str:
        """The glyphs of the page, to be placed once, before the formulas that use them."""
        symbols = "".join(f'<path id="{name}" d="{path}"/>' for name, path in self.glyphs.items())
        return f'<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>{symbols}</defs></svg>'

    def _define(self, font: object, code: int) -> str:
        key = (str(getattr(font, "postscript_name", getattr(font, "fname", ""))), code)
        if key not in self._names:
            name = f"g{len(self._names)}"
            self._names[key] = name
            self.glyphs[name] = _outline(font, code)
        return self._names[key]


def _token(source: str, start: int) -> int:
    """End of the TeX argument that begins at `start`: a group, a command or one character."""
    if source[start] == "{":
        depth = 0
        for position in range(start, len(source)):
            depth += {"{": 1, "}": -1}.get(source[position], 0)
            if depth == 0:
                return position + 1
        raise ValueError(f"unbalanced braces in {source!r}")
    if source[start] == "\\":
        match = re.match(r"\\([A-Za-z]+|.)", source[start:])
        return start + (match.end() if match else 1)
    return start + 1


def braced(source: str) -> str:
    """Braces around the bare arguments of fractions, roots and binomials, which TeX allows and mathtext does not."""
    result, position = "", 0
    pattern = re.compile(r"\\(frac|binom|sqrt)(?![A-Za-z])")
    while match := pattern.search(source, position):
        result += source[position : match.end()]
        position = match.end()
        for _ in range(1 if match.group(1) == "sqrt" else 2):
            while source[position] == " ":
                position += 1
            end = _token(source, position)
            argument = source[position:end]
            result += "{" + braced(argument[1:-1] if argument.startswith("{") else argument) + "}"
            position = end
    return result + source[position:]


def _full_size(source: str) -> str:
    """Fractions that are not inside a group in the size of the line, as in displayed mathematics."""
    result, depth, position = "", 0, 0
    while position < len(source):
        if depth == 0 and source.startswith(r"\frac", position):
            result += r"\dfrac"
            position += len(r"\frac")
            continue
        depth += {"{": 1, "}": -1}.get(source[position], 0)
        result += source[position]
        position += 1
    return result


def _prepare(source: str) -> str:
    """The few commands that mathtext lacks."""
    source = braced(source)
    swaps = {
        r"\iff": r"\;\Leftrightarrow\;",
        r"\|": r"\Vert ",
        r"\bigl": r"\left",
        r"\bigr": r"\right",
        r"\quad": r"\;\;\;\;",
        r"\dots": r"\ldots",
        r"\lVert": r"\Vert ",
    }
    source = re.sub(r"\\int(?![A-Za-z_])", r"\\int\\!\\;\\,", source).replace(r"\qquad", r"\;\;\;\;\;\;")
    for before, after in swaps.items():
        source = source.replace(before, after)
    return source


def _glyph(glyph: tuple) -> tuple[object, float, int, float, float]:
    """(font, size, glyph index or character code, x, y), for the tuples of several matplotlib versions."""
    if len(glyph) == 6:
        font, size, _, index, x, y = glyph
        return font, float(size), int(index), float(x), float(y)
    font, size, code, x, y = glyph
    return font, float(size), -int(code) - 1, float(x), float(y)


def _outline(font: object, code: int) -> str:
    """Path of one glyph at 64 units to the em-square size, y upward."""
    font.set_size(64, 72)  # type: ignore[attr-defined]
    flags = _no_hinting()
    if code < 0:
        font.load_char(-code - 1, flags=flags)  # type: ignore[attr-defined]
    else:
        font.load_glyph(code, flags=flags)  # type: ignore[attr-defined]
    vertices, codes = font.get_path()  # type: ignore[attr-defined]
    commands = []
    position = 0
    while position < len(codes):
        kind = codes[position]
        if kind == 1 or kind == 2:
            x, y = vertices[position]
            commands.append(f"{'M' if kind == 1 else 'L'}{x:.1f} {y:.1f}")
            position += 1
        elif kind == 3:
            (a, b), (x, y) = vertices[position : position + 2]
            commands.append(f"Q{a:.1f} {b:.1f} {x:.1f} {y:.1f}")
            position += 2
        elif kind == 4:
            (a, b), (c, d), (x, y) = vertices[position : position + 3]
            commands.append(f"C{a:.1f} {b:.1f} {c:.1f} {d:.1f} {x:.1f} {y:.1f}")
            position += 3
        else:
            commands.append("Z")
            position += 1
    return "".join(commands)


def _no_hinting() -> object:
    try:
        from matplotlib.ft2font import LoadFlags

        return LoadFlags.NO_HINTING
    except ImportError:
        from matplotlib.ft2font import LOAD_NO_HINTING

        return LOAD_NO_HINTING
