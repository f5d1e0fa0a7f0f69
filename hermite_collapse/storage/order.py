"""Names in the order of the numbers in them: gen_9 before gen_10."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from ..core.errors import InputError

ROUND_WORDS = (
    "generations?|gen|rounds?|training round",
    "iterations?|iter|epochs?|steps?|model|checkpoint|ckpt|i",
)
"""Words for rounds, and for steps of training that may be such."""


def natural_key(name: str | PurePath) -> tuple[tuple[int, str], ...]:
    """Return the key by which names are sorted, runs of digits by their value."""
    parts = re.split(r"(\d+)", str(name))
    words = [(0, part) if i % 2 == 0 else (int(part), "") for i, part in enumerate(parts)]
    return (*words, (0, str(name)))


def numbers_in(names: Sequence[str]) -> list[int] | None:
    """Return the round that each name says, in the order of the names; None where their numbers say nothing.

    The number after a word for rounds, else after one for steps of training, else the only number that differs from
    name to name.

    Raises
    ------
    InputError
        If some names have no number, two have the same, or several numbers differ in them.
    """
    bare = [re.sub(r"idx\d", "", name.casefold()) for name in names]
    for words in ROUND_WORDS:
        after = [set(map(int, re.findall(rf"(?<![a-z])(?:{words})[ _.=#-]*(\d+)", name))) for name in bare]
        if all(len(numbers) == 1 for numbers in after) and (len(names) == 1 or len(set.union(*after)) > 1):
            return _different([numbers.pop() for numbers in after], names)
    groups = [tuple(map(int, re.findall(r"\d+", name))) for name in bare]
    if not any(groups):
        return None
    without = [name for name, numbers in zip(names, groups, strict=True) if not numbers]
    if without:
        raise InputError(
            f"generations must have the number of a round in each name, got {_some(without)} without."
        )
    if len({len(numbers) for numbers in groups}) != 1:
        raise _unclear(names)
    columns = list(dict.fromkeys(zip(*groups, strict=True)))
    if len(names) == 1:
        columns = list(dict.fromkeys(columns))
        if len(columns) > 1:
            raise _unclear(names)
        return [groups[0][0]]
    differing = [column for column in columns if len(set(column)) > 1]
    if not differing:
        return None
    counting = [column for column in differing if len(set(column)) == len(names)]
    if len(counting) > 1 or (not counting and len(differing) > 1):
        raise _unclear(names)
    return _different(list((counting or differing)[0]), names)


def _different(numbers: list[int], names: Sequence[str]) -> list[int]:
    for i, number in enumerate(numbers):
        if number in numbers[:i]:
            pair = [names[numbers.index(number)], names[i]]
            raise InputError(f"generations must be of different rounds, got {_some(pair)} of round {number}.")
    return numbers


def _unclear(names: Sequence[str]) -> InputError:
    return InputError(
        "generations must have names in which one number is the round, as in gen_3, got "
        f"{_some(names)}: rename them, or give a mapping with such names."
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")


def matching(patterns: Sequence[Path], name: str) -> list[Path]:
    """Return the files and folders that are named or match a pattern, in natural order; patterns may overlap.

    Raises
    ------
    InputError
        If there are none for one of them, or one is named twice.
    """
    matches: set[Path] = set()
    named: set[Path] = set()
    for pattern in patterns:
        is_member = ".npz:" in str(pattern)  # one array of an archive
        paths = (
            [pattern] if is_member or pattern.exists() else [Path(path) for path in glob.glob(str(pattern))]
        )
        if not paths:
            raise InputError(f"{name} must name existing files or folders, got {str(pattern)!r}.")
        if pattern in named:
            raise InputError(f"{name} must name each file or folder once, got {str(pattern)!r} twice.")
        named.add(pattern)
        matches.update(paths)
    return sorted(matches, key=natural_key)
