"""The word somebody meant: the nearest of those that exist, whatever case and marks it was written in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word nearest to one, letter case, blanks, hyphens and underscores left aside; None if none is.

    Three letters or more that begin a known word are near to it where nothing is nearer.
    """
    plain = _plain(word)
    by_plain: dict[str, str] = {}
    for name in known:
        by_plain.setdefault(_plain(name), name)
    near = difflib.get_close_matches(plain, by_plain, n=1)
    near = near or [name for name in by_plain if len(plain) > 2 and name.startswith(plain)]
    return by_plain[near[0]] if near else None


def _plain(word: str) -> str:
    return "_".join(word.strip().casefold().replace("-", " ").replace("_", " ").split())
