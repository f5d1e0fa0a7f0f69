"""hermite-collapse schedule: units of the truncation time, how large it may be, and planned times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from cyclopts import Parameter

from ...core import checks
from ...core.errors import InputError
from ...core.numbers import significant, spread_rounds
from ..config import Config
from .options import command as _command
from .output import Output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...advice.error_models import PowerLaw
    from ...advice.planning import SchedulePlan
    from ...advice.samplers import SamplerAdvice
    from ...core.estimates import Estimate

AlphaBar = Annotated[
    float | None,
    Parameter(help="Truncation as DDPM's alpha_bar, in (0, 1), dimensionless, instead of a time."),
]
Sigma = Annotated[
    float | None, Parameter(help="Truncation as EDM's sigma, >= 0, in units of the data, instead of a time.")
]
Known = Annotated[
    str | None,
    Parameter(
        help="A sampler's usual truncation, instead of a time: ddpm, edm, stable_diffusion, ...; names as for audit, "
        "and score_sde_vp, score_sde_ve, papers."
    ),
]
SchedulerFile = Annotated[
    Path | None,
    Parameter(
        help="Truncation from a diffusers scheduler_config.json, its folder or a pipeline's, instead of a time."
    ),
]
Step = Annotated[
    int | None,
    Parameter(
        help="Training step of that file at which the sampler stops, a count, if not its own last one."
    ),
]
Steps = Annotated[
    int | None,
    Parameter(help="Number of sampling steps, with --known or --scheduler-file. Default: as usual there."),
]
DataScale = Annotated[
    float | None,
    Parameter(
        help="Standard deviation of the data in the units of that file. Default: its sigma_data, or 1."
    ),
]
Fidelity = Annotated[
    float, Parameter(help="Share of a mode the limit law shall keep, in (0, 1], dimensionless. Default: 0.9.")
]
PlanDegree = Annotated[
    list[int] | None,
    Parameter(help="Hermite degrees the plan minimises the error of. Default: 4.", consume_multiple=True),
]
ErrorScale = Annotated[
    float | None,
    Parameter(
        help="c in the error c * t^(-b) that each round adds to a mode, dimensionless; asks for a plan."
    ),
]
ErrorExponent = Annotated[
    float | None, Parameter(help="b in the same; d/4 for a trained score in dimension d, the default.")
]
Objective = Annotated[
    str, Parameter(help="absolute (errors add up) or mean_square (bias^2 + variance). Default: absolute.")
]
Shape = Annotated[
    str, Parameter(help="Times may be free, decreasing, increasing or constant. Default: free.")
]
TotalTime = Annotated[float | None, Parameter(help="Upper bound on the sum of the times, in OU time.")]


def run(
    config: Config,
    output: Output,
    *,
    alpha_bar: AlphaBar = None,
    sigma: Sigma = None,
    known: Known = None,
    scheduler_file: SchedulerFile = None,
    step: Step = None,
    steps: Steps = None,
    data_scale: DataScale = None,
    fidelity: Fidelity = 0.9,
    plan_degree: PlanDegree = None,
    error_scale: ErrorScale = None,
    error_exponent: ErrorExponent = None,
    objective: Objective = "absolute",
    shape: Shape = "free",
    total_time: TotalTime = None,
) -> int:
    """Convert truncation times, say how large they may be, and plan them under an estimation error.

    For a sampler (--known, --scheduler-file), whether its truncation matters and with which sign.

    With --error-scale, the times that leave the least error after the last round, beside what the configured
    schedule leaves; --out keeps them as a configuration.  --out draws what the times leave, with a page.
    """
    from ..cost import cost_of_plan, require_affordable

    given = [alpha_bar, sigma, known, scheduler_file]
    if sum(value is not None for value in given) > 1:
        raise InputError(
            "the truncation must be given once, got more than one of alpha_bar, sigma, known and scheduler_file."
        )
    for name, value in (("step", step), ("data_scale", data_scale)):
        if value is not None and scheduler_file is None:
            raise InputError(f"{name} must come with scheduler_file, got {value} without it.")
    if steps is not None and known is None and scheduler_file is None:
        raise InputError(f"steps must come with known or scheduler_file, got {steps} without them.")
    config = _with_time(config, alpha_bar, sigma)
    advice = _advice(config, known, scheduler_file, data_scale, step, steps)
    if advice is not None and advice.truncation.truncation_time == np.inf:
        if error_scale is not None or output.folder is not None:
            raise InputError(
                f"error_scale and out must come with a sampler that keeps some signal, got {advice.truncation.name}."
            )
        output.heading("Does truncation matter for this sampler?")
        output.text(advice.text)
        output.document({"command": "schedule", "advice": advice.text, "truncation": {"OU time": np.inf}})
        return 0
    if advice is not None:
        config = config.updated({"truncation_time": advice.truncation.truncation_time, "rate": 0.5})
    units = _units(config)
    limits = _limits(config, fidelity)
    plan = None
    if error_scale is not None:
        count = len(plan_degree or [4])
        if (
            count > 1 or objective != "absolute" or shape != "free" or total_time is not None
        ):  # no closed form
            require_affordable(cost_of_plan(config, count), yes=output.yes)
        plan = _plan(config, error_scale, error_exponent, plan_degree or [4], objective, shape, total_time)
    planned = None
    if plan is not None:
        times = [float(t) for t in plan.planned.schedule.values]
        planned = config.updated({"schedule": "explicit", "truncation_times": times})
    if advice is not None:
        output.heading("Does truncation matter for this sampler?")
        output.text(advice.text)
    if plan is not None:
        output.heading("Which times leave the least error?")
        output.text(_answer(plan, config.recursion.rounds))
    output.heading(f"A truncation time of {significant(config.recursion.truncation_time)}, in other units")
    output.table(["", "value"], [[name, value] for name, value in units.items()])
    output.heading(f"Largest truncation that keeps {fidelity:g} of a degree in the limit")
    output.table(
        ["degree", "OU time", "DDPM alpha_bar", "EDM sigma"],
        [[n, *row] for n, row in zip(limits["degree"], limits["rows"], strict=True)],
    )
    if plan is not None:
        _print_plan(plan, output)
    if output.folder is not None:
        used = planned or config
        output.make_folder(used)
        output.leave_printed(
            "Truncation times", _drawn(used, plan, advice), config=used, facts=_asked(config, advice, plan)
        )
        which = " with the planned times" if planned else ""
        output.text(f"\nWritten to {output.folder}: config.toml{which}, report.html, figures.")
    output.document(
        {
            "command": "schedule",
            "config": (planned or config).as_document(),
            "advice": None if advice is None else advice.text,
            "truncation": units,
            "fidelity": fidelity,
            "largest_truncation": {
                "degree": limits["degree"],
                **{
                    name: [row[i] for row in limits["rows"]]
                    for i, name in enumerate(("time", "alpha_bar", "sigma"))
                },
            },
            "plan": None
            if plan is None
            else {
                "times": plan.planned.schedule.values,
                "error": plan.planned.value,
                "route": plan.planned.route,
                "configured_error": None if plan.configured is None else plan.configured.value,
                "best_constant": plan.constant,
            },
        }
    )
    return 0


def _answer(plan: _Plan, rounds: int) -> str:
    """Return in one sentence what the planned times leave, and what the configured ones do."""
    times = plan.planned.schedule.values
    low, high = significant(float(min(times))), significant(float(max(times)))
    span = f"a time of {low}" if low == high else f"times from {low} to {high}"
    degrees = ", ".join(str(n) for n in plan.degrees)
    words = f"With {span}, the error of degree {degrees} is {significant(plan.planned.value)} after round {rounds}"
    if plan.configured is None:
        return f"{words}."
    return f"{words}; with the times as configured it is {significant(plan.configured.value)}."


def _asked(config: Config, advice: SamplerAdvice | None, plan: _Plan | None) -> list[tuple[str, str]]:
    """Return what the page says was asked."""
    from ...reporting.words import question

    facts = [fact for fact in question(config.build_recursion()) if fact[0] != "data"]
    if plan is not None:
        facts.append(("error of a round", f"{plan.error.scale:g} * t^-{plan.error.exponent:g}"))
    return facts if advice is None else [("sampler", advice.truncation.name), *facts]


def _drawn(config: Config, plan: _Plan | None, advice: SamplerAdvice | None) -> dict[str, Figure]:
    """Return the figures of a folder: what the times leave of each degree, and the plan where there is one."""
    from ... import figures
    from ...figures.style import figure_of

    section = config.recursion
    axes = figures.draw_attenuation(
        fresh_fraction=section.fresh_fraction,
        truncation_time=section.build_schedule(),
        rate=section.rate,
        regime=section.regime,
        rounds=spread_rounds(section.rounds),
        highest_degree=config.analysis.degree_in(1) + 0.35,
        limit=section.schedule != "explicit" and section.fresh_fraction > 0.0,
    )
    caption = "Share of each Hermite degree of the data that is left after the rounds given, and in the limit if drawn."
    if advice is not None and advice.truncation.final_step != "noisy":
        caption += (
            " Of a sampler that stopped there and left its noise in; this one takes noise away at the end, which the "
            "text above is about."
        )
    drawn = {"attenuation": figures.describe(figure_of(axes), "attenuation", caption)}
    return drawn if plan is None else {"plan": figure_of(figures.draw_plan(plan.planned)), **drawn}


class _Plan(NamedTuple):
    """A planned schedule beside the configured one and the best constant time."""

    planned: SchedulePlan
    configured: SchedulePlan | None
    constant: tuple[Estimate, Estimate] | None
    error: PowerLaw
    degrees: list[int]


def _with_time(config: Config, alpha_bar: float | None, sigma: float | None) -> Config:
    """Return the configuration with a truncation given in other units."""
    from ...laws.channels import time_from_alpha_bar, time_from_sigma

    rate = config.recursion.rate
    if alpha_bar is not None:
        return config.updated({"truncation_time": float(time_from_alpha_bar(alpha_bar, rate=rate))})
    if sigma is not None:
        return config.updated({"truncation_time": float(time_from_sigma(sigma, rate=rate))})
    return config


def _advice(
    config: Config,
    known: str | None,
    file: Path | None,
    data_scale: float | None,
    step: int | None,
    steps: int | None,
) -> SamplerAdvice | None:
    """Return what a sampler's own truncation leads to, if one was named."""
    if known is None and file is None:
        return None
    from ...advice.samplers import advise_sampler, known_sampler
    from ...advice.schedulers import read_scheduler

    truncation = (
        known_sampler(known, steps=steps)
        if known is not None
        else read_scheduler(str(file), data_scale=data_scale, step=step, steps=steps)
    )
    return advise_sampler(
        truncation, fresh_fraction=config.recursion.fresh_fraction, degree=config.analysis.degree_in(1)
    )


def _units(config: Config) -> dict[str, float]:
    """Return the truncation of one round in all units, and what it decides."""
    from ...laws.channels import alpha_bar_from_time, sigma_from_time
    from ...recursion.modes import half_degree

    section = config.recursion
    time, rate = section.truncation_time, section.rate
    half = half_degree(fresh_fraction=section.fresh_fraction, truncation_time=time, rate=rate)
    return {
        "OU time": time,
        "DDPM alpha_bar": float(alpha_bar_from_time(time, rate=rate)),
        "EDM sigma": float(sigma_from_time(time, rate=rate)),
        "half-amplitude degree": half,
        "fresh_fraction / (rate * time)": section.fresh_fraction / (rate * time) if time > 0.0 else np.inf,
    }


def _limits(config: Config, fidelity: float) -> dict[str, list[Any]]:
    """Return the largest truncation of each degree, in three units."""
    from ...laws.channels import alpha_bar_from_time, sigma_from_time
    from ...recursion.modes import largest_truncation

    section, degrees = config.recursion, np.arange(1, config.analysis.degree_in(1) + 1)
    times = np.atleast_1d(
        largest_truncation(
            degrees, fidelity=fidelity, fresh_fraction=section.fresh_fraction, rate=section.rate
        )
    )
    signals = np.atleast_1d(alpha_bar_from_time(times, rate=section.rate))
    noises = np.atleast_1d(sigma_from_time(times, rate=section.rate))
    rows = [tuple(map(float, row)) for row in zip(times, signals, noises, strict=True)]
    return {"degree": [int(n) for n in degrees], "rows": rows}


def _plan(
    config: Config,
    scale: float,
    exponent: float | None,
    degrees: list[int],
    objective: str,
    shape: str,
    total_time: float | None,
) -> _Plan:
    """Return the times that leave the least error, and the errors of other schedules."""
    from ...advice.error_models import PowerLaw
    from ...advice.planning import best_constant_truncation, plan_schedule, predicted_errors

    section = config.recursion
    if section.regime != "replace" or section.process != "ornstein_uhlenbeck" or section.blur > 0.0:
        raise InputError(
            "a plan must be for replacement with Ornstein-Uhlenbeck truncation and no blur, got another."
        )
    power = exponent if exponent is not None else config.target.build_law().dimension / 4.0
    error = PowerLaw(checks.positive(scale, "error_scale"), checks.positive(power, "error_exponent"))
    setting: dict[str, Any] = {
        "rounds": section.rounds,
        "fresh_fraction": section.fresh_fraction,
        "error": error,
        "objective": objective,
        "rate": section.rate,
    }
    schedule = section.build_schedule()
    configured = None
    if np.all(schedule.times(section.rounds) > 0.0):
        configured = predicted_errors(schedule, degrees, **setting)
    constant = None
    if section.fresh_fraction > 0.0 and len(degrees) == 1:
        constant = best_constant_truncation(
            degrees[0], fresh_fraction=section.fresh_fraction, error=error, rate=section.rate
        )
    planned = plan_schedule(degrees, shape=shape, total_time=total_time, **setting)
    return _Plan(planned, configured, constant, error, degrees)


def _print_plan(plan: _Plan, output: Output) -> None:
    """Print the planned times and what errors they and others leave."""
    times, error = plan.planned.schedule.values, plan.error
    degrees = ", ".join(str(n) for n in plan.degrees)
    output.heading(f"Planned times, for degree {degrees} and errors {error.scale:g} * t^-{error.exponent:g}")
    shown = spread_rounds(len(times), count=8)
    output.table(
        ["round", "time", *(f"bias, degree {n}" for n in plan.degrees)],
        [[i, times[i - 1], *(float(b) for b in plan.planned.bias[i])] for i in shown],
    )
    rows = [["planned", plan.planned.value]]
    rows += [["as configured", plan.configured.value]] if plan.configured is not None else []
    if plan.constant is not None:
        time, value = plan.constant
        rows.append([f"best constant time {time.value:.4g}, in the long run", value.value])
    output.heading("Error after the last round")
    output.table(["schedule", "error"], rows)


command = _command(run, uses=("target", "recursion", "analysis"), leaves=True)
