"""Truncation bias plus discounted defects: the defects of one half of the runs predict the other half."""

from __future__ import annotations

import numpy as np

import hermite_collapse as hc
from hermite_collapse.recursion.identity import joint_identity
from hermite_collapse.simulation import EulerMaruyama, simulate

from ..experiment import Experiment, Result, Settings, holm


def experiments() -> list[Experiment]:
    return [
        Experiment(
            "joint_identity", "predicted bias, accumulated defects, their sum, measured; mode by round", run
        )
    ]


def run(settings: Settings) -> Result:
    """A kernel recursion with a coarse sampler, a short horizon and few points, where defects are large."""
    recursion = hc.Recursion(hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    n = 20_000 if settings.is_full else 500
    simulated = simulate(
        recursion,
        rounds=8,
        particles=n,
        generator="kernel",
        pool=n // 2,
        sampler=EulerMaruyama(),
        steps=30,
        start="normal",
        horizon=4.0,
        degree=6,
        runs=200 if settings.is_full else 60,
        device=settings.device,
        seed=settings.seed,
    )
    identity = joint_identity(recursion, simulated)
    # The rounds of a run depend on each other: the last round stands for all.
    z = identity.z[-1, 1:5]
    passed, p = holm(z, settings.level)
    alone = (identity.measured - identity.bias)[-1, 1:5] / identity.measured_error[-1, 1:5]
    return Result(
        passed,
        f"Bias plus defects of one half of the runs {'predict' if passed else 'do not predict'} the other half "
        f"(largest z {np.abs(z).max():.1f}); the bias alone is off by up to {np.abs(alone).max():.0f} standard errors.",
        {
            "particles": n,
            "runs": simulated.runs,
            "z_last_round": z,
            "z_bias_alone": alone,
            "adjusted_p_value": p,
        },
        {name: value for name, value in vars(identity).items() if isinstance(value, np.ndarray)},
    )
