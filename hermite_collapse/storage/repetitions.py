"""Runs are averaged only where their names say that they are repetitions of one thing.

seed 1, seed 2            also run, repetition, replicate, rep, trial, each with a whole number, in a name that is
                          otherwise the same in all
1, 2, 3                   whole numbers, one after the other
baseline, ours            runs of different settings, or nobody says: refused
0.1, 0.5; steps-20, steps-50; alpha=0.1, alpha=0.5
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from ..core.errors import InputError
from .roles import RUN, Role, plain_name
from .tables import Cells

NUMBERED = r"(?:seed|run|repetition|repeat|replicate|rep|trial)[ _\-:=#]*\d+"
"""The part of a name that says which repetition it is of."""
_WHOLE = re.compile(r"#?\d+(?:\.0*)?")
_SETTING = re.compile(r"[=:]|\d[.,]\d*[1-9]")
_SHOWN = 4


def are_repetitions(names: Sequence[str], *, in_order: bool) -> bool:
    """Return whether names say that they are those of repetitions; `in_order` asks of bare numbers to be 1, 2, 3."""
    stripped = [name.strip() for name in names]
    if all(_WHOLE.fullmatch(name) for name in stripped):
        numbers = sorted(int(float(name.strip("#"))) for name in stripped)
        return not in_order or numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    plain = [re.sub(r"[\s_\-]+", " ", name.casefold()) for name in stripped]
    rest = [re.sub(rf"(?<![a-z]){NUMBERED}(?![\w.])", "", name) for name in plain]
    return all(map(str.__ne__, rest, plain)) and len(set(rest)) == 1


def require_repetitions(names: Sequence[str], argument: str, advice: str, *, in_order: bool) -> None:
    """Refuse runs whose names do not say that they are repetitions: with different settings they are different curves.

    Raises
    ------
    InputError
        With the names and the advice.
    """
    if len(names) < 2 or are_repetitions(names, in_order=in_order):
        return
    shown = ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
    raise InputError(
        f"{argument} must have one run or repetitions of one, such as seed 1, seed 2, got {shown}: {advice}."
    )


def require_repeated_rows(cells: Cells, roles: Sequence[Role], asked: Collection[str], argument: str) -> None:
    """Refuse runs in rows, unless their names or that of their column say that they are repetitions, or the user."""
    for j, (heading, role) in enumerate(zip(cells.names, roles, strict=True)):
        names = list(dict.fromkeys(row[j] for row in cells.rows))
        says_little = plain_name(heading) == RUN or any(_SETTING.search(name) for name in names)
        if role.role == RUN and heading.strip() not in asked and says_little:
            advice = f"keep the rows of one, or say --columns {heading.strip()}=run if they are"
            require_repetitions(names, argument, advice, in_order=False)
