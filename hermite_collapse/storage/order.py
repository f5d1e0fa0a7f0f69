"""Names in the order of the numbers in them: gen_9 before gen_10."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePath


def natural_key(name: str | PurePath) -> tuple[tuple[int, str], ...]:
    """Return the key by which names are sorted, runs of digits by their value."""
    parts = re.split(r"(\d+)", str(name))
    words = [(0, part) if i % 2 == 0 else (int(part), "") for i, part in enumerate(parts)]
    return (*words, (0, str(name)))


def numbers_in(names: Sequence[str]) -> list[int] | None:
    """Return the last number in each name; None unless every name has one and they increase."""
    found = [re.findall(r"\d+", name) for name in names]
    if not all(found):
        return None
    numbers = [int(digits[-1]) for digits in found]
    return numbers if all(a < b for a, b in pairwise(numbers)) else None
