"""How the checks are built: one door to the package, complete statements, a current table of claims."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from paper_checks import claims, registry
from paper_checks.evidence import KINDS
from paper_checks.registry import STATEMENT_FIELDS, statements

ROOT = Path(__file__).parents[2]
CHECKS = ROOT / "paper_checks"
SOURCES = sorted(CHECKS.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Call):
            target = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if (
                target in ("import_module", "__import__")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                names.add(str(node.args[0].value))
    return names


def identifiers(path: Path) -> set[str]:
    """Names and attributes that the code of a file uses."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.name)
    return found


def files_with(name: str) -> list[str]:
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in tests if name in identifiers(path)]


def mentions_package(path: Path) -> bool:
    return any(name.split(".")[0] == "hermite_collapse" for name in imported(path))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CHECKS)))
def test_the_package_is_reached_through_one_door(path):
    assert mentions_package(path) == (path.name == "subject.py" and path.parent == CHECKS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CHECKS)))
def test_imports_among_the_checks_are_relative_and_stay_inside(path):
    """In a wheel the checks lie inside the package: one dot too many would reach the code they check."""
    depth = len(path.relative_to(CHECKS).parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level <= depth, f"line {node.lineno}"
            assert node.level or node.module.split(".")[0] != "paper_checks", f"line {node.lineno}"
        elif isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "paper_checks" for alias in node.names)


def test_an_import_elsewhere_would_be_seen(tmp_path):
    for line in (
        "import hermite_collapse as hc",
        "from hermite_collapse.recursion.modes import attenuation",
        "import importlib\nimportlib.import_module('hermite_collapse.recursion.modes')",
    ):
        path = tmp_path / "intruder.py"
        path.write_text(line)
        assert mentions_package(path), line


def test_only_package_comparisons_use_the_door():
    """`subject` may be named in functions called _package and nowhere else: evidence never sees the package."""
    for path in SOURCES:
        if path.parent == CHECKS:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        allowed = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name == "_package"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == "subject":
                assert id(node) in allowed, f"{path.name}, line {node.lineno}"


@pytest.mark.parametrize("statement", statements(), ids=lambda statement: statement.id)
class TestStatement:
    def test_is_complete(self, statement):
        for name in STATEMENT_FIELDS:
            assert getattr(statement, name), name
        assert statement.id == statement.id.lower()
        assert statement.folder in registry.FOLDERS

    def test_has_two_kinds_of_evidence(self, statement):
        assert len(statement.kinds) >= 2
        assert set(statement.kinds) <= set(KINDS)
        assert any(item.role == "truth" and item.quick for item in statement.evidence)

    def test_has_mutations_of_at_least_three_sorts(self, statement):
        assert len({item.kind for item in statement.mutations}) >= 3
        for mutation in statement.mutations:
            assert statement.claim.with_(**mutation.changes) is not statement.claim

    def test_a_derivation_a_person_can_follow(self, statement):
        assert (
            any(step.check is not None for step in statement.derivation)
            or "field" in statement.evidence[0].what
        )
        assert sum(len(step.text) for step in statement.derivation) > 60

    def test_names_a_test_of_its_functions(self, statement):
        if statement.package is None:
            return
        used = identifiers(ROOT / statement.package.test)
        for name in statement.package.function.split(","):
            *_, last = name.strip().split(".")
            assert last in used, f"{statement.package.test} has no {last}; files that do: {files_with(last)}"

    def test_weaker_statements_are_about_its_formulas(self, statement):
        for item in statement.weaker:
            assert item.formula in vars(statement.claim)
            assert item.side in ("above", "below")

    def test_says_whose_sentence_is_refuted(self, statement):
        if statement.displayed is not None:
            assert "arXiv:" in statement.displayed.whose
            assert statement.expected == "false as displayed"

    def test_names_functions_that_exist(self, statement):
        from paper_checks import subject

        if statement.package is not None:
            for name in statement.package.function.split(","):
                subject.fetch(name.strip())


def test_both_papers_and_the_additions_are_covered():
    sources = " ".join(item.source for item in statements())
    for part in (
        *(
            "Theorem 3.1",
            "Corollary 3.2",
            "Proposition 3.3",
            "Theorem 4.1",
            "Theorem 5.2",
            "Proposition 5.3",
            "Appendix E",
        ),
        *(
            "Proposition 3.1",
            "Definition 3.2",
            "Theorem 3.4",
            "refresh",
            "innovation",
            "Proposition 4.1",
            "Theorem 4.2",
        ),
        "mixture experiment",
    ):
        assert part in sources or part in " ".join(item.title for item in statements()), part


def test_selection_by_name_and_folder():
    assert [item.id for item in registry.select(["limit.attenuation"])] == ["limit.attenuation"]
    assert {item.folder for item in registry.select(["limit"])} == {"limit"}
    with pytest.raises(KeyError, match="no statement is called"):
        registry.select(["limit.nothing"])


def test_the_table_has_every_statement_once():
    assert re.findall(r"^\| `([\w.]+)`", claims.table(), re.M) == [item.id for item in statements()]


def test_the_readme_has_three_current_rows():
    text = (ROOT / "README.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+\.\w+)`", text, re.M) == list(claims.IN_README)
    assert claims.replaced(text) == text, "run: python -m paper_checks.claims README.md"


def test_a_table_out_of_date_is_noticed():
    text = f"before\n{claims.BEGIN}\n| old |\n{claims.END}\nafter"
    assert claims.replaced(text) != text
    assert claims.replaced(claims.replaced(text)) == claims.replaced(text)
    with pytest.raises(ValueError, match="must contain"):
        claims.replaced("no markers")
