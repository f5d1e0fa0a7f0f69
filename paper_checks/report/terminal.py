"""The table in the terminal."""

from __future__ import annotations

from ..registry import Statement
from ..runner import Row


def heading() -> str:
    return f"{'statement':34} {'verdict':19} {'evidence':38} {'mutations':>9} {'package':>12} {'s':>6}"


def line(result: Row) -> str:
    """One statement on one line."""
    kinds: dict[str, int] = {}
    for item in result.findings:
        if item.outcome.status == "supports":
            kinds[item.kind] = kinds.get(item.kind, 0) + 1
    evidence = ", ".join(f"{kind.replace('_', ' ')}{f' x{n}' if n > 1 else ''}" for kind, n in kinds.items())
    evidence = evidence.replace("high precision", "precision")
    rejected = sum(item.rejected for item in result.rejections)
    package = (
        "-" if result.package is None or result.package.status == "not compared" else result.package.status
    )
    mark = " " if result.as_expected else "!"
    return (
        f"{mark}{result.id:33} {result.verdict.word:19} {evidence:38} {f'{rejected}/{len(result.rejections)}':>9} "
        f"{package:>12} {result.seconds:6.1f}"
    )


def details(statement: Statement, result: Row) -> str:
    """Everything about one statement, for `--only`."""
    lines = [
        "",
        f"{statement.title}",
        f"  source      {statement.source}",
        f"  statement   {statement.text}",
        f"  formula     {statement.formula}",
        f"  conditions  {statement.conditions}",
        f"  verdict     {result.verdict.word}: {result.verdict.because}",
    ]
    for item in result.findings:
        lines.append(f"  {item.outcome.status:9} {item.kind.replace('_', ' '):14} {item.what}")
        lines.append(f"            {'':14} {item.outcome.closeness} ({item.seconds:.1f} s)")
    if statement.displayed is not None:
        lines.append(f"  as displayed by {statement.displayed.whose}: {statement.displayed.text}")
        for item in result.displayed:
            lines.append(
                f"  {item.outcome.status:9} {item.kind.replace('_', ' '):14} {item.outcome.closeness}"
            )
        lines.append(f"  corrected: {statement.displayed.correction}")
    for item in result.rejections:
        lines.append(
            f"  mutation    {item.kind}: {item.text}: {'rejected by ' if item.rejected else 'NOT REJECTED: '}{item.by}"
        )
    for multiple in result.scalings:
        if multiple.outcome != "rejected":
            lines.append(
                f"  multiple    {multiple.formula} times {multiple.factor:g}: {multiple.outcome}: {multiple.by}"
            )
    if result.scalings:
        count = sum(item.outcome == "rejected" for item in result.scalings)
        lines.append(f"  multiples   {count} of {len(result.scalings)} rejected")
    if result.package is not None:
        lines.append(
            f"  package     {result.package.function}: {result.package.status}; {result.package.detail}"
        )
    if statement.remark:
        lines.append(f"  remark      {statement.remark}")
    if result.error:
        lines.append(result.error)
    return "\n".join(lines)
