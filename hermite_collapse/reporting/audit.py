"""The audit of a pipeline for readers: its table, its view in a notebook, and one page that opens offline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ..advice.audit import CLOSURE, Audit
from ..core.numbers import grouped, percent, significant
from ..figures.audit import draw_audit
from ..figures.style import figure_of
from ..storage.folder import write_atomically
from . import page, tables
from .tables import Row, Table

AUDIT_PAGE = "audit.html"


def audit_table(audit: Audit) -> Table:
    """Return the variance that each mechanism keeps of a coarse, a median and a fine direction."""
    ledger = audit.ledger
    shown = tuple(dict.fromkeys(ledger.representative))
    head = ["mechanism"]
    for j in shown:
        head += [f"{significant(float(ledger.data[j]))}, one round", "limit"]
    rows = []
    for name, ratios, limits in ledger.rows():
        cells = [name.strip()]
        for j in shown:
            cells += [significant(float(ratios[j])), significant(float(limits[j]))]
        rows.append(Row(tuple(cells), "group" if name in ("rest", "all together") else ""))
    words = (
        "Variance that a round, and the limit, make of a direction's variance, as multiples of it: each mechanism "
        f"alone, and all together, at fresh fraction {ledger.fresh_fraction:g}. The rest is what they do to each other."
    )
    return Table(tuple(head), tuple(rows), words, CLOSURE, "Each mechanism alone", (0,))


def view_audit(audit: Audit) -> str:
    """Return the audit's sentences and its table as an HTML fragment."""
    return f"<p>{escape(audit.text)}</p>{tables.html(audit_table(audit))}"


def write_audit(
    folder: str | os.PathLike[str], audit: Audit, *, notes: Sequence[str] = (), command: str = ""
) -> Path:
    """Write `audit.html` into a folder and return its path.

    Parameters
    ----------
    folder : path
        Made where it is missing; the page is written atomically.
    audit : Audit
    notes : sequence of str
        Sentences on what was assumed.
    command : str
        The command line that repeats it.

    Returns
    -------
    Path
    """
    path = Path(folder) / AUDIT_PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, audit_page(audit, notes=notes, command=command).encode("utf-8"))
    return path


def audit_page(audit: Audit, *, notes: Sequence[str] = (), command: str = "") -> str:
    """Return the text of the page that `write_audit` writes."""
    axes = draw_audit(audit)
    figure = figure_of(axes)
    return page.render(
        "audit.html.j2",
        title="What this pipeline does to its data",
        kicker="hermite_collapse",
        lead=audit.text,
        facts=_facts(audit),
        figure={"svg": page.inline_svg(figure, name="audit"), "caption": figure.get_label()},
        table=audit_table(audit),
        notes=list(notes),
        command=command,
        colophon="This page is one file and loads nothing.",
    )


def _facts(audit: Audit) -> list[tuple[str, str]]:
    first, data = audit.pipelines[0], audit.ledger.data
    span = significant(float(data.max()))
    if len(data) > 1:
        span = f"{grouped(len(data))}, of variance {significant(float(data.min()))} to {span}"
    facts = [
        ("one round", " → ".join(audit.ledger.descriptions) or "nothing"),
        ("fresh fraction α", f"{first.fresh_fraction:g}"),
        ("images a round", "infinitely many" if first.images is None else grouped(first.images)),
        ("directions", f"{span} ({audit.spectrum})"),
        ("tolerance", percent(audit.tolerance)),
    ]
    dominant = audit.dominant
    largest = [f"{size}: {name or 'none'}" for size, name in dominant._asdict().items()]
    facts.append(("largest effect", "; ".join(largest)))
    moved = audit.sensitivity[:, audit.ledger.representative.median]
    if moved.size:
        parts = [
            f"{part.describe()}: {significant(float(x))}"
            for part, x in zip(first.mechanisms, moved, strict=True)
        ]
        facts.append(("per cent of the limit for 1 % more variance from", "; ".join(parts)))
    return facts
