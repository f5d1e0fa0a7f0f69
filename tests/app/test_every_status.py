"""Every command with every ending: its exit status, and what it says."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from hermite_collapse.app.cli import app, options
from hermite_collapse.app.run import load
from tests.app.sketches import sketches

pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("sketched")

SMALL = ["--particles", "3000", "--rounds", "2", "--degree", "3", "--runs", "2", "--device", "cpu"]
TINY = ["--particles", "10", "--runs", "1", "--rounds", "1", "--device", "cpu"]
ONLY = ["--figure-format", "svg"]
REJECT = ["--significance", "0.999999999"]
SLOW = {
    "compare",
    "report",
    "bounds",
    "verify",
    "measure",
    "sweep",
}  # drawn or computed in other tests as well

SUCCESS = {
    "predict": ["predict", "--rounds", "2"],
    "simulate": ["simulate", *SMALL, "--out", "o"],
    "compare": ["compare", *SMALL, *ONLY, "--out", "o"],
    "audit": ["audit", "ddpm", "--fresh-fraction", "0.3"],
    "schedule": ["schedule", "--rounds", "2"],
    "spectrum": ["spectrum", "--degree", "2"],
    "bounds": ["bounds", "--rounds", "1", "--degree", "2"],
    "measure": ["measure", "--data", "d.npy", "--generations", "e.npy", "--degrees", "0"],
    "diagnose": ["diagnose", "c.csv", "--fresh-fraction", "0.3"],
    "sweep": ["sweep", "sweep.toml", "--out", "o"],
    "report": ["report", "finished", *ONLY],
    "config": ["config"],
    "verify": ["verify", "--only", "limit.closed_form"],
}
REJECTED = {
    "compare": ["compare", *SMALL, *ONLY, "--out", "rejected", "--resume"],
    "sweep": ["sweep", "compare.toml", *SMALL, *REJECT, "--out", "o"],
    "report": ["report", "rejected", *ONLY],
    "diagnose": ["diagnose", "wrong.csv", "--fresh-fraction", "0.3"],
    "verify": ["verify", "--only", "limit.closed_form"],
}
UNTESTED = {
    "compare": ["compare", *TINY, *ONLY, "--out", "o"],
    "sweep": ["sweep", "compare.toml", *TINY, "--out", "o"],
    "report": ["report", "untested", *ONLY],
}


def marked(table: dict[str, list[str]], slow: set[str]) -> list:
    return [pytest.param(name, marks=[pytest.mark.slow] if name in slow else []) for name in table]


COMMANDS = marked(SUCCESS, SLOW)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """Files that the commands read, and finished folders with each verdict."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "c.csv").write_text("round,degree 1\n0,1\n1,0.9\n2,0.85\n3,0.82\n")
    steps = "\n".join(
        f"{i},{value},0.0001" for i, value in enumerate([1.0, 0.2, 1.7, 0.1, 1.9, 0.3, 2.2, 0.1])
    )
    (folder / "wrong.csv").write_text(f"round,degree 1,degree 1 error\n{steps}\n")
    (folder / "sweep.toml").write_text("[sweep.values]\nfresh_fraction = [0.1]\n")
    (folder / "compare.toml").write_text(
        '[sweep]\ntask = "compare"\n[sweep.values]\nfresh_fraction = [0.1]\n'
    )
    for seed, name in enumerate("de"):
        np.save(folder / f"{name}.npy", np.random.default_rng(seed).normal(size=(40, 2)))
    before = Path.cwd()
    os.chdir(folder)
    try:
        quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
        with quiet[0], quiet[1], sketches():
            app.run(["predict", "--rounds", "2", *ONLY, "--out", "finished"])
            app.run([*SUCCESS["simulate"][:-1], "rejected"])
            record = load("rejected").simulated
            record.replace(coefficients=record.coefficients * np.where(np.arange(4) > 0, 3.0, 1.0)).save(
                "rejected/simulation"
            )
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def there(inputs, tmp_path, monkeypatch):
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def ended(arguments: list[str], capsys) -> tuple[int, str, str]:
    status = app.run(arguments)
    out, err = capsys.readouterr()
    return status, out, err


def test_the_table_has_every_command():
    assert set(SUCCESS) == set(app.COMMANDS)
    assert set(REJECTED) <= set(SUCCESS) and set(UNTESTED) <= set(SUCCESS)


@pytest.mark.parametrize("name", COMMANDS)
def test_success(name, capsys):
    status, out, err = ended(SUCCESS[name], capsys)
    assert (status, "Traceback" in err) == (0, False) and out


@pytest.mark.parametrize("name", SUCCESS)
def test_refused(name, capsys):
    for words in (["--no-such-option", "1"], ["--out", "d.npy"]):
        status, out, err = ended([*SUCCESS[name], *words], capsys)
        if words[0] == "--out" and name == "config":  # it writes no files
            continue
        assert (status, out) == (2, "") and err.startswith("hermite-collapse: ") and err.count("\n") == 1, err


@pytest.mark.parametrize("name", SUCCESS)
def test_a_defect(name, monkeypatch, capsys):
    monkeypatch.setattr(options, "Output", failing(IndexError("a list")))
    status, out, err = ended(SUCCESS[name], capsys)
    assert (status, out) == (3, "") and "please report it" in err.splitlines()[-1]


@pytest.mark.parametrize("name", SUCCESS)
def test_interrupted(name, monkeypatch, capsys):
    monkeypatch.setattr(options, "Output", failing(KeyboardInterrupt()))
    assert ended(SUCCESS[name], capsys) == (130, "", "interrupted\n")


def failing(error: BaseException):
    def fail(*arguments: object, **keywords: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_has_left_finds_the_folder(name, monkeypatch, capfd):
    leaves = not {"--out", "config", "report"} & set(SUCCESS[name])
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as gone, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", gone)
        patch.setattr(sys, "stderr", gone)
        status = app.run([*SUCCESS[name], *(["--out", "o"] if leaves else [])])
    err = capfd.readouterr().err
    assert status == 0 and "Traceback" not in err and "Broken" not in err, err
    folder = Path("finished" if name == "report" else "o")
    if name != "config":
        assert (folder / "command.json").is_file()  # which is written last
        assert (folder / "report.html").is_file() or name in ("simulate", "verify")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("name", ["schedule", "simulate"])
def test_a_full_disk_behind_standard_output_is_said_after_the_work(name, monkeypatch, capfd):
    with open("/dev/full", "w", buffering=1) as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        status = app.run([*SUCCESS[name], *(["--out", "o"] if name == "schedule" else [])])
    assert status == 2 and "cannot be read or written" in capfd.readouterr().err
    assert Path("o/command.json").is_file()


@pytest.mark.parametrize("name", COMMANDS)
def test_no_standard_output(name, monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdout", None)
    status = app.run(SUCCESS[name])
    sys.stdout.close()
    monkeypatch.undo()
    assert status == 0 and "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", marked(REJECTED, {"compare", "verify"}))
def test_rejected(name, monkeypatch, capsys):
    if name == "verify":
        from paper_checks import runner

        whole = runner.run_all
        monkeypatch.setattr(runner, "run_all", lambda *a, **k: (unexpected(row) for row in whole(*a, **k)))
    status, out, err = ended(REJECTED[name], capsys)
    assert (status, "Traceback" in err) == (1, False), (out, err)


def unexpected(row):
    """The same statement, had it come out otherwise."""
    import dataclasses

    changed = dataclasses.replace(row, complaints=("it came out otherwise",))
    assert not changed.as_expected
    return changed


@pytest.mark.parametrize("name", marked(UNTESTED, {"compare", "report"}))
def test_nothing_tested(name, capsys):
    if name == "report":
        assert ended([*UNTESTED["compare"][:-1], "untested"], capsys)[0] == 4
    status, out, err = ended(UNTESTED[name], capsys)
    assert (status, "Traceback" in err) == (4, False), (out, err)


@pytest.mark.slow
def test_a_verdict_is_the_same_in_json(capsys):
    status, out, _ = ended(["report", "rejected", *ONLY, "--json"], capsys)
    assert status == 1 and json.loads(out)["verdict"]["passed"] is False
