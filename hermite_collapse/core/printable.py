r"""Text from outside on its way to a terminal, a log or a page: control characters are spelled, not obeyed.

a file named "a", escape, "[2J.csv"      a\x1b[2J.csv
"""

from __future__ import annotations

import re

# Controls, halves of pairs, changes of the direction of writing, and separators of lines.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\u2028\u2029]")
_LONGEST = 1900


def printable(text: str) -> str:
    """Return text in which control, reordering and undecodable characters are written as escapes.

    Examples
    --------
    >>> printable("a\\x1b[2J.csv")
    'a\\\\x1b[2J.csv'
    """
    return _OBEYED.sub(_spelled, text)


def printable_lines(text: str) -> str:
    """Return text of several lines likewise; line feeds and tabs stay."""
    return _OBEYED.sub(lambda match: match[0] if match[0] in "\n\t" else _spelled(match), text)


def sentence(text: str) -> str:
    """Return one printable line; the middle of what nobody would read to its end is left out."""
    line = printable(text)
    return line if len(line) <= _LONGEST else f"{line[:1200]} ... {line[-600:]}"


def _spelled(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
