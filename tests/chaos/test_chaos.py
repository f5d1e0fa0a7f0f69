"""Commands that are killed, run out of disk, race one another or find half a file: equal bytes, or one sentence."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("resource")

from tests.chaos.children import contents, end, run, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = 20
SMALL = ["--particles", "3000", "--rounds", "6", "--degree", "3", "--runs", "2", "--device", "cpu"]
COMMANDS = {
    "simulate": ["simulate", *SMALL, "--resume"],
    "sweep": ["sweep", "sweep.toml", "--figure-format", "svg", "--resume"],
    "measure": ["measure", "--data", "d.npy", "--generations", "g1.npy", "g2.npy", "--figure-format", "svg"],
    "compare": ["compare", *SMALL, "--figure-format", "svg", "--resume"],
}


def without_resume(name: str) -> list[str]:
    return [*(word for word in COMMANDS[name] if word != "--resume"), "--out", "out"]


def again(name: str) -> list[str]:
    return [*COMMANDS[name], "--out", "out"]


def place(folder: Path) -> Path:
    """A folder with the files that the commands read."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "d.npy", rng.normal(size=(60, 2)))
    for i in (1, 2):
        np.save(folder / f"g{i}.npy", rng.normal(size=(60, 2)) * (1.0 - 0.1 * i))
    (folder / "sweep.toml").write_text(
        "[recursion]\nrounds = 3\n[sweep.values]\nfresh_fraction = [0.1, 0.4]\ntruncation_time = [0.1, 0.2]\n"
    )
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Name of a command -> its finished folder, how many changes of files it took, and how many seconds."""
    finished: dict[str, tuple[Path, int, float]] = {}

    def made(name: str) -> tuple[Path, int, float]:
        if name not in finished:
            folder = place(tmp_path_factory.mktemp("whole") / name)
            for _ in range(2):  # the second with whatever the first has compiled
                shutil.rmtree(folder / "out", ignore_errors=True)
                ended = run(without_resume(name), folder)
                assert (ended.status, ended.errors.count("Traceback")) == (0, 0), ended.errors
            finished[name] = folder / "out", ended.changes, ended.seconds
        return finished[name]

    return made


def finish(name: str, folder: Path, expected: Path) -> None:
    """Ask for the same again: the same bytes, at once or after one sentence and without --resume."""
    ended = run(again(name), folder)
    if ended.status != 0:
        assert ended.is_one_sentence, (ended.status, ended.errors)
        ended = run(without_resume(name), folder)
        assert ended.status == 0, ended.errors
    assert contents(folder / "out") == contents(expected)
    assert not [
        path for path in (folder / "out").rglob("*") if path.name.startswith((".unfinished", ".lock"))
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_random_instants_and_at_changes_of_files(name, whole, tmp_path):
    expected, changes, seconds = whole(name)
    randomly = random.Random(name)
    killed = 0
    for attempt in range(KILLS):
        folder = place(tmp_path / str(attempt))
        if attempt % 2:
            at = randomly.randint(1, changes)
            ended = run(without_resume(name), folder, die_at=at)
        else:
            ended = end(
                start(without_resume(name), folder), folder, kill_after=randomly.uniform(0.0, seconds)
            )
        assert ended.status in (0, -9)
        killed += ended.status == -9
        finish(name, folder, expected)
        shutil.rmtree(folder)
    assert killed >= KILLS // 2


@pytest.mark.parametrize("name", ["simulate", "sweep"])
def test_killed_again_and_again(name, whole, tmp_path):
    """Each attempt goes on where the last one was killed."""
    expected, _, _ = whole(name)
    folder = place(tmp_path / name)
    for attempt in range(KILLS // 2):
        ended = run(again(name), folder, die_at=2 + 2 * attempt)
        assert ended.status in (0, -9) or ended.is_one_sentence, ended.errors
    finish(name, folder, expected)


@pytest.mark.parametrize("name", COMMANDS)
def test_files_that_may_not_grow(name, whole, tmp_path):
    """The disk is full at once, after some small files, before the large ones."""
    expected, _, _ = whole(name)
    refused = 0
    largest = max(path.stat().st_size for path in expected.rglob("*") if path.is_file())
    for number, size in enumerate([0, 1500, largest - 1]):
        folder = place(tmp_path / str(number))
        ended = run(without_resume(name), folder, largest_file=size)
        # Where no byte can be written, the sentence may be missing; the status may not.
        assert ended.status == 2 and "Traceback" not in ended.errors, (size, ended.status, ended.errors)
        assert size == 0 or ended.is_one_sentence, ended.errors
        refused += 1
        finish(name, folder, expected)
        shutil.rmtree(folder)
    assert refused == 3


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a file system of so many bytes; skips where that is not allowed."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        folder = tmp_path / f"disk-{size}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            pytest.skip("file systems may not be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts file systems")
@pytest.mark.parametrize("name", ["simulate", "compare", "sweep", "measure"])
def test_a_disk_that_is_full(name, whole, small_disk, tmp_path):
    expected, _, _ = whole(name)
    total = sum(path.stat().st_size for path in expected.rglob("*") if path.is_file())
    for share in (0.2, 0.6):
        disk = small_disk(int(32768 + share * total) // 4096 * 4096)
        folder = place(tmp_path / f"{share}")
        (disk / "out").mkdir()
        (folder / "out").symlink_to(disk / "out")
        ended = run(without_resume(name), folder)
        assert ended.status in (0, 2), ended.errors
        assert ended.status == 0 or (ended.is_one_sentence and "No space left" in ended.errors), ended.errors
        (folder / "out").unlink()
        if (disk / "out").exists():
            shutil.move(disk / "out", folder / "out")
        finish(name, folder, expected)


@pytest.mark.parametrize("name", COMMANDS)
def test_two_processes_on_one_folder(name, whole, tmp_path):
    expected, _, seconds = whole(name)
    randomly = random.Random(name)
    for attempt in range(2):
        folder = place(tmp_path / str(attempt))
        processes = [start(without_resume(name), folder)]
        time.sleep(randomly.uniform(0.0, 0.5 * seconds) if attempt else 0.0)
        processes.append(start(without_resume(name), folder))
        ended = [end(process, folder) for process in processes]
        assert 0 in [one.status for one in ended], ended
        assert all(one.status == 0 or one.is_one_sentence for one in ended), ended
        finish(name, folder, expected)
        shutil.rmtree(folder)


def halves(expected: Path) -> list[str]:
    """One file of each kind."""
    files = sorted(path for path in expected.rglob("*") if path.is_file())
    kinds = {file.stem.rstrip("0123456789") + file.suffix: str(file.relative_to(expected)) for file in files}
    return sorted(kinds.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_half_a_file_of_each_kind(name, whole, tmp_path):
    """What no write leaves, but a broken disk does: half, nothing, zeros."""
    expected, _, _ = whole(name)
    resumed = 0
    for file, kind in zip(halves(expected), itertools.cycle(["half", "half", "zeros", "empty"])):
        folder = place(tmp_path / "case")
        shutil.copytree(expected, folder / "out")
        data = (expected / file).read_bytes()
        (folder / "out" / file).write_bytes(
            {"half": data[: len(data) // 2], "empty": b"", "zeros": bytes(len(data))}[kind]
        )
        ended = run(again(name), folder)
        assert ended.status == 0 or ended.is_one_sentence, (file, kind, ended.status, ended.errors)
        if ended.status == 0:  # a file that finished work does not need may stay as it is
            (folder / "out" / file).write_bytes(data.replace(bytes(expected.parent), bytes(folder)))
            assert contents(folder / "out") == contents(expected), (file, kind)
        resumed += ended.status == 0
        shutil.rmtree(folder)
    assert resumed
