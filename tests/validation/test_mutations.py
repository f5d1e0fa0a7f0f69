"""The mutations of the package: their list is current, and what becomes of one is judged rightly."""

from __future__ import annotations

from pathlib import Path

import pytest

from validation import mutations
from validation.mutation import Mutation
from validation.mutation_list import MUTATIONS
from validation.mutations import Result

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "core",
    "hermite",
    "storage",
    "laws",
    "distances",
    "recursion",
    "bounds",
    "diagnosis",
    "comparison",
    "advice",
    "simulation",
    "figures",
    "app",
}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_text_to_change_stands_once_and_the_tests_exist(mutation):
    assert (ROOT / mutation.file).read_text("utf-8").count(mutation.old) == 1
    assert mutation.old != mutation.new
    assert mutation.tests
    for test in mutation.tests:
        assert (ROOT / test.partition("::")[0]).exists(), test


def test_every_folder_with_formulas_is_mutated():
    assert len(MUTATIONS) >= 40
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    assert {mutation.file.split("/")[1] for mutation in MUTATIONS} >= FOLDERS


@pytest.fixture
def small(tmp_path):
    (tmp_path / "law.py").write_text("def half(x):\n    return x / 2\n\n\ndef third(x):\n    return x / 3\n")
    (tmp_path / "test_law.py").write_text(
        "from law import half, third\n\n\ndef test_half():\n    assert half(4) == 2\n\n\n"
        "def test_third():\n    assert third(3) > 0\n"
    )
    (tmp_path / "conftest.py").write_text(
        "def pytest_configure(config):\n    config.addinivalue_line('markers', 'slow: x')\n"
    )
    return tmp_path


def judged(folder, old, new, survives=""):
    return mutations.judged(Mutation("m", "law.py", old, new, "wrong", ("test_law.py",), survives), folder)


def test_noticed_survived_and_broken(small):
    before = (small / "law.py").read_text()
    noticed = judged(small, "x / 2", "x / 4")
    assert (noticed.outcome, noticed.by) == ("noticed", "test_law.py::test_half")
    survived = judged(small, "x / 3", "x / 6")
    assert (survived.outcome, survived.by) == ("survived", "no test noticed it")
    assert judged(small, "x / 5", "x / 6").outcome == "broken"
    assert judged(small, "x / ", "x * ").by == "the text to change stands 2 times in the file"
    assert (small / "law.py").read_text() == before


def test_a_survivor_needs_a_reason():
    def made(survives):
        return Mutation("m", "law.py", "a", "b", "wrong", ("t",), survives)

    def result(outcome):
        return Result("m", "law.py", "wrong", outcome, "", 0.0)

    assert result("noticed").is_as_it_should(made(""))
    assert result("survived").is_as_it_should(made("equal to rounding"))
    assert not result("survived").is_as_it_should(made(""))
    assert not result("broken").is_as_it_should(made("equal to rounding"))


def test_the_command_lists_and_refuses(capsys):
    assert mutations.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(MUTATIONS)
    assert mutations.main(["--only", "no such mutation"]) == 2


def test_the_table_says_what_became_of_each():
    mutation = Mutation("m", "law.py", "a", "b", "wrong | false", ("t",))
    text = mutations.table([mutation], [Result("m", "law.py", "wrong | false", "noticed", "t::x", 3.0)])
    assert "1 of 1 were noticed" in text
    assert "| m | `law.py` | wrong \\| false | noticed | t::x | 3 |" in text
