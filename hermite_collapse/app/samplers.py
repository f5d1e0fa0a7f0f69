"""Samplers by the names that commands take: a closed form, or a diffusers scheduler's file or folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.errors import InputError
from ..core.near import nearest
from ..pipeline.denoiser import Sampler
from ..pipeline.guidance import Guidance
from ..pipeline.named_samplers import NAMES, named_sampler
from ..pipeline.sampler_steps import SamplerSteps

CLOSED_FORMS = NAMES


def sampler_of(
    scheduler: Path, denoiser: str | None = None, *, argument: str = "scheduler"
) -> Callable[[int, Guidance | None], Sampler]:
    """Return what makes the sampler of that name for a number of steps; refusals speak of the argument."""
    name = str(scheduler)
    if name in CLOSED_FORMS and not scheduler.exists():
        if denoiser not in (None, "posterior_mean"):
            raise InputError(f"denoiser must be 'posterior_mean' for {name}, got {denoiser!r}.")
        make = named_sampler(name, argument)
        return lambda steps, guidance: make(steps=steps, guidance=guidance)
    if not scheduler.exists():
        near = nearest(name, CLOSED_FORMS)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise InputError(
            f"{argument} must be {', '.join(CLOSED_FORMS)}, or an existing file or folder, got {name!r}{hint}."
        )

    def make_probed(steps: int, guidance: Guidance | None) -> Sampler:
        try:
            return SamplerSteps.of_scheduler(name, steps=steps, guidance=guidance, denoiser=denoiser)
        except InputError as problem:
            rest = str(problem).removeprefix("scheduler ")
            if argument == "scheduler" or rest == str(problem):
                raise
            raise InputError(f"{argument} {rest}") from None

    return make_probed
