"""The score of a pool of points: fused attention against materialised differences and against chunked matrix products.

20 000 points and as many queries in ten dimensions, float32 (the reference in float64 on some of the queries).  All
candidates compute the same posterior mean of the pool; `error` is the largest deviation from float64 in units of the
data.  On a CPU the same is timed right after compiled kernels and after a product of OpenBLAS, whose threads still spin
then: small operations of torch on all threads would take several times as long.  On a CUDA device the shape is 100 000 by 100 000 and the yardstick is the device's own attention at the same
shape and precision, called bare on prepared operands.

On a GPU:  python -m validation --only benchmarks/kernel_score --out DIR
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional

from hermite_collapse.hermite.sums import block_sums
from hermite_collapse.simulation.attention import attention_means, plain_means

from .timing import interleaved, median_ratio, median_time

DIMENSION = 10
SCALE, VARIANCE = 0.95, 1.0 - 0.95**2
MATERIALISED_CHUNK = 250  # queries whose differences to all points fit in a few hundred MB
PRODUCT_CHUNK = 1000
OVER_DIFFERENCES, OVER_PRODUCTS, SHARE_OF_ATTENTION, BESIDE_KERNELS = 40.0, 5.0, 0.5, 1.2


def run() -> list[dict[str, Any]]:
    """Rows of the table: seconds, pairs per second, speed-ups with their targets, errors."""
    return _on_gpu() if torch.cuda.is_available() else [*_on_cpu(), *_beside_other_pools()]


def operands(count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Points of the ten-dimensional five-mode mixture and queries diffused from them, float64."""
    rng = np.random.default_rng(0)
    means = np.zeros((5, DIMENSION))
    means[1:, :2] = [[4.0, 4.0], [4.0, -4.0], [-4.0, 4.0], [-4.0, -4.0]]
    points = means[rng.integers(0, 5, count)] + 0.6 * rng.standard_normal((count, DIMENSION))
    queries = SCALE * points[rng.permutation(count)] + VARIANCE**0.5 * rng.standard_normal((count, DIMENSION))
    return torch.from_numpy(points).to(device), torch.from_numpy(queries).to(device)


def by_differences(queries: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Means from differences materialised for a chunk of queries, float32."""
    y = points.float()
    parts = []
    for x in queries.float().split(MATERIALISED_CHUNK):
        logits = (x[:, None, :] - SCALE * y[None, :, :]).square().sum(-1) / (-2.0 * VARIANCE)
        parts.append(torch.softmax(logits, dim=1) @ y)
    return torch.cat(parts).double()


def by_products(queries: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Means from matrix product and softmax on a chunk of queries, float32, with the same centring."""
    centre = points.mean(0)
    y = (points - centre).float()
    bias = (-0.5 * SCALE**2 / VARIANCE) * y.square().sum(1)
    parts = []
    for x in (queries - SCALE * centre).float().split(PRODUCT_CHUNK):
        logits = torch.addmm(bias, x, y.T, alpha=SCALE / VARIANCE)
        parts.append(torch.softmax(logits, dim=1) @ y)
    return centre + torch.cat(parts).double()


def by_attention(queries: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Means by the package."""
    return attention_means(queries[None], points[None], SCALE, VARIANCE)[0]


def _on_cpu() -> list[dict[str, Any]]:
    count = 20_000
    points, queries = operands(count, torch.device("cpu"))
    candidates: dict[str, Callable[[], Any]] = {
        "attention": lambda: by_attention(queries, points),
        "matrix products": lambda: by_products(queries, points),
        # A tenth of the queries, every one of which costs the same; the time is scaled below.
        "differences": lambda: by_differences(queries[: count // 10], points),
    }
    times = interleaved(candidates, repetitions=3, seconds=60.0)
    times["differences"] = 10.0 * times["differences"]
    sample = slice(0, 500)
    reference = plain_means(queries[sample], points, SCALE, VARIANCE)
    routes = {"attention": by_attention, "matrix products": by_products, "differences": by_differences}
    targets = {"matrix products": OVER_PRODUCTS, "differences": OVER_DIFFERENCES}
    errors = {n: float((f(queries[sample], points) - reference).abs().max()) for n, f in routes.items()}
    rows = []
    for name in routes:
        seconds = median_time(times, name)
        row: dict[str, Any] = {
            "route": name,
            "points": count,
            "threads": torch.get_num_threads(),
            "seconds": seconds,
            "pairs_per_second": count**2 / seconds,
            "error": errors[name],
        }
        if name in targets:
            row["attention_faster"] = median_ratio(times, name, "attention")
            row["target"] = targets[name]
            accurate = errors["attention"] <= max(2.0 * min(errors.values()), 1e-5)
            row["met"] = bool(row["attention_faster"] >= targets[name] and accurate)
        rows.append(row)
    return rows


def _beside_other_pools() -> list[dict[str, Any]]:
    """Seconds of the package's means on a chunk of 8192 queries, right after work of other pools of threads."""
    count = 8192
    points, queries = operands(count, torch.device("cpu"))
    square = np.random.default_rng(1).standard_normal((1200, 1200))
    samples = np.random.default_rng(2).standard_normal((8 * 8192, 2))
    work: dict[str, Callable[[], Any]] = {
        "after compiled kernels": lambda: block_sums(samples, 8),
        "after a product of OpenBLAS": lambda: square @ square,
    }

    def attention() -> torch.Tensor:
        return by_attention(queries, points)

    names = ["attention", *work]
    times = interleaved(dict.fromkeys(names, attention), repetitions=31, seconds=60.0, before=work)
    rows: list[dict[str, Any]] = []
    for name in names:
        row = {
            "route": name,
            "points": count,
            "threads": torch.get_num_threads(),
            "seconds": median_time(times, name),
        }
        if name in work:
            row["over_alone"] = median_ratio(times, name, "attention")
        if name == "after compiled kernels":
            row |= {"target": BESIDE_KERNELS, "met": bool(row["over_alone"] <= BESIDE_KERNELS)}
        rows.append(row)
    return rows


def _on_gpu() -> list[dict[str, Any]]:
    device, count = torch.device("cuda"), 100_000
    points, queries = operands(count, device)
    bare = [t.float().contiguous()[None, None] for t in (queries, points, points)]
    bare = [functional.pad(t, (0, 2)) for t in bare]  # twelve columns, as the package uses
    square = torch.randn(8192, 8192, device=device)

    def finished(work: Callable[[], Any]) -> Callable[[], None]:
        def run_and_wait() -> None:
            work()
            torch.cuda.synchronize()

        return run_and_wait

    candidates = {
        "attention": finished(lambda: by_attention(queries, points)),
        "device's own attention": finished(
            lambda: functional.scaled_dot_product_attention(bare[0], bare[1], bare[2], scale=1.0)
        ),
        "float32 products": finished(lambda: torch.mm(square, square)),
    }
    times = interleaved(candidates, repetitions=9, seconds=60.0)
    peak = 2.0 * 8192.0**3 / median_time(times, "float32 products")
    sample = slice(0, 500)
    error = (
        (by_attention(queries[sample], points) - plain_means(queries[sample], points, SCALE, VARIANCE))
        .abs()
        .max()
    )
    seconds = median_time(times, "attention")
    share = median_ratio(times, "device's own attention", "attention")
    return [
        {
            "route": "attention",
            "device": torch.cuda.get_device_name(device),
            "points": count,
            "seconds": seconds,
            "pairs_per_second": count**2 / seconds,
            # Two products of twelve columns for each pair.
            "share_of_measured_float32_peak": 4.0 * 12 * count**2 / seconds / peak,
            "share_of_device_attention": share,
            "target": SHARE_OF_ATTENTION,
            "error": float(error),
            "met": bool(share >= SHARE_OF_ATTENTION),
        }
    ]
