"""Docstrings of the package's dialect as reStructuredText.

The dialect is numpydoc with two liberties that markup does not have: a formula is an indented block without `::`, and
text may hold characters such as `c*`, `|k|` or a single-quoted `name`.  Both are made explicit before napoleon reads
the sections.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache

import api_pages
from sphinx.application import Sphinx

import hermite_collapse as hc

ENTRIES = {"Parameters", "Attributes", "Returns", "Yields", "Raises"}
ONE_SENTENCE = {"property", "attribute"}
_SENTENCES: dict[str, list[str]] = {}
CODE = re.compile(r"(?<!`)``?([^`]+)``?(?!`)")
DIRECTIVE = re.compile(r"\s*\.\. |.*:[a-z:]+:`")


def translated(lines: list[str]) -> list[str]:
    """Return the lines of a docstring with formulas as literal blocks and with markup characters escaped."""
    return list(_lines(lines))


def _lines(lines: list[str]) -> Iterator[str]:
    section, block, example = "", False, False
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else ""
        stripped = line.strip()
        if stripped and set(following.strip()) == {"-"} and not line.startswith(" "):
            section, block, example = stripped, False, False
            yield line
            continue
        if stripped.startswith(">>>"):
            example = True
        if not stripped:
            example = False
            yield line
            continue
        if block and not line.startswith("    "):
            block = False
        if example or block or DIRECTIVE.match(line) or set(stripped) == {"-"}:
            yield line
            continue
        starts = line.startswith("    ") and index > 0 and not lines[index - 1].strip()
        if starts and section not in ENTRIES:
            before = next((text for text in reversed(lines[:index]) if text.strip()), "")
            if not before.rstrip().endswith("::") and ".. " not in before:
                yield from (".. code-block:: text", "")
            block = True
            yield line
            continue
        yield _escaped(line)


def _escaped(line: str) -> str:
    """Return a line of prose with code as literals, and with no other character that is markup."""
    pieces, position = [], 0
    for match in CODE.finditer(line):
        pieces += [_plain(line[position : match.start()]), _code(match.group(1))]
        position = match.end()
    return "".join([*pieces, _plain(line[position:])])


def _code(text: str) -> str:
    bare = text.strip()
    target = _targets().get(bare.removeprefix("hc.").removesuffix("()"))
    return f":py:obj:`{bare} <{target}>`" if target else f"``{bare}``"


@cache
def _targets() -> dict[str, str]:
    """Return the full name of every public name, by the words that docstrings use for it."""
    targets: dict[str, str] = {}
    for name in hc.__all__:
        value = getattr(hc, name)
        if inspect.ismodule(value):
            targets |= {
                f"{name}.{inner}": f"{value.__name__}.{inner}" for inner in api_pages.public_names(value)
            }
        elif name != "__version__":
            targets[name] = f"hermite_collapse.{name}"
    return targets


def _plain(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("`", "\\`")
    text = re.sub(r"(?<![\w*])\*+(?=[^\s*])", lambda found: found.group().replace("*", "\\*"), text)
    text = re.sub(r"\|", r"\\|", text)
    return re.sub(r"(\w)_(?=\W|$)", r"\1\\_", text)


def _process(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    lines[:] = translated(lines)
    if what in ONE_SENTENCE:
        _SENTENCES[name] = list(lines)


def _restore(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Undo what napoleon makes of a property's sentence with a colon, which it takes for a type."""
    sentence = _SENTENCES.get(name, [])
    if what in ONE_SENTENCE and not any(set(line.strip()) == {"-"} for line in sentence):
        lines[:] = sentence


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process, priority=100)  # before napoleon
    app.connect("autodoc-process-docstring", _restore, priority=900)  # after it
    return {"parallel_read_safe": True, "parallel_write_safe": True}
