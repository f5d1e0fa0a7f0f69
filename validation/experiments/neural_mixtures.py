"""The recursion with learned scores on mixtures: defects, ellipsoid and ball across seeds, energies, schedules.

    python -m validation --only neural/mixture_2d            defects and ellipsoid, contraction beside kappa_n
    python -m validation --only neural/mixture_1d            the Wasserstein ball, where W2 is exact
    python -m validation --only neural/error_budget          sources of a learned round's defect
    python -m validation --only neural/energies              path energies of the networks' errors
    python -m validation --only neural/schedules             constant, annealed, planned times; half and full step
    python -m validation --only neural/mixture_10d           ten dimensions, ten rounds, five fractions, five seeds

On a GPU (`--device cuda`) the full sizes run.  Every experiment keeps its rounds under runs/ and stops after eight
minutes (PIECE_MINUTES) with the sentence that says so: run the same command again until it is done.  The committed
records come from a CPU, as no GPU was at hand, and are of the small size.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hermite_collapse as hc
from hermite_collapse.bounds.robustness import check_robustness, mode_defects, wasserstein_bound
from hermite_collapse.error_models import FinitePool
from hermite_collapse.errors import InputError
from hermite_collapse.planning import plan_schedule
from hermite_collapse.simulation import ExactGeneration, ExponentialMultistep, ReverseDiffusion, simulate
from hermite_collapse.simulation.learned_paths import learned_energies
from hermite_collapse.simulation.networks import ResidualPerceptron
from hermite_collapse.simulation.neural import NeuralGeneration
from hermite_collapse.simulation.together import simulate_together
from hermite_collapse.simulation.training import Checkpoints, Training, TrainingPaused

from ..catalog import Experiment, Outcome, Settings, holm

FloatArray = NDArray[np.float64]

RUNS = Path(__file__).resolve().parents[2] / "runs" / "neural"
PIECE_MINUTES = 8.0
TIME = 0.1


def in_pieces(name: str) -> Callable[[Callable[[Settings], Outcome]], Callable[[Settings], Outcome]]:
    """Leave the process with the sentence of a pause, everything so far being on the disk; clear up at the end."""

    def wrapped(run: Callable[[Settings], Outcome]) -> Callable[[Settings], Outcome]:
        @wraps(run)
        def piece(settings: Settings) -> Outcome:
            try:
                outcome = run(settings)
            except (TrainingPaused, InputError) as reason:
                raise SystemExit(str(reason)) from None
            label = name.replace("/", ".")
            for path in [
                *RUNS.glob(f"{label}*-{settings.size}-{settings.seed}"),
                *RUNS.glob(f"states/{label}*"),
            ]:
                shutil.rmtree(path)
            return outcome

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
def plane(settings: Settings) -> Outcome:
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
def ten(settings: Settings) -> Outcome:
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
) -> Outcome:
    """Simulate all fractions as one batched model and hold one half of the seeds against the other."""
    recursions = {f"{a:g}": hc.Recursion(target, fresh_fraction=a, truncation=TIME) for a in fractions}
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
    data = target.hermite_coefficients(degree).values
    rows, arrays, passed = [], {}, True
    for alpha, (label, record) in zip(fractions, records.items(), strict=True):
        n = record.degrees
        options = {"target": data, "fresh_fraction": alpha, "truncation": TIME}
        check = check_robustness(record.coefficients, n, **options)
        defects = mode_defects(record.coefficients, n, **options)
        z = defects.values[:, 1:] / np.maximum(defects.standard_error[:, 1:], 1e-300)
        # A negative control: the second half shifted by ten allowed deviations has to be found outside.
        shifted = record.coefficients.copy()
        half = runs // 2
        shifted[half:] += 10.0 * (check.allowed + check.standard_error + 0.01)
        caught = not check_robustness(shifted, n, **options).holds
        passed &= check.holds and caught
        rows.append(
            {
                "fresh_fraction": alpha,
                "inside": check.holds,
                "shifted_run_rejected": caught,
                "largest_share_of_allowed": float(
                    np.max(check.deviation[1:, 1:] / (check.allowed + 4.0 * check.standard_error)[1:, 1:])
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
    return Outcome(
        bool(passed),
        f"{len(rows)} fresh fractions, {runs} seeds: the second half lies inside the ellipsoid of the first "
        f"(largest share of what is allowed {worst:.2f}), shifted runs do not.",
        {"rows": rows, "rounds": rounds, "runs": runs, "particles": particles, "truncation_time": TIME},
        arrays,
    )


def contractions(recursion: Any, record: Any) -> list[dict[str, float]]:
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
def line(settings: Settings) -> Outcome:
    """The ball of W2 on the line, where W2 is the distance of quantiles."""
    target, runs, rounds, alpha = hc.presets.load("three_modes_1d"), 4, 10 if settings.is_full else 3, 0.3
    particles = 100_000 if settings.is_full else 8000
    recursion = hc.Recursion(target, fresh_fraction=alpha, truncation=TIME)
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
    assert record.samples is not None
    x = record.samples[..., 0]
    rng = np.random.default_rng(settings.seed + 1)
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
        truncation=TIME,
    )
    # Sampling noise of one law against the exact one: what even a perfect run would show.
    floor = distances[:, 0].max()
    inside = distances[half:] <= bound + floor
    worst = float((distances[half:, 1:] / bound[1:]).max())
    return Outcome(
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


@in_pieces("neural/energies")
def energies(settings: Settings) -> Outcome:
    """Energies in the first round against the exact score, later against the score of the training set."""
    recursion = hc.Recursion(hc.presets.load("tilted_2d"), fresh_fraction=0.3, truncation=TIME)
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
    return Outcome(
        largest < 4.5,
        f"eps_hat^2 of the first round {found.learned[0].mean():.3f} (eps_star^2 {found.ideal[0].mean():.3f}), so "
        f"KL(p_1 || C q_0) <= {found.learned[0].mean() / 2.0:.3f}; Girsanov weights have mean 1 "
        f"(largest z {largest:.1f}).",
        {key: getattr(found, key) for key in found.__dataclass_fields__},
    )


@in_pieces("neural/schedules")
def schedules(settings: Settings) -> Outcome:
    """Root mean square error of the coefficients of degree <= 3 against the data, by schedule and final step."""
    target, alpha = hc.presets.load("tilted_2d"), 0.3
    rounds, runs = (10, 6) if settings.is_full else (3, 3)
    particles = 100_000 if settings.is_full else 5000
    options = {"rounds": rounds, "runs": runs, "particles": particles, "degree": 3}
    options |= {"device": settings.device, "seed": settings.seed}
    data = target.hermite_coefficients(3)

    def run(kinds: dict[str, Any], final_step: str) -> dict[str, Any]:
        name = f"neural/schedules/{final_step}/{'-'.join(kinds)}"
        recursions = {k: hc.Recursion(target, fresh_fraction=alpha, truncation=t) for k, t in kinds.items()}
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
            record.coefficients, record.degrees, target=data.values, fresh_fraction=alpha, truncation=time
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
    return Outcome(
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


@in_pieces("neural/error_budget")
def budget(settings: Settings) -> Outcome:
    """Sources of the first round's defect, each with the others exact, and what their sum leaves over."""
    target, n = hc.presets.load("tilted_2d"), 100_000 if settings.is_full else 6000
    recursion = hc.Recursion(target, fresh_fraction=0.3, truncation=TIME)
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
    return Outcome(
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
