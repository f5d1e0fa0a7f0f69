"""Products of NumPy and SciPy on one thread: inside alone, also for several threads of Python, and after errors."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  # loads its own library of products

from hermite_collapse.core.product_threads import _pools, one_product_thread

needs_pools = pytest.mark.skipif(not _pools(), reason="another library of products")


@pytest.fixture
def three_threads():
    before = [(pool, pool.threads()) for pool in _pools()]
    for pool, _ in before:
        pool.limit(3)
    yield
    for pool, count in before:
        pool.limit(count)


def counts():
    return [pool.threads() for pool in _pools()]


@needs_pools
def test_one_thread_inside_and_all_of_them_after(three_threads):
    assert counts() == [3, 3]
    with one_product_thread():
        assert counts() == [1, 1]
        with one_product_thread():
            assert counts() == [1, 1]
        assert counts() == [1, 1]
    assert counts() == [3, 3]
    with pytest.raises(ZeroDivisionError), one_product_thread():
        1 / 0  # noqa: B018
    assert counts() == [3, 3]


@needs_pools
def test_threads_of_python_that_overlap_leave_what_there_was(three_threads):
    inside, leave = threading.Event(), threading.Event()

    def other():
        with one_product_thread():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with one_product_thread():
        thread.start()
        inside.wait(10)
    assert counts() == [1, 1]
    leave.set()
    thread.join()
    assert counts() == [3, 3]


def test_libraries_are_not_loaded_for_it():
    code = (
        "import numpy\nfrom hermite_collapse.core.product_threads import one_product_thread\n"
        "with one_product_thread(): pass\n"
        "assert 'scipy.libs' not in open('/proc/self/maps').read()"
    )
    if sys.platform != "linux":
        pytest.skip("files of a process")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_diagnoses_run_inside(monkeypatch):
    import hermite_collapse as hc
    from hermite_collapse.diagnosis import diagnosis

    if not _pools():
        pytest.skip("another library of products")
    seen = []
    fit = diagnosis.fit
    monkeypatch.setattr(diagnosis, "fit", lambda *a, **k: seen.append(counts()) or fit(*a, **k))
    curve = hc.mode_factors([1], fresh_fraction=0.3, truncation_time=0.1, rounds=5)
    hc.diagnose(curve, standard_errors=np.full(curve.shape, 0.01), mechanism="affine")
    assert seen and all(count == [1, 1] for count in seen)
