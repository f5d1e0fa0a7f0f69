"""The limits of a device, measured: products, multiply-adds of its vector units, and copies.

On CUDA the multiply-adds are a Triton kernel in which every number goes through a chain of fused multiply-adds, several
independent ones a thread; without Triton there is no figure for the vector units, and shares are of the product's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..benchmarks.timing import multiply_add_peak

try:
    import triton
    import triton.language as tl
except ImportError:
    triton = None

CHAIN = 16


def wait(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def median_seconds(work: Callable[[], Any], device: str, repetitions: int = 5) -> float:
    """Return the median wall time of a computation, after one run that does not count."""
    work()
    wait(device)
    times = []
    for _ in range(repetitions):
        began = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def measured_peaks(device: str) -> dict[str, float]:
    """Return flops per second by kind, and bytes per second of a copy (read and written)."""
    on_gpu = device == "cuda"
    size = 8192 if on_gpu else 512
    rates = {}
    kinds = {"float64": (torch.float64, False), "float32": (torch.float32, False)}
    if on_gpu:
        kinds |= {"tf32": (torch.float32, True), "bfloat16": (torch.bfloat16, False)}
    before = torch.backends.cuda.matmul.allow_tf32
    for name, (kind, fast) in kinds.items():
        torch.backends.cuda.matmul.allow_tf32 = fast
        square = torch.randn(size, size, device=device, dtype=torch.float32).to(kind)
        rates[f"product_{name}"] = 2.0 * size**3 / median_seconds(lambda m=square: torch.mm(m, m), device)
    torch.backends.cuda.matmul.allow_tf32 = before
    block = torch.randn(2**28 if on_gpu else 2**22, device=device, dtype=torch.float32)
    other = torch.empty_like(block)
    rates["copy_bytes"] = 2.0 * block.nbytes / median_seconds(lambda: other.copy_(block), device)
    if not on_gpu:
        work = multiply_add_peak()
        flops = work()
        rates["vector_float64"] = flops / median_seconds(work, device)
    elif triton is not None:
        rates["vector_float64"] = vector_peak(torch.float64)
        rates["vector_float32"] = vector_peak(torch.float32)
    return rates


def vector_peak(kind: torch.dtype, count: int = 2**22, rounds: int = 1024) -> float:
    """Return the flops per second of chains of multiply-adds, in Triton."""
    values = torch.rand(count, device="cuda", dtype=kind)
    seconds = median_seconds(lambda: chain(values, 0.75, 0.1, rounds), "cuda")
    return 2.0 * CHAIN * rounds * count / seconds


def chain(values: torch.Tensor, a: float, b: float, rounds: int, block: int = 1024) -> None:
    """Send every value through CHAIN x rounds multiply-adds y <- a y + b, in place."""
    # A factor in the type of the values: Python floats would be of 32 bits.
    factors = torch.tensor([a, b], device=values.device, dtype=values.dtype)
    _chain[(values.numel() // block,)](values, factors, rounds, BLOCK=block, CHAIN=CHAIN)


if triton is not None:

    @triton.jit
    def _chain(values, factors, rounds, BLOCK: tl.constexpr, CHAIN: tl.constexpr):
        offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        y = tl.load(values + offsets)
        a = tl.load(factors)
        b = tl.load(factors + 1)
        for _ in range(rounds):
            for _ in tl.static_range(CHAIN):
                y = y * a + b
        tl.store(values + offsets, y)
