"""Many small products and decompositions of NumPy and SciPy in a row, each on one thread.

OpenBLAS splits even a product of a matrix of 100 x 100 and a vector, and waits until the last of its threads has been
given a core: fits of curves take twice the processor time, and on a busy machine ten times as long.  Other libraries of
linear algebra, and systems other than Linux, are left as they are.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

_PACKAGES = ("numpy", "scipy")
_NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)


class _Pool(NamedTuple):
    """The threads of one loaded library."""

    library: ctypes.CDLL
    name: str

    def threads(self) -> int:
        return int(self.library[self.name.format("get")]())

    def limit(self, count: int) -> None:
        self.library[self.name.format("set")](count)


class _Small:
    """How many threads of Python are in small products now, and what they leave to large ones."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.before: list[tuple[_Pool, int]] = []


_small = _Small()


@contextmanager
def one_product_thread() -> Iterator[None]:
    """Give every product and decomposition inside one thread; libraries that are loaded meanwhile keep theirs."""
    with _small.lock:
        if _small.users == 0:
            _small.before = [(pool, pool.threads()) for pool in _pools()]
            for pool, _ in _small.before:
                pool.limit(1)
        _small.users += 1
    try:
        yield
    finally:
        with _small.lock:
            _small.users -= 1
            if _small.users == 0:
                for pool, count in _small.before:
                    pool.limit(count)


def _pools() -> list[_Pool]:
    """Return the OpenBLAS libraries that NumPy and SciPy have loaded."""
    if sys.platform != "linux":
        return []
    pools = []
    for package in _PACKAGES:
        module = find_spec(package)
        folder = Path(module.origin).parent.parent / f"{package}.libs" if module and module.origin else None
        for file in sorted(folder.glob("*openblas*.so*")) if folder else ():
            try:
                library = ctypes.CDLL(str(file), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
            except OSError:  # not loaded
                continue
            pools += [_Pool(library, name) for name in _NAMES if hasattr(library, name.format("set"))][:1]
    return pools
