r"""Errors that were computed from the values themselves, such as sqrt(2/T) v of a variance.

A value that is small by chance then has a small error, and a large weight: fits lie low, by about the relative error r
in units of each error.  Where e_i / y_i is the same in all rounds of a curve of variances, the error is that of what a
rate and a plateau of it predict, m_i, and logarithms are fitted (`observations`):

    e_i = r m_i,     y_m = m (1 + log(y / m)) + e^2 / (2 m).
"""

from __future__ import annotations

import numpy as np

from ..observed.observations import VARIANCE, Observations
from .fitting import fit
from .round_models import AffineModel

_SAME = 0.02
"""Relative scatter of e / y up to which errors are of the values; two digits of an error have it."""
_LEAST = 0.04
"""Relative error from which it matters."""
_PASSES = 3
_FARTHEST = 3.0
"""Ratio of a value and its prediction up to which errors go with the prediction."""


def with_errors_of_a_fit(observations: Observations) -> Observations:
    """Return curves whose errors are of what a fit predicts, where they were of the values."""
    if not observations.has_errors or observations.covariance.ndim > 1 or observations.measured is not None:
        return observations
    if observations.runs is not None and np.isinf(observations.runs).any():  # said to be exact
        return observations
    rows, columns = np.nonzero(observations.used)
    later = observations.rounds[rows] > 0.0
    values = observations.values[rows, columns]
    relative = np.sqrt(observations.covariance) / np.where(values > 0.0, values, np.nan)
    computed = np.zeros(len(rows), dtype=bool)
    for j in np.flatnonzero(observations.degrees == VARIANCE):
        own = (columns == j) & later
        typical = float(np.median(relative[own])) if own.any() else np.nan
        if typical >= _LEAST and np.all(np.abs(relative[own] / typical - 1.0) <= _SAME):
            computed |= own
    if not computed.any():
        return observations
    current = observations
    for _ in range(_PASSES):
        predicted = fit(AffineModel(), current).predicted[rows, columns]
        near = np.clip(predicted, values / _FARTHEST, values * _FARTHEST)
        reference = np.zeros_like(observations.values)
        reference[rows[computed], columns[computed]] = near[computed]
        covariance = np.where(computed, (relative * near) ** 2, observations.covariance)
        current = observations.replace(covariance=covariance, reference=reference)
    return current
