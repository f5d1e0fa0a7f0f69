"""How many rounds a geometric approach takes: the one rule behind every "99 % of the way after i rounds"."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..core.types import FloatArray


def repetitions_to(remaining: float, factor: ArrayLike) -> FloatArray:
    """Return the fewest repetitions of a factor that leave at most a share of what there was.

        i = ceil(log(remaining) / log(factor)),     factor^i <= remaining

    Parameters
    ----------
    remaining : float
        The share that may be left, > 0; no repetition is needed from 1 on.
    factor : float or array, shape (...)
        What one repetition leaves, in [0, 1]; infinitely many are needed at 1, one at 0.

    Returns
    -------
    array, shape (...)
        Whole numbers, or infinity.

    Examples
    --------
    >>> repetitions_to(0.01, [0.0, 0.6, 1.0]).tolist()
    [1.0, 10.0, inf]
    """
    per_round = np.asarray(factor, dtype=np.float64)
    if remaining >= 1.0:
        return np.zeros_like(per_round)
    with np.errstate(divide="ignore"):
        count = np.ceil(np.log(remaining) / np.log(per_round))
    return np.where(per_round < 1.0, np.maximum(count, 1.0), np.inf)
