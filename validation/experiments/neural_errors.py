"""Learned scores on mixtures: where a round's error comes from, and what schedules and last steps make of it.

    python -m validation --only neural/energies            path energies of the networks' errors
    python -m validation --only neural/error_budget        sources of a learned round's defect
    python -m validation --only neural/schedules           constant, annealed, planned times; half and full step

In pieces and on GPUs as in `neural_mixtures`; the committed records come from a CPU, as no GPU was at hand.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import hermite_collapse as hc
from hermite_collapse.advice.error_models import FinitePool
from hermite_collapse.advice.planning import plan_schedule
from hermite_collapse.bounds.robustness import mode_defects
from hermite_collapse.simulation import ExactGeneration, ExponentialMultistep, ReverseDiffusion, simulate
from hermite_collapse.simulation.paths.learned import learned_energies
from hermite_collapse.simulation.together import simulate_together

from ..experiment import Experiment, Result, Settings, holm
from .neural_mixtures import TIME, folder_for, generation_for, in_pieces


def experiments() -> list[Experiment]:
    return [
        Experiment(
            "neural/energies", "path energies of learned scores, Girsanov weights of mean one", energies
        ),
        Experiment(
            "neural/error_budget", "score, discretisation, horizon: sources of a learned round", budget
        ),
        Experiment(
            "neural/schedules",
            "what annealing, planning and the half step gain with learned scores",
            schedules,
            is_long=True,
        ),
    ]


@in_pieces("neural/energies")
def energies(settings: Settings) -> Result:
    """Energies in the first round against the exact score, later against the score of the training set."""
    recursion = hc.Recursion(hc.presets.load("tilted_2d"), fresh_fraction=0.3, truncation_time=TIME)
    found = learned_energies(
        recursion,
        generation=generation_for(settings, "neural/energies"),
        rounds=2,
        runs=4 if settings.is_full else 2,
        particles=100_000 if settings.is_full else 5000,
        paths=8192 if settings.is_full else 1024,
        steps=400 if settings.is_full else 60,
        device=settings.device,
        seed=settings.seed,
    )
    largest = float(np.abs(found.weight_scores).max())
    return Result(
        largest < 4.5,
        f"eps_hat^2 of the first round {found.learned[0].mean():.3f} (eps_star^2 {found.ideal[0].mean():.3f}), so "
        f"KL(p_1 || C q_0) <= {found.learned[0].mean() / 2.0:.3f}; Girsanov weights have mean 1 "
        f"(largest z {largest:.1f}).",
        {key: getattr(found, key) for key in found.__dataclass_fields__},
    )


@in_pieces("neural/error_budget")
def budget(settings: Settings) -> Result:
    """Sources of the first round's defect, each with the others exact, and what their sum leaves over."""
    target, n = hc.presets.load("tilted_2d"), 100_000 if settings.is_full else 6000
    recursion = hc.Recursion(target, fresh_fraction=0.3, truncation_time=TIME)
    exact = recursion.coefficients(3, rounds=1)[1]
    sampler, fine, coarse = ExponentialMultistep(), 60, 8
    learned = generation_for(settings, "neural/error_budget", width=32, steps=300)
    short = {"start": "normal", "horizon": 3.0}
    generations = {
        "score": replace(learned, reverse=ReverseDiffusion(sampler, steps=fine)),
        "discretisation": ExactGeneration(ReverseDiffusion(sampler, steps=coarse)),
        "finite horizon": ExactGeneration(ReverseDiffusion(sampler, steps=fine, **short)),
        "all together": replace(learned, reverse=ReverseDiffusion(sampler, steps=coarse, **short)),
    }
    bias, error = {}, {}
    for place, (name, generation) in enumerate(generations.items()):
        record = simulate(
            recursion,
            rounds=1,
            particles=n,
            generator=generation,
            degree=3,
            runs=8,
            device=settings.device,
            seed=settings.seed + 1000 * (place + 1),
        )
        each = record.coefficients[:, 1, 1:] - exact[1:]
        bias[name] = each.mean(axis=0)
        error[name] = each.std(axis=0, ddof=1) / np.sqrt(record.runs)
    sources = list(generations)[:3]
    interaction = bias["all together"] - sum(bias[name] for name in sources)
    noise = np.sqrt(sum(error[name] ** 2 for name in generations))
    passed, p = holm(interaction / noise, settings.level)
    sizes = {name: float(np.sqrt(np.mean(values**2))) for name, values in bias.items()}
    largest = max(sources, key=lambda name: sizes[name])
    return Result(
        passed,
        f"First round, root mean square over modes: {', '.join(f'{k} {v:.4f}' for k, v in sizes.items())}; the largest "
        f"source is the {largest}; they {'add up' if passed else 'do not add up'} (adjusted p {p:.2f}).",
        {
            "root_mean_square": sizes,
            "interaction": interaction,
            "interaction_error": noise,
            "steps": {"fine": fine, "coarse": coarse},
            "horizon": 3.0,
        },
        {f"{kind}.{name}": part[name] for kind, part in (("bias", bias), ("error", error)) for name in bias},
    )


@in_pieces("neural/schedules")
def schedules(settings: Settings) -> Result:
    """Root mean square error of the coefficients of degree <= 3 against the data, by schedule and final step."""
    target, alpha = hc.presets.load("tilted_2d"), 0.3
    rounds, runs = (10, 6) if settings.is_full else (3, 3)
    particles = 100_000 if settings.is_full else 5000
    options = {"rounds": rounds, "runs": runs, "particles": particles, "degree": 3}
    options |= {"device": settings.device, "seed": settings.seed}
    data = target.hermite_coefficients(3)

    def run(kinds: dict[str, Any], final_step: str) -> dict[str, Any]:
        name = f"neural/schedules/{final_step}/{'-'.join(kinds)}"
        recursions = {
            k: hc.Recursion(target, fresh_fraction=alpha, truncation_time=t) for k, t in kinds.items()
        }
        generation = generation_for(settings, name, final_step=final_step, width=32, steps=400)
        return simulate_together(
            recursions, generation=generation, folder=folder_for(settings, name), **options
        )

    times = {"constant 0.03": 0.03, "constant 0.1": 0.1, "constant 0.3": 0.3}
    constant = run(times, "noisy")
    # What a round adds to each mode, by truncation time, root mean square over modes, from the constant runs.
    deviations = []
    for time, record in zip(times.values(), constant.values(), strict=True):
        d = mode_defects(
            record.coefficients,
            record.degrees,
            target=data.values,
            fresh_fraction=alpha,
            truncation_time=time,
        )
        deviations.append(float(np.sqrt(np.mean(d.values[:, 1:] ** 2))))
    plan = planned_times(target, rounds, alpha, pool=generation_for(settings, "").training.samples)
    others = run({"annealed": hc.schedules.Polynomial(0.3, 1.0), "planned": plan}, "noisy")
    steps = {step: run({"constant 0.1": 0.1}, step)["constant 0.1"] for step in ("half", "full")}
    outcomes = {**constant, **others, **{f"{k} step, constant 0.1": v for k, v in steps.items()}}
    rows = []
    for label, record in outcomes.items():
        each = np.sqrt(np.mean((record.coefficients[:, -1, 1:] - data.values[1:]) ** 2, axis=1))
        trace = np.trace(record.covariances[:, -1], axis1=1, axis2=2)
        rows.append(
            {
                "name": label,
                "error": float(each.mean()),
                "standard_error": float(each.std(ddof=1) / np.sqrt(runs)),
                "variance_drift": float(trace.mean() - np.trace(target.covariance)),
                "variance_drift_error": float(trace.std(ddof=1) / np.sqrt(runs)),
            }
        )
    by_name = {row["name"]: row for row in rows}
    best = min(rows, key=lambda row: row["error"])
    half, full = (by_name[f"{step} step, constant 0.1"] for step in ("half", "full"))
    noisy = by_name["constant 0.1"]
    smaller = half["error"] < noisy["error"]
    return Result(
        bool(smaller and full["variance_drift"] < half["variance_drift"]),
        f"At t = 0.1 the half step brings the error from {noisy['error']:.3f} to {half['error']:.3f}, the full "
        f"step to {full['error']:.3f}; best of all: {best['name']} ({best['error']:.3f}).",
        {
            "rows": rows,
            "defects_by_time": dict(zip(times, deviations, strict=True)),
            "planned_times": list(plan.times(rounds)),
            "rounds": rounds,
            "runs": runs,
            "fresh_fraction": alpha,
        },
    )


def planned_times(target: Any, rounds: int, fresh_fraction: float, *, pool: int) -> hc.schedules.Explicit:
    """Times planned for degrees 1 to 3 and the noise that a training set of `pool` points leaves, not below 0.01."""
    data = target.hermite_coefficients(3)
    energy = data.degree_energy()
    variance = target.second_moments(data.indices) - data.values**2
    spread = [0.0] + [float(variance[data.degrees == n].sum() / energy[n]) for n in (1, 2, 3)]
    return plan_schedule(
        [1, 2, 3],
        rounds=rounds,
        fresh_fraction=fresh_fraction,
        error=FinitePool(pool, tuple(spread)),
        weights=energy[1:],
        objective="mean_square",
        floor=0.01,
    ).schedule
