"""The plan of minutes: what each piece is estimated to take, which size of it fits, and a limit that holds.

    seconds = overhead + rate[kind] * work

Rates come from short timings of the device and are corrected by every piece that has run.  Before each piece the sizes
of all that is left are planned anew: first every piece gets the least size that is worth its time, in order of worth,
then what is wanted, then more.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from .piece import OutOfTimeError, Piece, Size

OVERHEAD = 0.7  # seconds of a piece that do not grow with its work: theory, compilation, files
MARGIN = 1.1  # an estimate may be short by so much
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
        beside = piece.beside if size.stage > 0 else 0.0
        return OVERHEAD + beside + self.seconds.get(piece.kind, 0.0) * size.work

    def learn(self, piece: Piece, size: Size, seconds: float) -> None:
        """Correct the rate of a kind by what a piece took: half old, half new."""
        if size.work <= 0.0 or piece.is_elastic:
            return
        measured = max(seconds - OVERHEAD - piece.beside, 0.0) / size.work
        before = self.seconds.get(piece.kind, measured)
        self.seconds[piece.kind] = 0.5 * (before + measured)


def plan_sizes(
    pieces: Sequence[Piece], *, left: float, rates: Rates, small: bool = False
) -> dict[str, tuple[Size, float]]:
    """Return the size and the estimated seconds of each piece that fits, by name.

    Stage by stage, and within a stage in order of worth, a piece gets the largest size of the stages so far that fits
    into what the others have left.

    Parameters
    ----------
    pieces : sequence of Piece
        What is still to be done, in order of worth.
    left : float
        Seconds left of the whole run, the last ones for the table not among them.
    rates : Rates
        Of the device.
    small : bool
        Whether this is a rehearsal at small size.
    """
    plan: dict[str, tuple[Size, float]] = {}
    rest = left
    for stage in range(4):
        for piece in pieces:
            before = MARGIN * plan[piece.name][1] if piece.name in plan else 0.0
            for size in piece.allowed(small):
                estimate = rates.estimate(piece, size)
                if size.stage <= stage and before < MARGIN * estimate <= rest + before:
                    plan[piece.name] = (size, estimate)
                    rest += before - MARGIN * estimate
                    break
    return plan


def seconds_allowed(piece: Piece, plan: Mapping[str, tuple[Size, float]], left: float) -> float:
    """Return the seconds that a planned piece may take: an elastic one all that the others do not need."""
    others = sum(MARGIN * estimate for name, (_, estimate) in plan.items() if name != piece.name)
    estimate = plan[piece.name][1]
    if piece.is_elastic:
        return max(left - others, MARGIN * estimate)
    return min(left, max(left - others, 3.0 * estimate, estimate + 15.0))


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError inside the block once the seconds are over; in the main thread of a POSIX system only."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise OutOfTimeError(f"the limit of {seconds:.0f} s was reached")

    before = signal.signal(signal.SIGALRM, ring)
    # Again every few seconds: an exception can be swallowed where it happens to be raised.
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01), 3.0)
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
    pieces: Sequence[Piece], rates: Rates, plan: Mapping[str, tuple[Size, float]], *, small: bool
) -> str:
    """Return what the pieces are expected to take, before anything starts."""
    lines = [f"{'piece':30s} {'planned, s':>10s} {'largest, s':>10s}  planned size"]
    for piece in pieces:
        most = rates.estimate(piece, piece.allowed(small)[0])
        if piece.name in plan:
            size, estimate = plan[piece.name]
            lines.append(f"{piece.name:30s} {estimate:10.1f} {most:10.1f}  {size.name}: {size}")
        else:
            lines.append(f"{piece.name:30s} {'-':>10s} {most:10.1f}  does not fit")
    total = sum(estimate for _, estimate in plan.values())
    return "\n".join([*lines, f"{'planned in all':30s} {total:10.1f}"])
