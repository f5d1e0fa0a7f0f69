"""Chunks on several threads: in order, to the same bytes, with errors passed on and settings restored."""

from __future__ import annotations

import threading
import time

import pytest
import torch

import hermite_collapse as hc
from hermite_collapse.core.threads import all_threads
from hermite_collapse.simulation import simulate
from hermite_collapse.simulation.noise import plan_chunks
from hermite_collapse.simulation.workers import made_in_order

CPU = torch.device("cpu")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_from_threads_with_one_thread_each(two_threads):
    chunks = plan_chunks(20, 10, 10)
    seen = set()

    def work(chunk):
        time.sleep(0.002 * (20 - chunk.pieces[0].run) / 20)
        seen.add(threading.get_ident())
        assert torch.get_num_threads() == 1
        assert not torch.is_grad_enabled()
        return torch.tensor([chunk.start])

    results = [int(r) for r in made_in_order(work, chunks, device=CPU, splits=False)]
    assert results == [c.start for c in chunks]
    assert len(seen) == 2
    assert torch.get_num_threads() == 2


def test_an_error_in_a_chunk_is_raised_and_settings_are_restored(two_threads):
    def work(chunk):
        if chunk.pieces[0].run == 3:
            raise MemoryError("no more")
        return torch.zeros(1)

    with pytest.raises(MemoryError, match="no more"):
        list(made_in_order(work, plan_chunks(50, 10, 10), device=CPU, splits=False))
    assert torch.get_num_threads() == 2


def test_work_that_splits_keeps_all_threads_for_large_operations(two_threads):
    threads = []

    def work(chunk):
        with all_threads():
            inside = torch.get_num_threads()
        threads.append((inside, torch.get_num_threads(), threading.get_ident()))
        return torch.zeros(1)

    list(made_in_order(work, plan_chunks(2, 10, 10), device=CPU, splits=True))
    assert threads == 2 * [(2, 1, threading.get_ident())]
    assert torch.get_num_threads() == 2
    list(made_in_order(work, plan_chunks(20, 10, 10), device=CPU, splits=False))
    assert {part[:2] for part in threads[2:]} == {(1, 1)}  # every thread of the pool has a chunk


@pytest.mark.parametrize("generator", ["channel", "exact", "kernel"])
@pytest.mark.parametrize(("particles", "runs"), [(17_000, 1), (700, 5)])
def test_bytes_depend_neither_on_threads_nor_on_chunks(generator, particles, runs, two_threads):
    recursion = hc.Recursion(hc.presets.load("tilted_2d"), fresh_fraction=0.3, truncation_time=0.1)
    options = {"rounds": 2, "particles": particles, "runs": runs, "degree": 3, "device": "cpu", "keep": "all"}
    if generator != "channel":
        options["steps"] = 4
    if generator == "kernel":
        options["pool"] = 100
    records = []
    for threads, chunk in ((2, 1), (2, 10**6), (1, 10**6)):
        torch.set_num_threads(threads)
        records.append(simulate(recursion, generator=generator, chunk=chunk, **options))
    for other in records[1:]:
        assert other.samples.tobytes() == records[0].samples.tobytes()
        assert other.coefficients.tobytes() == records[0].coefficients.tobytes()
        assert other.covariances.tobytes() == records[0].covariances.tobytes()
