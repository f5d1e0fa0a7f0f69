"""How every benchmark measures: interleaved repetitions, medians of ratios, and the multiply-add peak as the yardstick.

Two computations that are compared take turns, so that whatever else the machine does falls on both; a speed-up is the
median over turns of the ratio within one turn, never a ratio of two separate figures.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = dict[str, NDArray[np.float64]]


def interleaved(
    candidates: Mapping[str, Callable[[], Any]],
    *,
    repetitions: int = 7,
    seconds: float = 20.0,
    each: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    before: Mapping[str, Callable[[], Any]] | None = None,
) -> Times:
    """Wall times of several computations that take turns.

    Parameters
    ----------
    candidates : name -> computation without arguments; each runs once beforehand, uncounted (compilation, caches).
    repetitions : turns; the first and the last name alternate in going first.
    seconds : stop after this long, but never before three turns.
    each : calls per turn and candidate, of which the fastest counts (for computations of a few milliseconds).
    clock : time.perf_counter, or time.process_time for the processor time of all threads (on a busy machine).
    before : other work, uncounted, right before each call of a candidate, by its name.

    Returns
    -------
    name -> array of seconds, one per turn.
    """
    for candidate in candidates.values():
        candidate()
    names = list(candidates)
    times: dict[str, list[float]] = {name: [] for name in names}
    began = time.perf_counter()
    for turn in range(repetitions):
        if turn >= 3 and time.perf_counter() - began > seconds:
            break
        for name in names if turn % 2 == 0 else reversed(names):
            best = np.inf
            for _ in range(each):
                if before is not None and name in before:
                    before[name]()
                start = clock()
                candidates[name]()
                best = min(best, clock() - start)
            times[name].append(best)
    return {name: np.array(values) for name, values in times.items()}


def median_ratio(times: Times, slow: str, fast: str) -> float:
    """Median over turns of time(slow) / time(fast)."""
    return float(np.median(times[slow] / times[fast]))


def median_time(times: Times, name: str) -> float:
    """Median wall time in seconds."""
    return float(np.median(times[name]))


def best_time(times: Times, name: str) -> float:
    """Smallest time in seconds: of a limit, which disturbances only make look lower."""
    return float(np.min(times[name]))


@contextmanager
def one_thread() -> Iterator[None]:
    """Numba kernels on one thread: with processor time, figures that hold on a busy machine too."""
    import numba

    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(threads)


def multiply_add_peak() -> Callable[[], float]:
    """A computation of nothing but multiply-adds on all threads; calling it returns its number of flops.

    Run it among the candidates of `interleaved`: its rate is the peak that the others are a share of.
    """
    kernel = _peak_kernel()
    lanes, width, rounds = 16, 1024, 400
    data = np.linspace(0.1, 0.9, lanes * width).reshape(lanes, width)

    def computation() -> float:
        kernel(data, rounds, 0.75, 0.1)
        return 2.0 * 16 * data.size * rounds

    return computation


@lru_cache(maxsize=1)
def _peak_kernel() -> Callable[..., None]:
    from numba import njit, prange

    @njit(parallel=True, nogil=True, fastmath={"contract"}, error_model="numpy")
    def kernel(data, rounds, a, b):
        for lane in prange(data.shape[0]):
            row = data[lane]
            for _ in range(rounds):
                for i in range(row.size):
                    y = row[i]
                    # sixteen multiply-adds for one load and one store; different i overlap
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    y = a * y + b
                    row[i] = y

    return kernel


def peak_memory() -> float:
    """Largest resident size of this process so far, in MiB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 1024.0 if sys.platform != "darwin" else size / 1024.0**2


def environment() -> dict[str, Any]:
    """What the figures depend on: processor, threads, versions."""
    import numba
    import scipy

    from hermite_collapse.core.threads import use_threads

    use_threads()  # numba starts its threads to count them
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "numba_threads": numba.get_num_threads(),
        "waiting_threads": "asleep"
        if os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive"
        else "spinning",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
    }


def _processor() -> str:
    import llvmlite.binding

    return f"{platform.machine()} {llvmlite.binding.get_host_cpu_name()}"
