"""What tests of interrupted runs share: one thread, and a run in a process of its own that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.fixture
def one_thread():
    """Bytes are promised for one number of threads, which compiled loops of other tests may have changed."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield {**os.environ, "OMP_NUM_THREADS": "1"}
    torch.set_num_threads(before)


@pytest.fixture
def kill_after_one_round(one_thread):
    """Run code with a folder as its argument; SIGKILL as soon as the first trained round is on the disk."""

    def run(code, folder):
        process = subprocess.Popen([sys.executable, "-c", code, str(folder)], env=one_thread)
        try:
            while process.poll() is None and not (folder / "round-00001.npz").exists():
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert process.returncode == -signal.SIGKILL

    return run
