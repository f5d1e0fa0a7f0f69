"""What README and the pages of the documentation print can be typed and works."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

from hermite_collapse.app.cli.app import COMMANDS, run
from hermite_collapse.app.config import parse_config

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = README + (ROOT / "docs" / "command.md").read_text("utf-8")


def commands() -> list[str]:
    """Commands in indented blocks, once each; those of a cluster or a GPU cannot run everywhere."""
    found = re.findall(r"^    hermite-collapse (.*)$", PAGES, flags=re.MULTILINE)
    return list(dict.fromkeys(line for line in found if "COMMAND" not in line))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the files the examples name."""
    import hermite_collapse as hc

    monkeypatch.chdir(tmp_path)
    values = hc.mode_factors([1, 4], fresh_fraction=0.3, truncation=0.1, rounds=10)
    rows = [f"{i},{a!r},0.01,{b!r},0.01" for i, (a, b) in enumerate(values.tolist())]
    (tmp_path / "curve.csv").write_text(
        "\n".join(["round,degree 1,degree 1 error,degree 4,degree 4 error", *rows])
    )
    np.save(tmp_path / "data.npy", 127.5 * np.random.default_rng(0).normal(size=(50, 2)))
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert run(["config"]) == 0
    (tmp_path / "my.toml").write_text(out.getvalue())


def test_the_commands_are_found():
    assert len(commands()) >= 5
    for name in COMMANDS:
        assert f"`{name}`" in PAGES


@pytest.mark.parametrize("line", [c for c in commands() if not c.startswith("compare")])
def test_commands_of_the_readme(line, workplace, capsys):
    assert run(line.split(">")[0].split()) == 0, capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("line", [c for c in commands() if c.startswith("compare")])
def test_comparisons_of_the_readme(line, workplace, capsys):
    assert run(line.split()) == 0, capsys.readouterr().err


def test_lines_of_python(capsys):
    pytest.importorskip("torch")
    block = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL).group(1)
    printed = []
    names: dict = {"print": lambda *values: printed.append(" ".join(map(str, values)))}
    exec(compile(block, "README.md", "exec"), names)
    said = re.findall(r"print\(.*?\)\s+# (.*)$", block, flags=re.MULTILINE)
    assert len(said) == len(printed) == 3
    assert printed[0].startswith(said[0].split(":")[0])
    assert printed[1].startswith(said[1].split(",")[0])
    assert printed[2].startswith(said[2].split(" ...")[0])


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", PAGES, flags=re.DOTALL))
def test_configurations(block, workplace):
    import tomllib

    parse_config(tomllib.loads(block)).build_recursion()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
