"""What a command prints: tables that fit 80 columns, or one JSON document; progress on standard error.

Plain text unless standard output is a terminal that takes colour (NO_COLOR and TERM=dumb are respected).
"""

from __future__ import annotations

import json
import math
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import InputError
from ...core.estimates import Estimate
from ...core.printable import printable
from ...core.progress import progress_bar
from ...figures.formats import FORMATS
from ...reporting.terminal import WIDTH, table_lines
from ...storage.claims import write_config_text
from ...storage.folder import write_atomically
from .process import drop_output, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...core.significance import Verdict
    from ...figures.saving import Drawing
    from ...reporting.result_page import Page
    from ...reporting.tables import Table
    from ..config import Config

UNTESTED = 4
"""Exit status where nothing could be tested: neither agreement nor disagreement."""


@dataclass
class Output:
    """Where a command's results go.

    Parameters
    ----------
    as_json : bool
        Print one JSON document and nothing else.
    folder : path or None
        Where files go; None: no files, or the command's own choice.
    yes : bool
        Go ahead with work that seems too large for this machine.
    formats : tuple of str
        Kinds of files that figures become.
    width : str or None
        Columns of a paper that figures span; as drawn without it.
    line : str
        The command as it was given, for a page to repeat.
    stops_unread : bool
        Whether there is nothing left to do once nobody reads: the command leaves no files.

    Notes
    -----
    What is printed is remembered by heading, so that a page can show the same.  A reader that leaves, or a full disk
    behind standard output, does not keep the files from being written.
    """

    as_json: bool = False
    folder: Path | None = None
    yes: bool = False
    formats: tuple[str, ...] = FORMATS[:2]
    width: str | None = None
    line: str = ""
    stops_unread: bool = False
    printed: list[tuple[str, list[str], Table | None]] = field(default_factory=list)
    _unread: OSError | None = None

    def document(self, content: Mapping[str, object]) -> None:
        """Print the document, if JSON was asked for; infinities become words and NaN null."""
        if self.as_json:
            self._print(json.dumps(plain(content), indent=2, allow_nan=False))

    @staticmethod
    def tell_time(expected: str | None) -> None:
        """Say on standard error how long the work will take, where it is worth a line."""
        if expected is not None:
            say(f"hermite-collapse: {expected}")

    def heading(self, text: str) -> None:
        """Print a line that starts a part, after a blank one."""
        self.printed.append((text, [], None))
        if not self.as_json:
            self._print(
                "\n"
                + "\n".join(
                    _bold(line) for line in textwrap.wrap(printable(text), WIDTH, break_on_hyphens=False)
                )
            )

    def text(self, text: str, *, indent: str = "") -> None:
        """Print a paragraph, wrapped; `indent` stands before its first line and its width before the others."""
        if self.printed:
            self.printed[-1][1].append(" ".join(text.split()))
        if not self.as_json:
            self._print(
                textwrap.fill(
                    printable(" ".join(text.split())),
                    width=WIDTH,
                    initial_indent=indent,
                    subsequent_indent=" " * len(indent),
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )

    def verdict(self, verdict: Verdict, more: str = "") -> None:
        """Print a verdict under its heading, its first words in green, red or yellow where colours show."""
        self.sentence(verdict.head, f"{verdict.text}{more}")

    def sentence(self, head: str, text: str) -> None:
        """Print the head of a verdict and its sentences in the same way."""
        colour = {"Agreement": 32, "Disagreement": 31}.get(head, 33)
        self.heading("Verdict")
        if self.as_json:
            return
        first, *others = textwrap.wrap(
            printable(f"{head}. {text}"),
            WIDTH,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self._print(_coloured(first[: len(head) + 1], colour) + first[len(head) + 1 :])
        self.lines(others)

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines as they are."""
        if not self.as_json:
            for line in lines:
                self._print(line)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]], *, keys: int = 1) -> None:
        """Print rows under right-aligned columns, left-aligned where they hold words; `keys` begin every block."""
        from ...reporting.tables import written

        if self.printed:
            title, paragraphs, _ = self.printed.pop()
            self.printed.append((title, paragraphs, written(columns, rows)))
        if not self.as_json:
            self.lines(table_lines(columns, rows, keys=keys, bold=_takes_bold()))

    def make_folder(self, config: Config) -> Path:
        """Make the folder, write the configuration as run into it, and return it; results come after that."""
        folder = self._made_folder()
        write_config_text(folder, config.to_toml(folder))
        return folder

    def keep(self, content: Mapping[str, object], name: str) -> None:
        """Leave the document as `name`.json in the folder, if one was given, and say so."""
        if self.folder is None:
            return
        folder = self._made_folder()
        write_atomically(folder / f"{name}.json", json.dumps(plain(content), indent=2).encode())
        self.text(f"\nWritten to {folder}.")

    def save_figures(self, drawn: Mapping[str, Drawing], folder: Path) -> dict[str, Path]:
        """Write figures by name into a folder, in the formats and the width asked for; return the files by name."""
        from ...figures.saving import save

        written = {}
        for name, figure in drawn.items():
            for file in save(figure, folder / name, formats=self.formats, width=self.width):
                written[file.name] = file
        return written

    def leave_printed(
        self,
        title: str,
        figures: Mapping[str, Figure],
        *,
        config: Config | None = None,
        facts: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Leave figures, what was asked, and a page of what was printed so far in the folder, if one was given."""
        if self.folder is None:
            return
        from ...reporting.result_page import Page, Section

        (lead, said, table), *others = self.printed
        if table is not None:
            others.insert(0, (lead, [], table))
        shown = Page(
            title=title,
            lead=" ".join([lead if lead.endswith("?") else f"{lead}.", *said]),
            figures=figures,
            sections=tuple(Section(name, tuple(texts), table) for name, texts, table in others),
            facts=tuple(facts),
        )
        self.leave(shown, config=config)

    def leave(self, page: Page, *, config: Config | None = None) -> None:
        """Leave figures and one page in the folder, if one was given."""
        if self.folder is None:
            return
        from ...reporting.result_page import write_result_page

        folder = self._made_folder()
        self.save_figures(page.drawings, folder / "figures")
        text = "" if config is None else config.to_toml(folder)
        write_result_page(folder, page, command=self.line, config_text=text)

    def _made_folder(self) -> Path:
        assert self.folder is not None
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"out must be a folder, got the file {str(self.folder)!r}.")
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder

    @contextmanager
    def progress(self, unit: str) -> Iterator[Callable[[int, int], None]]:
        """Show a bar on standard error, fed with what is done and what there is; none where that is no terminal."""
        with progress_bar(unit) as advance:
            yield lambda done, total: advance(done, total, f"{done}/{total}")

    def note(self, text: str) -> None:
        """Print a line on standard error: what is being done."""
        say(text)

    def as_it_is(self, text: str) -> None:
        """Print text that ends its own lines."""
        self._print(text, end="")

    def finish(self) -> None:
        """Say, when the work is done, that what was printed could not be written.

        Raises
        ------
        OSError
            What the first line that could not be written raised.
        """
        if self._unread is not None:
            raise self._unread

    def _print(self, text: str, end: str = "\n") -> None:
        if self._unread is not None:
            return
        try:
            print(text, end=end)
        except OSError as problem:
            if self.stops_unread:
                raise
            self._unread = problem
            drop_output()


def status_of(verdict: Verdict) -> int:
    """Return the exit status of a comparison: 0 for agreement, 1 for disagreement, UNTESTED for neither."""
    return UNTESTED if not verdict.is_tested else 0 if verdict.passed else 1


def verdict_document(verdict: Verdict, text: str) -> dict[str, object]:
    """Return a verdict for the document of a comparison, with the words that were printed."""
    return {
        "passed": verdict.passed,
        "tested": verdict.is_tested,
        "level": verdict.level,
        "tests": verdict.tests,
        "untested": verdict.untested,
        "adjusted_p_value": verdict.adjusted_p_value,
        "text": text,
    }


def plain(value: object) -> object:
    """Return numbers, arrays, paths and estimates as JSON holds them: infinities are words there, NaN is null."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Estimate):
        return plain(vars(value))
    if isinstance(value, float):
        return None if math.isnan(value) else value if math.isfinite(value) else str(value)
    return str(value)


def _takes_bold() -> bool:
    """Whether standard output is a terminal that shows bold letters."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if _takes_bold() else text


def _coloured(text: str, colour: int) -> str:
    return f"\033[1;{colour}m{text}\033[0m" if _takes_bold() else text
