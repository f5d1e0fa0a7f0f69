"""Names in the order of the numbers in them: gen_9 before gen_10."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePath

from ..core.errors import InputError


def natural_key(name: str | PurePath) -> tuple[tuple[int, str], ...]:
    """Return the key by which names are sorted, runs of digits by their value."""
    parts = re.split(r"(\d+)", str(name))
    words = [(0, part) if i % 2 == 0 else (int(part), "") for i, part in enumerate(parts)]
    return (*words, (0, str(name)))


def numbers_in(names: Sequence[str]) -> list[int] | None:
    """Return the number that increases from name to name, the last such one; None where there is none."""
    groups = [re.findall(r"\d+", name) for name in names]
    if len({len(digits) for digits in groups}) != 1:
        return None
    for column in reversed(list(zip(*groups, strict=True))):
        numbers = [int(digits) for digits in column]
        if all(a < b for a, b in pairwise(numbers)):
            return numbers
    return None


def matching(patterns: Sequence[Path], name: str) -> list[Path]:
    """Return the files and folders that are named or match a pattern, in natural order, each once.

    Raises
    ------
    InputError
        If there are none for one of them.
    """
    matches: set[Path] = set()
    for pattern in patterns:
        is_member = ".npz:" in str(pattern)  # one array of an archive
        paths = (
            [pattern] if is_member or pattern.exists() else [Path(path) for path in glob.glob(str(pattern))]
        )
        if not paths:
            raise InputError(f"{name} must name existing files or folders, got {str(pattern)!r}.")
        matches.update(paths)
    return sorted(matches, key=natural_key)
