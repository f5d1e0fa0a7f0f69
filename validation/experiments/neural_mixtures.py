"""The recursion with learned scores on mixtures: defects, ellipsoid and ball across seeds.

    python -m validation --only neural/mixture_2d            defects and ellipsoid, contraction beside kappa_n
    python -m validation --only neural/mixture_1d            the Wasserstein ball, where W2 is exact
    python -m validation --only neural/mixture_10d           ten dimensions, ten rounds, five fractions, five seeds

On a GPU (`--device cuda`) the full sizes run.  Every experiment keeps its rounds under runs/ and stops after eight
minutes (PIECE_MINUTES) with the sentence that says so: run the same command again until it is done.  The committed
records come from a CPU, as no GPU was at hand, and are of the small size.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hermite_collapse as hc
from hermite_collapse.bounds.constant_defects import check_robustness
from hermite_collapse.bounds.robustness import mode_defects, wasserstein_bound
from hermite_collapse.core.errors import InputError
from hermite_collapse.simulation import ExponentialMultistep, ReverseDiffusion, simulate
from hermite_collapse.simulation.learned.generation import NeuralGeneration
from hermite_collapse.simulation.learned.settings import (
    Checkpoints,
    ResidualPerceptron,
    Training,
    TrainingPaused,
)
from hermite_collapse.simulation.together import simulate_together
from hermite_collapse.storage.record import SimulatedRecursion

from ..experiment import Experiment, Result, Settings

FloatArray = NDArray[np.float64]

RUNS = Path(__file__).resolve().parents[2] / "runs" / "neural"
PIECE_MINUTES = 8.0
TIME = 0.1


def in_pieces(name: str) -> Callable[[Callable[[Settings], Result]], Callable[[Settings], Result]]:
    """Leave the process with the sentence of a pause, everything so far being on the disk; clear up at the end."""

    def wrapped(run: Callable[[Settings], Result]) -> Callable[[Settings], Result]:
        @wraps(run)
        def piece(settings: Settings) -> Result:
            try:
                result = run(settings)
            except (TrainingPaused, InputError) as reason:
                raise SystemExit(str(reason)) from None
            label = name.replace("/", ".")
            for path in [
                *RUNS.glob(f"{label}*-{settings.size}-{settings.seed}"),
                *RUNS.glob(f"states/{label}*"),
            ]:
                shutil.rmtree(path)
            return result

        return piece

    return wrapped


def experiments() -> list[Experiment]:
    return [
        Experiment(
            "neural/mixture_2d",
            "learned scores in the plane: ellipsoid from the other half of the seeds",
            plane,
        ),
        Experiment(
            "neural/mixture_1d", "learned scores on the line: W2 ball from the other half of the seeds", line
        ),
        Experiment(
            "neural/mixture_10d",
            "learned scores on five modes in ten dimensions, ten rounds",
            ten,
            is_long=True,
        ),
    ]


def generation_for(
    settings: Settings, name: str, *, final_step: str = "noisy", width: int = 48, steps: int = 500
) -> NeuralGeneration:
    """Networks and training of the size at hand, in pieces of less than ten minutes."""
    reverse = ReverseDiffusion(
        ExponentialMultistep(final_step=final_step), steps=100 if settings.is_full else 30
    )
    if settings.is_full:
        network = ResidualPerceptron(width=256, blocks=4, frequencies=8)
        training = Training(samples=200_000, steps=8000, batch=2048)
    else:
        network = ResidualPerceptron(width=width, blocks=2, frequencies=6)
        training = Training(samples=10_000, steps=steps, batch=512, check=100, learning_rate=4e-3)
    checkpoints = Checkpoints.for_minutes(RUNS / "states" / name.replace("/", "."), PIECE_MINUTES)
    return NeuralGeneration(network, training, reverse, checkpoints)


def folder_for(settings: Settings, name: str) -> Path:
    """Where the rounds of a run are kept between pieces."""
    return RUNS / f"{name.replace('/', '.')}-{settings.size}-{settings.seed}"


@in_pieces("neural/mixture_2d")
def plane(settings: Settings) -> Result:
    """Defects on one half of the seeds, deviations on the other, by fresh fraction."""
    target = hc.presets.load("tilted_2d")
    fractions = (0.1, 0.3, 0.5, 0.7, 0.9) if settings.is_full else (0.1, 0.5)
    return ellipsoids(
        settings,
        "neural/mixture_2d",
        target,
        fractions,
        rounds=10 if settings.is_full else 3,
        runs=8,
        particles=100_000 if settings.is_full else 6000,
        degree=3,
    )


@in_pieces("neural/mixture_10d")
def ten(settings: Settings) -> Result:
    """The same for the ten-dimensional mixture of arXiv:2602.16601."""
    return ellipsoids(
        settings,
        "neural/mixture_10d",
        hc.presets.load("five_modes_10d"),
        (0.1, 0.3, 0.5, 0.7, 0.9),
        rounds=10,
        runs=5,
        particles=100_000 if settings.is_full else 5000,
        degree=2,
    )


def ellipsoids(
    settings: Settings,
    name: str,
    target: Any,
    fractions: tuple[float, ...],
    *,
    rounds: int,
    runs: int,
    particles: int,
    degree: int,
) -> Result:
    """Simulate all fractions as one batched model and hold one half of the seeds against the other."""
    recursions = {f"{a:g}": hc.Recursion(target, fresh_fraction=a, truncation_time=TIME) for a in fractions}
    records = simulate_together(
        recursions,
        rounds=rounds,
        particles=particles,
        generation=generation_for(settings, name),
        degree=degree,
        runs=runs,
        device=settings.device,
        seed=settings.seed,
        folder=folder_for(settings, name),
    )
    return within_ellipsoids(recursions, records)


def within_ellipsoids(
    recursions: Mapping[str, hc.Recursion], records: Mapping[str, SimulatedRecursion]
) -> Result:
    """Hold one half of the seeds against what the other half allows; names are those of the fresh fractions."""
    first = next(iter(records.values()))
    runs, rounds, particles, degree = first.runs, first.rounds, first.particles, first.degree
    target = next(iter(recursions.values())).target
    fractions = [recursion.fresh_fraction for recursion in recursions.values()]
    data = target.hermite_coefficients(degree).values
    rows, arrays, passed = [], {}, True
    for alpha, (label, record) in zip(fractions, records.items(), strict=True):
        n = record.degrees
        options = {"target": data, "fresh_fraction": alpha, "truncation_time": TIME}
        check = check_robustness(record.coefficients, n, **options)
        defects = mode_defects(record.coefficients, n, **options)
        z = defects.values[:, 1:] / np.maximum(defects.standard_error[:, 1:], 1e-300)
        # A negative control: the second half shifted by ten allowed deviations has to be found outside.
        shifted = record.coefficients.copy()
        half = runs // 2
        shifted[half:] += 10.0 * (check.allowed + check.quantile * check.standard_error + 0.01)
        caught = not check_robustness(shifted, n, **options).is_inside
        passed &= check.is_inside and caught
        rows.append(
            {
                "fresh_fraction": alpha,
                "inside": check.is_inside,
                "one_constant_defect_a_mode": check.holds,
                "shifted_run_rejected": caught,
                "largest_share_of_allowed": float(
                    np.max(
                        check.deviation[1:, 1:]
                        / (check.allowed + check.quantile * check.standard_error)[1:, 1:]
                    )
                ),
                "largest_defect": float(defects.largest[1:].max()),
                "median_z_of_defects": float(np.median(np.abs(z))),
                "contraction": contractions(recursions[label], record),
            }
        )
        arrays[f"coefficients.{label}"] = record.coefficients
        arrays[f"defects.{label}"] = defects.values
        arrays[f"defect_errors.{label}"] = defects.standard_error
        arrays[f"allowed.{label}"] = check.allowed
        arrays[f"deviation.{label}"] = check.deviation
    worst = max(row["largest_share_of_allowed"] for row in rows)
    return Result(
        bool(passed),
        f"{len(rows)} fresh fractions, {runs} seeds: the second half lies inside the ellipsoid of the first "
        f"(largest share of what is allowed {worst:.2f}), shifted runs do not.",
        {"rows": rows, "rounds": rounds, "runs": runs, "particles": particles, "truncation_time": TIME},
        arrays,
    )


def contractions(recursion: hc.Recursion, record: SimulatedRecursion) -> list[dict[str, float]]:
    """Measured contraction of each degree beside kappa_n: how much of a deviation between seeds the next round keeps.

    Deviations of a seed from the mean of all seeds pass through a round with kappa_n and meet new noise, so their
    regression from round to round estimates kappa_n whatever defect the seeds share.
    """
    spread = record.coefficients[:, 1:] - record.coefficients[:, 1:].mean(axis=0)
    before, after = spread[:, :-1], spread[:, 1:]
    rows = []
    for n in range(1, record.degree + 1):
        chosen = record.degrees == n
        x, y = before[:, :, chosen].ravel(), after[:, :, chosen].ravel()
        slope = float(x @ y / (x @ x))
        # Seeds minus their mean have one degree of freedom less than there are seeds.
        freedom = max(1.0, x.size * (record.runs - 1) / record.runs - 1.0)
        error = float(np.sqrt(np.sum((y - slope * x) ** 2) / freedom / (x @ x)))
        kappa = float(hc.mode_contraction(n, fresh_fraction=recursion.fresh_fraction, truncation_time=TIME))
        rows.append({"degree": n, "measured": slope, "standard_error": error, "kappa": kappa})
    return rows


@in_pieces("neural/mixture_1d")
def line(settings: Settings) -> Result:
    """The ball of W2 on the line, where W2 is the distance of quantiles."""
    target, runs, rounds, alpha = hc.presets.load("three_modes_1d"), 4, 10 if settings.is_full else 3, 0.3
    particles = 100_000 if settings.is_full else 8000
    recursion = hc.Recursion(target, fresh_fraction=alpha, truncation_time=TIME)
    name = "neural/mixture_1d"
    record = simulate(
        recursion,
        rounds=rounds,
        particles=particles,
        generator=generation_for(settings, name),
        degree=4,
        runs=runs,
        keep="all",
        device=settings.device,
        seed=settings.seed,
        folder=folder_for(settings, name),
    )
    return within_ball(recursion, record)


def within_ball(recursion: hc.Recursion, record: SimulatedRecursion) -> Result:
    """Hold the second half of the runs against the ball of W2 that the defects of the first allow."""
    assert record.samples is not None
    runs, rounds, particles = record.runs, record.rounds, record.particles
    alpha = recursion.fresh_fraction
    x = record.samples[..., 0]
    rng = np.random.default_rng(record.seed + 1)
    exact = [np.sort(recursion.law(i).sample(1_000_000, rng)[:, 0]) for i in range(rounds + 1)]
    defects = np.array([[_defect(recursion, x[r], i, rng) for i in range(rounds)] for r in range(runs)])
    distances = np.array(
        [[quantile_distance(x[r, i], exact[i]) for i in range(rounds + 1)] for r in range(runs)]
    )
    half = runs // 2
    bound = wasserstein_bound(
        defects[:half].max(axis=0),
        initial_distance=float(distances[:half, 0].max()),
        fresh_fraction=alpha,
        truncation_time=TIME,
    )
    # Sampling noise of one law against the exact one: what even a perfect run would show.
    floor = distances[:, 0].max()
    inside = distances[half:] <= bound + floor
    worst = float((distances[half:, 1:] / bound[1:]).max())
    return Result(
        bool(inside.all()),
        f"W2 to the exact law stays inside the ball computed from the other seeds: at most {worst:.2f} of its radius.",
        {
            "defects": defects,
            "distances": distances,
            "bound": bound,
            "sampling_floor": float(floor),
            "rounds": rounds,
            "runs": runs,
            "particles": particles,
            "fresh_fraction": alpha,
        },
    )


def _defect(recursion: Any, x: FloatArray, i: int, rng: np.random.Generator) -> float:
    """W2(p^_{i+1}, C q^_i), the second law sampled a million times from what the round really had."""
    count = 1_000_000
    fresh = rng.random(count) < recursion.fresh_fraction
    parents = np.where(fresh, recursion.target.sample(count, rng)[:, 0], rng.choice(x[i], count))
    channel = recursion.channel(i)
    made = channel.scale * parents + np.sqrt(channel.variance) * rng.standard_normal(count)
    return quantile_distance(x[i + 1], np.sort(made))


def quantile_distance(x: FloatArray, ordered: FloatArray) -> float:
    """W2 of two samples on the line, the second sorted and larger."""
    places = (np.arange(len(x)) + 0.5) / len(x) * len(ordered)
    return float(np.sqrt(np.mean((np.sort(x) - ordered[places.astype(int)]) ** 2)))
