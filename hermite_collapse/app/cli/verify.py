"""hermite-collapse verify: the statements of the papers, checked on this machine."""

from __future__ import annotations

import importlib
import os
from importlib.util import find_spec
from typing import Annotated

from cyclopts import Parameter

from ...core.errors import InputError
from ..config import Config
from .options import command as _command
from .output import Output

# Where the statements live: in an installed wheel, in a checkout of the repository.
HOMES = ("hermite_collapse._paper_checks", "paper_checks")

Only = Annotated[
    list[str] | None,
    Parameter(
        help="Names of statements, or their beginnings; all of them unless given.",
        negative=(),
        consume_multiple=True,
    ),
]
Full = Annotated[
    bool, Parameter(help="All evidence and all mutations (minutes), not the quick form.", negative=())
]


def run(config: Config, output: Output, *, only: Only = None, full: Full = False) -> int:
    """Check the statements of the two papers with this machine's own arithmetic: symbols, enclosures, many digits.

    The evidence shares no code with the package and is compared with its numbers.  Exit status 1 if a statement
    does not come out as it should.
    """
    home = next((name for name in HOMES if find_spec(name) is not None), None)
    if home is None:
        raise InputError("verify must find the statements, which come with this package, got none.")
    registry, runner = (importlib.import_module(f"{home}.{name}") for name in ("registry", "runner"))
    try:
        selected = registry.select(list(only)) if only else registry.statements()
    except (KeyError, LookupError, ValueError) as error:
        raise InputError(
            f"only must name statements, got {', '.join(only or [])}: {error.args[0]}."
        ) from None
    rows = []
    with output.progress("statements") as advance:
        for row in runner.run_all(selected, quick=not full, jobs=min(os.cpu_count() or 1, len(selected))):
            rows.append(row)
            advance(len(rows), len(selected))
    failed = [row for row in rows if not row.as_expected]
    output.heading("Statements of arXiv:2606.13796, arXiv:2602.16601 and additions")
    output.table(
        ["statement", "verdict", "as it should", "seconds"],
        [[row.id, row.verdict.word, row.as_expected, f"{row.seconds:.1f}"] for row in rows],
    )
    for row in failed:
        output.text(f"{row.id}: {'; '.join(row.complaints)}", indent="- ")
    output.text(f"{len(rows) - len(failed)} of {len(rows)} statements come out as they should.")
    document = {
        "command": "verify",
        "statements": [
            {
                "id": row.id,
                "title": row.title,
                "verdict": row.verdict.word,
                "as_expected": row.as_expected,
                "complaints": row.complaints,
                "seconds": row.seconds,
            }
            for row in rows
        ],
    }
    output.keep(document, "statements")
    output.document(document)
    return 1 if failed else 0


command = _command(run, uses=(), leaves=True)
