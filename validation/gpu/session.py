"""One run through the pieces: what is done is left alone, what fits runs, what fails is written down, all in time."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from ..experiment import LEVEL
from . import circumstances
from . import rates as timings
from .minutes import (
    LAST_SECONDS,
    Rates,
    last_resort,
    limited,
    plan_sizes,
    seconds_allowed,
    table_of_minutes,
)
from .piece import Job, OutOfTimeError, Piece
from .records import WORDS, Records


class Session:
    """A run through pieces in their order.

    Parameters
    ----------
    pieces : sequence of Piece
        In order of worth.
    folder : path
        Of the records.
    device : str
        "cuda" or "cpu".
    small : bool
        Whether this is a rehearsal at small size.
    end : float
        Reading of the clock at which the process should be over.
    data : path, optional
        Folder with the IDX files of Fashion-MNIST.
    seed : int
        Of every simulation.
    archives : path, optional
        Where the archives of the records are written; the folder unless given.
    clock : function
        Returns seconds.
    measure : function of the device, the size and the kinds, optional
        Returns the rates of the device; short timings unless given.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        *,
        folder: Path,
        device: str,
        small: bool,
        end: float,
        data: Path | None = None,
        seed: int = 0,
        archives: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        measure: Callable[[str, bool, set[str]], dict[str, float]] = timings.measure,
    ) -> None:
        self.pieces, self.device, self.small, self.seed = list(pieces), device, small, seed
        self.data, self.end, self.clock, self._measure = data, end, clock, measure
        self.reasons: dict[str, str] = {}
        self.rates = Rates()
        self.records = Records(folder, circumstances.describe(device), archives)

    @property
    def left(self) -> float:
        """Seconds left for pieces."""
        return self.end - LAST_SECONDS - self.clock()

    def run(self) -> int:
        """Run everything; the exit status."""
        with last_resort(self.end - self.clock(), self._end_now):
            waiting = [piece for piece in self.pieces if not self.records.is_done(piece, self.small)]
            say(f"{self.records.circumstances['device']}; {self.left:.0f} s for {len(waiting)} pieces")
            try:
                with limited(0.5 * self.left):
                    self.rates = Rates(
                        self._measure(self.device, self.small, {piece.kind for piece in waiting})
                    )
            except Exception:  # without rates the pieces still run, in their order
                say(traceback.format_exc())
            plan = plan_sizes(waiting, left=self.left, rates=self.rates, small=self.small)
            say(f"rates measured, {self.left:.0f} s left: {shown(self.rates)}")
            say(table_of_minutes(waiting, self.rates, plan, small=self.small))
            for number, piece in enumerate(waiting):
                self._one(piece, waiting[number:])
            say("\n" + self.records.write_table(self.pieces, self.reasons))
        written = [self.records.read(piece) for piece in self.pieces]
        wrong = [record for record in written if record and (record["passed"] is False or "error" in record)]
        return 1 if wrong else 0

    def _one(self, piece: Piece, waiting: Sequence[Piece]) -> None:
        left = self.left
        plan = plan_sizes(waiting, left=left, rates=self.rates, small=self.small)
        if piece.name not in plan:
            least = self.rates.estimate(piece, piece.allowed(self.small)[-1])
            self.reasons[piece.name] = f"needs about {least:.0f} s, {max(left, 0.0):.0f} s were left"
            say(f"{piece.name}: {self.reasons[piece.name]}")
            return
        size, estimate = plan[piece.name]
        seconds_for_it, began = seconds_allowed(piece, plan, left), self.clock()
        say(
            f"{piece.name}: {size.name} ({size}), about {estimate:.0f} s, at most {seconds_for_it:.0f} of {left:.0f}"
        )
        job = Job(
            size=size,
            device=self.device,
            seconds=seconds_for_it,
            estimate=estimate,
            clock=self.clock,
            end=began + seconds_for_it,
            level=LEVEL / len(self.pieces),
            state=self.records.folder / "state" / piece.file_name,
            data=self.data,
            seed=self.seed,
        )
        error, outcome = "", None
        try:
            with limited(min(seconds_for_it + 3.0, max(self.left, 0.01))):
                outcome = piece.run(job)
        except OutOfTimeError as reason:
            error = f"OutOfTimeError: {reason}"
        except Exception:  # a record of its own, and the run goes on
            error = traceback.format_exc()
        seconds = self.clock() - began
        facts = {
            "size": size.name,
            "sizes": dict(size.numbers),
            "seed": self.seed,
            "level": job.level,
            "seconds": round(seconds, 2),
            "estimated_seconds": round(estimate, 2),
        }
        if outcome is None:
            record = self.records.write_failure(piece, error, **facts)
            word = "failed"
        else:
            record = self.records.write(piece, outcome, **facts)
            word = WORDS[outcome.passed]
            self.rates.learn(piece, size, seconds)
        say(f"{piece.name}: {word}, {seconds:.1f} s. {record['verdict']}")
        self.records.write_state(piece)
        circumstances.release(self.device)

    def _end_now(self) -> None:
        """End the process from another thread: a computation holds the main one."""
        say("\nThe minutes are over within a piece.\n" + self.records.write_table(self.pieces, self.reasons))
        os._exit(3)


def shown(rates: Rates) -> str:
    """Return the rates in words."""
    return ", ".join(f"{kind} {rate:.2g} s" for kind, rate in rates.seconds.items() if kind != "fixed")


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)
