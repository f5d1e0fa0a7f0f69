"""A progress bar on standard error, silent unless wanted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(
    title: str, *, rounds: int, rows: int, done: int, wanted: bool | None
) -> Iterator[Callable[[int], None]]:
    """A bar for rounds 0..rounds of so many rows each, of which `done` are complete; yields what adds rows to it.

    wanted : True or False; None shows it on a terminal only.
    """
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield lambda more: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("round {task.fields[round]}/" + str(rounds)),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(title, total=(rounds + 1) * rows, completed=done * rows, round=done)
        seen = done * rows

        def advance(more: int) -> None:
            nonlocal seen
            seen += more
            bar.update(task, completed=seen, round=min(seen // rows, rounds))

        yield advance
