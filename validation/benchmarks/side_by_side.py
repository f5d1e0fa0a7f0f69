"""Many small recursions as one batch against one after the other, by processor time on one thread.

The bytes are equal; what is saved is what every round costs however few its particles are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import hermite_collapse as hc
from hermite_collapse.core import threads
from hermite_collapse.simulation import simulate, simulate_many

from .timing import interleaved, median_ratio, median_time, one_thread

LEAST = 1.5


def run() -> list[dict[str, Any]]:
    """Rows of seconds of the batch, and of the others' over it; the first is held to the target."""
    with one_thread(), threads.one_thread():
        return [
            _row("channel", 100, particles=10_000, rounds=5),
            _row("channel", 100, particles=1_000, rounds=5),
            _row("exact", 30, particles=10_000, rounds=2, steps=25),
            _row("kernel", 20, particles=1_000, rounds=1, steps=10),
        ]


def _row(generator: str, count: int, **options: int) -> dict[str, Any]:
    law = hc.presets.load("two_modes_1d")
    recursions = {
        str(i): hc.Recursion(law, fresh_fraction=0.1 + 0.008 * i, truncation_time=0.1 + 0.001 * i)
        for i in range(count)
    }

    def alone() -> None:
        for recursion in recursions.values():
            simulate(recursion, generator=generator, degree=4, device="cpu", progress=False, **options)  # type: ignore[arg-type]

    def together() -> None:
        simulate_many(recursions, generator=generator, degree=4, device="cpu", progress=False, **options)

    candidates: dict[str, Callable[[], None]] = {"alone": alone, "together": together}
    times = interleaved(candidates, clock=time.process_time, repetitions=3, seconds=20.0)
    ratio = median_ratio(times, "alone", "together")
    row: dict[str, Any] = {
        "case": f"{count} recursions, {generator}, {options['particles']} particles, {options['rounds']} rounds",
        "seconds": median_time(times, "together"),
        "ratio": ratio,
    }
    if generator == "channel" and options["particles"] == 10_000:
        row |= {"at_least": LEAST, "met": ratio >= LEAST}
    return row
