"""How much of something is enough: steps, guidance, fresh data, images for a wanted tolerance of the limit.

Every answer is found by bracketing: the limit is within the tolerance when

    abs(limit / v - 1) <= tolerance    for every direction,

values are tried from the harmless end, on a grid even in the logarithm, up to the first that fails; bisection refines
between the last that holds and that one.  So the limit holds at the answer and at all tried values on the harmless
side of it; it need not be monotone.  None says that there is no such value.  Numbers of steps, with which limits are
seldom monotone, are searched in `step_search`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray
from .denoiser import Sampler
from .guidance import Guidance
from .mechanism import Mechanism, variances
from .mechanisms import ScoreError
from .pipeline import Pipeline

LEAST_SHARE = 1e-5
LARGEST_GUIDANCE = 33.0
SMALLEST_GUIDANCE = 1e-4  # of omega = scale - 1
MOST_IMAGES = 10**12
GRID = 33
NUDGE = 1e-3  # of log V, for sensitivities
ROUNDING = 1e-9  # of a deviation that counts as equal to the tolerance


def deviations(pipeline: Pipeline, v: ArrayLike) -> FloatArray:
    """Return the relative deviations of the limits from the data, infinity where one does not exist, shaped like v."""
    data = variances(v, "v")
    with np.errstate(invalid="ignore", divide="ignore"):
        limit = np.asarray(pipeline.limit(data))
        relative = np.where(limit == data, 0.0, (limit - data) / data)
    return np.where(np.isnan(relative), np.inf, relative)


def deviation(pipeline: Pipeline, v: ArrayLike) -> float:
    """Return the largest size of the relative deviations of the limits from the data."""
    return float(np.max(np.abs(deviations(pipeline, v))))


def is_within(size: float, tolerance: float) -> bool:
    """Return whether a deviation is at most a tolerance, but for rounding."""
    return size <= tolerance * (1.0 + ROUNDING)


def holds(pipeline: Pipeline, v: ArrayLike, tolerance: float) -> bool:
    """Return whether the limit of every direction is within a relative tolerance of the data."""
    return is_within(deviation(pipeline, v), tolerance)


def guidance_for(pipeline: Pipeline, v: ArrayLike, *, tolerance: float) -> float | None:
    """Return the largest guidance scale, to 1 %, up to which every limit is within a relative tolerance of the data.

    Parameters
    ----------
    pipeline : Pipeline
        With guidance, whose scale is varied.
    v : float or array
        Variances of the data within a class.
    tolerance : float
        > 0.

    Returns
    -------
    float or None
        At most 33.

    Raises
    ------
    InputError
        If there is no guidance in the pipeline.

    Examples
    --------
    >>> pipeline = Pipeline([Guidance(scale=1.5, between=0.01)], fresh_fraction=0.9)
    >>> round(guidance_for(pipeline, 0.25, tolerance=0.1), 1)
    3.0
    """
    guidance = pipeline.guidance
    if guidance is None:
        raise InputError("pipeline must hold guidance, whose largest scale is wanted, got none.")
    data, level, between = variances(v, "v"), checks.positive(tolerance, "tolerance"), guidance.between

    def fits(omega: float) -> bool:
        return holds(with_guidance(pipeline, Guidance(1.0 + omega, between)), data, level)

    grid = np.geomspace(SMALLEST_GUIDANCE, LARGEST_GUIDANCE - 1.0, GRID)
    answer = _last_that_holds(fits, grid, 0.01)
    if answer is None:
        return 1.0 if fits(0.0) else None
    return 1.0 + answer


def share_for(pipeline: Pipeline, v: ArrayLike, *, tolerance: float) -> float | None:
    """Return the least fresh fraction, to 0.1 %, from which on every limit is within a relative tolerance of the data.

    Parameters
    ----------
    pipeline : Pipeline
        Whose fresh fraction is varied.
    v : float or array
        Variances of the data; within a class under guidance.
    tolerance : float
        > 0.

    Returns
    -------
    float or None
        At least 1e-5.

    Examples
    --------
    >>> from hermite_collapse.pipeline.mechanisms import SamplerSteps
    >>> round(share_for(Pipeline([SamplerSteps.edm()], fresh_fraction=0.1), 1.0, tolerance=0.1), 3)
    0.921
    """
    data, level = variances(v, "v"), checks.positive(tolerance, "tolerance")

    def fits(share: float) -> bool:
        changed = Pipeline(pipeline.mechanisms, fresh_fraction=share, images=pipeline.images)
        return holds(changed, data, level)

    return _last_that_holds(fits, np.geomspace(1.0, LEAST_SHARE, GRID), 0.001)


def images_for(pipeline: Pipeline, v: ArrayLike, *, tolerance: float) -> int | None:
    """Return the least number of images a round with which every limit is within a tolerance of the data.

        alpha n = (1 - eps) / (2 eps) about

    for a loss eps of a pipeline that does nothing else: a number of real images, whatever their share.

    Parameters
    ----------
    pipeline : Pipeline
        Whose number of images is varied, without a `Refit`.
    v : float or array
        Variances of the data; within a class under guidance.
    tolerance : float
        > 0.

    Returns
    -------
    int or None

    Examples
    --------
    >>> 440 < 0.1 * images_for(Pipeline([], fresh_fraction=0.1), 1.0, tolerance=0.001) < 560
    True
    """
    data, level = variances(v, "v"), checks.positive(tolerance, "tolerance")

    def fits(count: float) -> bool:
        changed = Pipeline(pipeline.mechanisms, fresh_fraction=pipeline.fresh_fraction, images=int(count))
        return holds(changed, data, level)

    grid = np.unique(np.round(np.geomspace(MOST_IMAGES, 2.0, 2 * GRID)))[::-1]
    enough = _last_that_holds(fits, grid, np.inf)
    if enough is None or enough == grid[-1]:
        return None if enough is None else int(enough)
    most, least = int(enough), int(grid[np.flatnonzero(grid == enough)[0] + 1])
    while most - least > 1:
        middle = (most + least) // 2
        most, least = (middle, least) if fits(middle) else (most, middle)
    return most


def sensitivity(pipeline: Pipeline, v: ArrayLike) -> FloatArray:
    """Return by how many per cent the limit moves when what a mechanism makes is 1 % larger in every round.

        d log(limit) / d log(V_k)

    Parameters
    ----------
    pipeline : Pipeline
    v : array, shape (m,)
        Variances of the data; within a class under guidance.

    Returns
    -------
    array, shape (K, m)
        One row a mechanism; NaN where there is no limit.

    Accuracy
    --------
    Central differences of relative step 1e-3: about 1e-6, away from fold points.

    Examples
    --------
    >>> from hermite_collapse.pipeline.mechanisms import Blur
    >>> sensitivity(Pipeline([Blur(0.1)], fresh_fraction=0.1), [1.0]).round(2)
    array([[10.]])
    """
    data = np.atleast_1d(variances(v, "v"))
    rows = []
    for k in range(len(pipeline.mechanisms)):
        logs = []
        for sign in (1.0, -1.0):
            nudge: Mechanism = ScoreError(float(np.expm1(sign * NUDGE)))
            parts = [*pipeline.mechanisms[: k + 1], nudge, *pipeline.mechanisms[k + 1 :]]
            nudged = Pipeline(parts, fresh_fraction=pipeline.fresh_fraction, images=pipeline.images)
            limit = np.asarray(nudged.limit(data))
            logs.append(np.log(np.where(np.isfinite(limit) & (limit > 0.0), limit, np.nan)))
        rows.append((logs[0] - logs[1]) / (2.0 * NUDGE))
    return np.array(rows).reshape(len(rows), len(data))


def with_guidance(pipeline: Pipeline, guidance: Guidance) -> Pipeline:
    """Return the pipeline with another guidance."""
    parts = [
        part.replace(guidance=guidance)
        if isinstance(part, Sampler) and part.guidance is not None
        else guidance
        if isinstance(part, Guidance)
        else part
        for part in pipeline.mechanisms
    ]
    return Pipeline(parts, fresh_fraction=pipeline.fresh_fraction, images=pipeline.images)


def _last_that_holds(fits: Callable[[float], bool], grid: FloatArray, accuracy: float) -> float | None:
    """Return the value, to a relative accuracy, up to which a condition holds on a grid that starts harmless."""
    inside = None
    for value in grid.tolist():
        if fits(value):
            inside = value
            continue
        if inside is None:
            return None
        outside = value
        while abs(np.log(outside / inside)) > accuracy:
            middle = float(np.sqrt(inside * outside))
            inside, outside = (middle, outside) if fits(middle) else (inside, middle)
        break
    return inside
