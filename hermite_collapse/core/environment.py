"""Variables and limits of a process under which libraries abort it: looked at before any of them is loaded.

NUMBA_NUM_THREADS    0 and words are a crash inside Numba, 100000 a segmentation fault
NUMBA_DISABLE_JIT    kernels for vectors of doubles exist only compiled
OMP_NUM_THREADS      what is no number of threads is a complaint of each OpenMP library, and then not used: taken out
SOURCE_DATE_EPOCH    what is no time is a crash where a figure gets its date
address space        OpenBLAS retries for minutes, then ends the process with status 1, which means "rejected" here
"""

from __future__ import annotations

import os
import sys

from .errors import InputError
from .memory import in_bytes

MOST_THREADS = 1024
LATEST = 253_402_300_799  # the last second of the year 9999
_LIBRARIES = 650e6  # bytes of address space that NumPy, SciPy and Numba map
_PER_THREAD = 40e6  # stack and buffers of a thread of OpenBLAS


def require_environment() -> None:
    """Refuse variables and limits that would end this process later, by a foreign hand.

    Raises
    ------
    InputError
        Naming the variable or the limit.
    """
    threads = os.environ.get("NUMBA_NUM_THREADS", "1")
    if not _whole(threads) or not 1 <= int(threads) <= MOST_THREADS:
        raise InputError(
            f"the variable NUMBA_NUM_THREADS must be a whole number from 1 to {MOST_THREADS}, got {threads!r}."
        )
    require_compiler(os.environ.get("NUMBA_DISABLE_JIT", "0"))
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    if not _whole(epoch) or int(epoch) > LATEST:
        raise InputError(
            f"the variable SOURCE_DATE_EPOCH must be seconds from 0 to {LATEST}, or unset, got {epoch!r}."
        )
    counts = os.environ.get("OMP_NUM_THREADS", "1").split(",")
    if not all(_whole(count) and int(count) > 0 for count in counts):
        del os.environ["OMP_NUM_THREADS"]
    least, limit = _LIBRARIES + _PER_THREAD * _blas_threads(), _address_space()
    if limit < least:
        raise InputError(
            f"the address space of a process (ulimit -v) must be at least {in_bytes(least)} here, got "
            f"{in_bytes(limit)}; OPENBLAS_NUM_THREADS=1 needs the least."
        )


def require_compiler(disabled: object) -> None:
    """Refuse to run compiled kernels as Python: `disabled` is Numba's DISABLE_JIT."""
    if str(disabled).strip() not in ("", "0"):
        raise InputError(
            f"the variable NUMBA_DISABLE_JIT must be 0 or unset, since kernels run compiled only, got {disabled!r}."
        )


def _blas_threads() -> int:
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        count = os.environ.get(name, "")
        if _whole(count) and int(count) > 0:
            return min(int(count), os.cpu_count() or 1)
    return os.cpu_count() or 1


def _address_space() -> float:
    """Return the bytes of address space that this process may map; infinity without a limit."""
    if sys.platform == "win32":
        return float("inf")
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return float("inf") if soft == resource.RLIM_INFINITY else float(soft)


def _whole(text: str) -> bool:
    return text.strip().isascii() and text.strip().isdigit()
