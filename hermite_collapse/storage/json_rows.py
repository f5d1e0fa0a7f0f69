"""Tables as JSON: an object a line, as logs of training runs have them, a list of objects, or an object of lists.

    {"generation": 0, "fid": 12.1}
    {"generation": 1, "fid": 15.3}

A key that an object lacks is a missing value.  Numbers keep their digits; what is nested is refused.
"""

from __future__ import annotations

import json

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
        columns = _columns(content)
        if columns is None:
            return [_object(content)]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("JSON with lists of different lengths")
        return [dict(zip(content, row, strict=True)) for row in zip(*columns, strict=True)]
    if not isinstance(content, list):
        raise ValueError("JSON that is no table")
    return [_object(item) for item in content]


def _columns(content: dict[str, object]) -> list[list[object]] | None:
    """Return the columns of an object of lists, or of rows by their number as pandas writes them; None for others."""
    columns = [list(c.values()) if isinstance(c, dict) else c for c in content.values()]
    keys = [list(c) for c in content.values() if isinstance(c, dict)]
    if keys and (len(keys) < len(content) or any(key != keys[0] for key in keys)):
        return None
    lists = [column for column in columns if isinstance(column, list)]
    return lists if lists and len(lists) == len(content) else None


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
