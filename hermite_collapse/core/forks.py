"""Threads of compiled code and `fork`: a child that would hang or abort says so instead."""

from __future__ import annotations

import os
import sys

_owner: int | None = None


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
    _owner = process
