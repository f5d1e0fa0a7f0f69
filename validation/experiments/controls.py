"""Negative controls: what is wrong must be rejected at the size at which what is right passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import hermite_collapse as hc
from hermite_collapse.simulation import (
    Denoiser,
    EulerMaruyama,
    ExactGeneration,
    KernelGeneration,
    ReverseDiffusion,
    ScoreDenoiser,
    score_of,
    simulate,
)

from ..experiment import Experiment, Result, Settings

TRUTH = {"fresh_fraction": 0.3, "truncation_time": 0.1}


@dataclass(frozen=True)
class WrongSign(EulerMaruyama):
    """Euler's rule with the linear drift of the forward process."""

    def _drift(self, x: Any, denoiser: Denoiser, time: float) -> Any:
        return -denoiser.rate * x + 2.0 * denoiser.rate * score_of(denoiser, x, time)


def shrunk_score(denoiser: Denoiser) -> Denoiser:
    """A score 5 % too small at every time."""
    return ScoreDenoiser(lambda x, t: 0.95 * score_of(denoiser, x, t), rate=denoiser.rate)


def experiments() -> list[Experiment]:
    """controls/NAME."""
    cases: dict[str, tuple[str, Callable[[], dict[str, Any]], dict[str, Any]]] = {
        "fresh_fraction": (
            "fresh fraction 5 % too large in the prediction",
            _many,
            {"fresh_fraction": 1.05 * 0.3},
        ),
        "truncation": (
            "truncation time 5 % too large in the prediction",
            _many,
            {"truncation_time": 1.05 * 0.1},
        ),
        "drift_sign": (
            "drift of the forward process in the sampler",
            lambda: {"generator": "exact", "sampler": WrongSign(), "steps": 100, "particles": 20_000},
            {},
        ),
        "score": (
            "score 5 % too small",
            lambda: {
                "generator": ExactGeneration(ReverseDiffusion(steps=80), wrap=shrunk_score),
                "particles": 20_000,
            },
            {},
        ),
        "pool": (
            "a pool of 100 where 400 is claimed",
            lambda: {
                "generator": KernelGeneration(ReverseDiffusion(steps=60), pool=100),
                "particles": 400,
                "runs": 200,
                "rounds": 2,
            },
            {"pool": 400},
        ),
    }
    return [
        Experiment(f"controls/{name}", f"must be rejected: {summary}", partial(run, make, wrong))
        for name, (summary, make, wrong) in cases.items()
    ]


def _many() -> dict[str, Any]:
    """Particles enough to see 5 % in a parameter: a run of the channel generator takes a second."""
    return {"particles": 1_000_000}


def run(make: Callable[[], dict[str, Any]], wrong: dict[str, Any], settings: Settings) -> Result:
    """Simulate the truth, or something broken, and hold it against a prediction that does not belong to it."""
    law = hc.presets.load("three_modes_1d")
    options = {
        "rounds": 8,
        "particles": 100_000,
        "degree": 4,
        "device": settings.device,
        "seed": settings.seed,
    }
    simulated = simulate(hc.Recursion(law, **TRUTH), **{**options, **make()})
    if "pool" in wrong:
        return _pool_control(law, simulated, wrong["pool"], settings)
    claimed = hc.Recursion(law, **{**TRUTH, **wrong})
    verdict = hc.compare(claimed, simulated, level=settings.level).verdict
    return Result(
        not verdict.passed,
        verdict.text,
        {
            "adjusted_p_value": verdict.adjusted_p_value,
            "rejected": len(verdict.rejected),
            "tests": verdict.tests,
            "particles": simulated.particles,
            "rounds": simulated.rounds,
        },
    )


def _pool_control(law: Any, simulated: Any, claimed: int, settings: Settings) -> Result:
    """The scatter over runs against the formula for another pool, by the chi-square of the strongest mode."""
    import numpy as np

    from hermite_collapse.recursion.sampling_error import predict_sampling_error

    recursion = hc.Recursion(law, **TRUTH)
    z = {}
    for pool in (simulated.pool, claimed):
        predicted = predict_sampling_error(
            recursion,
            4,
            rounds=simulated.rounds,
            particles=simulated.particles,
            generator="kernel",
            pool=pool,
        )
        squares = (
            (simulated.coefficients - predicted.expected)[:, 1:, 1:] / predicted.standard_error[1:, 1:]
        ) ** 2
        scores = (squares.mean(0) - 1.0) / (squares.std(0, ddof=1) / np.sqrt(simulated.runs))
        z[pool] = float(np.abs(scores).max())
    right, false = z[simulated.pool], z[claimed]
    passed = right < 4.0 < false
    return Result(
        passed,
        f"The scatter over {simulated.runs} runs is off by {false:.1f} standard errors under the formula for a pool of "
        f"{claimed}, by {right:.1f} under the one for {simulated.pool}.",
        {"largest_z_claimed": false, "largest_z_true": right, "runs": simulated.runs},
    )
