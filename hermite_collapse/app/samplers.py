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


def sampler_of(scheduler: Path, denoiser: str | None = None) -> Callable[[int, Guidance | None], Sampler]:
    """Return what makes the sampler of that name for a number of steps."""
    name = str(scheduler)
    if name in CLOSED_FORMS and not scheduler.exists():
        if denoiser not in (None, "posterior_mean"):
            raise InputError(f"denoiser must be 'posterior_mean' for {name}, got {denoiser!r}.")
        make = named_sampler(name, "scheduler")
        return lambda steps, guidance: make(steps=steps, guidance=guidance)
    if not scheduler.exists():
        near = nearest(name, CLOSED_FORMS)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise InputError(
            f"scheduler must be {', '.join(CLOSED_FORMS)}, or an existing file or folder, got {name!r}{hint}."
        )
    return lambda steps, guidance: SamplerSteps.of_scheduler(
        name, steps=steps, guidance=guidance, denoiser=denoiser
    )
