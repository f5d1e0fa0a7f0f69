"""Chunks on all cores of a CPU, each on one: the operations of a chunk are too small to be split between threads.

Splitting every product and exponential of 8192 rows between cores costs more in waiting than it gains, badly so on a
busy machine, and lets the order of summation depend on the number of threads.  Whole chunks have neither problem: they
share nothing, and their results are taken in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import torch

from . import devices
from .noise import Chunk

Work = Callable[[Chunk], torch.Tensor]


def made_in_order(
    work: Work, chunks: Sequence[Chunk], *, device: torch.device, splits: bool
) -> Iterator[torch.Tensor]:
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
        Whether the work on one chunk runs on all cores by itself and to the same bytes, as fused attention does; then
        a single chunk is given all of them.

    Yields
    ------
    tensor, shape (rows, d)
    """
    threads = torch.get_num_threads()
    if not devices.works_in_blocks(device) or threads == 1 or (splits and len(chunks) == 1):
        for chunk in chunks:
            yield work(chunk)
        return
    workers = min(threads, len(chunks))
    with (
        one_thread_each(),
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        waiting: deque[Future[torch.Tensor]] = deque()
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


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Give every torch operation inside one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _without_gradients(work: Work, chunk: Chunk) -> torch.Tensor:
    with torch.no_grad():  # a setting of each thread
        return work(chunk)
