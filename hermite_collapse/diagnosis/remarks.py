"""What a reader should know of measured curves beside their diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..storage.image_forms import OPENING as FORMATS_OF_IMAGES
from .measuring.measured import Measured
from .observations import VARIANCE, Observations
from .reweighting import left_out

_FAR_FROM_ONE = 0.1


def left_out_since(reason: str, names: Sequence[str]) -> str:
    """Return which curves are not fitted, and why."""
    return f"Left out, since {reason}: {', '.join(names)}."


def on_first_values(observations: Observations) -> list[str]:
    """Return what to do about factors that are far from 1 in round 0, where everything is rejected."""
    first = observations.rounds == 0.0
    distant = np.abs(observations.values[first] - 1.0) > _FAR_FROM_ONE
    far = (observations.degrees > VARIANCE) & np.any(distant & observations.used[first], axis=0)
    names = [name for name, is_far in zip(observations.names, far, strict=True) if is_far]
    if not names:
        return []
    return [
        f"Factors are shares of the data's coefficients, 1 in round 0 ({', '.join(names)} differ by more than "
        f"{_FAR_FROM_ONE:g}): divide coefficients by those of the data, unless the first model had another law."
    ]


def remarks_on(
    measured: Measured, used: Sequence[str], fresh: float | None, *, all_rejected: bool
) -> list[str]:
    """Return what a reader should know of formats, curves that were left out, copies, and a rejection's errors."""
    remarks = [note for note in measured.notes if note.startswith(FORMATS_OF_IMAGES)]
    remarks += [left_out_since(reason, names) for reason, names in left_out(measured, fresh, used)]
    if all_rejected:
        remarks.append(
            "The measured samples were taken as those that trained the next round, beside all of the data; training "
            "sets of another size do not describe the curves either, from a sixteenth of a generation to four, nor do "
            "others than the measured samples, from a thirty-second to sixteen."
            if measured.training_samples is None
            else f"Training sets were taken to hold {measured.training_samples} samples, fresh ones drawn anew: "
            "smaller sets, or always the same fresh data, scatter otherwise from round to round than these errors "
            "say, so that a true mechanism is rejected too."
        )
    copies = [
        f"{earlier} and {later}"
        for (earlier, former), (later, latter) in pairwise(zip(measured.labels, measured.values, strict=True))
        if np.array_equal(former, latter)
    ]
    if copies:
        remarks.append(
            f"Generations have the same values to the last digit ({', '.join(copies)}): copies are no rounds, and "
            "errors and p-values say nothing of them."
        )
    return remarks
