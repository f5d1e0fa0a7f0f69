"""The folder of --out: empty, this call's own, or refused; finished runs are held against what was asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from hermite_collapse.app.cli.app import run
from hermite_collapse.app.run import load
from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.claims import write_config_text

pytestmark = pytest.mark.usefixtures("sketched")

SMALL = ["--particles", "3000", "--rounds", "2", "--degree", "3", "--runs", "2", "--device", "cpu"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(*arguments: str, capsys) -> str:
    """The sentence of a command that must exit with 2, and change no file."""

    def files():
        return {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}

    from pathlib import Path

    here = Path.cwd()
    before = files()
    assert run(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and files() == before
    return err


def finished(name: str, *options: str, command: str = "simulate") -> None:
    pytest.importorskip("torch")
    assert run([command, "--out", name, *SMALL, *options]) == 0


WRITERS = {
    "predict": ["predict", "--fresh-fraction", "0.9"],
    "spectrum": ["spectrum", "--degree", "3"],
    "bounds": ["bounds", "--rounds", "1", "--degree", "2"],
    "schedule": ["schedule", "--error-scale", "0.001"],
    "measure": ["measure", "--data", "../d.npy", "--generations", "../e.npy", "--degrees", "0"],
    "diagnose": ["diagnose", "../c.csv"],
    "verify": ["verify", "--only", "limit.closed_form"],
    "simulate": ["simulate", *SMALL],
    "compare": ["compare", *SMALL],
    "sweep": ["sweep", "../sweep.toml"],
}


@pytest.mark.parametrize("name", WRITERS)
def test_no_command_writes_over_files_of_others(name, tmp_path, monkeypatch, capsys):
    (tmp_path / "c.csv").write_text("degree 1\n1\n0.9\n0.85\n")
    for seed, letter in enumerate("de"):
        np.save(tmp_path / f"{letter}.npy", np.random.default_rng(seed).normal(size=(40, 2)))
    (tmp_path / "sweep.toml").write_text("[sweep.values]\nfresh_fraction = [0.1, 0.2]\n")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.toml").write_text("# my own file\n")
    monkeypatch.chdir(folder)
    assert "must be empty or hold what this call asks for" in refused(
        *WRITERS[name], "--out", ".", capsys=capsys
    )
    (folder / "config.toml").unlink()
    finished("run")
    capsys.readouterr()
    options = ["--seed", "9"] if name in ("simulate", "compare") else []
    assert "must be empty or hold what this call asks for" in refused(
        *WRITERS[name], *options, "--out", "run", capsys=capsys
    )


def test_the_same_call_again_is_welcome_and_another_refused(capsys):
    for _ in range(2):
        assert run(["predict", "--rounds", "2", "--out", "p"]) == 0
    capsys.readouterr()
    assert "config.recursion.rounds = 2 instead of 3" in refused(
        "predict", "--rounds", "3", "--out", "p", capsys=capsys
    )
    assert "command = 'predict' instead of 'spectrum'" in refused("spectrum", "--out", "p", capsys=capsys)
    assert run(["spectrum", "--most", "50", "--out", "s"]) == 0
    capsys.readouterr()
    assert "options.most = 50 instead of 60" in refused(
        "spectrum", "--most", "60", "--out", "s", capsys=capsys
    )


@pytest.mark.parametrize("command", ["simulate", "compare"])
def test_other_data_under_the_same_name_is_no_disagreement(command, tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.save("d.npy", rng.normal(size=(10, 1)))
    finished("a", "--samples", "d.npy", command=command)
    assert run(["report", "a"]) == 0
    os.rename("d.npy", "e.npy")  # the same data elsewhere is the same
    assert run(["compare", "--out", "a", "--samples", "e.npy", *SMALL, "--resume"]) == 0
    capsys.readouterr()
    np.save("e.npy", rng.normal(size=(10, 1)))
    again = ["compare", "--out", "a", "--samples", "e.npy", *SMALL, "--resume"]
    assert "data.content of target.samples = " in refused(*again, capsys=capsys)
    assert "data.content of target.samples = " in refused("report", "a", capsys=capsys)
    (tmp_path / "a" / "asked.json").unlink()  # the record knows by itself
    assert "with target = " in refused("report", "a", capsys=capsys)


EDITS = {
    "truncation_time = 0.1": ("truncation_time = 0.105", "truncation"),
    "rounds = 2": ("rounds = 5", "rounds"),
    "particles = 3000": ("particles = 4000", "particles"),
    "degree = 3": ("degree = 4", "degree"),
    "runs = 2": ("runs = 3", "runs"),
    'preset = "three_modes_1d"': ('preset = "grid_2d"', "preset"),
}


def test_an_edited_configuration_is_no_disagreement(tmp_path, capsys):
    finished("a")
    capsys.readouterr()
    file = tmp_path / "a" / "config.toml"
    text, asked = file.read_text(), (tmp_path / "a" / "asked.json").read_text()
    for before, (after, key) in EDITS.items():
        assert before in text
        file.write_text(text.replace(before, after))
        assert key in refused("report", "a", capsys=capsys)
        with pytest.raises(InputError, match="folder must hold the run of its config.toml and data"):
            _ = load("a").comparison
        (tmp_path / "a" / "asked.json").unlink()
        assert "must hold the run of its config.toml" in refused("report", "a", capsys=capsys)
        (tmp_path / "a" / "asked.json").write_text(asked)
    file.write_text(
        text.replace("significance = 0.01", "significance = 0.02")
    )  # free: the test is made again
    assert run(["report", "a"]) == 0


def test_a_second_process_on_the_folder_is_refused(tmp_path, capsys):
    pytest.importorskip("torch")
    size = ["--particles", "300000", "--rounds", "200", "--degree", "3", "--device", "cpu"]
    command = [sys.executable, "-m", "hermite_collapse", "simulate", "--out", "a", *size]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        import time

        while first.poll() is None and not list(tmp_path.glob("a/simulation/round-*")):
            time.sleep(0.05)
        for options in (["--seed", "3"], ["--resume"]):  # by this process, which is the second one
            assert run([*command[3:], *options]) == 2
            said = capsys.readouterr().err
            assert said.count("\n") == 1
        assert "out must be free, got 'a', where another process is at work." in said
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGINT)
        errors = first.communicate(timeout=60)[1]
    assert first.returncode == 130 and "--resume continues it" in errors
    assert load("a").rounds_done < 200 and not (tmp_path / "a" / ".lock").exists()


@pytest.mark.parametrize("command", ["simulate", "compare", "predict"])
def test_a_start_that_was_killed_blocks_no_corrected_call(command, tmp_path, capsys):
    """What SIGKILL leaves before the first result: the folder is any call's."""
    pytest.importorskip("torch")
    folder = tmp_path / "a"
    (folder / "simulation").mkdir(parents=True)
    for name in ("asked.json", "simulation/manifest.json"):
        (folder / name).write_text('{"seed": 5}')
    write_config_text(folder, "seed = 5")
    for name in (".lock", ".unfinished-config.toml-ab", "simulation/particles-00000.npy"):
        (folder / name).write_text("half")
    assert run([command, "--out", "a", *(SMALL if command != "predict" else [])]) == 0
    assert not {".lock", ".unfinished-config.toml-ab"} & set(os.listdir(folder))


def test_a_refused_or_interrupted_start_leaves_nothing(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    from hermite_collapse import simulation

    assert "device" in refused("simulate", "--out", "x/y", *SMALL, "--device", "cuda:99", capsys=capsys)

    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(simulation, "simulate", interrupted)
    assert run(["simulate", "--out", "x/y", *SMALL]) == 130
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_no_half_results(tmp_path, monkeypatch, capsys):
    from hermite_collapse.storage import folder

    whole = os.fsync

    def full(handle):
        if (tmp_path / "p" / "config.toml").exists():
            raise OSError(28, "No space left on device")
        whole(handle)

    monkeypatch.setattr(folder.os, "fsync", full)
    assert run(["predict", "--rounds", "2", "--out", "p"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
