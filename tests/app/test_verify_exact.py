"""Where `verify` looks for the statements: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hermite_collapse.app.cli import verify
from hermite_collapse.core.errors import InputError

ROOT = Path(__file__).parents[2]


def test_the_wheel_has_one_top_level_package():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    assert wheel["packages"] == ["hermite_collapse"]
    assert wheel["force-include"] == {"paper_checks": "hermite_collapse/_paper_checks"}
    assert verify.HOMES == ("hermite_collapse._paper_checks", "paper_checks")


def test_without_the_statements_one_sentence(monkeypatch):
    monkeypatch.setattr(verify, "HOMES", ("hermite_collapse._no_checks", "no_checks"))
    with pytest.raises(InputError, match="verify must find the statements"):
        verify.run(None, None)
