"""What a mechanism leaves out, in sentences: its bound, or which number must be known better, and by how much."""

from __future__ import annotations

import numpy as np

from ..core.numbers import percent
from .fits.fitting import MechanismFit
from .fits.neighbours import LARGEST_PART, Separation
from .observed.observations import Observations

_NUMBERS = {
    "truncation": "the variance B that a round adds, which is 1 - A for truncation,",
    "blur": "the slope A of a round, which is 1 for a blur,",
    "refit": "the variance B that a round adds, which is 0 for refitting,",
}
_SMALLEST_SHOWN = 0.01


def bound_sentence(one: MechanismFit, separation: Separation, observations: Observations) -> str:
    """Return at most how much an identified mechanism leaves out of what it does."""
    part = percent(max(separation.bound, _SMALLEST_SHOWN))
    means = ", if nothing else moves the means" if _has_means(separation, observations) else ""
    return (
        f"What {one.title} leaves out is at most {part} of what it does, in every curve{means}. Laws so near to it fit "
        "as well; errors given here are those of this one alone."
    )


def _has_means(separation: Separation, observations: Observations) -> bool:
    """Return whether means were taken to stay."""
    return separation.column >= 0 and bool(np.any(observations.degrees == 1))


def shortfall_sentence(one: MechanismFit, separation: Separation, observations: Observations) -> str:
    """Return why the only mechanism that is left is not identified, and the errors at which it would be."""
    number = (
        _NUMBERS[one.name]
        if separation.column < 0
        else f"what a round adds to {observations.names[separation.column]}, which is nothing for {one.title},"
    )
    part = (
        f"{percent(separation.bound)} of what it does"
        if np.isfinite(separation.bound)
        else "as much as it does or more"
    )
    reason = (
        f"Of the special cases {one.title} alone fits as well as the law that contains it, but {number} is known too "
        f"little: what it leaves out may be {part}, where less than {percent(LARGEST_PART)} would name it."
    )
    needed = _needed_errors(separation.smaller_errors, observations)
    return f"{reason} {needed}" if needed else reason


def _needed_errors(factor: float, observations: Observations) -> str:
    """Return the standard errors that would do, nothing where these do by themselves."""
    if not 0.0 < factor < 1.0:
        return ""
    values = np.abs(observations.values[observations.used])
    relative = float(np.median(np.sqrt(observations.variances[values > 0.0]) / values[values > 0.0]))
    return (
        f"A true one would be named in nine cases of ten with standard errors of {percent(factor * relative)} of the "
        f"values in place of {percent(relative)} (medians)."
    )
