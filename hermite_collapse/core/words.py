"""Parts of sentences."""

from __future__ import annotations

from collections.abc import Iterable


def listing(parts: Iterable[str]) -> str:
    """Return parts with commas and a last "and"."""
    words = list(parts)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""


def capital(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def small(text: str) -> str:
    """Return a text that begins with a small letter."""
    return text[:1].lower() + text[1:]
