"""Jobs that fail alone: here one after another, in spawned processes, or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Generic, TypeVar

from ..core.errors import ConvergenceError, InputError
from ..core.threads import one_thread_in_processes

if TYPE_CHECKING:
    from .schema import SweepSection

Result = TypeVar("Result")
Document = Mapping[str, object]


@dataclass(frozen=True)
class Failure:
    """Why a job has no result, in one sentence."""

    reason: str


def attempt(function: Callable[[Document], Result], document: Document) -> Result | Failure:
    """Return the result of a job, or why there is none: a job that fails must not stop the others."""
    try:
        return function(document)
    except Exception as error:  # whatever it is, it belongs to this job alone
        text = " ".join(str(error).split())
        known = isinstance(error, InputError | ConvergenceError)
        return Failure(text if known else f"{type(error).__name__}: {text}")


@dataclass(frozen=True)
class Jobs(Generic[Result]):
    """A function and the documents it is called with, made when they are needed.

    Attributes
    ----------
    function : callable
        Importable in other processes.
    numbers : sequence of int
        Names of the jobs, in the order of their beginning.
    document : callable
        From a number to the argument of the function.
    """

    function: Callable[[Document], Result]
    numbers: Sequence[int]
    document: Callable[[int], Document]

    def results(self, where: SweepSection) -> Iterator[tuple[int, Result | Failure]]:
        """Yield results by number as jobs finish, computed where the section says."""
        if not self.numbers:
            return
        run: Callable[[Document], Result | Failure] = partial(attempt, self.function)
        workers = min(where.workers or os.cpu_count() or 1, len(self.numbers))
        if where.scheduler is not None:
            from .cluster import run_on_cluster

            lost: Result | Failure = Failure("it cost worker after worker: give them more memory")
            jobs = {number: self.document(number) for number in self.numbers}
            with one_thread_in_processes():
                outcomes: Iterator[tuple[int, Result | Failure]] = run_on_cluster(
                    run, jobs, address=where.scheduler, workers=workers, lost=lost
                )
                yield from outcomes
        elif workers == 1:
            for number in self.numbers:
                yield number, run(self.document(number))
        else:
            with one_thread_in_processes():
                yield from self._in_processes(run, workers)

    def _in_processes(
        self, run: Callable[[Document], Result | Failure], workers: int
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yield results as spawned processes finish them.

        One that is killed breaks its pool: the jobs under way are then done again one by one, which shows whose fault
        it was.
        """
        waiting, suspects = list(reversed(self.numbers)), list[int]()
        while waiting or suspects:
            alone = bool(suspects)
            under_way: set[int] = set()
            try:
                queue, size = (suspects, 1) if alone else (waiting, workers)
                yield from self._through_pool(run, queue, size, under_way)
            except BrokenProcessPool:
                if alone and under_way:
                    yield under_way.pop(), Failure("its process was killed, perhaps for want of memory")
                suspects += sorted(under_way)

    def _through_pool(
        self, run: Callable[[Document], Result | Failure], queue: list[int], size: int, under_way: set[int]
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Empty a queue through one pool; `under_way` holds what was taken from it and has not come back."""
        # Spawned, not forked: a child forked after a parallel region of Numba does not survive it.
        with ProcessPoolExecutor(size, mp_context=get_context("spawn")) as pool:
            futures: dict[Future[Result | Failure], int] = {}
            try:
                while queue or futures:
                    while queue and len(futures) < size:
                        number = queue.pop()
                        under_way.add(number)
                        futures[pool.submit(run, self.document(number))] = number
                    for future in wait(futures, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        number = futures.pop(future)
                        under_way.remove(number)
                        yield number, result
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
