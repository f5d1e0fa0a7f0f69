"""The audit of a pipeline for readers: its table, its view in a notebook, and its page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..advice.audit import CLOSURE, Audit
from ..advice.fresh_fractions import FRACTIONS, WORDS
from ..core.numbers import grouped, percent, significant
from ..figures.audit import draw_audit
from ..figures.style import figure_of
from . import tables
from .result_page import Page
from .tables import Row, Table


def audit_table(audit: Audit) -> Table:
    """Return the variance that each mechanism keeps of a coarse, a median and a fine direction."""
    ledger = audit.ledger
    shown = tuple(dict.fromkeys(ledger.representative))
    head = ["mechanism"]
    for j in shown:
        head += [f"v = {significant(float(ledger.data[j]))}: one round", "limit"]
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


def fractions_table(audit: Audit) -> Table:
    """Return what the limit keeps of a coarse, a median and a fine direction at several fresh fractions."""
    rows = tuple(
        Row((percent(fraction), *(significant(float(share)) for share in shares)))
        for fraction, shares in zip(FRACTIONS, audit.limits_by_fraction, strict=True)
    )
    head = (
        "fresh fraction",
        *(f"v = {significant(float(audit.ledger.data[j]))}" for j in audit.directions_shown),
    )
    return Table(head, rows, WORDS, title="How much fresh data")


def view_audit(audit: Audit) -> str:
    """Return the audit's sentences and its table as an HTML fragment."""
    return f"<p>{escape(audit.text)}</p>{tables.html(audit_table(audit))}"


def audit_page(audit: Audit, *, notes: Sequence[str] = ()) -> Page:
    """Return the page of an audit: its sentences, its figure, its table, and what was assumed.

    Parameters
    ----------
    audit : Audit
    notes : sequence of str
        Sentences on what was assumed.

    Returns
    -------
    Page
    """
    return Page(
        title="What this pipeline does to its data",
        lead=audit.text,
        figures={"audit": figure_of(draw_audit(audit))},
        tables=(audit_table(audit), fractions_table(audit)),
        facts=tuple(_facts(audit)),
        notes=tuple(notes),
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
        facts.append(("growth of the limit, in %, where a mechanism leaves 1 % more", "; ".join(parts)))
    return facts
