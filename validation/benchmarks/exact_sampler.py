"""The exact generator: reverse diffusion with the closed-form score of a mixture of 25 components in ten dimensions.

100 steps of the second-order exponential sampler, float64; 10^6 particles on a CUDA device, 10^5 on a CPU.  Work is
counted as 2 (2 d K) + 2 (2 d K) flops of matrix products and K exponentials for each particle and step; the yardstick
is a float64 matrix product of the device, measured beside it.

On a GPU:  python -m validation --only benchmarks/exact_sampler --out DIR
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

import hermite_collapse as hc
from hermite_collapse.simulation import simulate

from .timing import interleaved, median_time

DIMENSION, COMPONENTS, STEPS = 10, 25, 100


def run() -> list[dict[str, Any]]:
    """One row: seconds, particle steps per second, share of the measured float64 peak."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    particles = 10**6 if device.type == "cuda" else 10**5
    recursion = hc.Recursion(_mixture(), fresh_fraction=1.0, truncation=0.1)
    options = {"rounds": 1, "generator": "exact", "steps": STEPS, "degree": 2, "device": str(device)}
    simulate(recursion, particles=8192, **options)  # loads what is loaded on first use
    began = time.perf_counter()
    simulated = simulate(recursion, particles=particles, **options)
    total = time.perf_counter() - began
    seconds = float(simulated.wall_seconds[1])
    flops = 8.0 * DIMENSION * COMPONENTS * particles * STEPS
    return [
        {
            "device": simulated.device,
            "particles": particles,
            "components": COMPONENTS,
            "dimension": DIMENSION,
            "steps": STEPS,
            "threads": torch.get_num_threads(),
            "seconds": seconds,
            "seconds_with_start": total,
            "particle_steps_per_second": particles * STEPS / seconds,
            "share_of_measured_float64_peak": flops / seconds / _peak(device),
        }
    ]


def _mixture() -> hc.GaussianMixture:
    rng = np.random.default_rng(1)
    return hc.GaussianMixture(
        np.full(COMPONENTS, 1.0 / COMPONENTS),
        2.0 * rng.standard_normal((COMPONENTS, DIMENSION)),
        rng.uniform(0.1, 0.5, (COMPONENTS, DIMENSION)),
    )


def _peak(device: torch.device) -> float:
    """Flops per second of a large float64 matrix product."""
    size = 4096 if device.type == "cuda" else 1024
    square = torch.randn(size, size, dtype=torch.float64, device=device)

    def multiply() -> None:
        torch.mm(square, square)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return 2.0 * float(size) ** 3 / median_time(interleaved({"product": multiply}, repetitions=5), "product")
