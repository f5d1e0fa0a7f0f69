"""Habits of the package that a linter does not know."""

from __future__ import annotations

import ast
import inspect
import re
import statistics
from pathlib import Path

import pytest

import hermite_collapse as hc

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hermite_collapse"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = [
    path
    for folder in ("hermite_collapse", "paper_checks", "validation", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
LONGEST = 450
UNTYPED = 60  # parameters and variables of type Any in the whole package
SECTIONS = (
    "Parameters",
    "Attributes",
    "Returns",
    "Yields",
    "Raises",
    "Accuracy",
    "Cost",
    "Notes",
    "References",
    "Examples",
)
VAGUE = {"place", "found", "seen", "chosen", "got", "kept", "thing", "stuff"}
HANDED_ON = {
    ("page", "render"),
    ("style", "panels"),
    ("style", "add_subplot"),
    ("style", "savefig"),
    ("together", "simulate_many"),
    ("display", "plot"),
    ("value", "replace"),
    ("mixture", "replace"),
    ("recursion", "replace"),
}


def identify(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def documented(tree: ast.Module):
    """Functions, classes and methods that have a docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            text = ast.get_docstring(node)
            if text:
                yield node.name, text


def public(tree: ast.Module):
    """Public functions and classes of a module, and the public methods of the classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_"))


def faults_of_dialect(text: str) -> list[str]:
    """What a docstring has that is not the one dialect."""
    lines = text.splitlines()
    faults = []
    if not re.search(r"[.:?]$", lines[0].rstrip("`")) and len(lines[0]) > 3:
        faults.append(f"the first line is no sentence on one line: {lines[0]!r}")
    headings = []
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch(r"-{3,}", below.strip()) and line.strip() and not line.startswith(" "):
            headings.append(line.strip())
            if len(below.strip()) != len(line.strip()):
                faults.append(f"the underline of {line.strip()} is not as long as the heading")
        if re.match(rf"\s*({'|'.join(SECTIONS)})\s*:(\s|$)", line):
            faults.append(f"a section without a heading: {line.strip()!r}")
    known = [heading for heading in headings if heading in SECTIONS]
    faults += [f"unknown section {heading}" for heading in headings if heading not in SECTIONS]
    if known != sorted(known, key=SECTIONS.index):
        faults.append(f"sections out of order: {known}")
    return faults


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_modules_say_what_they_are(path):
    tree = tree_of(path)
    assert ast.get_docstring(tree), "no module docstring"
    if not path.name.startswith("_") or path.name == "__init__.py":
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{node.name} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_docstrings_are_of_one_dialect(path):
    faults = {name: faults_of_dialect(text) for name, text in documented(tree_of(path))}
    assert not {name: list_ for name, list_ in faults.items() if list_}


@pytest.mark.parametrize("name", [name for name in hc.__all__ if name != "__version__"])
def test_public_names_are_documented_with_an_example(name):
    value = getattr(hc, name)
    text = inspect.getdoc(value)
    assert text
    if inspect.ismodule(value):
        return
    assert ">>> " in text, "no example"
    if isinstance(value, type) and issubclass(value, Exception):
        return
    parameters = [p for p in inspect.signature(value).parameters if p not in ("self", "args", "kwargs")]
    if parameters:
        assert "Parameters\n----------" in text or "Attributes\n----------" in text or len(parameters) < 3


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_names_are_full_words(path):
    assert path.stem not in ("utils", "helpers", "misc", "common")
    tree = tree_of(path)
    for node in public(tree):
        assert not node.name.startswith("get_"), node.name
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    arguments = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    assert not (stored | arguments) & VAGUE


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_no_misspelt_option_is_swallowed(path):
    """Public functions take **keywords only where they hand all of them on to one that knows their names."""
    for node in public(tree_of(path)):
        if isinstance(node, ast.FunctionDef) and node.args.kwarg is not None:
            assert (path.stem, node.name) in HANDED_ON, node.name


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_modules_are_short(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def test_most_modules_hold_one_idea():
    lengths = [len(path.read_text("utf-8").splitlines()) for path in MODULES if path.name != "__init__.py"]
    assert 80 <= statistics.median(lengths) <= 200


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_imports_inside_the_package_are_relative(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert not (node.module or "").startswith("hermite_collapse"), node.module


def test_types_are_named():
    count = sum(len(re.findall(r": Any\b", path.read_text("utf-8"))) for path in MODULES)
    assert count < UNTYPED


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_laws_are_not_asked_what_they_have(path):
    text = path.read_text("utf-8")
    assert not re.search(
        r"(has|get)attr\(\s*(law|target|base|mixture|recursion\.|self\.target|initial)\b", text
    )


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_nothing_is_put_off_and_modules_are_modules(path):
    if path == Path(__file__):
        return
    text = path.read_text("utf-8")
    assert not re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", text)
    assert not re.search(r"\b([Rr]ooms?|[Hh]ouses?)\b", text)


def test_the_package_is_typed_and_self_contained():
    assert (PACKAGE / "py.typed").exists()
    assert {path.name for path in PACKAGE.iterdir() if path.is_file()} == {
        "__init__.py",
        "__main__.py",
        "py.typed",
    }
    assert {path.name for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".")} == {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "CITATION.cff",
        "CODE_OF_CONDUCT.md",
        "paper.md",
        "paper.bib",
        "Makefile",
        "constraints.txt",
    }


def test_the_readers_of_this_test_see_what_they_should():
    """Control: the rules above find what they forbid."""
    tree = ast.parse("class A:\n    def get_x(self): ...\ndef f(**options): ...\n")
    assert [node.name for node in public(tree)] == ["A", "get_x", "f"]
    good = "Return x.\n\n    x = 1\n\nParameters\n----------\na : int\n\nReturns\n-------\nfloat\n"
    assert not faults_of_dialect(good)
    assert faults_of_dialect("Return x.\n\nReturns : float\n")
    assert faults_of_dialect("Return x.\n\nReturns\n-------\nfloat\n\nParameters\n----------\na : int\n")
    assert faults_of_dialect("Return x\n")
    assert faults_of_dialect("Return x.\n\nReturns\n----\nfloat\n")
