"""Every command that leaves a folder, against every state of a folder: refused in one sentence, and untouched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from hermite_collapse.app.cli import again as again_
from hermite_collapse.app.cli.app import run
from hermite_collapse.storage.left import marks, require_unedited, written_since

pytestmark = pytest.mark.usefixtures("sketched")

ONLY = ["--figure-format", "svg"]
TINY = ["--particles", "200", "--rounds", "2", "--degree", "2", "--runs", "1", "--device", "cpu"]
COMMANDS = {
    "predict": ["predict", "--rounds", "2", *ONLY],
    "spectrum": ["spectrum", "--degree", "2", *ONLY],
    "schedule": ["schedule", "--rounds", "2", *ONLY],
    "diagnose": ["diagnose", "../c.csv", "--fresh-fraction", "0.3", *ONLY],
    "audit": ["audit", "ddpm", "--steps", "5", "--fresh-fraction", "0.3", *ONLY],
    "measure": ["measure", "--data", "../d.npy", "--generations", "../e.npy", "--degrees", "0", *ONLY],
    "bounds": ["bounds", "--rounds", "1", "--degree", "2", *ONLY],
    "verify": ["verify", "--only", "limit.closed_form"],
    "simulate": ["simulate", *TINY],
    "compare": ["compare", *TINY, *ONLY],
    "sweep": ["sweep", "../sweep.toml", *ONLY],
}
RESUMED = ("simulate", "compare", "sweep")
"""Their folders go on with --resume, and hold a configuration against the run."""
SLOW = ("audit", "bounds", "verify", "compare", "measure")


def named(commands) -> list:
    return [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in commands]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function that returns a finished folder of a command; each is made once."""
    root = tmp_path_factory.mktemp("states")
    (root / "c.csv").write_text("round,degree 1\n0,1\n1,0.9\n2,0.85\n3,0.82\n")
    (root / "sweep.toml").write_text(
        "[recursion]\nrounds = 2\n[sweep]\nworkers = 1\n[sweep.values]\nfresh_fraction = [0.1]\n"
    )
    for seed, letter in enumerate("de"):
        np.save(root / f"{letter}.npy", np.random.default_rng(seed).normal(size=(40, 2)))
    (root / "here").mkdir()

    def folder(name: str) -> Path:
        if not (root / name).exists():
            before = Path.cwd()
            os.chdir(root / "here")
            try:
                assert run([*COMMANDS[name], "--out", str(root / name)]) in (0, 4)
            finally:
                os.chdir(before)
        return root / name

    return folder


@pytest.fixture
def copy(made, tmp_path, monkeypatch):
    """A function that returns a copy of a finished folder, in a directory beside its inputs."""

    def copied(name: str) -> Path:
        source = made(name)
        for file in ("c.csv", "sweep.toml", "d.npy", "e.npy"):
            shutil.copy(source.parent / file, tmp_path)
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        shutil.copytree(source, tmp_path / "A")
        return tmp_path / "A"

    return copied


def again(name: str, out: Path) -> list[str]:
    return [*COMMANDS[name], "--out", str(out), *(["--resume"] if name in RESUMED else [])]


def refused(arguments: list[str], root: Path, capsys) -> str:
    """The sentence of a command that exits with 2 and changes no file; locks are left to their holders."""

    def files():
        return {
            path: path.read_bytes() for path in root.rglob("*") if path.is_file() and not path.is_symlink()
        }

    capsys.readouterr()
    before = files()
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("hermite-collapse: ") and err.count("\n") == 1
    assert files() == before
    return err


def records(folder: Path) -> list[Path]:
    """What a command left besides the files that say what was asked."""
    return [folder / name for name in sorted(marks(folder).keys() - {"asked.json", "command.json"})]


@pytest.mark.parametrize("name", named(sorted(set(COMMANDS) - set(RESUMED))))
def test_what_was_edited_is_not_written_over(name, copy, capsys):
    folder = copy(name)
    assert records(folder)
    assert (folder / "config.toml").exists() or name not in ("predict", "schedule", "bounds", "spectrum")
    for file in records(folder):
        content = file.read_bytes()
        file.write_bytes(content + b"\n")
        relative = file.relative_to(folder).as_posix()
        said = refused(again(name, folder), folder, capsys)
        assert f"with {relative} edited since: restore or remove it" in said
        file.write_bytes(content)


@pytest.mark.parametrize("name", named(RESUMED))
def test_work_that_was_edited_is_not_continued(name, copy, capsys):
    """Rounds, records and points of a folder that goes on: each in turn, and all as they were afterwards."""
    folder = copy(name)
    work = [*folder.rglob("*.npz"), *folder.rglob("record.json")]
    assert len(work) == (1 if name == "sweep" else 5)
    for file in work:
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        said = refused(again(name, folder), folder, capsys)
        assert f"with {file.name} edited since: restore or remove it" in said
        file.write_bytes(content)
    assert run(again(name, folder)) in (0, 4)


@pytest.mark.parametrize("how", ["interrupted before it wrote", "interrupted", "killed"])
def test_what_was_edited_after_a_second_call_did_not_end_is_not_written_over(how, copy, monkeypatch, capsys):
    """Whatever ends the second call, files that it wrote and files that it did not come to are still known."""
    folder = copy("predict")
    whole = again_.written_since

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        target = "recursion.prediction.predict" if "before" in how else "storage.datasets.write_dataset"
        patch.setattr(f"hermite_collapse.{target}", stop)
        if how == "killed":  # nothing runs after the work
            patch.setattr(again_, "written_since", lambda *_: {})
        assert run(again("predict", folder)) not in (0, 1, 2)
    assert again_.written_since is whole
    for file in records(folder):
        content = file.read_bytes()
        file.write_bytes(content + b"\n")
        relative = file.relative_to(folder).as_posix()
        assert f"with {relative} edited since" in refused(again("predict", folder), folder, capsys)
        file.write_bytes(content)
    assert run(again("predict", folder)) == 0


def test_a_working_directory_that_was_deleted_is_told_before_the_work(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        assert run(["predict", "--rounds", "2", "--out", str(tmp_path / "P")]) == 2
    finally:
        os.chdir(tmp_path)
    assert "the working directory must be there" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["spectrum", "schedule"])
def test_what_was_deleted_is_written_again_and_other_files_stay(name, copy, capsys):
    folder = copy(name)
    lost = records(folder)[0]
    content = lost.read_bytes()
    lost.unlink()
    (folder / "notes.txt").write_text("mine")
    (folder / "report.html").write_text("a view is drawn again")
    assert run(again(name, folder)) == 0
    assert lost.read_bytes() == content and (folder / "notes.txt").read_text() == "mine"
    assert len((folder / "report.html").read_text()) > 100
    (folder / "notes.txt").write_text("mine, and edited")  # no file of the command
    assert run(again(name, folder)) == 0


@pytest.mark.parametrize("name", ["simulate", "sweep"])
def test_a_configuration_that_says_the_same_keeps_its_comments(name, copy):
    folder = copy(name)
    file = folder / "config.toml"
    text = "# my own words\n" + file.read_text()
    file.write_text(text)
    assert run(again(name, folder)) == 0
    assert file.read_text() == text


@pytest.mark.parametrize("state", ["other files", "a file", "a lost link", "a link to others", "read only"])
@pytest.mark.parametrize("name", named(COMMANDS))
def test_folders_that_are_not_ours(name, state, copy, tmp_path, capsys):
    copy(name)
    others, out = tmp_path / "others", tmp_path / "out"
    others.mkdir()
    (others / "thesis.tex").write_text("years of work")
    if state == "other files":
        out = others
    elif state == "a file":
        out.write_text("mine")
    elif state == "a lost link":
        out.symlink_to(tmp_path / "nowhere")
    elif state == "a link to others":
        out.symlink_to(others)
    else:
        out = Path("/proc/out")  # even for root
    said = refused([*COMMANDS[name], "--out", str(out)], tmp_path, capsys)
    assert str(out) in said or "/proc" in said
    assert state == "read only" or out.is_symlink() == ("link" in state)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"arguments": ["spectrum"], "directory": ".", "files": 3}', '{"arguments": 1}', "\x00", "{"],
)
def test_a_damaged_list_of_what_was_left(text, copy, capsys):
    folder = copy("spectrum")
    (folder / "command.json").write_text(text)
    assert "command.json" in refused(again("spectrum", folder), folder, capsys)


def test_files_are_told_by_content_and_only_those_that_were_written(tmp_path):
    (tmp_path / "old.json").write_text("old")
    (tmp_path / "figures").mkdir()
    before = marks(tmp_path)
    (tmp_path / "new.json").write_text("new")
    (tmp_path / "figures" / "a.svg").write_text("view")
    left = written_since(tmp_path, before)
    assert list(left) == ["new.json"]
    (tmp_path / "new.json").write_text("new")  # the same again
    require_unedited(tmp_path, left)
    (tmp_path / "old.json").write_text("other")
    require_unedited(tmp_path, left)
    (tmp_path / "new.json").write_text("nev")
    with pytest.raises(ValueError, match=r"new\.json edited since"):
        require_unedited(tmp_path, left)
