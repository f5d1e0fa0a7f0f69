"""Help of a command as plain text: every paragraph wrapped once, every option under the words that name it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ...reporting.terminal import WIDTH

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions


class HelpText:
    """What cyclopts calls to show help: the usage, the description, and one panel for each group of options."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print the title of a group and its options."""
        if not panel.entries:
            return
        lines = [f"{panel.title}:"] if panel.title else []
        for entry in panel.entries:
            names = (*entry.positive_names, *entry.positive_shorts)
            if panel.format == "parameter":
                names = tuple(entry.display_labels_with_metavar)
            words = f"{', '.join(names)}: {_plain(entry.description, console)}"
            lines.append(_filled(words, indent="  ", hanging="      "))
        _print(console, "\n".join([*lines, ""]))

    def render_usage(self, console: Console, options: ConsoleOptions, usage: object) -> None:
        """Print the line that says how the command is called."""
        text = _plain(usage, console)
        if text:
            _print(console, f"{text if text.startswith('Usage:') else f'Usage: {text}'}\n")

    def render_description(self, console: Console, options: ConsoleOptions, description: object) -> None:
        """Print the paragraphs of the description."""
        paragraphs = _plain(description, console).split("\n\n")
        text = "\n\n".join(_filled(paragraph) for paragraph in paragraphs if paragraph.strip())
        if text:
            _print(console, f"{text}\n")


def _plain(text: object, console: Console) -> str:
    """Return what is to be shown as letters alone, not wrapped."""
    from rich.console import Console as Plain

    if text is None or isinstance(text, str):
        return (text or "").strip()
    if hasattr(text, "plain"):
        return str(text.plain).strip()
    wide = Plain(width=100_000, no_color=True, highlight=False)
    with wide.capture() as captured:
        wide.print(text, markup=False, end="")
    return "\n".join(line.rstrip() for line in captured.get().splitlines()).strip()


def _filled(text: str, *, indent: str = "", hanging: str = "") -> str:
    return textwrap.fill(
        " ".join(text.split()),
        width=WIDTH,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
