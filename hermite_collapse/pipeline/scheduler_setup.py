"""A scheduler object made ready for probing: made from its configuration, without clipping, with its levels set."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError, is_out_of_memory
from .probed_steps import Denoiser
from .scheduler_classes import quiet, scheduler_class
from .scheduler_conventions import Convention, SchedulerObject, convention_of
from .scheduler_sources import SchedulerSource

LONGEST_COMPLAINT = 160  # characters
NOT_LINEAR = ("clip_sample", "clip_denoised", "thresholding")
POSITIVE = {"sigma_max", "sigma_data", "shift", "flow_shift", "rho"}
LEARNED_VARIANCES = ("learned", "learned_range")
TAKE_BOTH = (  # the number of steps beside the levels themselves
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchLCMScheduler",
    "FlowMapEulerDiscreteScheduler",
    "UniPCMultistepScheduler",
    "HeliosScheduler",
    "MiniMaxH3Scheduler",
    "PiflowScheduler",
    "SCMScheduler",
)
# Pipelines that pass sigmas = linspace(1, 1/K, K) to the scheduler's set_timesteps.
PASS_SIGMAS = (
    "Bria",
    "Chroma",
    "DreamLite",
    "Flux",
    "Krea",
    "LTX",
    "Lumina2",
    "Motif",
    "NucleusMoE",
    "Ovis",
    "QwenImage",
    "VisualCloze",
    "ZImage",
)


def made(source: SchedulerSource) -> SchedulerObject:
    """Return the scheduler that a configuration describes."""
    name = source.class_name
    if not name:
        raise InputError("config must name the scheduler's class (_class_name), got none.")
    kind = scheduler_class(name)
    convention_of((name,))
    _check_numbers(source.settings)
    # What its constructor takes; `from_config` of diffusers takes the same and imports all classes that it resembles.
    defaults = set(source.settings.get("_use_default_values") or ())
    accepted = inspect.signature(kind.__init__).parameters.keys() - {"self", "kwargs"} - defaults
    settings = {key: value for key, value in source.settings.items() if key in accepted and value != "None"}
    try:
        with quiet():
            return kind(**settings)
    except ImportError as problem:
        words = str(problem).strip().splitlines()[0]
        raise InputError(f"{name} cannot be made here: {words}") from None
    except Exception as problem:  # code of diffusers fails in many ways, all of them for what it was given
        if is_out_of_memory(problem):
            raise
        raise InputError(f"config must be one that {name} accepts: {sentence(problem)}") from None


def _check_numbers(settings: Mapping[str, Any]) -> None:
    """Check numbers that diffusers takes unchecked and turns into levels that are none."""
    for name, value in settings.items():
        if isinstance(value, float) and np.isnan(value):
            raise InputError(f"{name} must be a number, got nan.")
    given = {name: value for name, value in settings.items() if value is not None and value != "None"}
    if "num_train_timesteps" in given:
        checks.integer(given["num_train_timesteps"], "num_train_timesteps", minimum=1)
    for name in POSITIVE & given.keys():
        checks.positive(given[name], name)
    if "sigma_min" in given:
        checks.nonnegative(given["sigma_min"], "sigma_min")
    for name in ("beta_start", "beta_end"):
        if name in given:
            checks.share(given[name], name)
    if "trained_betas" in given:
        betas = checks.vector(given["trained_betas"], "trained_betas")
        wrong = betas[(betas < 0.0) | (betas > 1.0)]
        if len(wrong):
            raise InputError(f"trained_betas must lie in [0, 1], got {float(wrong[0])!r}.")


def chosen_map(
    name: str,
    convention: Convention,
    denoiser: str | None,
    guided: bool,
    source: SchedulerSource,
) -> Denoiser:
    """Return which map the network is taken for."""
    if denoiser == "flow_map":
        if not convention.has_flow_map:
            raise InputError(f"denoiser must be 'posterior_mean' for {name}, got 'flow_map'.")
        if guided:
            raise InputError("guidance must be left out for flow maps, which contain theirs.")
        return "flow_map"
    if denoiser == "posterior_mean":
        return "posterior_mean"
    if convention.few_steps:
        choice = "'posterior_mean' or 'flow_map'" if convention.has_flow_map else "'posterior_mean'"
        raise InputError(
            f"denoiser must be given ({choice}) for {name}: networks for few steps are not posterior means."
        )
    if source.guidance_distilled:
        raise InputError(
            f"denoiser must be given ('posterior_mean') for {source.pipeline}: its network is distilled with guidance "
            "and is no posterior mean."
        )
    return "posterior_mean"


def without_clipping(scheduler: SchedulerObject) -> list[str]:
    """Switch off what is not linear and return what was switched off."""
    notes = []
    for option in NOT_LINEAR:
        if scheduler.config.get(option):
            scheduler.register_to_config(**{option: False})
            notes.append(f"{option} is switched off, because it is not linear.")
    if scheduler.config.get("variance_type") in LEARNED_VARIANCES:
        usual = "fixed_small_log" if type(scheduler).__name__ == "UnCLIPScheduler" else "fixed_small"
        scheduler.register_to_config(variance_type=usual)
        if hasattr(scheduler, "variance_type"):
            scheduler.variance_type = usual
        notes.append("The learned variance is taken as that of the posterior.")
    return notes


def given_levels(
    timesteps: ArrayLike | None, sigmas: ArrayLike | None, mu: float | None
) -> dict[str, object]:
    """Return what was given of a pipeline's own levels, as arguments of set_timesteps."""
    given: dict[str, object] = {}
    if timesteps is not None:
        values = checks.vector(timesteps, "timesteps")
        given["timesteps"] = [int(t) if float(t).is_integer() else float(t) for t in values]
    if sigmas is not None:
        given["sigmas"] = checks.vector(sigmas, "sigmas").tolist()
    if mu is not None:
        given["mu"] = checks.real(mu, "mu")
    return given


def set_levels(
    scheduler: SchedulerObject,
    convention: Convention,
    steps: int,
    source: SchedulerSource,
    given: dict[str, object],
) -> list[str]:
    """Set the levels as pipelines do, and return what was assumed."""
    name, config = type(scheduler).__name__, scheduler.config
    accepted = inspect.signature(scheduler.set_timesteps).parameters
    for option in given:
        if option not in accepted or name.startswith("EDM"):  # which takes positions in its own spacing
            raise InputError(f"{option} must be left out for {name}, which does not take them.")
    options, notes = {**convention.options, **given}, []
    if config.get("use_dynamic_shifting") and "mu" in accepted and "mu" not in given:
        options["mu"] = float(config.get("max_shift", 1.15))
        notes.append(f"mu is taken as {options['mu']:g}, that of the largest images.")
    shifted = "mu" in options and not source.pipeline.startswith("StableDiffusion3")
    passed = shifted or (source.pipeline.startswith(PASS_SIGMAS) and name.startswith("FlowMatchEuler"))
    if passed and "sigmas" in accepted and not given.keys() & {"sigmas", "timesteps"}:
        options["sigmas"] = np.linspace(1.0, 1.0 / steps, steps).tolist()
        notes.append("sigmas are passed as 1 to 1/K, evenly, as pipelines of this kind do.")
    if name == "SCMScheduler" and steps != 2:
        options["intermediate_timesteps"] = None
    if name == "SCMScheduler" and "timesteps" in given:
        options["max_timesteps"] = None
    if "sigmas" in options and name.startswith(("FlowMatch", "Helios")):
        options["sigmas"] = np.asarray(options["sigmas"], dtype=np.float32)
    custom = [len(values) for values in given.values() if isinstance(values, list)]
    if any(size not in (steps, steps + 1) for size in custom):
        raise InputError(f"steps must be the number of timesteps or sigmas, {custom[0]}, got {steps}.")
    try:
        if custom and name not in TAKE_BOTH:
            scheduler.set_timesteps(num_inference_steps=None, **options)
        else:
            scheduler.set_timesteps(steps, **options)
        if name == "ScoreSdeVeScheduler":
            scheduler.set_sigmas(steps)
            notes.append("The corrector's steps are left out, because they are not linear.")
    except Exception as problem:  # code of diffusers
        rule = (
            f"must be ones that {name} accepts"
            if custom
            else f"must be a number that {name} accepts, got {steps}"
        )
        subject = "timesteps and sigmas" if custom else "steps"
        raise InputError(f"{subject} {rule}: {sentence(problem)}") from None
    return notes


def sentence(problem: Exception) -> str:
    """Return what a library complains about as one short sentence, the first of several."""
    words = re.split(r"(?<=\.) (?=[A-Z])", " ".join(str(problem).split()))[0]
    if isinstance(problem, NameError):  # a variable that no branch has set
        words = f"its own code has no case for these settings ({type(problem).__name__})"
    elif not words or isinstance(problem, LookupError | AssertionError):
        words = f"its own code fails ({type(problem).__name__}{': ' if words else ''}{words})"
    if len(words) > LONGEST_COMPLAINT:
        words = words[:LONGEST_COMPLAINT].rsplit(" ", 1)[0] + " ..."
    return words if words.endswith(".") else words + "."
