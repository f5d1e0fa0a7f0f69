r"""Text from outside on its way to a terminal, a log or a page: control characters are spelled, not obeyed.

a file named "a", escape, "[2J.csv"      a\x1b[2J.csv
"""

from __future__ import annotations

import unicodedata

_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


def printable(text: str) -> str:
    """Return text in which control, reordering and undecodable characters are written as escapes.

    Examples
    --------
    >>> printable("a\\x1b[2J.csv")
    'a\\\\x1b[2J.csv'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cs") or character in _REORDERING:
        return character.encode("unicode_escape").decode("ascii")
    return character
