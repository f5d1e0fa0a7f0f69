"""Chunks on all cores of a CPU, each on one: the operations of a chunk are too small to be split between threads.

Splitting every product and exponential of 8192 rows between cores costs more in waiting than it gains, badly so on a
busy machine, and lets the order of summation depend on the number of threads.  Whole chunks have neither problem: they
share nothing, and their results are taken in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from ..core.threads import one_thread
from . import devices
from .noise import Chunk

Result = TypeVar("Result")


def made_in_order(
    work: Callable[[Chunk], Result], chunks: Sequence[Chunk], *, device: torch.device, splits: bool
) -> Iterator[Result]:
    """Yield the result of every chunk, in order.

    Parameters
    ----------
    work : function of Chunk
        Makes one chunk; called from several threads on a CPU.
    chunks : sequence of Chunk
        What is made.
    device : torch.device
        Where.
    splits : bool
        Whether the large operations of one chunk run on all threads by themselves (`core.threads.all_threads`), to the
        same bytes, as fused attention and compiled kernels do; chunks are then made one after the other.

    Yields
    ------
    Result
        What the work returned.
    """
    threads = torch.get_num_threads()
    if not devices.works_in_blocks(device) or splits or min(threads, len(chunks)) == 1:
        for chunk in chunks:
            with one_thread():  # but for what asks for all of them
                made = work(chunk)
            yield made
        return
    workers = min(threads, len(chunks))
    with (
        one_thread(),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        waiting: deque[Future[Result]] = deque()
        remaining = iter(chunks)
        try:
            for chunk in remaining:
                waiting.append(pool.submit(_without_gradients, work, chunk))
                if len(waiting) > 2 * workers:  # so that few finished chunks wait in memory
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _without_gradients(work: Callable[[Chunk], Result], chunk: Chunk) -> Result:
    with torch.no_grad():  # a setting of each thread
        return work(chunk)
