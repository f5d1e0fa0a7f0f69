"""Folders belong to what was asked of them: one rule, one process at a time, nothing left of a failed start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.claims import (
    ASKED,
    LOCK,
    Claim,
    FolderLock,
    claimed,
    digest,
    first_difference,
    holds_work,
    read_asked,
    write_config_text,
)
from hermite_collapse.storage.folder import UNFINISHED, write_json

ASK = {"command": "predict", "config": {"recursion": {"rounds": 3, "rate": 0.5}}}
OTHER = {"command": "predict", "config": {"recursion": {"rounds": 4, "rate": 0.5}}}


def work_in(folder, asked=ASK):
    with claimed(folder, asked) as path:
        (path / "results.nc").write_bytes(b"numbers")


def test_a_folder_is_empty_the_same_or_refused(tmp_path):
    folder = tmp_path / "a" / "b"
    assert not holds_work(folder, ASK)
    work_in(folder)
    assert sorted(os.listdir(folder)) == [ASKED, "results.nc"]
    assert holds_work(folder, ASK)
    work_in(folder)
    with pytest.raises(InputError, match=r"with config.recursion.rounds = 3 instead of 4\."):
        work_in(folder, OTHER)
    assert (folder / "results.nc").read_bytes() == b"numbers"


@pytest.mark.parametrize("name", ["config.toml", "thesis.tex", ".hidden"])
def test_files_of_others_are_left_alone(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(
        InputError, match="must be empty or hold what this call asks for, .* with other files"
    ):
        work_in(tmp_path)
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "mine"
    with pytest.raises(InputError, match="out must be a folder, got the file"):
        work_in(tmp_path / name)


def test_a_link_to_nothing_is_called_so(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="out must be a folder, got the link to nothing '.*link'"):
        holds_work(tmp_path / "link", {"a": 1}, name="out")


@pytest.mark.parametrize("error", [InputError, KeyboardInterrupt, MemoryError])
def test_a_start_that_fails_leaves_nothing(tmp_path, error):
    with pytest.raises(error), claimed(tmp_path / "a" / "b", ASK) as path:
        write_config_text(path, "x")
        (path / "simulation").mkdir()
        (path / "simulation" / "manifest.json").write_text("{}")
        raise error
    assert os.listdir(tmp_path) == []
    with pytest.raises(error), claimed(tmp_path / "a", ASK) as path:
        (path / "simulation").mkdir()
        (path / "simulation" / "round-00000.npz").write_text("x")
        raise error
    assert holds_work(tmp_path / "a", ASK)


def test_a_configuration_that_was_edited_after_a_start_was_killed_stays(tmp_path):
    folder, text = tmp_path / "a", "rounds = 3\n"
    claim = Claim(folder, ASK)
    write_config_text(folder, text)
    claim.release()  # as the system does for a process that is killed
    assert read_asked(folder) == ASK
    file = folder / "config.toml"
    for mine in (text + "# my notes\n", ""):
        file.write_text(mine)
        for asked in (ASK, OTHER):
            with pytest.raises(
                InputError, match=r"config\.toml that was edited since a start left it: move it"
            ):
                work_in(folder, asked)
        assert file.read_text() == mine and sorted(os.listdir(folder)) == [ASKED, "config.toml"]
    file.write_text(text)
    work_in(folder, OTHER)
    assert sorted(os.listdir(folder)) == [ASKED, "results.nc"]


def test_a_configuration_that_was_edited_while_a_start_failed_stays(tmp_path):
    with pytest.raises(KeyboardInterrupt), claimed(tmp_path / "a", ASK) as path:
        write_config_text(path, "rounds = 3\n")
        (path / "config.toml").write_text("mine")
        raise KeyboardInterrupt
    assert (tmp_path / "a" / "config.toml").read_text() == "mine" and not (tmp_path / "a" / LOCK).exists()


@pytest.mark.parametrize("stop", ["os.fsync", "os.replace", "os.mkdir"])
def test_a_start_killed_at_any_file_blocks_no_other_call(tmp_path, stop):
    """Killed while it writes what was asked, and while it writes the configuration."""
    script = (
        "import os, signal, sys\n"
        "from hermite_collapse.storage.claims import claimed, write_config_text\n"
        "from hermite_collapse.storage.folder import write_atomically\n"
        f"whole, left = {stop}, [int(sys.argv[2])]\n"
        "def killed(*a, **k):\n"
        "    left[0] -= 1\n"
        "    if left[0] == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return whole(*a, **k)\n"
        f"{stop} = killed\n"
        "with claimed(sys.argv[1], {'seed': 1}) as path:\n"
        "    write_config_text(path, 'x')\n"
        "    write_atomically(path / 'work', b'x')\n"
    )
    killed = 0
    for call in range(1, 9):
        folder = tmp_path / str(call)
        done = subprocess.run([sys.executable, "-c", script, str(folder), str(call)], timeout=60)
        killed += done.returncode == -signal.SIGKILL
        if not (folder / "work").exists():
            work_in(folder, OTHER)
            assert sorted(os.listdir(folder)) == [ASKED, "results.nc"]
    assert killed >= 1


def test_one_process_at_a_time_until_it_dies(tmp_path):
    script = (
        "import sys, time\nfrom hermite_collapse.storage.claims import claimed\n"
        "with claimed(sys.argv[1], {'command': 'predict'}) as path:\n"
        "    (path / 'results.nc').write_text('x'); print('works', flush=True); time.sleep(60)\n"
    )
    folder = tmp_path / "run"
    holder = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "works\n"
    with pytest.raises(InputError, match="out must be free, got .*, where another process is at work"):
        Claim(folder, {"command": "predict"})
    holder.kill()
    holder.communicate()
    assert (folder / LOCK).exists()
    Claim(folder, {"command": "predict"}).release()
    assert not (folder / LOCK).exists()


def test_what_killed_processes_left_is_removed_and_nothing_of_others(tmp_path):
    folder = tmp_path / "run"
    for inner in ("figures", "simulation/deeper"):
        (folder / inner).mkdir(parents=True)
        (folder / inner / f"{UNFINISHED}a.svg-0").write_text("half")
        (folder / inner / "a.svg").write_text("whole")
    (folder / f"{UNFINISHED}results.nc-0").write_text("half")
    (folder / "figures" / LOCK).touch()
    write_json(folder / ASKED, {"command": "predict"})
    other = FolderLock(folder / "simulation")
    Claim(folder, {"command": "predict"}).release()
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    whole = {ASKED, "figures/a.svg", "simulation/deeper/a.svg"}
    at_work = {f"simulation/{LOCK}", f"simulation/deeper/{UNFINISHED}a.svg-0"}
    assert left == whole | at_work
    other.release()
    Claim(folder, {"command": "predict"}).release()
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == whole


def test_digests_are_of_content_and_read_no_devices(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "b").write_text("1")
    before = digest(tmp_path / "d")
    assert digest(tmp_path / "a") == digest(tmp_path / "d" / "b")
    (tmp_path / "d" / "b").rename(tmp_path / "d" / "c")
    assert digest(tmp_path / "d") != before
    os.mkfifo(tmp_path / "f")
    assert digest(tmp_path / "f") is None and digest("/dev/zero") is None and digest(tmp_path / "no") is None


def test_the_first_difference_names_its_key():
    assert first_difference(ASK, ASK) is None
    assert first_difference({"a": [1] * 99}, {}) == f"a = {str([1] * 99)[:37]}... instead of nothing"


def test_excerpts_of_long_values_show_where_they_differ():
    same, word = "2f17f47" + "a" * 57, "word " * 20
    for one, other, place, shown in (
        ([same, "b" * 64], [same, "c" * 64], "k[1]", ("bbb", "ccc")),
        (word + "1", word + "2", "k", ("1'", "2'")),
        ([0] * 50 + [1], [0] * 50 + [2], "k[50]", ("1", "2")),
        ([same], [same, "c" * 64], "k", ("]", "ccc")),
        ([[same], [same + "x"]], [[same], [same + "y"]], "k[1][0]", ("x'", "y'")),
    ):
        text = first_difference({"k": one}, {"k": other})
        assert text is not None and text.startswith(f"{place} = ")
        first, second = text.removeprefix(f"{place} = ").split(" instead of ")
        assert first != second and shown[0] in first and shown[1] in second
        assert max(len(first), len(second)) <= 46
