"""Tables as JSON: an object a line, as logs of training runs have them, a list of objects, or an object of lists.

    {"generation": 0, "fid": 12.1}
    {"generation": 1, "fid": 15.3}

    {"fid": {"0": 12.1, "1": 15.3}}                        frames of pandas by columns, {"0": {"fid": 12.1}} by rows,
    {"columns": ["fid"], "index": [0], "data": [[12.1]]}   split, or as a table: their labels are a column "index"

A key that an object lacks is a missing value.  Numbers keep their digits; what else is nested is refused.
"""

from __future__ import annotations

import json
import re

from .roles import ROUND, role_of_name

_INDEX = "index"

Rows = tuple[tuple[str, ...], list[list[str]]]
"""Names and rows of cells."""


def is_json(text: str) -> bool:
    """Return whether a text begins as JSON does."""
    return text.lstrip()[:1] in ("{", "[")


def json_rows(text: str) -> Rows:
    """Return names and rows of a table in JSON; ValueError with what is wrong with it."""
    objects = _objects(text)
    names = tuple(dict.fromkeys(key for item in objects for key in item))
    if not names:
        raise ValueError("JSON without values")
    return names, [[_cell(item.get(name)) for name in names] for item in objects]


def _objects(text: str) -> list[dict[str, object]]:
    """Return the objects of a text, one a row."""
    try:
        content = _parsed(text)
    except ValueError:
        content = [_parsed(line) for line in text.splitlines() if line.strip()]
    if isinstance(content, dict):
        framed = _framed(content)
        if framed is not None:
            return framed
        columns = [column for column in content.values() if isinstance(column, list)]
        if not columns or len(columns) < len(content):
            return [_object(content)]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("JSON with lists of different lengths")
        return [dict(zip(content, row, strict=True)) for row in zip(*columns, strict=True)]
    if not isinstance(content, list):
        raise ValueError("JSON that is no table")
    return [_object(item) for item in content]


def _framed(content: dict[str, object]) -> list[dict[str, object]] | None:
    """Return the rows of a frame as pandas writes it, None for other objects."""
    parts = content.values()
    names, labels, data = content.get("columns"), content.get(_INDEX), content.get("data")
    if content.keys() == {"schema", "data"} and isinstance(data, list):
        return [_object(row) for row in data]
    if (
        content.keys() == {"columns", _INDEX, "data"}
        and isinstance(names, list)
        and isinstance(labels, list)
        and isinstance(data, list)
        and all(isinstance(row, list) and len(row) == len(names) for row in data)
        and len(labels) == len(data)
    ):
        return _labelled(labels, [dict(zip(map(str, names), row, strict=True)) for row in data])
    inner = [part for part in parts if isinstance(part, dict)]
    if not inner or len(inner) < len(content) or any(part.keys() != inner[0].keys() for part in inner):
        return None
    if _are_numbers(content) and not _are_numbers(inner[0]):
        return _labelled(list(content), inner)
    rows = [{name: part[label] for name, part in zip(content, inner, strict=True)} for label in inner[0]]
    return _labelled(list(inner[0]), rows)


def _labelled(labels: list[object] | list[str], rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return rows with their labels, unless these only count them or a column says the rounds."""
    roles = [role_of_name(name) for name in (rows[0] if rows else ())]
    counts = [str(i) for i in range(len(rows))]
    if list(map(str, labels)) == counts or any(role is not None and role.role == ROUND for role in roles):
        return rows
    return [{_INDEX: label, **row} for label, row in zip(labels, rows, strict=True)]


def _are_numbers(keys: dict[str, object]) -> bool:
    return all(re.fullmatch(r"-?\d+(?:\.\d*)?", key) for key in keys)


def _parsed(text: str) -> object:
    try:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def _object(item: object) -> dict[str, object]:
    if not isinstance(item, dict):
        raise ValueError("JSON that is no table: an object a row is expected")
    return item


def _cell(value: object) -> str:
    """Return a value as the text of a cell."""
    if isinstance(value, dict | list):
        raise ValueError("JSON that is nested: write one object of plain values a row")
    return "" if value is None else str(value)
