"""How many steps a reverse diffusion takes where none are asked for: so many that they stay below the error bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core import checks
from ..simulation.words import SAMPLERS
from .config import Config

if TYPE_CHECKING:
    from ..recursion.recursion import Recursion
    from ..simulation.samplers import Sampler

MOST = 2000
"""Steps that are taken unasked; a truncation time that needs more is said to leave nothing to test."""


def is_refined(config: Config) -> bool:
    """Return whether the sampler is of first order: its step-size error is then measured by doubling the steps."""
    section = config.simulation
    return section.generator != "channel" and section.sampler == "euler_maruyama"


def planned_steps(config: Config, recursion: Recursion) -> int | None:
    """Return the steps of the sampler that a run takes; None where they are left to the generator."""
    if config.simulation.generator not in ("exact", "kernel"):
        return config.simulation.steps
    return enough_steps(config, recursion, asked_sampler(config))


def asked_sampler(config: Config) -> Sampler | None:
    """Return the sampler of a reverse diffusion; None where neither it nor its last step is asked for."""
    section = config.simulation
    if section.sampler is not None:
        checks.one_of(section.sampler, SAMPLERS, f"sampler of the generator {section.generator}")
    if section.sampler is None and section.final_step == "noisy":
        return None
    from ..simulation import EulerMaruyama, ExponentialMultistep, ProbabilityFlowHeun

    name = section.sampler or ExponentialMultistep.name
    samplers = (ExponentialMultistep, EulerMaruyama, ProbabilityFlowHeun)
    return next(one for one in samplers if one.name == name)(final_step=section.final_step)


def enough_steps(config: Config, recursion: Recursion, sampler: Sampler | None) -> int | None:
    """Return the steps of a run with exact or kernel scores; what is asked for, or nothing for other generators."""
    section = config.simulation
    if section.steps is not None or section.generator not in ("exact", "kernel"):
        return section.steps
    if min(recursion.schedule.times(config.recursion.rounds)) <= 0.0:
        return None  # the reverse diffusion refuses a round that ends at time 0
    from ..comparison.step_bound import PlannedSteps, independent_particles
    from ..simulation.samplers import ExponentialMultistep

    used = ExponentialMultistep() if sampler is None else sampler
    pool = None
    if section.generator == "kernel":
        pool = section.particles if section.pool is None else section.pool
    particles = independent_particles(section.particles, section.runs, pool)
    rounds, described = config.recursion.rounds, used.describe()
    planned = PlannedSteps(recursion, described, rounds, particles, is_refined(config))
    return min(planned.needed(used.default_steps), max(MOST, used.default_steps))
