"""Jobs on a Dask cluster: the same sweeps, workers that die, and clusters that fail."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import xarray

from hermite_collapse.app import cluster as clusters
from hermite_collapse.app import sweep as sweeps
from hermite_collapse.app.cli.app import run
from hermite_collapse.app.cluster import run_on_cluster
from hermite_collapse.app.config import parse_config
from hermite_collapse.core.errors import InputError

dask_distributed = pytest.importorskip("distributed")


def threads_of_one_process(**settings):
    """A cluster whose workers are threads of this process: it starts at once."""
    return dask_distributed.LocalCluster(
        processes=False,
        protocol="tcp://",
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        silence_logs="CRITICAL",
        **settings,
    )


VALUES = {"fresh_fraction": [0.1, 0.5], "truncation_time": [0.05, 0.2, 0.4]}


def sweep(scheduler: str | None, values=VALUES) -> sweeps.Sweep:
    document = {"workers": 1, "values": values} | ({"scheduler": scheduler} if scheduler else {})
    return sweeps.plan_sweep(
        parse_config({"recursion": {"rounds": 2}, "analysis": {"degree": 4}, "sweep": document})
    )


def test_a_sweep_survives_a_killed_worker_and_goes_on_elsewhere(cluster, client, tmp_path) -> None:
    address = cluster.scheduler_address
    expected = sweeps.run_sweep(sweep(None), tmp_path / "one").drop_vars("seconds")
    killed = []

    def kill_one(done: int, total: int) -> None:
        if done == 1:
            victim = next(iter(client.run(os.getpid).values()))
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    found = sweeps.run_sweep(sweep(address), tmp_path / "cluster", progress=kill_one).drop_vars("seconds")
    assert len(killed) == 1
    xarray.testing.assert_identical(found, expected)
    for index in (1, 4):  # interrupted there, continued here
        (tmp_path / "cluster" / f"point-{index:05d}.npz").unlink()
    calls = []
    again = sweeps.run_sweep(
        sweep(None), tmp_path / "cluster", progress=lambda done, total: calls.append(done)
    ).drop_vars("seconds")
    assert calls == [4, 5, 6]
    xarray.testing.assert_identical(again, expected)


def test_a_job_whose_worker_dies_runs_again(cluster, tmp_path) -> None:
    def dies_once(path):
        import os
        import signal

        if not os.path.exists(path):
            open(path, "x").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return os.path.basename(path)

    jobs = {key: str(tmp_path / key) for key in "ab"}
    results = dict(run_on_cluster(dies_once, jobs, address=cluster.scheduler_address))
    assert results == {"a": "a", "b": "b"}


def test_an_error_of_a_job_comes_back_as_it_is(cluster) -> None:
    def refuses(job):
        raise FileNotFoundError(2, "No such file", "samples.npy")

    with pytest.raises(FileNotFoundError, match=r"samples\.npy"):
        list(run_on_cluster(refuses, {0: 0}, address=cluster.scheduler_address))


def test_workers_that_keep_dying_end_in_a_sentence(cluster, monkeypatch) -> None:
    def dies(job):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(InputError, match="scheduler must have workers that survive a job"):
        list(run_on_cluster(dies, {0: 0}, address=cluster.scheduler_address))


def test_processes_without_the_package_end_in_a_sentence(cluster) -> None:
    def imports(job):
        import a_package_that_is_not_there  # noqa: F401

    with pytest.raises(
        InputError, match=r"can import what this one imports.*No module named 'a_package_that"
    ):
        list(run_on_cluster(imports, {0: 0}, address=cluster.scheduler_address))


def test_a_scheduler_that_goes_away_ends_in_a_sentence() -> None:
    def waits(job):
        import time

        time.sleep(0.2)

    with threads_of_one_process(n_workers=1, threads_per_worker=1) as threads:
        results = run_on_cluster(waits, dict.fromkeys(range(20)), address=threads.scheduler_address)
        next(results)
        threads.close()
        with pytest.raises(InputError, match="scheduler must stay until the last job"):
            list(results)


def test_jobs_of_one_process_run_one_at_a_time() -> None:
    """A cluster of other people's making may have several threads for each worker."""

    def span(job):
        import time

        start = time.monotonic()
        time.sleep(0.1)
        return start, time.monotonic()

    jobs = dict.fromkeys(range(4))
    with threads_of_one_process(n_workers=0, threads_per_worker=4) as threads:
        threading.Timer(0.3, threads.scale, [1]).start()
        with pytest.warns(UserWarning, match="has no workers yet; waiting for one"):
            spans = dict(run_on_cluster(span, jobs, address=threads.scheduler_address)).values()
    assert len(spans) == len(jobs)
    assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(sorted(spans)))


def test_addresses_where_no_scheduler_answers(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(clusters, "_CONNECT_SECONDS", 0.5)
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        closed.bind(("127.0.0.1", 0))  # bound, not listening
        for address, reason in (
            (f"tcp://127.0.0.1:{closed.getsockname()[1]}", "refused"),
            (f"tcp://127.0.0.1:{silent.getsockname()[1]}", "timed out"),
            ("host", "missing port number"),
            ("http://127.0.0.1:8786", "its protocol must be one of tcp, tls, ws, wss"),
        ):
            start = time.monotonic()
            with pytest.raises(
                InputError, match="^scheduler must be the address of a Dask scheduler"
            ) as caught:
                sweeps.run_sweep(sweep(address), tmp_path / "s")
            assert time.monotonic() - start < 5.0
            assert address in str(caught.value) and reason in str(caught.value)
            assert "\n" not in str(caught.value)
    assert not (tmp_path / "s").exists()


def test_the_command_says_so_in_one_line(tmp_path, capsys) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[sweep.values]\nfresh_fraction = [0.1, 0.5]\n")
    assert run(["sweep", str(file), "--scheduler", "host:8786x", "--out", str(tmp_path / "s")]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("hermite-collapse: scheduler must be the address of a Dask scheduler")


def test_without_the_extra_one_sentence_names_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "hermite-collapse\[distributed\]"\.$'):
        list(run_on_cluster(abs, {0: 1}, address="local"))


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", [[], ["--scheduler", "local"]], ids=["processes", "cluster"])
def test_an_interrupt_from_the_terminal_is_one_word_and_the_sweep_goes_on(tmp_path, scheduler) -> None:
    """The terminal sends it to every process of the group."""
    file, folder = tmp_path / "my.toml", tmp_path / "s"
    file.write_text(
        "[recursion]\nrounds = 2\n[sweep]\nworkers = 2\n[sweep.values]\n"
        f"fresh_fraction = {np.linspace(0.1, 0.9, 40).tolist()}\n"
    )
    command = [sys.executable, "-m", "hermite_collapse", "sweep", str(file), "--out", str(folder), *scheduler]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while sweeps.finished_points(folder) < 2 and started.poll() is None:
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGINT)
    errors = started.communicate(timeout=60)[1]
    assert started.returncode == 130 and errors == "interrupted\n"
    assert 2 <= sweeps.finished_points(folder) < 40
    subprocess.run([*command, "--resume"], check=True, capture_output=True, timeout=120)
    assert sweeps.finished_points(folder) == 40
