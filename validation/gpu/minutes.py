"""The plan of minutes: what each piece is estimated to take, which size of it fits, and a limit that holds.

    seconds = overhead + rate[kind] * work

Rates come from short timings of the device and are corrected by every piece that has run.  A piece is given what is
left after the least that later pieces need, and never less than half of what is left; the largest of its sizes that
fits is taken, and none where the smallest does not.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from .piece import OutOfTimeError, Piece, Size

OVERHEAD = 1.5  # seconds of a piece that do not grow with its work: theory, compilation, files
MARGIN = 1.25  # an estimate may be short by so much
LAST_SECONDS = 8.0  # for the table, the archive and the end of the process


@dataclass
class Rates:
    """Seconds for one unit of work, by kind.

    Attributes
    ----------
    seconds : dict of str to float
        As measured, and corrected since.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    def estimate(self, piece: Piece, size: Size) -> float:
        """Return the seconds that a size of a piece is expected to take."""
        return OVERHEAD + self.seconds.get(piece.kind, 0.0) * size.work

    def learn(self, piece: Piece, size: Size, seconds: float) -> None:
        """Correct the rate of a kind by what a piece took: half old, half new."""
        if size.work <= 0.0 or piece.is_elastic:
            return
        measured = max(seconds - OVERHEAD, 0.0) / size.work
        before = self.seconds.get(piece.kind, measured)
        self.seconds[piece.kind] = 0.5 * (before + measured)


@dataclass(frozen=True)
class Allowance:
    """What a piece may take.

    Attributes
    ----------
    size : Size or None
        The size that fits; None if none does.
    estimate : float
        Seconds expected of that size, or of the smallest where none fits.
    seconds : float
        Seconds it may take.
    """

    size: Size | None
    estimate: float
    seconds: float


def plan_piece(
    piece: Piece, later: Sequence[Piece], *, left: float, rates: Rates, small: bool = False
) -> Allowance:
    """Return what the next piece may take.

    Parameters
    ----------
    piece : Piece
        What is next.
    later : sequence of Piece
        What is to come after it.
    left : float
        Seconds left of the whole run, the last ones for the table not among them.
    rates : Rates
        Of the device.
    small : bool
        Whether this is a rehearsal at small size.
    """
    least = sum(rates.estimate(other, other.allowed(small)[-1]) for other in later)
    seconds = max(left - least, 0.5 * left)
    sizes = piece.allowed(small)
    for size in sizes:
        estimate = rates.estimate(piece, size)
        if MARGIN * estimate <= seconds:
            most = seconds if piece.is_elastic else min(left, max(3.0 * estimate, estimate + 20.0))
            return Allowance(size, estimate, most)
    return Allowance(None, rates.estimate(piece, sizes[-1]), seconds)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError inside the block once the seconds are over; in the main thread of a POSIX system only."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise OutOfTimeError(f"the limit of {seconds:.0f} s was reached")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def last_resort(seconds: float, finish: Callable[[], None]) -> Iterator[None]:
    """Call `finish` from another thread if the block lasts longer, where a computation cannot be interrupted."""
    timer = threading.Timer(seconds, finish)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def table_of_minutes(
    pieces: Sequence[Piece], rates: Rates, *, small: bool, done: Mapping[str, object]
) -> str:
    """Return what the pieces are expected to take at their largest and least size, before anything starts."""
    lines = [f"{'piece':34s} {'largest, s':>10s} {'least, s':>9s}  sizes"]
    for piece in pieces:
        if piece.name in done:
            continue
        sizes = piece.allowed(small)
        most, least = rates.estimate(piece, sizes[0]), rates.estimate(piece, sizes[-1])
        lines.append(f"{piece.name:34s} {most:10.1f} {least:9.1f}  {sizes[0]}")
    return "\n".join(lines)
