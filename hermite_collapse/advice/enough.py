"""What is enough for limits near the data, and the sentence that says so: of `audit`, and of `advise_sampler`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..core.numbers import grouped, percent, significant
from ..core.types import FloatArray
from ..core.words import capital
from ..pipeline.denoiser import Sampler
from ..pipeline.mechanism import Mechanism
from ..pipeline.pipeline import Pipeline
from ..pipeline.requirements import guidance_for, images_for, share_for
from ..pipeline.step_search import StepsAnswer, steps_for

TOLERANCE = 0.1
"""Relative deviation of a limit from the data from which on something is a problem, where none is asked for."""

MOST_STEPS = 1000
SHOWN_RANGES = 4  # of numbers of steps, beside the first
_ALONE = {"steps": "the sampler", "guidance scale": "guidance", "images": "finite images"}
_NEVER = {
    "guidance scale": "guidance scale",
    "images": "number of images",
    "fresh fraction": "fresh fraction",
}
_NOW = {
    "steps": "the number of steps",
    "guidance scale": "the guidance scale",
    "images": "the number of images",
}


class Requirement(NamedTuple):
    """How much of something is enough.

    Attributes
    ----------
    quantity : str
        "steps", "guidance scale", "fresh fraction" or "images", which are those of each class under guidance.
    value : float or None
        The least that suffices, the largest for a guidance scale; None if nothing does.
    of_all : bool
        Whether the other mechanisms are at work too; else this one is alone.
    search : StepsAnswer or None
        Of steps: where more of them do worse again, what comes nearest, and what was tried.
    """

    quantity: str
    value: float | None
    of_all: bool
    search: StepsAnswer | None = None


class Situation(NamedTuple):
    """What stands now, for the words on what would be enough.

    Attributes
    ----------
    pipeline : Pipeline
        One of those in use.
    tolerance : float
        Relative deviation of the limit from the data that is asked for.
    finest : str
        The finest direction that it is asked of, in words.
    steps : int or None
        Number of steps that the sampler was asked for.
    is_reached : bool
        Whether the limits of all mechanisms together are within the tolerance.
    is_single : bool
        Whether there is one mechanism only.
    """

    pipeline: Pipeline
    tolerance: float
    finest: str
    steps: int | None
    is_reached: bool
    is_single: bool


def requirements_of(
    parts: Sequence[tuple[Pipeline, FloatArray]],
    tolerance: float,
    build: Callable[[int], Mechanism] | None,
    steps: int | None,
) -> list[Requirement]:
    """Return what suffices, each quantity by itself: the strictest answer of all directions.

    Parameters
    ----------
    parts : sequence of (Pipeline, array)
        Each pipeline with the variances of its directions.
    tolerance : float
        Relative deviation of the limit from the data.
    build : callable or None
        Takes a number of steps and returns the sampler.
    steps : int or None
        Number of steps that the sampler was asked for, which is tried in any case.
    """
    first = parts[0][0]
    alpha = first.fresh_fraction
    result = []
    if build is not None and sampler_in(first) is not None:
        answer = steps_for(
            lambda count: Pipeline([build(count)], fresh_fraction=alpha),
            np.concatenate([v for _, v in parts]),
            tolerance=tolerance,
            most=MOST_STEPS,
            also=[] if steps is None else [steps],
        )
        result.append(Requirement("steps", answer.first, False, answer))
    if first.guidance is not None:
        scales = []
        for pipeline, data in parts:
            alone = Pipeline([_guidance(pipeline)], fresh_fraction=alpha)
            scales.append(guidance_for(alone, data, tolerance=tolerance))
        result.append(Requirement("guidance scale", _strictest(scales, min), False))
    shares = [share_for(pipeline, data, tolerance=tolerance) for pipeline, data in parts]
    result.append(Requirement("fresh fraction", _strictest(shares, max), True))
    if first.images is not None:
        bare = Pipeline([], fresh_fraction=alpha)
        counts = [images_for(bare, parts[0][1], tolerance=tolerance)]
        result.append(Requirement("images", _strictest(counts, max), False))
    return result


def sampler_in(pipeline: Pipeline) -> Sampler | None:
    """Return the sampler of a pipeline, if it has one."""
    return next((part for part in pipeline.mechanisms if isinstance(part, Sampler)), None)


def asked_steps(sampler: Sampler | None, steps: int | None) -> int | None:
    """Return the number of steps that a sampler was asked for: its own, unless another is said."""
    return sampler.steps if steps is None and sampler is not None else steps


def what_is_enough(requirements: Sequence[Requirement], now: Situation) -> str:
    """Return in a sentence what limits within the tolerance take."""
    wanted = f"limits within {percent(now.tolerance)} of the data, down to {now.finest},"
    takes, fails, suffice = [], [], []
    for requirement in requirements:
        quantity, value, of_all, _ = requirement
        alone = "" if of_all or now.is_single else f" ({_ALONE[quantity]} alone)"
        if of_all and now.is_reached:
            least = ""
            if value is not None and now.pipeline.fresh_fraction >= value:
                least = f", and would be down to a fresh fraction of {shown(value, up=True)}"
            return f"{capital(wanted)} are reached already{least}."
        if value is None:
            fails.append(_failure(requirement, alone))
        elif not _is_met(requirement, now):
            takes.append(_amount(requirement, now) + alone)
        elif not of_all:
            suffice.append(f"{_NOW[quantity]}{alone}")
    parts = [f"take {', or '.join(takes)}"] if takes else []
    parts += [f"{' and '.join(fails)} would do"] if fails else []
    parts += [f"{' and '.join(suffice)} will do as it is"] if suffice else []
    if not takes:
        return f"For {wanted} {'; '.join(parts)}."
    return f"{capital(wanted)} {'; '.join(parts)}."


def shown(value: float, *, up: bool) -> str:
    """Return a bound of three digits, rounded to the side on which it holds."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 2.0)
    digits = np.ceil(value / unit - 1e-6) if up else np.floor(value / unit + 1e-6)
    return f"{digits * unit:.3g}"


def _is_met(requirement: Requirement, now: Situation) -> bool:
    value, pipeline = requirement.value, now.pipeline
    if value is None:
        return False
    guidance = pipeline.guidance
    if requirement.quantity == "steps":
        search = requirement.search
        return now.steps is not None and search is not None and search.includes(now.steps)
    if requirement.quantity == "guidance scale":
        return guidance is not None and guidance.scale <= value
    if requirement.quantity == "images":
        return pipeline.images is not None and pipeline.images >= value
    return False  # limits of all mechanisms are beyond the tolerance


def _amount(requirement: Requirement, now: Situation) -> str:
    quantity, value, _, search = requirement
    assert value is not None
    if quantity == "steps":
        windows = ((round(value), None),) if search is None else search.windows
        first, *others = (_range(*window) for window in windows)
        if windows[0][1] is None:
            first = f"{value:.0f}"
        if len(others) > SHOWN_RANGES:
            others = [*others[:1], f"one of {len(others) - 2} other ranges", others[-1]]
        beyond = "".join(f", or {other}" for other in others) + ("," if others else "")
        worse = " (numbers just above do worse)" if len(windows) == 1 and windows[0][1] is not None else ""
        return f"{first} steps{beyond}" + ("" if now.steps is None else f" in place of {now.steps}") + worse
    if quantity == "guidance scale":
        return f"a guidance scale of at most {shown(value, up=False)}"
    if quantity == "images":
        real = significant(now.pipeline.fresh_fraction * value)
        of_each = "" if now.pipeline.guidance is None else " of each class"
        return f"{grouped(int(value))} images{of_each} a round, {real} of them real,"
    return f"a fresh fraction of {shown(value, up=True)}"


def _range(first: int, last: int | None) -> str:
    """Return a range of numbers of steps in words."""
    if last is None:
        return f"{first} and more"
    return f"{first}" if last == first else f"{first} to {last}"


def _failure(requirement: Requirement, alone: str) -> str:
    """Return what does not suffice."""
    search = requirement.search
    if search is None:
        return f"no {_NEVER[requirement.quantity]}{alone}"
    if search.nearest is None:
        return f"no number of steps that the sampler takes{alone}"
    nearest = f"the best of them is {search.nearest}"
    size = f", {percent(search.deviation)} off" if np.isfinite(search.deviation) else ""
    return f"none of {len(search.tried)} numbers of steps{alone} up to {search.tried[-1]} tried ({nearest}{size})"


def _strictest(values: Sequence[float | None], choose: Callable[[Sequence[float]], float]) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if len(known) == len(values) else None


def _guidance(pipeline: Pipeline) -> Mechanism:
    guidance = pipeline.guidance
    assert guidance is not None
    return guidance
