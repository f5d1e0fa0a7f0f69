"""Samplers of K steps on a Gaussian and on two modes against their round maps, one round at 10^7 particles.

    Gaussian     V(w) and the gain of the mean, exact for the sampler as it steps
    two modes    the law of the output by `mixture_round`: quadrature where the sampler adds no noise, a grid where it does

Hermite coefficients to degree 6 decide.  Control: the same with the training law stretched by a quarter of a per cent,
half a per cent in variance, has to be rejected.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import hermite_collapse as hc
from hermite_collapse.core.types import FloatArray
from hermite_collapse.pipeline.mechanisms import SamplerSteps, mixture_round
from hermite_collapse.simulation import StepsGeneration, simulate

from ..experiment import holm
from .piece import Job, Outcome, Piece, Size
from .rates import exact_work
from .settings import OFF

DEGREE = 6
WIDE = {"schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}  # Stable Diffusion's
LAWS = {
    "gaussian": hc.GaussianMixture([1.0], [0.4], 0.3),
    "two_modes": hc.GaussianMixture([0.5, 0.5], [-0.45, 0.45], 0.01),
}


def samplers() -> dict[str, SamplerSteps]:
    """Return the samplers by name."""
    return {
        "ddpm": SamplerSteps.ddpm(steps=25),
        "ddpm_beta": SamplerSteps.ddpm(steps=25, variance="beta"),
        "ddim": SamplerSteps.ddim(steps=20, offset=1, set_alpha_to_one=False, **WIDE),
        "ddim_eta": SamplerSteps.ddim(steps=12, eta=0.6),
        "edm_heun": SamplerSteps.edm(),
        "edm_euler": SamplerSteps.edm(method="euler"),
        "flow": SamplerSteps.flow(steps=10, shift=3.0),
    }


def pieces() -> list[Piece]:
    """k_steps/SAMPLER."""
    result = []
    for name, sampler in samplers().items():
        each = 2.0 * sampler.steps * exact_work(1, 2) * 2.0
        sizes = [
            Size(stage, {"particles": count}, each * count)
            for stage, count in ((2, 10_000_000), (1, 1_000_000), (0, 20_000))
        ]
        summary = f"particles against the round map: {sampler.describe()}"
        result.append(Piece(f"k_steps/{name}", summary, "k_steps", sizes, partial(run, name)))
    return result


def stretched(law: hc.GaussianMixture, factor: float) -> hc.GaussianMixture:
    """Return the law of factor times its points."""
    return hc.GaussianMixture(law.weights, factor * law.means, factor**2 * np.asarray(law.covariances))


def predicted(sampler: SamplerSteps, law: hc.GaussianMixture) -> FloatArray:
    """Return the Hermite coefficients of the output, degree 0 to DEGREE."""
    if len(law.weights) > 1:
        return mixture_round(sampler, law).after.coefficients(DEGREE)
    mean, variance = float(law.means[0, 0]), float(np.asarray(law.covariances)[0, 0, 0])
    output = hc.GaussianMixture(
        [1.0], [float(sampler.gain(variance)) * mean], float(sampler.variance(variance))
    )
    return output.hermite_coefficients(DEGREE).values


def run(name: str, job: Job) -> Outcome:
    """One round on both laws."""
    sampler = samplers()[name]
    rows: dict[str, dict[str, Any]] = {}
    for law_name, law in LAWS.items():
        record = simulate(
            hc.Recursion(law, fresh_fraction=1.0, truncation_time=0.0),
            rounds=1,
            particles=job["particles"],
            degree=DEGREE,
            generator=StepsGeneration(sampler),
            device=job.device,
            seed=job.seed,
        )
        job.check()
        measured, error = record.mean_coefficients[1, 1:], record.standard_errors[0, 1, 1:]
        expected = predicted(sampler, law)[1:]
        off = predicted(sampler, stretched(law, OFF**0.5))[1:]
        z, z_off = (measured - expected) / error, (measured - off) / error
        agrees, p = holm(z, job.level)
        power = float(np.max(np.abs(off - expected) / error))
        rejected = not holm(z_off, job.level)[0]
        rows[law_name] = {
            "predicted": expected,
            "measured": measured,
            "standard_error": error,
            "z": z,
            "agrees": agrees,
            "adjusted_p_value": p,
            "control_power_in_standard_errors": power,
            "control": "rejected" if rejected else ("undetermined" if power < 6.0 else "accepted"),
            "variance_measured": float(record.covariances[0, 1, 0, 0]),
            "seconds": float(record.wall_seconds[1]),
            "engine_notes": list(record.notes),
            "steps": dict(record.sampler or {}),
        }
    largest = max(float(np.abs(row["z"]).max()) for row in rows.values())
    outcomes = {law_name: row["control"] for law_name, row in rows.items()}
    passed = all(row["agrees"] and row["control"] != "accepted" for row in rows.values())
    return Outcome(
        f"{sampler.describe()} at {job['particles']:,} particles: largest z {largest:.2f} of {2 * DEGREE} coefficients; "
        f"variance 0.5 % off: {', '.join(f'{key} {word}' for key, word in outcomes.items())}.",
        passed,
        {"sampler": sampler.describe(), "laws": rows},
    )
