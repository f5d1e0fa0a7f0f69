"""Products of NumPy and SciPy on one thread: inside alone, also for several threads of Python, and after errors."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  # loads its own library of products
from threadpoolctl import ThreadpoolController

import hermite_collapse as hc
from hermite_collapse.core.threads import one_product_thread
from hermite_collapse.diagnosis import conclusion


def counts():
    return {pool["num_threads"] for pool in ThreadpoolController().select(user_api="blas").info()}


@pytest.fixture(autouse=True)
def three_threads():
    controller = ThreadpoolController().select(user_api="blas")
    with controller.limit(limits=3):
        if counts() != {3}:
            pytest.skip("a library of products without threads")
        yield


def test_one_thread_inside_and_all_of_them_after():
    with one_product_thread():
        assert counts() == {1}
        with one_product_thread():
            assert counts() == {1}
        assert counts() == {1}
    assert counts() == {3}
    with pytest.raises(ZeroDivisionError), one_product_thread():
        1 / 0  # noqa: B018
    assert counts() == {3}


def test_threads_of_python_that_overlap_leave_what_there_was():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with one_product_thread():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with one_product_thread():
        thread.start()
        inside.wait(10)
        assert counts() == {1}
    leave.set()
    thread.join()
    assert counts() == {3}


def test_diagnoses_run_inside(monkeypatch):
    seen = []
    fit = conclusion.fit
    monkeypatch.setattr(conclusion, "fit", lambda *a, **k: seen.append(counts()) or fit(*a, **k))
    curve = hc.mode_factors([1], fresh_fraction=0.3, truncation_time=0.1, rounds=5)
    hc.diagnose(curve, standard_errors=np.full(curve.shape, 0.01), mechanism="affine")
    assert seen and all(count == {1} for count in seen)
