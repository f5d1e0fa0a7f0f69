"""The owner of threads: settings of libraries that are loaded, and of those that are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hermite_collapse.core.threads import (
    PASSIVE,
    all_threads,
    one_thread,
    one_thread_in_processes,
    parallel_region,
    threads_for,
    wait_passively,
)


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_a_large_operation_gets_all_threads_among_small_ones(three_threads):
    counts = []
    with one_thread():
        counts.append(torch.get_num_threads())
        with one_thread(), all_threads():
            counts.append(torch.get_num_threads())
            with one_thread():
                counts.append(torch.get_num_threads())
        counts.append(torch.get_num_threads())
    with all_threads():
        counts.append(torch.get_num_threads())
    assert counts == [1, 3, 1, 1, 3]
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(("numbers", "expected"), [(0, 1), (1 << 20, 1), (1 << 21, 2), (1 << 30, 3)])
def test_operations_get_the_threads_that_their_size_is_worth(numbers, expected, three_threads):
    with threads_for(numbers):
        assert torch.get_num_threads() == expected
        with one_thread(), threads_for(1 << 30):
            assert torch.get_num_threads() == 1
        with all_threads():
            assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 3


def test_threads_are_restored_after_an_error(three_threads):
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == 3


def test_a_kernel_leaves_the_threads_of_torch_alone(three_threads):
    with parallel_region, parallel_region:
        torch.set_num_threads(2)
    assert torch.get_num_threads() == 3


def _in_a_process(code, **variables):
    removed = ("OMP_", "OPENBLAS_", "NUMBA_", "MKL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(removed)}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_the_first_kernel_of_a_process_does_not_change_the_threads_of_torch():
    code = (
        "import numpy as np, torch; from hermite_collapse.hermite.sums import block_sums; "
        "block_sums(np.zeros((20000, 1)), 3); print(torch.get_num_threads())"
    )
    assert _in_a_process(code, OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="2") == ["1"]


def test_what_is_not_loaded_has_no_threads():
    code = (
        "import sys; from hermite_collapse.core.threads import all_threads, one_thread, parallel_region\n"
        "with one_thread(), all_threads(), parallel_region: print('torch' in sys.modules)"
    )
    assert _in_a_process(code) == ["False"]


def test_the_command_waits_passively_unless_the_user_said_otherwise():
    code = (
        "import os, sys; sys.argv = ['hermite-collapse', '--version']\n"
        "from hermite_collapse import __main__ as command\n"
        "assert 'numpy' not in sys.modules and 'torch' not in sys.modules\n"
        "try: command.main()\n"
        "except SystemExit: pass\n"
        "print(*(os.environ.get(name) for name in ('OMP_WAIT_POLICY', 'OPENBLAS_THREAD_TIMEOUT')))"
    )
    assert _in_a_process(code)[-2:] == ["passive", "4"]
    assert _in_a_process(code, OMP_WAIT_POLICY="active")[-2:] == ["active", "4"]


def test_variables_are_set_where_they_are_missing(monkeypatch):
    for name in PASSIVE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "active"
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == PASSIVE["OPENBLAS_THREAD_TIMEOUT"]


def test_processes_started_inside_have_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with one_thread_in_processes():
        assert {os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "MKL_NUM_THREADS" not in os.environ


def test_results_do_not_depend_on_the_threads_of_attention(three_threads):
    from hermite_collapse.simulation import attention_means

    points = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 300, 3)))
    with_three = attention_means(0.9 * points, points, 0.9, 0.19)
    torch.set_num_threads(1)
    assert torch.equal(attention_means(0.9 * points, points, 0.9, 0.19), with_three)


@pytest.mark.skipif(sys.platform != "linux", reason="libraries are named differently")
def test_torch_runs_on_its_own_openmp_after_compiled_kernels():
    """Kernels load the system's library; torch, imported later, would take that one for its own."""
    own = list((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    if not own:
        pytest.skip("this torch has no OpenMP library of its own")
    program = (
        "import numpy as np; from hermite_collapse.hermite.sums import block_sums;"
        "block_sums(np.zeros((3 * 8192, 2)), 4); import torch;"
        "print(*{line.split()[-1] for line in open('/proc/self/maps') if 'libgomp' in line})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert own[0].resolve() in [Path(name).resolve() for name in done.stdout.split()]
