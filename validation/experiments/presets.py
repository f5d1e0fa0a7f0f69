"""Every preset with every generator and sampler: coefficients of every round against their predicted values and errors.

Samplers of second order are compared with theory as they are.  Those of first order are biased by their step, visibly
so at these sizes: they run at one and at two times the steps, and Richardson's extrapolation, which cancels the first
order, is what is compared, with its larger error bar; the bias itself is reported beside it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import hermite_collapse as hc
from hermite_collapse.recursion.sampling_error import predict_sampling_error
from hermite_collapse.simulation import EulerMaruyama, ExponentialMultistep, ProbabilityFlowHeun, simulate

from ..experiment import Experiment, Result, Settings, holm

FRESH_FRACTION, TRUNCATION, BLUR = 0.3, 0.1, 0.1
# name -> sampler, order, steps at small and at full size
SAMPLERS: dict[str, tuple[Any, int, int, int]] = {
    "exponential_multistep": (ExponentialMultistep(), 2, 50, 100),
    "probability_flow_heun": (ProbabilityFlowHeun(), 2, 50, 100),
    "euler_maruyama": (EulerMaruyama(), 1, 150, 1000),
}


def experiments() -> list[Experiment]:
    """presets/PRESET/channel, and presets/PRESET/GENERATOR/SAMPLER for the others."""
    result = []
    for preset in hc.presets.names():
        for generator in ("channel", "exact", "kernel"):
            for sampler in [None] if generator == "channel" else SAMPLERS:
                name = "/".join(["presets", preset, generator] + ([sampler] if sampler else []))
                summary = f"{preset} by the {generator} generator" + (f", {sampler}" if sampler else "")
                result.append(Experiment(name, summary, partial(run, preset, generator, sampler)))
    return result


def run(preset: str, generator: str, sampler_name: str | None, settings: Settings) -> Result:
    """One simulation, or two for a sampler of first order, against the exact recursion."""
    law = hc.presets.load(preset)
    recursion = hc.Recursion(
        law,
        fresh_fraction=FRESH_FRACTION,
        truncation_time=TRUNCATION,
        blur=BLUR if generator == "kernel" else 0.0,
    )
    options: dict[str, Any] = {
        "rounds": 5 if settings.is_full else 3,
        "generator": generator,
        "degree": 2 if law.dimension > 3 else 4,
        "device": settings.device,
        **_size(generator, law.dimension, settings.is_full),
    }
    order = 2
    if sampler_name is not None:
        sampler, order, small_steps, full_steps = SAMPLERS[sampler_name]
        options |= {"sampler": sampler, "steps": full_steps if settings.is_full else small_steps}
    simulated = simulate(recursion, seed=settings.seed, **options)
    if order == 2:
        comparison = hc.compare(recursion, simulated, level=settings.level)
        verdict, passed = comparison.verdict.text, comparison.verdict.passed
        measured, error, expected = comparison.measured, comparison.standard_error, comparison.modes.expected
        tested, extra = comparison.tested, {}
    else:
        finer = simulate(recursion, seed=settings.seed + 1, **{**options, "steps": 2 * options["steps"]})
        predicted = predict_sampling_error(
            recursion,
            options["degree"],
            rounds=simulated.rounds,
            particles=simulated.particles,
            generator=generator,
            pool=simulated.pool,
        )
        expected = predicted.expected
        measured = 2.0 * finer.mean_coefficients - simulated.mean_coefficients
        bar = predicted.standard_error / np.sqrt(simulated.runs)
        error, tested = np.sqrt(5.0) * bar, predicted.is_testable(simulated.runs)
        # Round 0 takes no steps, so its extrapolation is only noise.
        tested[0] = False
        z = (measured - expected)[tested] / error[tested]
        passed, p = holm(z, settings.level)
        bias = np.abs((simulated.mean_coefficients - finer.mean_coefficients) * 2.0)[tested] / bar[tested]
        extra = {"largest_step_bias_in_standard_errors": float(bias.max())}
        verdict = (
            f"Extrapolated to step 0, theory and simulation {'agree' if passed else 'disagree'} in {tested.sum()} "
            f"modes and rounds (adjusted p = {p:.2g}); the step alone moves a coefficient by up to {bias.max():.1f} "
            "standard errors."
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(tested, (measured - expected) / error, np.nan)
    numbers = {
        "preset": preset,
        "generator": generator,
        "particles": simulated.particles,
        "runs": simulated.runs,
        "rounds": simulated.rounds,
        "pool": simulated.pool,
        "sampler": simulated.sampler,
        "steps": simulated.steps,
        "fresh_fraction": FRESH_FRACTION,
        "truncation": TRUNCATION,
        "blur": recursion.blur,
        "seconds_per_round": simulated.wall_seconds,
        "tests": int(tested.sum()),
        "largest_z": float(np.nanmax(np.abs(z))) if tested.any() else None,
        "notes": list(simulated.notes),
        **extra,
        **_columns(simulated.indices, expected, measured, error, z),
    }
    arrays = {
        "indices": simulated.indices,
        "predicted": expected,
        "measured": measured,
        "standard_error": error,
        "z": z,
        "coefficients": simulated.coefficients,
        "means": simulated.means,
        "covariances": simulated.covariances,
    }
    return Result(passed, verdict, numbers, arrays)


def _size(generator: str, dimension: int, full: bool) -> dict[str, int]:
    """Particles and runs: the kernel generator costs particles x pool for each step."""
    if generator == "kernel":
        return {"particles": 100_000, "pool": 100_000} if full else {"particles": 512, "pool": 512, "runs": 4}
    return {"particles": 1_000_000 if full else 10_000}


def _columns(indices: Any, predicted: Any, measured: Any, error: Any, z: Any) -> dict[str, Any]:
    """The last round, mode by mode, for whoever reads the record without NumPy."""
    return {
        "last_round": {
            "modes": [",".join(map(str, k)) for k in indices.tolist()],
            "predicted": predicted[-1],
            "measured": measured[-1],
            "standard_error": error[-1],
            "z": z[-1],
        }
    }
