"""One JSON document for a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..registry import HOME, Statement
from ..runner import Row
from ..verdicts import Finding


def command(statement: Statement) -> str:
    """What repeats the check of one statement."""
    return f"python -m {HOME} --only {statement.id}"


def _number(value: Any) -> Any:
    value = float(value)
    return value if math.isfinite(value) else str(value)


def _finding(item: Finding) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "what": item.what,
        "covers": item.covers,
        "role": item.role,
        "outcome": item.outcome.status,
        "closeness": item.outcome.closeness,
        "numbers": {key: _number(value) for key, value in item.outcome.numbers.items()},
        "seconds": round(item.seconds, 3),
    }


def row(statement: Statement, result: Row) -> dict[str, Any]:
    """One statement as plain data."""
    entry: dict[str, Any] = {
        "id": statement.id,
        "title": statement.title,
        "source": statement.source,
        "statement": statement.text,
        "formula": statement.formula,
        "conditions": statement.conditions,
        "verdict": result.verdict.word,
        "because": result.verdict.because,
        "expected": result.expected,
        "as_expected": result.as_expected,
        "complaints": list(result.complaints),
        "evidence": [_finding(item) for item in result.findings],
        "mutations": [
            {"kind": item.kind, "text": item.text, "rejected": item.rejected, "by": item.by}
            for item in result.rejections
        ],
        "multiples": [
            {"formula": item.formula, "factor": item.factor, "outcome": item.outcome, "by": item.by}
            for item in result.scalings
        ],
        "command": command(statement),
        "seconds": round(result.seconds, 3),
    }
    if statement.displayed is not None:
        entry["displayed"] = {
            "whose": statement.displayed.whose,
            "text": statement.displayed.text,
            "formula": statement.displayed.formula,
            "correction": statement.displayed.correction,
            "evidence": [_finding(item) for item in result.displayed],
        }
    if result.package is not None:
        entry["package"] = {
            "function": result.package.function,
            "test": result.package.test,
            "status": result.package.status,
            "detail": result.package.detail,
        }
    if result.error:
        entry["error"] = result.error
    return entry


def document(
    chosen: Sequence[Statement], results: Sequence[Row], *, quick: bool, seconds: float
) -> dict[str, Any]:
    """The whole run as plain data."""
    counts: dict[str, int] = {}
    for result in results:
        counts[result.verdict.word] = counts.get(result.verdict.word, 0) + 1
    return {
        "quick": quick,
        "seconds": round(seconds, 2),
        "as_expected": all(result.as_expected for result in results),
        "verdicts": counts,
        "mutations": {
            "tried": sum(len(result.rejections) for result in results),
            "rejected": sum(item.rejected for result in results for item in result.rejections),
        },
        "multiples": {
            outcome: sum(item.outcome == outcome for result in results for item in result.scalings)
            for outcome in sorted({item.outcome for result in results for item in result.scalings})
        },
        "statements": [row(statement, result) for statement, result in zip(chosen, results, strict=True)],
    }
