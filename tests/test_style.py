"""Habits of the package that a linter does not know."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import statistics
from collections.abc import Callable, Iterable, Iterator
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


@functools.cache
def text_of(path: Path) -> str:
    return path.read_text("utf-8")


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


def faulty(rule: Callable[[Path], Iterable[str]], paths: Iterable[Path] = MODULES) -> dict[str, list[str]]:
    """What a rule complains about, by file; one case a rule, for a case of its own each file takes far longer."""
    faults = {identify(path): list(rule(path)) for path in paths}
    return {name: of_file for name, of_file in faults.items() if of_file}


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


def undocumented(path: Path) -> Iterator[str]:
    tree = tree_of(path)
    if not ast.get_docstring(tree):
        yield "no module docstring"
    if not path.name.startswith("_") or path.name == "__init__.py":
        for node in tree.body:
            is_public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if is_public and not ast.get_docstring(node):
                yield f"{node.name} has no docstring"


def test_modules_say_what_they_are():
    assert not faulty(undocumented)


def test_docstrings_are_of_one_dialect():
    assert not faulty(
        lambda path: [
            f"{name}: {fault}"
            for name, text in documented(tree_of(path))
            for fault in faults_of_dialect(text)
        ]
    )


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


def unclear_names(path: Path) -> Iterator[str]:
    if path.stem in ("utils", "helpers", "misc", "common"):
        yield path.stem
    tree = tree_of(path)
    yield from (node.name for node in public(tree) if node.name.startswith("get_"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in VAGUE:
            yield node.id
        if isinstance(node, ast.arg) and node.arg in VAGUE:
            yield node.arg


def test_names_are_full_words():
    assert not faulty(unclear_names)


def test_no_misspelt_option_is_swallowed():
    """Public functions take **keywords only where they hand all of them on to one that knows their names."""
    assert not faulty(
        lambda path: [
            node.name
            for node in public(tree_of(path))
            if isinstance(node, ast.FunctionDef)
            and node.args.kwarg is not None
            and (path.stem, node.name) not in HANDED_ON
        ]
    )


def test_modules_are_short():
    lengths = {identify(path): len(text_of(path).splitlines()) for path in MODULES}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def test_most_modules_hold_one_idea():
    lengths = [len(text_of(path).splitlines()) for path in MODULES if path.name != "__init__.py"]
    assert 80 <= statistics.median(lengths) <= 200


def test_imports_inside_the_package_are_relative():
    assert not faulty(
        lambda path: [
            str(node.module)
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.ImportFrom)
            and node.level == 0
            and (node.module or "").startswith("hermite_collapse")
        ]
    )


def test_types_are_named():
    count = sum(len(re.findall(r": Any\b", text_of(path))) for path in MODULES)
    assert count < UNTYPED


ASKED = r"(has|get)attr\(\s*(law|target|base|mixture|recursion\.|self\.target|initial)\b"
PUT_OFF = r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"
NO_MODULE = r"\b([Rr]ooms?|[Hh]ouses?)\b"


def matches(pattern: str, text: str) -> list[str]:
    return [match.group() for match in re.finditer(pattern, text)]


def test_laws_are_not_asked_what_they_have():
    assert not faulty(lambda path: matches(ASKED, text_of(path)))


def test_nothing_is_put_off_and_modules_are_modules():
    others = [path for path in SOURCES if path != Path(__file__)]
    assert not faulty(lambda path: matches(f"{PUT_OFF}|{NO_MODULE}", text_of(path)), others)


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


def test_each_rule_notices_a_file_that_breaks_it(tmp_path, monkeypatch):
    """Control: one file that breaks every rule is named by all of them."""
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    file = tmp_path / "utils.py"
    file.write_text(
        "from hermite_collapse.core import checks\n"
        "def get_it(thing, **options):\n    return hasattr(law, 'x')  # TO"
        "DO: a roo"
        "m\n"
    )
    assert list(faulty(undocumented, [file])) == ["utils.py"]
    assert sorted(faulty(unclear_names, [file])["utils.py"]) == ["get_it", "thing", "utils"]
    assert matches(ASKED, text_of(file)) == ["hasattr(law"]
    assert matches(f"{PUT_OFF}|{NO_MODULE}", text_of(file)) == ["TODO", "room"]
