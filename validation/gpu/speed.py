"""How fast: the exact generator, the channel, the kernel score and the degree spectrum beside the limits of the card.

Flops of the exact generator are counted as two multiply-adds for each component and coordinate, once for the logits and
once for the mean: 8 K d flops a particle and step.  Exponentials (K), and the logarithm, root, sine and cosine of the
noise are counted apart.  The limit is the vector rate of float64, measured by chains of multiply-adds; float64 products
on the tensor units are twice as fast and no limit of this computation as it stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import hermite_collapse as hc
from hermite_collapse.simulation import (
    BLOCK,
    ExactGeneration,
    ReverseDiffusion,
    attention_means,
    plain_means,
    simulate,
    simulate_many,
)
from hermite_collapse.storage.record import SimulatedRecursion

from ..benchmarks import triton_kernels
from ..benchmarks.kernel_score import SCALE, VARIANCE, operands
from . import presets
from .particles import unchanged
from .peaks import measured_peaks, median_seconds
from .piece import Job, Outcome, OutOfTimeError, Piece, Size
from .rates import channel_work
from .settings import benchmark_mixture, recursion_of

DIMENSION, COMPONENTS, STEPS = 10, 25, 100


def pieces() -> list[Piece]:
    """speed/..."""

    def sizes(seconds: float, full: dict[str, int], small: dict[str, int]) -> list[Size]:
        return [Size(1, full, seconds), Size(0, small, 1.0)]

    return [
        Piece("speed/limits", "products, multiply-adds and copies", "fixed", sizes(5.0, {}, {}), limits),
        Piece(
            "speed/exact",
            "the exact generator, 25 components in ten dimensions, 100 steps, and its readable loop",
            "fixed",
            sizes(
                14.0,
                {"particles": 1_000_000},
                {"particles": 4000},
            ),
            exact,
        ),
        Piece(
            "speed/channel",
            "10^9 particle-rounds of the channel on the line",
            "channel",
            [
                Size(stage, {"particles": count, "rounds": 10}, 11.0 * count * channel_work(1, 9))
                for stage, count in ((1, 100_000_000), (1, 10_000_000), (0, 20_000))
            ],
            channel,
        ),
        Piece(
            "speed/recursions",
            "many recursions as one launch a round, beside one after the other",
            "fixed",
            sizes(
                15.0,
                {"recursions": 100, "particles": 10_000, "rounds": 5},
                {"recursions": 3, "particles": 200, "rounds": 2},
            ),
            recursions,
        ),
        Piece(
            "speed/kernel_score",
            "the score of 10^5 centres at 10^5 points in ten dimensions",
            "fixed",
            sizes(6.0, {"points": 100_000}, {"points": 1000}),
            kernel_score,
        ),
        Piece(
            "speed/degree_spectrum",
            "the energies of degree 0 to 8 of points in ten dimensions",
            "fixed",
            sizes(6.0, {"points": 100_000}, {"points": 500}),
            degree_spectrum,
        ),
        Piece(
            "speed/kernels",
            "the Triton kernels by themselves, for the ways they can be cut into programs",
            "fixed",
            sizes(75.0, {}, {}),
            kernels,
        ),
    ]


def limits(job: Job) -> Outcome:
    """Measure the limits of the device."""
    peaks = measured_peaks(job.device)
    shown = ", ".join(
        f"{name.replace('_', ' ')} {rate / 1e12:.3g} T{'B' if 'bytes' in name else 'flop'}/s"
        for name, rate in peaks.items()
    )
    return Outcome(f"{shown}.", None, {"peaks": peaks})


def exact(job: Job) -> Outcome:
    """Time the generator and the readable loop, which every other denoiser runs in."""
    recursion = hc.Recursion(benchmark_mixture(), fresh_fraction=1.0, truncation_time=0.1)
    records: dict[str, SimulatedRecursion] = {}

    def timed(name: str, generation: ExactGeneration, chunk: int | None = None) -> float:
        """Return seconds for a particle, at the most particles that a few seconds allow."""
        count, seconds = min(8192, job["particles"]), 0.0
        for turn in range(4):  # the first one loads and compiles
            if turn > 1 and seconds < 4.0:
                count = min(job["particles"], max(count, int(count * 4.0 / seconds)))
            records[name] = simulate(
                recursion,
                rounds=1,
                particles=count,
                generator=generation,
                degree=1,
                device=job.device,
                seed=job.seed,
                chunk=chunk,
            )
            seconds = float(records[name].wall_seconds[1])
            job.check()
        return seconds / count

    reverse = ReverseDiffusion(steps=STEPS)
    fused = timed("fused", ExactGeneration(reverse))
    loop = timed("loop", ExactGeneration(reverse, wrap=unchanged))
    blocks = timed("loop in blocks", ExactGeneration(reverse, wrap=unchanged), chunk=BLOCK)
    peaks = measured_peaks(job.device)
    peak = peaks.get("vector_float64", peaks["product_float64"])
    flops = 8.0 * DIMENSION * COMPONENTS * STEPS / fused
    return Outcome(
        f"{STEPS / fused:.3g} particle steps a second, {flops / peak:.1%} of {peak / 1e12:.3g} Tflop/s in float64 "
        f"multiply-adds ({COMPONENTS} exponentials and {DIMENSION} normals a step beside); {loop / fused:.1f} times the "
        f"readable loop, {blocks / fused:.1f} times the loop in blocks of {BLOCK} particles.",
        None,
        {
            "particles": {name: record.particles for name, record in records.items()},
            "particle_steps_per_second": STEPS / fused,
            "flops_per_second": flops,
            "share_of_vector_float64": flops / peak,
            "share_of_product_float64": flops / peaks["product_float64"],
            "exponentials_per_second": COMPONENTS * STEPS / fused,
            "normals_per_second": DIMENSION * STEPS / fused,
            "times_the_loop": loop / fused,
            "times_the_loop_in_blocks": blocks / fused,
            "loop_particle_steps_per_second": STEPS / loop,
            "peaks": peaks,
            "engine_notes": {name: list(record.notes) for name, record in records.items()},
            "samplers": {name: dict(record.sampler or {}) for name, record in records.items()},
        },
    )


def channel(job: Job) -> Outcome:
    """Time rounds of the channel, and hold them against theory and its controls."""
    recursion = recursion_of("three_modes_1d")
    simulate(recursion, rounds=1, particles=min(job["particles"], 10**6), degree=8, device=job.device)
    judged = presets.run("three_modes_1d", "channel", job)
    by_round = np.asarray(judged.numbers["seconds_per_round"])
    seconds = float(np.sum(by_round[1:]))
    count = job["particles"] * job["rounds"]
    return replace(
        judged,
        verdict=f"{count:,} particle-rounds with coefficients to degree 8 in {seconds:.2f} s, {count / seconds:.3g} a "
        f"second.  {judged.verdict}",
        numbers={
            **judged.numbers,
            "particle_rounds_per_second": count / seconds,
            # A parent is read, a particle written and read once for its statistics.
            "bytes_per_second": 24.0 * count / seconds,
        },
    )


def recursions(job: Job) -> Outcome:
    """Time recursions with shared noise as one batch and one after the other, and compare their bytes."""
    shares = np.linspace(0.1, 0.9, job["recursions"])
    options: dict[str, dict[str, Any]] = {"channel": {}, "exact": {"generator": "exact", "steps": STEPS}}
    rows, words, agree = [], [], True
    for preset in ("three_modes_1d", "five_modes_10d"):
        alike = {str(share): recursion_of(preset, fresh_fraction=float(share)) for share in shares}
        for name, own in options.items():
            given: dict[str, Any] = {
                "rounds": job["rounds"],
                "particles": job["particles"],
                "degree": 2,
                "device": job.device,
                "seed": job.seed,
                **own,
            }
            few = dict(list(alike.items())[:2])
            simulate_many(few, **given)  # loads, compiles, compares with each alone
            simulate(alike[str(shares[0])], **given)
            began = time.perf_counter()
            together = simulate_many(alike, **given)
            middle = time.perf_counter()
            alone = {key: simulate(recursion, **given) for key, recursion in alike.items()}
            seconds, seconds_alone = middle - began, time.perf_counter() - middle
            different = [
                array
                for array in ("samples", "coefficients", "second_moments", "means", "covariances")
                if any(
                    not np.array_equal(getattr(together[key], array), getattr(alone[key], array))
                    for key in alike
                )
            ]
            agree &= not different
            rows.append(
                {
                    "preset": preset,
                    "generator": name,
                    "seconds": seconds,
                    "seconds_alone": seconds_alone,
                    "times_faster": seconds_alone / seconds,
                    "different_arrays": different,
                    "notes": list(together[str(shares[0])].notes),
                }
            )
            words.append(f"{preset} {name} {seconds:.2f} s ({seconds_alone / seconds:.1f} times)")
            job.check()
    return Outcome(
        f"{job['recursions']} recursions of {job['particles']:,} particles, {job['rounds']} rounds, as one batch, and how "
        f"many times one after the other takes: {', '.join(words)}; the bytes are "
        f"{'those of each alone' if agree else 'NOT those of each alone'}.",
        agree,
        {"rows": rows},
    )


def kernel_score(job: Job) -> Outcome:
    """Time the weighted means of a pool, and compare some with differences written out in float64."""
    points, queries = operands(job["points"], torch.device(job.device))
    seconds = median_seconds(
        lambda: attention_means(queries[None], points[None], SCALE, VARIANCE), job.device, 3
    )
    few = queries[:500]
    error = (
        attention_means(few[None], points[None], SCALE, VARIANCE)[0]
        - plain_means(few, points, SCALE, VARIANCE)
    ).abs()
    pairs = job["points"] ** 2 / seconds
    return Outcome(
        f"{pairs:.3g} pairs a second in float32, {48.0 * pairs / 1e12:.3g} Tflop/s in its two products; largest error "
        f"{float(error.max()):.1e}.  10^14 pair terms, the experiment in ten dimensions as printed, take {1e14 / pairs:.0f} s.",
        bool(float(error.max()) < 1e-3),
        {
            "seconds": seconds,
            "pairs_per_second": pairs,
            "largest_error": float(error.max()),
            "root_mean_square_error": float(error.square().mean().sqrt()),
            "seconds_for_1e14_pairs": 1e14 / pairs,
        },
    )


def degree_spectrum(job: Job) -> Outcome:
    """Time the sums over all pairs on the device, and compare with the CPU on some of the points."""
    from hermite_collapse.simulation.spectrum import two_sample_sums_on

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, job["points"], DIMENSION)) * 0.8
    on_device, on_cpu = two_sample_sums_on(job.device), two_sample_sums_on("cpu")
    few = min(2000, job["points"])
    there, here = on_device(x[:few], y[:few], 8).rows, on_cpu(x[:few], y[:few], 8).rows
    error = float(np.max(np.abs(there - here)) / np.max(np.abs(here)))
    work: Callable[[], Any] = lambda: on_device(x, y, 8)  # noqa: E731
    seconds = median_seconds(work, job.device, 2)
    return Outcome(
        f"{job['points']:,} x {job['points']:,} pairs to degree 8 in {seconds:.2f} s, {job['points'] ** 2 / seconds:.3g} "
        f"pairs a second; CPU and device differ by {error:.1e} of the largest sum.",
        error < 1e-10,
        {
            "seconds": seconds,
            "pairs_per_second": job["points"] ** 2 / seconds,
            "largest_relative_difference": error,
        },
    )


def kernels(job: Job) -> Outcome:
    """Time the kernels by themselves."""
    rows, is_complete = [], False
    try:
        for row in triton_kernels.rows(job.device):
            rows.append(row)
            job.check()
        is_complete = True
    except OutOfTimeError:  # what was timed so far is worth keeping
        pass
    best = {str(row["kernel"]): row for row in sorted(rows, key=lambda row: -row.get("seconds", 0.0))}
    fastest = ", ".join(f"{name} {row['seconds']:.3g} s" for name, row in best.items() if "seconds" in row)
    return Outcome(
        f"Fastest: {fastest or 'no kernels without a CUDA device'}.",
        all(row.get("met", True) for row in rows),
        {"rows": rows},
        is_complete=is_complete,
    )
