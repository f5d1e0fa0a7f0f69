"""What a piece is: its sizes with their work, what it is given to run, and the outcome it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

STAGES = ("small", "least", "wanted", "large")


class OutOfTimeError(RuntimeError):
    """The seconds of a piece are over."""


@dataclass(frozen=True)
class Size:
    """One size of a piece.

    Attributes
    ----------
    stage : int
        0 for rehearsals on a CPU, 1 for the least that is worth its time, 2 for what is wanted, 3 for minutes to spare.
    numbers : mapping of str to int
        Particles, rounds, steps and so on.
    work : float
        In the units of the piece's kind: the seconds are the rate of the kind times the work.
    """

    stage: int
    numbers: Mapping[str, int]
    work: float

    @property
    def name(self) -> str:
        """Word for the stage."""
        return STAGES[self.stage]

    def __str__(self) -> str:
        return ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in self.numbers.items())


@dataclass(frozen=True)
class Job:
    """What a piece is given.

    Attributes
    ----------
    size : Size
        How large it runs.
    device : str
        "cuda" or "cpu".
    seconds : float
        Time allowed, from the moment the job is made.
    estimate : float
        Seconds that the size was expected to take.
    clock : function
        Returns seconds; `time.monotonic` outside tests.
    end : float
        Reading of the clock at which the time is over.
    level : float
        Probability with which the piece may reject what is true.
    state : path
        Folder of the piece's own, for what is not finished.
    data : path or None
        Folder with the IDX files of Fashion-MNIST.
    """

    size: Size
    device: str
    seconds: float
    estimate: float
    clock: Callable[[], float]
    end: float
    level: float
    state: Path
    data: Path | None = None
    seed: int = 0

    def __getitem__(self, name: str) -> int:
        return self.size.numbers[name]

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.end - self.clock()

    def check(self) -> None:
        """Raise OutOfTimeError once the time is over."""
        if self.left < 0.0:
            raise OutOfTimeError(f"the {self.seconds:.0f} s of the piece are over")


@dataclass(frozen=True)
class Outcome:
    """What a piece found.

    Attributes
    ----------
    verdict : str
        One or two sentences.
    passed : bool or None
        Whether what was predicted was measured; None where nothing is predicted or the data do not decide.
    numbers : mapping
        What is worth reading, JSON values; "predicted", "measured" and "z" where there are any.
    arrays : mapping
        Everything else, for an NPZ file beside the record.
    is_complete : bool
        False where the time ended first: the piece goes on when the command is given again.
    """

    verdict: str
    passed: bool | None
    numbers: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    is_complete: bool = True


@dataclass(frozen=True)
class Piece:
    """One piece of the run.

    Attributes
    ----------
    name : str
        With slashes, from general to particular.
    summary : str
        One line.
    kind : str
        Which rate its work is measured with.
    sizes : sequence of Size
        In order of work, the largest first; that of stage 0 last.
    run : function of a Job
        Does it.
    is_elastic : bool
        Whether it uses all the time it is given, and stops by itself.
    beside : float
        Seconds beside its work: data, evaluation.
    """

    name: str
    summary: str
    kind: str
    sizes: Sequence[Size]
    run: Callable[[Job], Outcome]
    is_elastic: bool = False
    beside: float = 0.0

    @property
    def file_name(self) -> str:
        """Stem of its record."""
        return self.name.replace("/", ".")

    def allowed(self, small: bool) -> list[Size]:
        """Sizes of a run: those of a rehearsal, all others else."""
        return [size for size in self.sizes if (size.stage == 0) == small]
