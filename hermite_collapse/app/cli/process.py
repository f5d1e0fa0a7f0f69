"""What the process of a command shares with others: standard streams that may be closed or narrow, and Ctrl-C."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ...core.printable import sentence

INTERRUPTED = 130
_RAISING = ("strict", "surrogateescape")  # the second is that of the C locale


def prepare_streams() -> None:
    """Make standard output and error writable, whatever they are.

    A closed one becomes the null device; characters that the encoding of the output lacks are replaced.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (open as long as the process)
        elif isinstance(stream, io.TextIOWrapper) and stream.errors in _RAISING:
            stream.reconfigure(errors="replace")


def say(text: str) -> None:
    """Print a line on standard error; nobody may be left to read it."""
    with contextlib.suppress(OSError, ValueError):
        print(sentence(text), file=sys.stderr, flush=True)


def drop_output() -> None:
    """Send what is still to be written to standard output nowhere: its reader is gone, or its disk is full."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether Ctrl-C was pressed.

    Compiled code turns the exception into others; what fails after an interrupt fails because of it.
    """
    pressed = False
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield lambda: pressed
        return

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
