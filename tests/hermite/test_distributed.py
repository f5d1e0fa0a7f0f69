"""Dask: the same bits for coefficients, the same spectra, the same sweeps, and clusters that fail."""

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
from hypothesis import given, settings
from hypothesis import strategies as st

import hermite_collapse as hc
from hermite_collapse.app import sweep as sweeps
from hermite_collapse.app.cli.app import run
from hermite_collapse.app.config import parse_config
from hermite_collapse.core.errors import InputError
from hermite_collapse.hermite import distributed
from hermite_collapse.hermite.degree_sums import one_sample_sums
from hermite_collapse.hermite.sums import BLOCK, SampleSums, sample_coefficients

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dask_distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def processes():
    """Two processes with one thread each."""
    with dask_distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any free port
        silence_logs="CRITICAL",
    ) as local:
        yield local


@pytest.fixture
def cluster(processes):
    """With both workers there, as an earlier test may have killed one."""
    processes.wait_for_workers(2, timeout=60)
    return processes


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


@pytest.fixture
def client(cluster):
    with dask_distributed.Client(cluster) as current:
        yield current


def sample(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    return 0.2 + 0.9 * np.random.default_rng(seed).standard_normal((count, dimension))


def assert_same_bits(found, expected) -> None:
    assert found.values.tobytes() == expected.values.tobytes()
    assert found.standard_error.tobytes() == expected.standard_error.tobytes()
    assert np.array_equal(found.indices, expected.indices)


def assert_same_spectrum(found, expected, scale) -> None:
    assert np.array_equal(found.degree, expected.degree)
    assert (np.abs(found.energy - expected.energy) <= 1e-14 * scale).all()
    np.testing.assert_allclose(found.standard_error, expected.standard_error, rtol=1e-11)
    assert found.noise_floor.tobytes() == expected.noise_floor.tobytes()
    assert found.resolvable_degree == expected.resolvable_degree


def root_mean_squares(x: np.ndarray, degree: int) -> np.ndarray:
    return np.sqrt(one_sample_sums(x, degree).squares / (len(x) * (len(x) - 1.0)))


def test_coefficients_on_a_cluster_have_the_same_bits(client) -> None:
    for x, chunks in (
        (sample(5 * BLOCK + 100, 2), (3 * BLOCK, 1)),
        (sample(3 * BLOCK + 1, 2), (10_000, 2)),
        (sample(40_000, 1)[:, 0], 1500),
    ):
        assert_same_bits(
            distributed.sample_coefficients(da.from_array(x, chunks=chunks), 5), sample_coefficients(x, 5)
        )


def test_spectra_on_a_cluster_are_the_same(client) -> None:
    x, y = sample(BLOCK + 400, 3), sample(BLOCK + 1, 3, seed=1)
    left, right = da.from_array(x, chunks=(7000, 2)), da.from_array(y, chunks=(BLOCK, 3))
    scale = root_mean_squares(x, 4)
    assert_same_spectrum(distributed.degree_spectrum(left, degree=4), hc.degree_spectrum(x, degree=4), scale)
    assert_same_spectrum(
        distributed.degree_spectrum(left, right, degree=4), hc.degree_spectrum(x, y, degree=4), scale
    )


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, 30_000), max_size=8), dimension=st.integers(1, 3))
def test_any_chunks_give_the_same_bits(cuts, dimension) -> None:
    x = sample(30_000, dimension)
    edges = [0, *sorted(cuts), len(x)]
    array = da.from_array(x, chunks=(tuple(np.diff(edges).tolist()), 1))
    with dask.config.set(scheduler="synchronous"):
        assert_same_bits(distributed.sample_coefficients(array, 3), sample_coefficients(x, 3))


def test_chunks_at_wrong_blocks_would_show() -> None:
    """Control: sums that begin elsewhere than at a block of 8192 differ in their last bits."""
    x = sample(4 * BLOCK, 1)
    parts = [SampleSums(1, 5).add(part) for part in (x[:9000], x[9000:])]
    shifted = SampleSums(1, 5, first_block=8)
    shifted.add(x[9000:])
    total = parts[0].merge(shifted).coefficients()
    expected = sample_coefficients(x, 5)
    np.testing.assert_allclose(total.values, expected.values, atol=1e-13)
    assert total.values.tobytes() != expected.values.tobytes()


def test_spectra_need_both_orders_of_each_pair(monkeypatch) -> None:
    """Control: counting pairs of different blocks once changes the standard errors."""
    x = sample(BLOCK + 2000, 2)
    right, scale = hc.degree_spectrum(x, degree=3), root_mean_squares(x, 3)
    array = da.from_array(x, chunks=(5000, 2))
    assert_same_spectrum(distributed.degree_spectrum(array, degree=3), right, scale)
    cross = distributed._cross_pairs
    monkeypatch.setattr(distributed, "_cross_pairs", lambda x, y, degree, orders: cross(x, y, degree, 1.0))
    with pytest.raises(AssertionError):
        assert_same_spectrum(distributed.degree_spectrum(array, degree=3), right, scale)


def test_spectra_do_not_depend_on_chunks() -> None:
    x = sample(BLOCK + 3000, 2)
    one, other = (
        distributed.degree_spectrum(da.from_array(x, chunks=chunks), degree=3)
        for chunks in ((1700, 1), (len(x), 2))
    )
    assert one.energy.tobytes() == other.energy.tobytes()
    assert one.standard_error.tobytes() == other.standard_error.tobytes()


def test_threads_of_one_process_do_not_meet_in_the_kernels() -> None:
    """Without a client Dask uses threads; in a process of its own, as Numba would abort it."""
    script = (
        "import dask, dask.array as da, numpy as np\n"
        "from hermite_collapse import distributed\n"
        "x = da.from_array(np.random.default_rng(0).standard_normal((100_000, 2)), chunks=(8192, 2))\n"
        "with dask.config.set(scheduler='threads', num_workers=4):\n"
        "    for _ in range(5):\n"
        "        distributed.sample_coefficients(x, 6)\n"
        "    distributed.degree_spectrum(x[:10_000], degree=2)\n"
    )
    environment = os.environ | {"NUMBA_THREADING_LAYER": "workqueue"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def with_nan(x: np.ndarray, *rows: int) -> np.ndarray:
    x[list(rows), 1] = np.nan
    return x


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((10, 2)), "samples must be a Dask array .* got ndarray"),
        (da.zeros((1, 2)), "samples must hold at least 2 samples, got 1"),
        (da.zeros((4, 2, 2)), r"samples must have shape \(n,\) or \(n, d\), got \(4, 2, 2\)"),
        (da.zeros(4, dtype=complex), "samples must hold real numbers, got an array of complex128"),
        (da.zeros((9, 2))[da.arange(9) > 3], "samples must have chunks of known size"),
        (
            da.from_array(with_nan(sample(20_000, 2), 9000, 9007), chunks=(4000, 1)),
            r"got 2 NaN or infinite entries among samples 8192 to 16383, the first of them at \(9000, 1\)",
        ),
        (
            da.full((5, 2), 1e200),
            "must keep the squares of the polynomials to degree 3 within double precision",
        ),
    ],
)
def test_bad_samples_are_refused(samples, message) -> None:
    with pytest.raises(InputError, match=message):
        distributed.sample_coefficients(samples, 3)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((10, 2)), None, "x must be a Dask array .* got ndarray"),
        (da.zeros((10, 2)), np.zeros((10, 2)), "y must be a Dask array .* got ndarray"),
        (da.zeros((3, 2)), None, "x must hold at least 4 samples, got 3"),
        (da.zeros((10, 2)), da.zeros((10, 3)), "x and y must have the same dimension, got 2 and 3"),
        (
            da.zeros((10, 2)),
            da.from_array(with_nan(sample(10, 2), 3)),
            r"y must be finite, got 1 .* at \(3, 1\)",
        ),
        (da.full((5, 2), 1e150), None, "degree must be low enough"),
    ],
)
def test_bad_pairs_of_samples_are_refused(x, y, message) -> None:
    with pytest.raises(InputError, match=message):
        distributed.degree_spectrum(x, y, degree=3)


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
    results = dict(distributed.run_on_cluster(dies_once, jobs, address=cluster.scheduler_address))
    assert results == {"a": "a", "b": "b"}


def test_an_error_of_a_job_comes_back_as_it_is(cluster) -> None:
    def refuses(job):
        raise FileNotFoundError(2, "No such file", "samples.npy")

    with pytest.raises(FileNotFoundError, match=r"samples\.npy"):
        list(distributed.run_on_cluster(refuses, {0: 0}, address=cluster.scheduler_address))


def test_workers_that_keep_dying_end_in_a_sentence(cluster, monkeypatch) -> None:
    def dies(job):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(InputError, match="scheduler must have workers that survive a job"):
        list(distributed.run_on_cluster(dies, {0: 0}, address=cluster.scheduler_address))


def test_processes_without_the_package_end_in_a_sentence(cluster) -> None:
    def imports(job):
        import a_package_that_is_not_there  # noqa: F401

    with pytest.raises(
        InputError, match=r"can import what this one imports.*No module named 'a_package_that"
    ):
        list(distributed.run_on_cluster(imports, {0: 0}, address=cluster.scheduler_address))


def test_a_scheduler_that_goes_away_ends_in_a_sentence() -> None:
    def waits(job):
        import time

        time.sleep(0.2)

    with threads_of_one_process(n_workers=1, threads_per_worker=1) as threads:
        results = distributed.run_on_cluster(
            waits, dict.fromkeys(range(20)), address=threads.scheduler_address
        )
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
            spans = dict(distributed.run_on_cluster(span, jobs, address=threads.scheduler_address)).values()
    assert len(spans) == len(jobs)
    assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(sorted(spans)))


def test_addresses_where_no_scheduler_answers(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(distributed, "_CONNECT_SECONDS", 0.5)
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


@pytest.mark.parametrize(
    "call",
    [
        "distributed.sample_coefficients([1.0, 2.0], 2)",
        "distributed.degree_spectrum([1.0, 2.0], degree=2)",
        "list(distributed.run_on_cluster(abs, {0: 1}, address='local'))",
    ],
)
def test_without_the_extra_one_sentence_names_it(call, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "hermite-collapse\[distributed\]"\.$'):
        eval(call, {"distributed": distributed})


def test_importing_the_room_loads_no_dask() -> None:
    script = (
        "import sys\nimport hermite_collapse as hc\nhc.distributed\n"
        "assert not {'dask', 'distributed'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


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
    while sweeps.finished_points(folder)[0] < 2 and started.poll() is None:
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGINT)
    errors = started.communicate(timeout=60)[1]
    assert started.returncode == 130 and errors == "interrupted\n"
    assert 2 <= sweeps.finished_points(folder)[0] < 40
    subprocess.run([*command, "--resume"], check=True, capture_output=True, timeout=120)
    assert sweeps.finished_points(folder) == (40, 40)
