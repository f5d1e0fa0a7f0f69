"""Run folders: whole files or none, continued to the same bytes after a kill at any instant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage.folder import read_arrays, write_atomically
from hermite_collapse.storage.run_folder import TIMINGS, RunFolder

pytest.importorskip("torch")

# One process imports everything, loads what numba compiles with (it computes nothing: kernels refuse to run in children
# of a process that has) and forks a child for each attempt, so that 20 kills cost 20 runs, not 20 starts.
KILLER = textwrap.dedent(
    """
    import json, os, random, signal, sys, time
    import scipy.linalg
    import torch
    torch.set_num_threads(1)
    import hermite_collapse as hc
    from hermite_collapse.hermite import _kernels_degree, _kernels_samples
    from hermite_collapse.simulation import _kernels_moments, simulate
    from numba.core.registry import cpu_target
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()

    root, keep, regime = sys.argv[1:4]
    law = hc.GaussianMixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.5]], 0.2)
    recursion = hc.Recursion(law, fresh_fraction=0.3, truncation_time=0.1, regime=regime)
    random.seed(0)

    def run(folder, *, half_write_at=None):
        if half_write_at is not None:
            whole, calls = os.fsync, [0]
            def fsync(handle):
                calls[0] += 1
                if calls[0] == half_write_at:
                    size = os.fstat(handle).st_size
                    try:
                        os.ftruncate(handle, size // 2)
                    except OSError:
                        pass  # a directory
                    os.kill(os.getpid(), signal.SIGKILL)
                whole(handle)
            os.fsync = fsync
        simulate(recursion, rounds=6, particles=400, degree=3, runs=2, keep=keep, device="cpu", folder=folder)

    def attempt(folder, delay=None, **options):
        pid = os.fork()
        if pid == 0:
            run(folder, **options)
            os._exit(0)
        if delay is not None:
            time.sleep(delay)
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
        return os.WIFSIGNALED(status)

    began = time.perf_counter()
    attempt(os.path.join(root, "whole"))
    length = time.perf_counter() - began
    kills, chain = 0, 0
    while kills < 20:
        folder = os.path.join(root, f"killed-{chain}")
        while attempt(folder, delay=random.uniform(0.0, length)):
            kills += 1
        chain += 1
    for number, call in enumerate((1, 2, 3, 5, 8, 13, 21, 34)):
        folder = os.path.join(root, f"half-{number}")
        assert attempt(folder, half_write_at=call)
        attempt(folder)
    print(json.dumps({"kills": kills, "chains": chain}))
    """
)


@pytest.mark.parametrize(("keep", "regime"), [("last", "replace"), ("all", "accumulate_with_fresh")])
@pytest.mark.timeout(900)
def test_runs_killed_at_random_instants_end_with_the_same_bytes(tmp_path, keep, regime):
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path), keep, regime],
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kills"] >= 20

    def contents(folder):
        return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != TIMINGS}

    whole = contents(tmp_path / "whole")
    assert {"manifest.json", "record.json", "record.npz", "round-00006.npz"} <= set(whole)
    others = [folder for folder in tmp_path.iterdir() if folder.name != "whole"]
    assert len(others) > 8
    for folder in others:
        assert contents(folder) == whole, folder.name


def test_a_folder_belongs_to_one_run(tmp_path):
    first = RunFolder(tmp_path / "run", {"seed": 1})
    with pytest.raises(InputError, match="folder must be free, got .*, where another process is at work"):
        RunFolder(tmp_path / "run", {"seed": 1})
    first.write_round(0, {"c": np.ones(2)}, None)
    first.close()
    RunFolder(tmp_path / "run", {"seed": 1}).close()
    with pytest.raises(InputError, match="with seed = 1 instead of 2"):
        RunFolder(tmp_path / "run", {"seed": 2})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="folder must be empty or hold what this call asks for"):
        RunFolder(tmp_path / "mine", {"seed": 1})
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "precious"
    with pytest.raises(InputError, match="folder must be a folder"):
        RunFolder(tmp_path / "mine" / "thesis.tex", {"seed": 1})


def test_rounds_count_only_when_their_statistics_are_there(tmp_path):
    folder = RunFolder(tmp_path, {})
    folder.write_round(0, {"c": np.ones(2)}, np.zeros((1, 3, 1)))
    folder._particles(1).write_bytes(b"half of")
    assert folder.complete_rounds() == 1
    folder.write_round(1, {"c": np.ones(2)}, np.ones((1, 3, 1)), obsolete=[0])
    assert folder.complete_rounds() == 2
    assert folder.read_statistics(1)["c"].tolist() == [1.0, 1.0]
    assert folder.read_particles(1).tolist() == [[[1.0]] * 3]
    with pytest.raises(InputError, match="readable particles-00000"):
        folder.read_particles(0)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "file"
    write_atomically(target, b"old")

    def broken(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("content", [b"{}", b"x" * 100, b"\x80\x04N."])
def test_what_is_no_archive_is_said_without_advice_to_load_it(content, tmp_path):
    file = tmp_path / "record.npz"
    file.write_bytes(content)
    with pytest.raises(
        InputError, match="must hold a readable record.npz, got .*: it holds no arrays of numbers"
    ):
        read_arrays(file)
