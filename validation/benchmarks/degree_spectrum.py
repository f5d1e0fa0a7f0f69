"""Degree spectrum of samples: against one matrix product of the same size, and the recurrence alone."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from hermite_collapse.hermite._kernels_degree import degree_panel_lane, degree_panel_sums
from hermite_collapse.hermite.degree import degree_spectrum
from hermite_collapse.hermite.degree_sums import _memory

from . import timing

_SAMPLES = 10_000
_DIMENSION = 784
_DEGREE = 16
# add, multiply, add, two multiply-adds and one multiplication by 1 / (n + 1); the sums and squares are not counted
_FLOPS = 8


def run() -> list[dict[str, Any]]:
    """Rows of the table; `met` says whether the row's target is reached."""
    return [*_spectrum(), *_recurrence()]


def _spectrum() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, _SAMPLES, _DIMENSION))
    times = timing.interleaved(
        {
            "x with itself": lambda: degree_spectrum(x, degree=_DEGREE),
            "dgemm": lambda: x @ y.T,  # two arrays: NumPy would take the symmetric product of x with itself
            "x with y": lambda: degree_spectrum(x, y, degree=_DEGREE),
        },
        repetitions=5,
        seconds=60.0,
    )
    case = f"{_SAMPLES:.0e} samples, d = {_DIMENSION}, degrees 0..{_DEGREE}, with standard errors"
    product = timing.median_time(times, "dgemm")
    rows = [
        {
            "case": f"dgemm {_SAMPLES} x {_DIMENSION} x {_SAMPLES}",
            "seconds": product,
            "gflops": 2.0 * _SAMPLES**2 * _DIMENSION / product / 1e9,
        }
    ]
    for name, target in (("x with itself", 0.75), ("x with y", 1.25)):
        ratio = timing.median_ratio(times, name, "dgemm")
        rows.append(
            {
                "case": f"{case}, {name}: time over dgemm",
                "seconds": timing.median_time(times, name),
                "ratio": ratio,
                "target": target,
                "met": ratio <= target,
            }
        )
    return rows


def _recurrence() -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    rows, columns, lanes = 512, 4096, 4
    x, y = rng.standard_normal((rows, _DIMENSION)), rng.standard_normal((columns, _DIMENSION))
    gram = np.matmul(x, y.T, out=_memory(rows, columns).reshape(rows, columns))
    norms, other_norms = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    row_sums, column_sums = np.zeros((lanes, rows, _DEGREE)), np.zeros((columns, _DEGREE))
    squares = np.zeros((lanes, _DEGREE))
    inverse = 1.0 / np.maximum(1, np.arange(_DEGREE + 1))

    arguments = (inverse, gram, norms, other_norms, float(_DIMENSION), -rows, row_sums, column_sums, squares)

    def one_thread() -> None:
        for lane in range(lanes):
            degree_panel_lane(lane, *arguments)

    peak = timing.multiply_add_peak()
    candidates = {"recurrence": lambda: degree_panel_sums(*arguments), "peak": peak}
    times = timing.interleaved(candidates, repetitions=31, each=3)
    own = timing.median_time(times, "recurrence")
    work = _FLOPS * float(rows * columns * _DEGREE)
    rate = work / own
    share = work / peak() * float(np.median(times["peak"] / times["recurrence"]))
    one_thread()
    spent = []
    for _ in range(15):
        start = time.process_time()
        one_thread()
        spent.append(time.process_time() - start)
    return [
        {
            "case": f"recurrence and sums alone, panel {rows} x {columns}, degrees 1..{_DEGREE}",
            "seconds": own,
            "gflops": rate / 1e9,
            "share_of_peak": share,
            "target": 40.0,
            "met": rate >= 40e9,
        },
        {
            "case": "  on one thread, by processor time (blind to other load on the machine)",
            "seconds": float(np.median(spent)),
            "gflops": work / float(np.median(spent)) / 1e9,
        },
    ]
