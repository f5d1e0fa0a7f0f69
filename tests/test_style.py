"""Habits of the house that a linter does not know."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hermite_collapse"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = [
    path
    for folder in ("hermite_collapse", "paper_checks", "validation", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
LONGEST = 600
HANDED_ON = {("page", "render"), ("style", "panels"), ("experiment", "simulate_many")}


def identify(path: Path) -> str:
    return str(path.relative_to(ROOT))


def public(tree: ast.Module):
    """Public functions and classes of a module, and the public methods of the classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_"))


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_modules_say_what_they_are(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "no module docstring"
    names = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    if not path.name.startswith("_") or path.name == "__init__.py":
        for node in names:
            assert ast.get_docstring(node), f"{node.name} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_names_are_full_words(path):
    assert path.stem not in ("utils", "helpers", "misc", "common")
    for node in public(ast.parse(path.read_text("utf-8"))):
        assert not node.name.startswith("get_"), node.name


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_no_misspelt_option_is_swallowed(path):
    """Public functions take **keywords only where they hand all of them on to one that knows their names."""
    for node in public(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.args.kwarg is not None:
            assert (path.stem, node.name) in HANDED_ON, node.name


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_rooms_are_small(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_nothing_is_put_off(path):
    if path == Path(__file__):
        return
    assert not re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", path.read_text("utf-8"))


def test_the_package_is_typed_and_self_contained():
    assert (PACKAGE / "py.typed").exists()
    assert {path.name for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".")} == {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "Makefile",
        "constraints.txt",
    }


def test_the_readers_of_this_test_see_what_they_should():
    """Control: the rules above find what they forbid."""
    tree = ast.parse("class A:\n    def get_x(self): ...\ndef f(**options): ...\n")
    names = [node.name for node in public(tree)]
    assert names == ["A", "get_x", "f"]
