"""The threads of this process: who may start them, how many a library gets, and how they wait.

NumPy's products (OpenBLAS), torch and compiled kernels (Numba) each keep a pool of threads, and the threads of a pool
wait for their next work by spinning.  A parallel region ends when its last thread has been given a core, so that many
small regions beside a spinning pool, or beside another process, take ten times as long as on one thread.  Hence

    one_thread         small operations of torch in a row run on one thread,
    threads_for        or on as many as their size is worth,
    all_threads        a single large one among them gets all threads for itself,
    one_product_thread products and decompositions of small matrices run on one thread,
    parallel_region    one kernel at a time, and torch's number of threads survives it,
    load_openmp        torch runs on its own OpenMP library, whichever is loaded first,
    wait_passively     threads of pools that are started later sleep instead of spinning: the command does this; a
                       program that uses the package sets the variables before it imports NumPy or torch.

No library of computation is imported here: what is not loaded has no threads.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

PASSIVE = {"OMP_WAIT_POLICY": "passive", "OPENBLAS_THREAD_TIMEOUT": "4"}
_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# Numbers that an operation makes for each thread, so that it takes longer than waiting for the threads.
_NUMBERS = 1 << 20

_owner: int | None = None
_local = threading.local()  # .count: torch's threads outside of `one_thread`


def use_threads() -> None:
    """Note that this process is about to start threads of compiled code.

    Raises
    ------
    RuntimeError
        In a child that was forked after its parent did: OpenMP ends such a process, or never wakes it up.
    """
    global _owner
    process = os.getpid()
    if sys.platform == "linux" and _owner not in (None, process):
        raise RuntimeError(
            "a process forked after its parent has computed cannot compute itself: start it with "
            'multiprocessing.get_context("spawn") or "forkserver".'
        )
    if _owner is None:
        load_openmp()
    _owner = process


def load_openmp() -> None:
    """Load torch's own OpenMP library, where torch is installed, before Numba loads the system's.

    Torch asks for libgomp.so.1 and takes one that is loaded already; its fused attention takes ten times as long on the
    system's.
    """
    if sys.platform != "linux" or "torch" in sys.modules:
        return
    torch = find_spec("torch")
    for folder in () if torch is None else torch.submodule_search_locations or ():
        for library in sorted(Path(folder, "lib").glob("libgomp*.so*")):
            with suppress(OSError):
                ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def wait_passively() -> None:
    """Let threads of libraries that are loaded from now on sleep while they wait, unless the user said otherwise."""
    for name, value in PASSIVE.items():
        os.environ.setdefault(name, value)


@contextmanager
def one_thread_in_processes() -> Iterator[None]:
    """Leave one thread to each process started inside; libraries read this when a process starts."""
    before = {name: os.environ.get(name) for name in _COUNTS}
    os.environ.update(dict.fromkeys(_COUNTS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def one_thread() -> AbstractContextManager[None]:
    """Give every operation of torch inside one thread, in this thread of Python."""
    return _at_most(1)


def threads_for(numbers: int) -> AbstractContextManager[None]:
    """Give operations of torch inside, each of which makes so many numbers, as many threads as they keep busy."""
    return _at_most(max(1, numbers // _NUMBERS))


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    before, outer = _torch_threads(), getattr(_local, "count", None)
    _local.count = before if outer is None else outer
    _set_torch_threads(min(before, count))
    try:
        yield
    finally:
        _local.count = outer
        _set_torch_threads(before)


@contextmanager
def all_threads() -> Iterator[None]:
    """Give the operations inside the threads that there are outside of `one_thread`."""
    before = _torch_threads()
    _set_torch_threads(getattr(_local, "count", None) or before)
    try:
        yield
    finally:
        _set_torch_threads(before)


@contextmanager
def one_product_thread() -> Iterator[None]:
    """Give every product and decomposition of NumPy and SciPy inside one thread.

    Libraries of linear algebra split even a product of a matrix of 100 x 100 and a vector, and wait until the last of
    their threads has been given a core: fits of curves take twice the processor time, and on a busy machine ten times
    as long.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


class _ParallelRegion:
    """The one thread of this process that may be in a parallel kernel.

    Numba's fallback threading layer aborts when two Python threads enter parallel kernels at once.  Its OpenMP layer
    sets the number of threads of the thread that starts it first, which is torch's as well: it is set back.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._before: list[int] = []

    def __enter__(self) -> None:
        use_threads()
        self._lock.acquire()
        self._before.append(_torch_threads())

    def __exit__(self, *error: object) -> None:
        _set_torch_threads(self._before.pop())
        self._lock.release()


parallel_region = _ParallelRegion()


def _torch_threads() -> int:
    """Return torch's number of threads; 0 where it is not loaded."""
    # Missing as well while another thread is importing torch.
    count = getattr(sys.modules.get("torch"), "get_num_threads", None)
    return 0 if count is None else int(count())


def _set_torch_threads(count: int) -> None:
    if _torch_threads() not in (0, count):
        sys.modules["torch"].set_num_threads(count)
