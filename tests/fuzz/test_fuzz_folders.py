"""Random damage to the folder of a finished run: it is read as it was, or refused; it is never a verdict or a crash."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.app.cli.app import run
from tests.app.sketches import sketches
from tests.fuzz.damage import EDITS, damaged, examples

pytest.importorskip("torch")

EXAMPLES = examples(60, part=0.1)
SMALL = ["--particles", "3000", "--rounds", "2", "--degree", "3", "--runs", "2", "--device", "cpu"]


def quietly(arguments: list[str]) -> tuple[int, str]:
    """Exit status and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(arguments)
    return status, err.getvalue()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a run that agrees with the theory, without its figures."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    with sketches():
        status, err = quietly(["compare", "--out", str(folder), "--figure-format", "svg", *SMALL])
    assert status == 0, err
    shutil.rmtree(folder / "figures", ignore_errors=True)
    return folder


@pytest.fixture(scope="module")
def whole(finished) -> str:
    """The verdict of that folder."""
    return hc.load(finished).comparison.verdict.head


def files_of(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_a_damaged_folder_is_no_verdict(finished, whole, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged") / "run"
    shutil.copytree(finished, folder)
    inputs = [name for name in files_of(folder) if not name.endswith((".svg", ".html"))]
    file = folder / data.draw(st.sampled_from(inputs))
    kind = data.draw(st.sampled_from(["edit", "edit", "edit", "remove", "empty", "swap", "folder"]))
    if kind == "edit":
        file.write_bytes(damaged(file.read_bytes(), data.draw(EDITS)))
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "swap":
        file.write_bytes((folder / data.draw(st.sampled_from(inputs))).read_bytes())
    else:
        file.unlink()
        if kind == "folder":
            file.mkdir()
    try:
        verdict = hc.load(folder).comparison.verdict
    except hc.InputError as error:
        assert str(error).endswith((".", "?")) and "\n" not in str(error)
    else:  # damage to what decides nothing, such as times
        assert verdict.head == whole
    shutil.rmtree(folder.parent)
