"""What the limit of a pipeline is at other fresh fractions: how much real data a loop needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ..core.types import BoolArray, FloatArray
from ..pipeline.pipeline import Pipeline
from ..pipeline.requirements import with_guidance

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5, 0.9)
"""Fresh fractions at which limits are shown."""

WORDS = (
    "Limit variance over the data's of a coarse, a median and a fine direction, all mechanisms together; 1 would be "
    "right."
)
"""What the numbers of `limits_by_fraction` are."""


def by_pipeline(
    pipelines: Sequence[Pipeline], data: FloatArray, selected: BoolArray | None = None
) -> list[tuple[Pipeline, FloatArray]]:
    """Return each pipeline with the variances of its directions."""
    mask = np.ones(len(data), dtype=bool) if selected is None else selected
    if len(pipelines) == 1:
        return [(_along(pipelines[0], mask), data[mask])]
    return [(one, data[j : j + 1]) for j, one in enumerate(pipelines) if mask[j]]


def limits_by_fraction(
    pipelines: Sequence[Pipeline], data: FloatArray, directions: Sequence[int]
) -> FloatArray:
    """Return limit / v of all mechanisms together at each of `FRACTIONS`, shape (fractions, directions).

    Infinite where the variance grows without bound, NaN where it ends in a cycle.
    """
    shown = np.unique(directions)
    parts = by_pipeline(pipelines, data, np.isin(np.arange(len(data)), shown))
    limits = [
        np.concatenate([dataclasses.replace(one, fresh_fraction=fraction).limit(v) for one, v in parts])
        for fraction in FRACTIONS
    ]
    return np.array(limits)[:, np.searchsorted(shown, directions)] / data[list(directions)]


def _along(pipeline: Pipeline, directions: BoolArray) -> Pipeline:
    """Return the pipeline of some of its directions."""
    guidance = pipeline.guidance
    if guidance is None or not isinstance(guidance.between, tuple):
        return pipeline
    return with_guidance(pipeline, guidance.selected(directions))
