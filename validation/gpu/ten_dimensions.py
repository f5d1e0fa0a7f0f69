"""The ten-dimensional experiment of arXiv:2602.16601 as printed: N centres, 500 Euler steps, 20 generations.

    closed_form    every output drawn by the exact channel: decides by z
    alpha_...      the score of the pool's kernel density estimate, run by Euler's rule from N(0, I), as printed

The literal chain has defects that do not fall with N: Euler's rule and the start.  In the idle coordinates Euler's rule
is a linear map of the variance for Gaussian data, so its defect of one generation is known,

    delta(w) = euler(w) - (a^2 (w + h^2) + 1 - a^2),        b_{i+1} = delta(w_i) + a^2 (1 - alpha) b_i,

with w_i the variance that generation i trains on and b_0 = 0.  Closed form plus b_i is what the within-mode variance of
the chain is held against; both are in the record.  The law within a mode is a mixture of ages and delta is that of one
Gaussian of its variance, so that a difference of a few per cent of b_i is no finding.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from hermite_collapse.core.types import FloatArray

from ..experiment import holm
from ..experiments.five_modes_10d import run_chain
from ..experiments.kde_recursion import Setting, euler_variance, predict
from .piece import Job, Outcome, Piece, Size

GENERATIONS, STEPS = 20, 500
CLOSURE = 0.1  # share of the defect of Euler's rule that its Gaussian closure may miss
BARS = 4.5


def pieces() -> list[Piece]:
    """Closed form, the literal chain at one half, then at 0.1 and 0.9."""
    exact = [Size(1, {"particles": 100_000}, 4.0), Size(0, {"particles": 4000}, 1.0)]
    printed = [
        _size(2, 100_000),
        _size(2, 100_000, 8),
        _size(1, 100_000, 2),
        _size(1, 30_000),
        _size(1, 10_000),
    ]
    shorter = [_size(3, 100_000), _size(2, 30_000), _size(1, 10_000)]
    small = Size(0, {"particles": 200, "generations": 2, "steps": 40}, 2 * 40 * 200.0**2)
    result = [
        Piece(
            "ten_dimensions/closed_form", "the mixture experiment in closed form", "fixed", exact, closed_form
        )
    ]
    for alpha, sizes in ((0.5, printed), (0.1, shorter), (0.9, shorter)):
        result.append(
            Piece(
                f"ten_dimensions/alpha_{alpha:g}",
                f"the mixture experiment as printed, fresh fraction {alpha:g}",
                "pairs",
                [*sizes, small],
                partial(literal, alpha),
                is_elastic=True,
            )
        )
    return result


def _size(stage: int, particles: int, least: int = GENERATIONS) -> Size:
    """A chain of which at least so many generations have to fit."""
    numbers = {"particles": particles, "generations": GENERATIONS, "steps": STEPS, "least_generations": least}
    return Size(stage, numbers, float(particles) ** 2 * STEPS * least)


def closed_form(job: Job) -> Outcome:
    """All generations at the three fresh fractions by the exact channel."""
    chains = [
        run_chain(Setting(alpha, job["particles"], model="channel", seed=job.seed), device=job.device)
        for alpha in (0.1, 0.5, 0.9)
    ]
    z = np.concatenate([np.ravel(chain["z"]) for chain in chains])
    passed, p = holm(z, job.level)
    return Outcome(
        f"{len(chains)} chains of {GENERATIONS} generations at {job['particles']:,} outputs: largest z "
        f"{np.abs(z).max():.2f} of {z.size}, adjusted p {p:.2g}.",
        passed,
        {"chains": chains},
    )


def euler_defects(setting: Setting) -> FloatArray:
    """Return b_i of the module's formula for generations 1, 2, ..., in the within-mode variance."""
    a2, h2 = math.exp(-setting.truncation), setting.blur**2
    share = 1.0 - setting.fresh / setting.particles
    exact = [0.36, *predict(setting).value[:, -1]]
    defects, defect = [], 0.0
    for generation in range(setting.generations):
        # Generation 1 trains on data alone; later ones on fresh data and outputs.
        mixed = 0.36 if generation == 0 else (1.0 - share) * 0.36 + share * exact[generation]
        start = 1.0 if setting.start == "normal" else None
        delta = euler_variance(setting, start_variance=start, data_variance=mixed) - (
            a2 * (mixed + h2) + 1.0 - a2
        )
        defect = delta + (0.0 if generation == 0 else a2 * share * defect)
        defects.append(defect)
    return np.array(defects)


def literal(alpha: float, job: Job) -> Outcome:
    """As many generations of the chain as the time allows; the same command goes on."""
    setting = Setting(
        alpha, job["particles"], generations=job["generations"], steps=job["steps"], seed=job.seed
    )
    each = job.estimate / job.size.numbers.get("least_generations", job["generations"])
    chain = run_chain(
        setting,
        folder=job.state / str(job["particles"]),
        device=job.device,
        seconds=max(job.left - 1.3 * each - 2.0, 0.0),
    )
    done = chain["generations_done"]
    if done == 0:
        return Outcome("no generation was reached", None, {"chain": chain}, is_complete=False)
    measured, errors = np.array(chain["measured"])[:, -1], np.array(chain["standard_error"])[:, -1]
    closed = np.array(chain["predicted"])[:, -1]
    defects = euler_defects(setting)[:done]
    expected = closed + defects
    z = (measured - expected) / np.hypot(errors, CLOSURE * np.abs(defects))
    z_closed = (measured - closed) / errors
    passed = bool(np.all(np.abs(z) < BARS))
    numbers: dict[str, Any] = {
        "predicted": expected,
        "measured": measured,
        "standard_error": errors,
        "z": z,
        "closed_form": closed,
        "z_against_closed_form": z_closed,
        "defect_of_eulers_rule": defects,
        "pair_terms": float(job["particles"]) ** 2 * job["steps"] * done,
        "chain": chain,
    }
    return Outcome(
        f"fresh fraction {alpha:g}, N = {job['particles']:,}, {job['steps']} steps, generation {done} of "
        f"{job['generations']}: within-mode variance {measured[-1]:.4f} +- {errors[-1]:.4f}; closed form "
        f"{closed[-1]:.4f}, with the defect of Euler's rule {expected[-1]:.4f} (largest z {np.abs(z).max():.2f}; "
        f"without it {np.abs(z_closed).max():.2f}).",
        passed,
        numbers,
        is_complete=done == job["generations"],
    )
