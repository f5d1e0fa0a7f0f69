"""Tables as people keep them: the text of a file becomes a line of names and rows of cells.

encodings     UTF-8 with or without a byte-order mark, UTF-16, else Windows-1252
delimiters    comma, semicolon (then with decimal commas), tab, the bars of Markdown, the & of LaTeX, else blanks
cells         quoted or not, as `cell_numbers` reads them; empty, NA, nan, null or - where a value is missing
thousands     1,200.5 and 1.200,5, and 1 200 or 1'200; 1,200 between quotes and commas is refused, being two numbers
comments      after # at the beginning of a line or after a blank; one directly above the numbers may hold the names
JSON          as `json_rows` reads it
rules         of Markdown, LaTeX, reStructuredText and databases are left out
"""

from __future__ import annotations

import codecs
import csv
import re
from pathlib import Path
from typing import NamedTuple

from .cell_numbers import MISSING, PLUS_MINUS, numbers_as_written, read_number
from .json_rows import is_json, json_rows

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_COMMENT_ON_NAMES = re.compile(r"^\s*#.*|(?<=\s)#(?:\s.*|$)")
"""A variance #1 is one of several."""
_TWO_NUMBERS = re.compile(r"^[+-]?[1-9]\d{0,2},\d{3}$")
_THOUSAND = re.compile(r"^[+-]?[1-9]\d{0,2}([.,])\d{3}$")
"""A number of thousands, or one with three decimals."""
_RULE = re.compile(r"^[|+\-=: ]*(?:--|==)[|+\-=: ]*$|^\|?(?: *:?-+:? *\|)+(?: *:?-+:? *)?$")
_LATEX = re.compile(
    r"\\[a-z]*rule(?:\[[^]]*\]|\([^)]*\)|\{[^}]*\})*|\\hline|\\cline\{[^}]*\}|"
    r"\\(?:begin|end)\{[^}]*\}(?:\[[^]]*\]|\{(?:[^{}]|\{[^{}]*\})*\})*|\\(?:centering|small|footnotesize)\b|"
    r"\\multicolumn\{1\}\{[^}]*\}|\\multirow\{[^}]*\}\{[^}]*\}"
)
_LATEX_MARKS = re.compile(
    r"\\(?:text[a-z]*|math[a-z]*|bf|rm|emph|underline|uparrow|downarrow|num)\b|_(?=\{? *±)|[${}]|\\\\(?:\[[^]]*\])?"
)
_TABULAR = r"\{(?:tabular[xy*]?|longtable|tblr)\}"


class Cells(NamedTuple):
    """A table before anything is known of its columns.

    Attributes
    ----------
    names : tuple of str
        As they stand in the file, without quotes and blanks; empty where it has none.
    rows : list of list of str
    notes : tuple of str
        Sentences on how cells were read that could be read in two ways.
    """

    names: tuple[str, ...]
    rows: list[list[str]]
    notes: tuple[str, ...] = ()


def read_cells(file: Path) -> Cells:
    """Return names and cells of a text file; ValueError with what is wrong with it."""
    text = decoded(file.read_bytes())
    if is_json(text):
        return Cells(*json_rows(text))
    lines = text.splitlines()
    body = [_without_comment(line) for line in lines]
    if any(line.count("&") and line.rstrip().endswith("\\\\") for line in body) or "\\begin{" in "".join(
        body
    ):
        body = [_without_latex(line) for line in _inside_tabular(body)]
    body = _inside_bars(["" if _RULE.match(line.strip()) else line for line in body])
    if any(written := [line for line in body if line.strip()]) and re.fullmatch(r"sep=.", written[0].strip()):
        body = body[body.index(written[0]) + 1 :]  # how Excel is told the delimiter
    if any(written) and written[0].lstrip()[0] == "<":
        raise ValueError("a file in another format, such as HTML: write a table with a line of names")
    if not any(line.strip() for line in body):
        raise ValueError("a file without numbers")
    body = _without_title(body)
    delimiter = _delimiter(body)
    rows = [_split(line, delimiter) for line in body if line.strip()]
    rows = [row for row in rows if any(row)]  # spreadsheets write rows without anything
    if not rows:
        raise ValueError("a file without numbers")
    names: tuple[str, ...] = ()
    if rows and not _starts_with_number(rows[0][0]):
        names, rows = tuple(rows[0]), rows[1:]
    elif rows:
        names = _commented_names(lines, delimiter, len(rows[0]))
    if not rows:
        raise ValueError("a header without numbers")
    if len(set(names)) < len(names) and not any(map(_starts_with_number, rows[0])):
        second = next((cell for cell in rows[0] if cell.casefold() not in MISSING), "")
        if second:
            raise ValueError(
                f"two lines of names: join them to one, as in '{names[-1]} {rows[0][-1] or second}'"
            )
    width = max(len(row) for row in rows)
    if names and len(names) != width and delimiter is None:
        # Names with blanks in them, apart by two or more.
        wide = re.split(r"\s{2,}", next(line for line in body if line.strip()).strip())
        names = tuple(wide) if len(wide) == width else names
    if names and all(len(row) == len(names) + 1 and not row[-1] for row in rows):
        rows, width = (
            [row[:-1] for row in rows],
            len(names),
        )  # a delimiter at the end of every row but the first
    if names and len(names) == width - 1 and all(len(row) == width for row in rows):
        counts = [row[0] for row in rows]
        if len(rows) > 1 and counts == [str(i) for i in range(1, len(rows) + 1)]:
            names = ("", *names)  # R leaves the name of its row numbers out
    for number, row in enumerate(rows, start=1):
        if len(row) != (len(names) or width):
            raise ValueError(
                f"row {number} with {len(row)} cells where there are {len(names) or width} columns"
            )
    return Cells(names, *_with_one_mark(rows, delimiter))


def _with_one_mark(rows: list[list[str]], delimiter: str | None) -> tuple[list[list[str]], tuple[str, ...]]:
    """Decide what 1.234 and 1,234 are: by the other numbers, else by their column, else refuse them.

    Returns
    -------
    rows : list of list of str
        Without marks of thousands where they can be told from the decimal mark.
    notes : tuple of str
    """
    notes: list[str] = []
    numbers = [part for row in rows for cell in row for part in numbers_as_written(cell)]
    is_decimal = {mark: any(_says_decimal(part, mark) for part in numbers) for mark in ".,"}
    for mark, other in (".,", ",."):
        unclear = [part for part in numbers if (match := _THOUSAND.match(part)) and match[1] == mark]
        if not unclear or (is_decimal[mark] and not is_decimal[other]):
            continue
        if is_decimal[other] and not is_decimal[mark]:
            rows = [[_without_mark(cell, mark) for cell in row] for row in rows]
            notes.append(
                f"{unclear[0]} was read as {unclear[0].replace(mark, '')}, for {other!r} is the decimal mark."
            )
            continue
        if not any(is_decimal.values()) and mark == "." and delimiter != ";":
            continue
        columns = [
            [part for cell in column for part in numbers_as_written(cell)]
            for column in zip(*rows, strict=True)
        ]
        mixed = [set(column) & set(unclear) and not set(column) <= set(unclear) for column in columns]
        if all(is_decimal.values()) or any(mixed):
            raise ValueError(
                f"{unclear[0]!r}, which may be {unclear[0].replace(mark, '')} or {unclear[0].replace(mark, '.')}"
            )
        notes.append(
            f"{unclear[0]} was read as {unclear[0].replace(mark, '.')}, not as {unclear[0].replace(mark, '')}."
        )
    return rows, tuple(notes)


def _without_comment(line: str) -> str:
    is_of_numbers = re.match(r"[\s|\"']*[+-]?\.?\d", line)
    return (_COMMENT if is_of_numbers else _COMMENT_ON_NAMES).sub("", line).rstrip()


def _says_decimal(text: str, mark: str) -> bool:
    """Return whether a number shows that a mark is the decimal one."""
    match = re.fullmatch(r"[+-]?[\d '’\u00a0\u202f]*(?:([.,])\d{3})*([.,])\d+(?:[eEdD][+-]?\d+)?", text)
    return match is not None and match[2] == mark and match[1] != mark and not _THOUSAND.match(text)


def _without_mark(cell: str, mark: str) -> str:
    """Return a cell whose numbers have no marks of thousands."""
    if not numbers_as_written(cell):
        return cell
    return re.sub(rf"(?<![\d.,])([1-9]\d{{0,2}}){re.escape(mark)}(\d{{3}})(?![\d.,])", r"\1\2", cell)


def decoded(data: bytes) -> str:
    """Return text in UTF-8 or UTF-16, else in Windows-1252."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    if data[1:2] == b"\0" or data[:1] == b"\0":
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _without_title(body: list[str]) -> list[str]:
    """Leave out a first line without delimiters, where names and cells with delimiters follow."""
    written = [line for line in body if line.strip()]
    if len(written) > 2:
        title, names, *rest = written
        for mark in ("\t", ";", ","):
            shared = all(line.count(mark) >= names.count(mark) > 0 for line in rest)
            if (
                shared
                and not set(title) & set("\t;,|")
                and not any(map(_starts_with_number, names.split(mark)))
            ):
                return written[1:]
    return body


def _delimiter(body: list[str]) -> str | None:
    """Return the delimiter of the first line and the last, or None for blanks."""
    written = [line for line in body if line.strip()]
    for mark in ("|", "&", "\t", ";", ","):
        if mark in written[0] and mark in written[-1]:
            return mark
    return None


def _split(line: str, delimiter: str | None) -> list[str]:
    """Return the cells of a line."""
    if delimiter is None:
        joined = PLUS_MINUS.sub("±", line.strip())
        return [cell.strip("\"'") for cell in re.sub(r"(?<=\S)\s+%", "%", joined).split()]
    text = line.strip().strip("|") if delimiter == "|" else line
    cells = next(csv.reader([text], delimiter=delimiter, skipinitialspace=True))
    marks = "\"'*" if delimiter == "|" else "\"'"  # bold in Markdown
    stripped = [cell.strip().strip(marks).strip() for cell in cells]
    if delimiter == ",":
        for cell in stripped:
            if _TWO_NUMBERS.match(cell):
                raise ValueError(
                    f"{cell!r}, which may be {cell.replace(',', '')} or {cell.replace(',', '.')}"
                )
    return stripped


def _inside_tabular(body: list[str]) -> list[str]:
    """Leave out what stands around the rows of a LaTeX table, such as its caption."""
    starts = [i for i, line in enumerate(body) if re.search(rf"\\begin{_TABULAR}", line)]
    ends = [i for i, line in enumerate(body) if re.search(rf"\\end{_TABULAR}", line)]
    if len(starts) > 1 or (not starts and any("\\begin{document}" in line for line in body)):
        raise ValueError(f"{len(starts) or 'no'} tables: write one in a file of its own")
    if len(starts) == len(ends) == 1 and starts[0] < ends[0]:
        return body[starts[0] : ends[0] + 1]
    return body


def _inside_bars(body: list[str]) -> list[str]:
    """Leave out the text above and below a table of Markdown whose rows begin with a bar."""
    rows = [i for i, line in enumerate(body) if line.lstrip().startswith("|") and line.count("|") > 2]
    between = body[rows[0] : rows[-1] + 1] if len(rows) > 2 else []
    if between and all(not line.strip() or line.lstrip().startswith("|") for line in between):
        return between
    return body


def _without_latex(line: str) -> str:
    """Return the cells of a row of a LaTeX table with their delimiters, without commands."""
    plain = re.sub(r"(?<!\\)%.*", "", line) if "&" not in line.partition("%")[2] else line  # a remark
    plain = re.sub(r"\\(?:text)?pm\b", "±", _LATEX.sub("", plain))
    plain = plain.replace("\\%", "%").replace("\\_", "_").replace("~", " ")
    return _LATEX_MARKS.sub("", re.sub(r"(?<!\\)\\[,;:!]", " ", plain)).rstrip()


def _starts_with_number(cell: str) -> bool:
    try:
        read_number(cell, "")
    except ValueError:
        return False
    return cell.strip().casefold() not in MISSING


def _commented_names(lines: list[str], delimiter: str | None, width: int) -> tuple[str, ...]:
    """Return the names that stand in a comment directly above the numbers."""
    above = ""
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            break
        if line.strip():
            above = line.strip().lstrip("#").strip()
    if not above:
        return ()
    cells = _split(above, delimiter)
    if len(cells) != width and delimiter is None:
        cells = re.split(r"\s{2,}", above)
    return tuple(cells) if len(cells) == width and not any(map(_starts_with_number, cells)) else ()
