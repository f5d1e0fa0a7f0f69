"""Theory against simulation on every preset by every generator, at 10^7 particles where the minutes allow.

Controls: the same simulation held against a fresh fraction, and a truncation time, 0.5 % too large has to be rejected.
Where theory says that so many particles cannot show 0.5 % (power: the shift in predicted standard errors), the control
is undetermined, and the number of particles that would decide is named.

The kernel generator's expectations are exact for pools of any size: many runs of small pools give as many particles for
a fraction of the pairs.  The sampler of second order leaves 0.8 standard errors of 10^5 particles at 100 steps; steps
grow with the particles so that its bias stays below about a third of a standard error.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

import hermite_collapse as hc
from hermite_collapse.comparison.comparison import Comparison
from hermite_collapse.simulation import simulate
from hermite_collapse.storage.record import SimulatedRecursion

from .piece import Job, Outcome, Piece, Size
from .rates import channel_work, exact_work
from .settings import FRESH_FRACTION, OFF, TRUNCATION, degree_of, mode_count, recursion_of

NEEDED_POWER = 6.0  # standard errors by which a control must be off to be demanded

# stage; particles, for the kernel runs; rounds; steps
CHANNEL = [(3, 100_000_000, 10, 0), (2, 10_000_000, 10, 0), (1, 1_000_000, 10, 0), (0, 50_000, 3, 0)]
EXACT = [
    (3, 40_000_000, 5, 700),
    (2, 10_000_000, 5, 500),
    (2, 10_000_000, 2, 500),
    (1, 1_000_000, 2, 250),
    (1, 200_000, 2, 150),
    (0, 4000, 2, 50),
]
KERNEL = [
    (2, 40_000, 2, 500),
    (2, 12_000, 2, 350),
    (1, 4000, 2, 250),
    (1, 800, 2, 150),
    (0, 16, 2, 40),
]
POOL = 256


def pieces(generator: str) -> list[Piece]:
    """presets/GENERATOR/PRESET."""
    return [
        Piece(
            f"presets/{generator}/{preset}",
            f"theory against the {generator} generator: {preset}",
            {"channel": "channel", "exact": "exact", "kernel": "pairs"}[generator],
            _sizes(generator, hc.presets.load(preset)),
            partial(run, preset, generator),
        )
        for preset in hc.presets.names()
    ]


def _sizes(generator: str, law: hc.GaussianMixture) -> list[Size]:
    d, count = law.dimension, len(law.weights)
    modes = mode_count(d, degree_of(d))
    sizes = []
    for stage, number, rounds, steps in {"channel": CHANNEL, "exact": EXACT, "kernel": KERNEL}[generator]:
        if generator == "kernel":
            work = float(number) * POOL**2 * steps * rounds
            numbers = {"runs": number, "particles": POOL, "pool": POOL, "rounds": rounds, "steps": steps}
        elif generator == "exact":
            score = exact_work(d, 0.5 * count * (rounds + 1))
            work = float(number) * steps * rounds * score
            numbers = {"particles": number, "rounds": rounds, "steps": steps}
        else:
            work = float(number) * (rounds + 1) * channel_work(d, modes)
            numbers = {"particles": number, "rounds": rounds}
        sizes.append(Size(stage, numbers, work))
    return sizes


def run(preset: str, generator: str, job: Job) -> Outcome:
    """One simulation against the theory, and against two theories that are 0.5 % off."""
    recursion = recursion_of(preset, generator)
    options: dict[str, Any] = dict(job.size.numbers)
    simulated = simulate(
        recursion,
        generator=generator,
        degree=degree_of(recursion.dimension),
        device=job.device,
        seed=job.seed,
        **options,
    )
    job.check()
    comparison = hc.compare(recursion, simulated, level=job.level)
    controls = {
        name: control(preset, generator, changed, simulated, comparison, job.level)
        for name, changed in (
            ("fresh_fraction", {"fresh_fraction": OFF * FRESH_FRACTION}),
            ("truncation", {"truncation_time": OFF * TRUNCATION}),
        )
    }
    missed = [name for name, row in controls.items() if row["outcome"] == "accepted"]
    undetermined = [name for name, row in controls.items() if row["outcome"] == "undetermined"]
    z = np.where(comparison.tested, comparison.z, np.nan)
    digits = digits_of_agreement(comparison)
    implied = {
        name: {"value": estimate.value, "standard_error": estimate.error}
        for name, estimate in (
            ("fresh_fraction", comparison.implied_fresh_fraction),
            ("truncation_over_set", comparison.implied_truncation),
        )
        if estimate is not None
    }
    words = "; controls 0.5 % off rejected" if not missed and not undetermined else ""
    words += f"; control accepted that should be rejected: {', '.join(missed)}" if missed else ""
    if undetermined:
        most = max(controls[name]["particles_that_would_decide"] for name in undetermined)
        words += f"; control undetermined: {', '.join(undetermined)} ({most:.2g} particles would decide)"
    total = simulated.particles * simulated.runs
    return Outcome(
        f"{comparison.verdict.text} Largest z {np.nanmax(np.abs(z)):.2f} of {int(comparison.tested.sum())} at "
        f"{total:,} particles, worst mode known to {digits['largest_standard_error']:.1e}{words}.",
        comparison.verdict.passed and not missed,
        {
            "preset": preset,
            "generator": generator,
            "particles_of_all_runs": total,
            "engine_notes": list(simulated.notes),
            "sampler": dict(simulated.sampler or {}),
            "seconds_per_round": simulated.wall_seconds,
            "adjusted_p_value": comparison.verdict.adjusted_p_value,
            "largest_z": float(np.nanmax(np.abs(z))),
            "tests": comparison.verdict.tests,
            "implied": implied,
            "controls": controls,
            "agreement": digits,
            **last_round(simulated, comparison, z),
        },
        {
            "indices": simulated.indices,
            "predicted": comparison.modes.expected,
            "measured": comparison.measured,
            "standard_error": comparison.standard_error,
            "z": z,
        },
    )


def control(
    preset: str,
    generator: str,
    changed: dict[str, float],
    simulated: SimulatedRecursion,
    honest: Comparison,
    level: float,
) -> dict[str, Any]:
    """Return whether a recursion 0.5 % off is rejected, beside by how many standard errors theory says it is off."""
    claimed = recursion_of(preset, generator, **changed)
    comparison = hc.compare(claimed, simulated, level=level)
    tested = honest.tested & comparison.tested
    shift = np.abs(comparison.modes.expected - honest.modes.expected)[tested] / honest.standard_error[tested]
    power = float(shift.max()) if shift.size else 0.0
    key = next(iter(changed))
    estimate = honest.implied_fresh_fraction if key == "fresh_fraction" else honest.implied_truncation
    if estimate is not None:
        size = (OFF - 1.0) * (FRESH_FRACTION if key == "fresh_fraction" else 1.0)
        power = max(power, size / estimate.error)
    outcome = "rejected" if not comparison.verdict.passed else "accepted"
    if outcome == "accepted" and power < NEEDED_POWER:
        outcome = "undetermined"
    total = simulated.particles * simulated.runs
    return {
        "claimed": next(iter(changed.values())),
        "outcome": outcome,
        "power_in_standard_errors": power,
        "adjusted_p_value": comparison.verdict.adjusted_p_value,
        "particles_that_would_decide": total * (NEEDED_POWER / power) ** 2 if power > 0.0 else math.inf,
    }


def digits_of_agreement(comparison: Comparison) -> dict[str, float]:
    """Return how closely measured and predicted coefficients agree, in absolute terms; NaN if none is tested."""
    if not comparison.tested.any():
        names = ("largest_difference", "root_mean_square_difference")
        names += ("largest_standard_error", "root_mean_square_standard_error")
        return dict.fromkeys(names, math.nan)
    difference = np.abs(comparison.measured - comparison.modes.expected)[comparison.tested]
    errors = comparison.standard_error[comparison.tested]
    return {
        "largest_difference": float(difference.max()),
        "root_mean_square_difference": float(np.sqrt(np.mean(difference**2))),
        "largest_standard_error": float(errors.max()),
        "root_mean_square_standard_error": float(np.sqrt(np.mean(errors**2))),
    }


def last_round(simulated: SimulatedRecursion, comparison: Comparison, z: np.ndarray) -> dict[str, Any]:
    """Return the last round mode by mode, for whoever reads the record without NumPy."""
    return {
        "modes": [",".join(map(str, index)) for index in simulated.indices.tolist()],
        "predicted": comparison.modes.expected[-1],
        "measured": comparison.measured[-1],
        "standard_error": comparison.standard_error[-1],
        "z": z[-1],
    }
