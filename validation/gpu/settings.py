"""What the pieces share: the recursion they run, sizes that depend on the dimension, sentences about z-scores."""

from __future__ import annotations

import numpy as np

import hermite_collapse as hc

FRESH_FRACTION, TRUNCATION, BLUR = 0.3, 0.1, 0.1
OFF = 1.005  # of the negative controls


def recursion_of(preset: str, generator: str = "channel", **changed: float) -> hc.Recursion:
    """Return the recursion of a preset; the kernel generator smooths its pool."""
    options = {"fresh_fraction": FRESH_FRACTION, "truncation_time": TRUNCATION} | changed
    return hc.Recursion(hc.presets.load(preset), blur=BLUR if generator == "kernel" else 0.0, **options)


def degree_of(dimension: int) -> int:
    """Return the highest degree that is measured in so many dimensions."""
    return {1: 8, 2: 6}.get(dimension, 2)


def mode_count(dimension: int, degree: int) -> int:
    """Return the number of Hermite modes of total degree <= degree."""
    count = 1
    for j in range(1, dimension + 1):
        count = count * (degree + j) // j
    return count


def benchmark_mixture() -> hc.GaussianMixture:
    """Return 25 components in ten dimensions with diagonal covariances, what the exact sampler is timed on."""
    rng = np.random.default_rng(1)
    return hc.GaussianMixture(
        np.full(25, 1.0 / 25), 2.0 * rng.standard_normal((25, 10)), rng.uniform(0.1, 0.5, (25, 10))
    )
