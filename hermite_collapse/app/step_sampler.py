"""The sampler of K steps that a configuration asks for, as a generator of the simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import InputError
from .config import Config

if TYPE_CHECKING:
    from ..recursion.recursion import Recursion
    from ..simulation.steps import StepsGeneration


def steps_generation(config: Config) -> StepsGeneration:
    """Return the generator of `generator = "steps"`; InputError for options that do not belong to it."""
    from ..advice.schedulers import USUAL_STEPS
    from ..pipeline.sampler_steps import SamplerSteps
    from ..simulation.steps import StepsGeneration, steps_by_name

    section = config.simulation
    if section.final_step != "noisy" or section.pool is not None:
        raise InputError("final_step and pool must be left out with the generator steps, got one of them.")
    scale = section.guidance_scale
    if section.scheduler_file is None:
        return steps_by_name(section.sampler, section.steps, guidance_scale=scale)
    if section.sampler is not None:
        raise InputError(f"sampler must be left out beside scheduler_file, got {section.sampler!r}.")
    steps = USUAL_STEPS if section.steps is None else section.steps
    probed = SamplerSteps.of_scheduler(section.scheduler_file, steps=steps)
    return StepsGeneration(probed, scale)


def require_steps(config: Config, recursion: Recursion) -> None:
    """Refuse a recursion or a degree that no comparison with a sampler of K steps belongs to."""
    steps_generation(config).check(recursion, config.recursion.rounds)
    if config.analysis.degree_in(recursion.dimension) < 1:
        raise InputError("degree must be 1 or more to compare a sampler of K steps, got 0.")
