"""Error budgets: discretisation, finite horizon, blur, pool and particles, and what is left when they are added."""

from __future__ import annotations

from functools import partial

import numpy as np

import hermite_collapse as hc
from hermite_collapse.simulation import EulerMaruyama, ExponentialMultistep, Sampler, error_budget

from ..experiment import Experiment, Result, Settings, holm


def experiments() -> list[Experiment]:
    return [
        Experiment(
            "error_budget/euler_maruyama",
            "three modes, coarse Euler-Maruyama from N(0, 1) at T = 4",
            partial(run, EulerMaruyama(), 40),
        ),
        Experiment(
            "error_budget/exponential_multistep",
            "three modes, 20 second-order steps from N(0, 1) at T = 4",
            partial(run, ExponentialMultistep(), 20),
        ),
    ]


def run(sampler: Sampler, steps: int, settings: Settings) -> Result:
    """The budget of a kernel recursion, and a test that its sources add up."""
    recursion = hc.Recursion(
        hc.presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1, blur=0.15
    )
    n = 20_000 if settings.is_full else 600
    budget = error_budget(
        recursion,
        rounds=6 if settings.is_full else 3,
        particles=n,
        pool=n // 2,
        sampler=sampler,
        steps=steps,
        horizon=4.0,
        degree=4,
        runs=200 if settings.is_full else 64,
        device=settings.device,
        seed=settings.seed,
    )
    z = budget.bias_interaction[1:, 1:] / budget.bias_interaction_error[1:, 1:]
    passed, p = holm(z, settings.level)
    arrays = {name: value for name, value in vars(budget).items() if isinstance(value, np.ndarray)}
    return Result(
        passed,
        f"The sources {'add up' if passed else 'do not add up'} to the bias of the full experiment (interaction at "
        f"most {np.abs(z).max():.1f} standard errors, adjusted p = {p:.2g}).",
        {
            "particles": n,
            "steps": steps,
            "largest_interaction_z": float(np.abs(z).max()),
            "table": budget.table(),
        },
        arrays,
    )
