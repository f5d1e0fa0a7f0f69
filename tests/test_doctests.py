"""Examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import hermite_collapse

ROOT = Path(hermite_collapse.__file__).parent
ROOMS = [path for path in sorted(ROOT.rglob("*.py")) if ">>> " in path.read_text("utf-8")]


def test_the_main_rooms_have_examples():
    names = {str(path.relative_to(ROOT)) for path in ROOMS}
    assert {
        "recursion/modes.py",
        "laws/channels.py",
        "recursion/recursion.py",
        "laws/mixture.py",
        "bounds/robustness.py",
    } <= names


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples(path):
    name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0 and result.failed == 0


def test_a_wrong_example_is_seen():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda text: None).failed == 1
