"""`python -O` and `-OO`: nothing rests on assertions or docstrings."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hermite_collapse
from hermite_collapse.app.cli.app import COMMANDS, build_app

PACKAGE = Path(hermite_collapse.__file__).parent


def narrows(test: ast.expr) -> bool:
    """Whether an assertion only tells a type checker what a value is."""
    if isinstance(test, ast.BoolOp):
        return all(map(narrows, test.values))
    if isinstance(test, ast.Call):
        return isinstance(test.func, ast.Name) and test.func.id == "isinstance"
    return isinstance(test, ast.Compare) and all(isinstance(op, ast.IsNot) for op in test.ops)


def test_assertions_only_narrow_types():
    wrong = []
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Assert) and (node.msg is not None or not narrows(node.test)):
                wrong.append(f"{file.relative_to(PACKAGE)}:{node.lineno}")
    assert wrong == []


def test_such_assertions_are_told_from_checks():
    cases = {"assert x is not None": True, "assert isinstance(x, int) and y is not None": True}
    cases |= {"assert x > 0": False, "assert x": False, "assert x is not None or y == 2": False}
    for text, expected in cases.items():
        node = ast.parse(text).body[0]
        assert isinstance(node, ast.Assert) and narrows(node.test) == expected, text


def test_without_docstrings_help_is_the_line_of_the_list():
    """One process: the help of a command, the command, and the template."""
    program = (
        "from hermite_collapse.app.cli.app import run; import sys\n"
        "assert False, 'optimised'\n"
        "words = [['--help'], ['predict', '--help'], ['predict', '--rounds', '2'], ['config']]\n"
        "sys.exit(max(run(w) for w in words))"
    )
    done = subprocess.run(
        [sys.executable, "-OO", "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    listed, _, rest = done.stdout.partition("Usage: hermite-collapse predict")
    assert all(f"{name}:" in listed for name in COMMANDS)
    assert " ".join(COMMANDS["predict"].split()) in " ".join(rest.split())
    assert "None" not in rest and "[recursion]" in rest


@pytest.mark.parametrize("name", COMMANDS)
def test_help_falls_back_without_docstrings(name, monkeypatch):
    class Flags:
        optimize = 2

    build_app(name)[name]  # imports the command, for which the flags have to be whole
    monkeypatch.setattr("hermite_collapse.app.cli.app.sys.flags", Flags)
    assert build_app(name)[name].help == COMMANDS[name]
