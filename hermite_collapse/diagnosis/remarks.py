"""What a reader should know of measured curves beside their diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..storage.image_forms import OPENING as FORMATS_OF_IMAGES
from .measured import Measured
from .reweighting import left_out


def left_out_since(reason: str, names: Sequence[str]) -> str:
    """Return which curves are not fitted, and why."""
    return f"Left out, since {reason}: {', '.join(names)}."


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
