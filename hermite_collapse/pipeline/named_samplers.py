"""Samplers of K steps by the names that every command and configuration takes: one list, and what each name makes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..core import checks
from .sampler_steps import SamplerSteps

_MAKERS: dict[str, Callable[..., SamplerSteps]] = {
    "ddim": SamplerSteps.ddim,
    "ddpm": SamplerSteps.ddpm,
    "ddpm_beta": partial(SamplerSteps.ddpm, variance="beta"),
    "edm_heun": SamplerSteps.edm,
    "edm_euler": partial(SamplerSteps.edm, method="euler"),
    "flow_euler": SamplerSteps.flow,
    "improved_ddpm": partial(SamplerSteps.ddpm, schedule="squaredcos_cap_v2"),
    "stable_diffusion": partial(
        SamplerSteps.ddim, schedule="scaled_linear", beta_start=0.00085, beta_end=0.012
    ),
    "edm": SamplerSteps.edm,
    "flow": SamplerSteps.flow,
}

NAMES = tuple(_MAKERS)
"""Names of samplers of K steps, the default first; `edm` is `edm_heun`, and `flow` is `flow_euler`."""


def named_sampler(name: str, argument: str = "sampler") -> Callable[..., SamplerSteps]:
    """Return the constructor of the sampler of a name: it takes `steps` and `guidance`."""
    return _MAKERS[checks.one_of(name, NAMES, argument)]
