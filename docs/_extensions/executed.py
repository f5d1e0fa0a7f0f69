"""Directives that run what they show while the documentation is built, so that every output is a real one.

    ```{command} hermite-collapse predict --fresh-fraction 0.3 --truncation-time 0.1
    ```

    ```{python}
    print(hc.half_degree(fresh_fraction=0.3, truncation_time=0.1))
    ```

Commands run in a folder of their own with 88 columns; lines of Python share one namespace per page, with `hc` and `np`
in it.  Options: `lines` shows that many lines of the output (the rest is counted), `status` is the exit status that a
command must have.  Another status, or an exception, is an error of the build.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from hermite_collapse.reporting.terminal import WIDTH

FOLDER = tempfile.TemporaryDirectory(prefix="hermite_collapse_docs_")
COLUMNS = "88"
_NAMESPACES: dict[str, dict[str, object]] = {}
_OUTPUTS: dict[str, tuple[int, str, str]] = {}


def shortened(text: str, count: int | None) -> str:
    """Return the first lines of a text, and how many were left out; no table is cut within its first three lines.

    What begins a table that would be cut there, its title and its head, is left out with it.
    """
    lines = text.rstrip().splitlines()
    if count is None or len(lines) <= count + 1:
        return "\n".join(lines)
    blank = [i for i, line in enumerate(lines) if not line.strip()]
    begin = max((i + 1 for i in blank if i < count), default=0)  # of the passage that is cut
    end = min((i for i in blank if i >= count), default=len(lines))
    kept, left = (sum(map(_is_row, part)) for part in (lines[begin:count], lines[count:end]))
    if begin > 0 and left and kept < 3:
        count = begin
    while count and not lines[count - 1].strip():
        count -= 1
    return "\n".join([*lines[:count], f"... {len(lines) - count} more lines"])


def _is_row(line: str) -> bool:
    return "  " in line or line.startswith(" ")


def output_of(command: str) -> tuple[int, str, str]:
    """Return status, standard output and standard error of a command of this environment."""
    if command not in _OUTPUTS:
        words = shlex.split(command)
        words = [sys.executable, "-m", "hermite_collapse", *words[1:]]
        environment = os.environ | {"COLUMNS": COLUMNS, "NO_COLOR": "1", "TERM": "dumb", "MPLBACKEND": "agg"}
        done = subprocess.run(
            words, cwd=FOLDER.name, env=environment, capture_output=True, text=True, timeout=240
        )
        _OUTPUTS[command] = (done.returncode, done.stdout, done.stderr)
    return _OUTPUTS[command]


class Command(SphinxDirective):
    """A `hermite-collapse` command with what it prints."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"lines": directives.nonnegative_int, "status": directives.nonnegative_int}

    def run(self) -> list[nodes.Node]:
        command = " ".join(self.arguments[0].split())
        if not command.startswith("hermite-collapse "):
            raise ExtensionError(f"{self.env.docname}: a command must begin with hermite-collapse: {command}")
        status, output, errors = output_of(command)
        if status != self.options.get("status", 0):
            raise ExtensionError(f"{self.env.docname}: status {status} of `{command}`:\n{output}{errors}")
        text = shortened(output, self.options.get("lines"))
        return [_block(command, "command"), *_output(text, WIDTH)]


class Python(SphinxDirective):
    """Lines of Python with what they print."""

    has_content = True
    option_spec = {"lines": directives.nonnegative_int}

    def run(self) -> list[nodes.Node]:
        source = "\n".join(self.content)
        namespace = _NAMESPACES.setdefault(self.env.docname, _namespace())
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.chdir(FOLDER.name):
            try:
                exec(compile(source, self.env.docname, "exec"), namespace)
            except Exception as problem:
                raise ExtensionError(f"{self.env.docname}: {problem!r} in\n{source}") from problem
        text = shortened(printed.getvalue(), self.options.get("lines"))
        return [_block(source, "python"), *_output(text)]


def _namespace() -> dict[str, object]:
    import numpy as np

    import hermite_collapse as hc

    return {"hc": hc, "np": np}


def passages(text: str, width: int = 0) -> list[tuple[str, bool]]:
    """Return the runs of sentences and of tables in a text, and whether they are sentences.

    A line that ends where its successor's first word would not have fitted into `width` was wrapped, and is joined with it.
    """
    found: list[tuple[list[str], bool]] = []
    previous = ""
    for line in text.splitlines():
        if not line:
            (found[-1][0] if found else []).append("")
        elif _is_row(line):  # a row of a table
            if not found or found[-1][1]:
                found.append(([], False))
            found[-1][0].append(line)
        else:
            if not found or not found[-1][1]:
                found.append(([], True))
            if (
                previous
                and len(previous) <= width < len(previous) + 1 + len(line.split()[0])
                and found[-1][0]
            ):
                found[-1][0][-1] += " " + line
            else:
                found[-1][0].append(line)
        previous = line
    return [("\n".join(lines), is_prose) for lines, is_prose in found]


def _output(text: str, width: int = 0) -> list[nodes.Node]:
    """Return the blocks of an output; those that a blank line parts from the one before say so."""
    blocks, is_apart = [], False
    for part, is_prose in passages(text, width):
        if not part.strip():
            continue
        kinds = ["output", *(["sentences"] if is_prose else []), *(["apart"] if is_apart else [])]
        blocks.append(_block(part.strip("\n"), "text", *kinds))
        is_apart = part.endswith("\n")
    return blocks


def _block(text: str, language: str, *kinds: str) -> nodes.literal_block:
    return nodes.literal_block(text, text, language=language, classes=list(kinds or ["source"]), force=False)


def _write_inputs(app: Sphinx) -> None:
    """Write the files that the pages' commands read."""
    import inputs

    inputs.write(Path(FOLDER.name))


def _forget(app: Sphinx, env: object, docname: str) -> None:
    _NAMESPACES.pop(docname, None)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("command", Command)
    app.add_directive("python", Python)
    app.connect("builder-inited", _write_inputs)
    app.connect("env-purge-doc", _forget)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
