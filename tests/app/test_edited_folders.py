"""A configuration that was edited, emptied or deleted in a finished folder is refused, and stays as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hermite_collapse.app.cli.app import run

SMALL = ["--rounds", "2", "--particles", "200", "--runs", "1", "--degree", "2", "--device", "cpu"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "A"
    assert run(["simulate", "--out", str(folder), *SMALL]) == 0
    return folder


@pytest.mark.parametrize("how", ["edited", "emptied", "deleted"])
@pytest.mark.parametrize("command", ["simulate", "compare", "report"])
def test_it_is_refused_by_every_command(how, command, finished, tmp_path, capsys):
    folder = tmp_path / "B"
    shutil.copytree(finished, folder)
    file = folder / "config.toml"
    text = file.read_text()
    assert "rounds = 2" in text
    changed = {"edited": text.replace("rounds = 2", "rounds = 3"), "emptied": "", "deleted": None}[how]
    if changed is None:
        file.unlink()
    else:
        file.write_text(changed)
    words = (
        [command, str(folder)] if command == "report" else [command, "--out", str(folder), "--resume", *SMALL]
    )
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and str(folder) in err
    assert (file.read_text() if file.exists() else None) == changed


def test_an_untouched_folder_is_resumed(finished, capsys):
    assert run(["simulate", "--out", str(finished), "--resume", *SMALL]) == 0


@pytest.mark.parametrize("how", ["edited", "deleted"])
def test_sweeps_follow_the_same_rule(how, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(
        "[recursion]\nrounds = 2\n[sweep]\nworkers = 1\n[sweep.values]\nfresh_fraction = [0.2, 0.4]\n"
    )
    assert run(["sweep", "s.toml", "--out", "S"]) == 0
    assert run(["sweep", "s.toml", "--out", "S", "--resume"]) == 0
    file = Path("S/config.toml")
    if how == "deleted":
        file.unlink()
    else:
        file.write_text(file.read_text().replace("rounds = 2", "rounds = 3"))
    capsys.readouterr()
    assert run(["sweep", "s.toml", "--out", "S", "--resume"]) == 2
    assert "config.toml" in capsys.readouterr().err
    assert not file.exists() if how == "deleted" else "rounds = 3" in file.read_text()
