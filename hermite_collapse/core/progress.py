"""A progress bar on standard error, for whatever takes long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str, *, wanted: bool | None = None) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar while something runs, and yield what moves it: a function of done, total and a label.

    Parameters
    ----------
    title : str
        What runs.
    wanted : bool, optional
        Whether to show the bar; if None, only on a terminal.

    Yields
    ------
    function of (int, int, str)
        Takes how much is done, of how much, and the words beside the bar.

    Examples
    --------
    >>> with progress_bar("rounds", wanted=False) as advance:
    ...     advance(1, 2, "round 1/2")
    """
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield lambda done, total, label: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[label]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(title, total=None, label="")
        yield lambda done, total, label: bar.update(task, completed=done, total=total, label=label)
