r"""Errors of tables whose numbers have few digits: how far they are known, as printed.

Values that are rounded to a unit u of their last digit scatter by u^2 / 12 besides.  An error e that is rounded to its
own unit is anywhere in [e - u / 2, e + u / 2], the same for all rounds of one error: its logarithm, over that range,
scatters as that of an estimate of m degrees of freedom does,

    Var(log sigma^2) = trigamma(m / 2),

so that fits are tested by laws of F and Student (`estimated_errors`).  Of one unit m is 6, of three 54, of ten 600.
"""

from __future__ import annotations

import numpy as np

from ...core.types import FloatArray
from ...storage.curves import Curve
from ...storage.runs import inverse_trigamma
from .observations import Observations

_ROUGH = 0.2
"""Unit of the last digit of an error, in the error, from which readers are told of it."""
_FINE = 0.1
"""Up to which most errors of a curve are of two digits, and exact."""


def with_printed_digits(observations: Observations, stated: Observations, curve: object) -> Observations:
    """Return curves of a table with errors that are known as far as they are printed.

    Errors of means of few runs are as rough by themselves, and those that are said to be exact are.

    Parameters
    ----------
    observations : Observations
    stated : Observations
        With errors as stated.
    curve : object
        What they are of: a table, or something else.
    """
    if not isinstance(curve, Curve) or curve.rounding is None or observations.covariance.ndim > 1:
        return observations
    units = _entries(curve.rounding.values, observations)
    covariance = observations.covariance + stated.covariance * units**2 / 12.0
    errors, columns = _entries(curve.rounding.errors, observations), np.nonzero(observations.used)[1]
    fine = [j for j in np.unique(columns) if np.median(errors[columns == j]) <= _FINE]
    errors = np.where((errors <= _FINE) | np.isin(columns, fine), 0.0, errors)
    is_exact = observations.runs is not None and bool(np.isinf(observations.runs).any())
    if observations.error_freedom is not None or is_exact or not errors.any():
        return observations.replace(covariance=covariance)
    alike = np.where(errors[:, None] > 0.0, np.round(np.stack([columns, errors], axis=1), 6), -1.0)
    groups = np.unique(alike, axis=0, return_inverse=True)[1]
    return observations.replace(
        covariance=covariance,
        error_freedom=np.array([_freedom(unit) for unit in errors]),
        error_groups=groups.reshape(-1).astype(np.int64),
        are_rounded=True,
    )


def on_printed_digits(observations: Observations, curve: object, *, is_anything_rejected: bool) -> list[str]:
    """Return what a reader should know of errors with few digits.

    Parameters
    ----------
    observations : Observations
        With errors as far as they are known.
    curve : object
    is_anything_rejected : bool
    """
    if not isinstance(curve, Curve) or curve.rounding is None:
        return []
    if observations.are_rounded and float(curve.rounding.errors.max()) > _ROUGH:
        return [
            "Errors are printed with one digit, so that each is known to half a unit of it alone: tests and errors of "
            "parameters allow for that, and more digits say more."
        ]
    if curve.rounding.has_one_digit and is_anything_rejected:
        return [
            "Errors with one digit were taken as exact: where they are rounded to it, p-values are rough."
        ]
    return []


def _entries(values: FloatArray, observations: Observations) -> FloatArray:
    """Return the entries that are fitted, 0 for those of data that stand beside the table."""
    added = len(observations.values) - len(values)
    return np.concatenate([np.zeros((added, values.shape[1])), values])[observations.used]


def _freedom(unit: float) -> float:
    """Return the degrees of freedom of an error that is rounded to a unit, in the error; infinite for none."""
    if unit == 0.0:
        return float(np.inf)
    low, high = 1.0 - 0.5 * unit, 1.0 + 0.5 * unit

    def moment(x: float, power: int) -> float:
        log = np.log(x)
        return float(x * (log - 1.0 if power == 1 else log**2 - 2.0 * log + 2.0))

    mean, square = ((moment(high, power) - moment(low, power)) / unit for power in (1, 2))
    return 2.0 * inverse_trigamma(4.0 * (square - mean**2))
