"""Settings every test shares: threads, hypothesis profiles, the gpu marker."""

from __future__ import annotations

import gc
import os

# Before NumPy, Numba or torch are imported: thread pools read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "2")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin take the cores of the other processes
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from hypothesis import HealthCheck, settings

# Times vary with compilation and with what else runs on the machine: no deadline in any profile.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("default", max_examples=30, derandomize=True, **_COMMON)
settings.register_profile("fuzz", max_examples=10_000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


gc.disable()  # collecting tests makes a million objects and drops none


def pytest_collection_finish() -> None:
    """Leave what was loaded so far out of every later search for garbage."""
    gc.enable()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked gpu where torch sees no CUDA device; torch is imported only if there are any."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    try:
        import torch

        available = torch.cuda.is_available()
    except ImportError:
        available = False
    if not available:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="module")
def processes():
    """A Dask cluster of two processes with one thread each."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
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
    """That cluster with both workers there, as an earlier test may have killed one."""
    processes.wait_for_workers(2, timeout=60)
    return processes


@pytest.fixture
def client(cluster):
    """The current client of that cluster."""
    with pytest.importorskip("distributed").Client(cluster) as current:
        yield current
