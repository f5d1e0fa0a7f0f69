"""A parameter is checked where it enters the package and never again."""

from __future__ import annotations

from collections import Counter

import pytest

from hermite_collapse.app.cli.app import run
from hermite_collapse.core import checks


@pytest.mark.parametrize(("command", "times"), [("predict", 1), ("spectrum", 1), ("schedule", 2)])
def test_the_fresh_fraction_is_checked_once_a_question(command, times, monkeypatch, capsys):
    # `schedule` answers two: the degree at which half is left, and the largest times for each degree.
    calls: Counter[str] = Counter()
    check = checks.real

    def counted(value: object, name: str) -> float:
        calls[name] += 1
        return check(value, name)

    monkeypatch.setattr(checks, "real", counted)
    assert run([command]) == 0
    capsys.readouterr()
    assert calls["fresh_fraction"] == times, calls
