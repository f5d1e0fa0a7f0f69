"""One page for any result: what was found, its figures, its tables, what was assumed, and how to repeat it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..figures.saving import Drawing, drawings
from ..storage.folder import write_atomically
from . import page
from .tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPORT = "report.html"
"""Name of the page in a folder of results."""


@dataclass(frozen=True)
class Section:
    """A part of a page: a heading, what is said, and perhaps a table.

    Attributes
    ----------
    title : str
    paragraphs : tuple of str
    table : Table or None
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    table: Table | None = None


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Attributes
    ----------
    title : str
    lead : str
        What was found, in a few sentences.
    figures : mapping of str to Figure
        By name; their labels are the captions.
    tables : tuple of Table
        Each with a title of its own.
    sections : tuple of Section
        Further parts, after the tables.
    facts : tuple of (str, str)
        What was asked, by name.
    notes : tuple of str
        What was assumed, and what to know.
    tone : str
        "good", "bad" or "open" where the lead is a verdict.
    """

    title: str
    lead: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    sections: tuple[Section, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    tone: str = ""

    @cached_property
    def drawings(self) -> dict[str, Drawing]:
        """The figures, each drawn once for this page and for its file."""
        return drawings(self.figures)


def result_page(shown: Page, *, command: str = "", config_text: str = "") -> str:
    """Return the text of a page, which refers to nothing outside itself.

    Parameters
    ----------
    shown : Page
    command : str
        The command line that repeats it.
    config_text : str
        The configuration as run, TOML.
    """
    return page.render(
        "result.html.j2",
        title=shown.title,
        kicker="hermite_collapse",
        lead=shown.lead,
        tone=shown.tone,
        facts=shown.facts,
        figures=page.captioned(shown.drawings),
        tables=shown.tables,
        sections=shown.sections,
        notes=shown.notes,
        command=command,
        config_text=config_text.strip(),
        colophon="This page is one file and loads nothing.",
    )


def write_result_page(
    folder: str | os.PathLike[str], shown: Page, *, command: str = "", config_text: str = ""
) -> Path:
    """Write `report.html` into a folder, atomically, and return its path; arguments as for `result_page`."""
    path = Path(folder) / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, result_page(shown, command=command, config_text=config_text).encode("utf-8"))
    return path
