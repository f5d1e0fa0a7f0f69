"""Limits of processor time, on machines whose speed changes from one second to the next.

A limit holds if one of several attempts keeps it: what became slower than its limit keeps it in none.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable


def seconds_of(call: Callable[[], object]) -> float:
    """Processor seconds that a call takes in this process, on all threads."""
    began = time.process_time()
    call()
    return time.process_time() - began


def seconds_of_python(*arguments: str) -> float:
    """Processor seconds of a fresh interpreter with these arguments."""
    began = seconds_of_children()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return seconds_of_children() - began


def is_kept(limit: Callable[[], bool], attempts: int = 5) -> bool:
    """Whether one of some attempts keeps a limit; the first that does ends them."""
    return any(limit() for _ in range(attempts))


def seconds_of_children() -> float:
    """Processor seconds that processes of this one have taken until now."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
