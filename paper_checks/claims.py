"""The table of claims: statement, function, test, evidence, verdict.

`python -m paper_checks.claims` prints it, the documentation shows it with a page for each statement, and the README has
three of its rows: `python -m paper_checks.claims README.md` writes them between the markers.  It is made from the
registry alone, so it changes only when a statement does.  That the verdicts come out so is what
`python -m paper_checks` checks; that a test file uses the functions beside it, what the tests check.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from .registry import Statement, select, statements

# The test of a statement to which no function of the package belongs.
ALONE = "tests/paper_checks/test_statements.py"
IN_README = ("limit.attenuation", "propagation.discounted_sum", "additions.final_step")
BEGIN, END = "<!-- claims:begin -->", "<!-- claims:end -->"


def _source(statement: Statement) -> str:
    return (
        statement.source.replace("Proposition", "Prop.")
        .replace("Theorem", "Thm")
        .replace("Corollary", "Cor.")
    )


def _functions(statement: Statement) -> str:
    if statement.package is None:
        return "none"
    return ", ".join(f"`{name.strip()}`" for name in statement.package.function.split(","))


def _verdict(statement: Statement) -> str:
    if statement.displayed is None:
        return statement.expected
    return f"{statement.expected} in {statement.displayed.whose}"


def table(chosen: Sequence[Statement] | None = None) -> str:
    """The table in Markdown."""
    lines = [
        "| statement | from | function | test | evidence | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for item in statements() if chosen is None else chosen:
        kinds = ", ".join(kind.replace("_", " ") for kind in item.kinds)
        test = f"`{item.package.test if item.package else ALONE}`"
        lines.append(
            f"| `{item.id}`: {item.title} | {_source(item)} | {_functions(item)} | {test} | {kinds} | {_verdict(item)} |"
        )
    return "\n".join(lines)


def replaced(text: str) -> str:
    """The text with the rows of IN_README between its markers brought up to date."""
    pattern = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.S)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"the text must contain {BEGIN} and {END} once, in this order")
    rows = select(list(IN_README))
    return pattern.sub(lambda _: f"{BEGIN}\n{table(rows)}\n{END}", text)


def main(arguments: Sequence[str]) -> int:
    """Print the table, or write it into the files named."""
    if not arguments:
        print(table())
    for name in arguments:
        path = Path(name)
        path.write_text(replaced(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
