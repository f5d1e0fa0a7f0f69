"""What the step size of a sampler does to the comparison, beside the statistical error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.types import FloatArray
from ..recursion.sampling_error import degree_combinations

if TYPE_CHECKING:
    from .result import Comparison


def step_size_effect(comparison: Comparison, *, by_degree: bool) -> tuple[FloatArray, FloatArray] | None:
    """Return the effect of the sampler's step size and its standard error, on modes or on the factors of degrees.

    For a degree the standard error is Minkowski's bound: errors of its modes may all point the same way.

    Returns
    -------
    tuple of two arrays, shape (rounds + 1, modes or degrees), or None
        None where no refined simulation was given.
    """
    effect, error = comparison.discretisation, comparison.discretisation_error
    if effect is None or error is None:
        return None
    if not by_degree:
        return effect, error
    rows = degree_combinations(comparison.indices, comparison.modes.expected[0])
    return effect @ rows.T, error @ np.abs(rows).T


def largest_step_size_effect(comparison: Comparison) -> float:
    """Return the largest effect of the step size on a tested coefficient, in its statistical errors; 0 if unknown."""
    if comparison.discretisation is None:
        return 0.0
    error = comparison.standard_error
    moved = np.divide(
        np.abs(comparison.discretisation),
        error,
        out=np.zeros_like(error),
        where=comparison.tested & (error > 0.0),
    )
    return float(moved.max(initial=0.0))
