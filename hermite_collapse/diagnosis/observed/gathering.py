"""From arrays, tables and measured generations to the observations that are fitted: kinds, units, starts, errors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ...core import checks
from ...core.arrays import as_array
from ...core.errors import InputError
from ...core.significance import least_eigenvalue
from ...core.types import FloatArray, IntArray
from ...storage.roles import is_squared
from ...storage.runs import LEAST_ERROR, ErrorFreedom, without_rounding
from ..measuring.measured import FACTOR, Measured
from ..measuring.measured import VARIANCE as DIRECTION
from .observations import DISTANCE, SQUARED, UNKNOWN, VARIANCE, Observations

KINDS = ("factors", "variances", "deviations", "distances", "squared_distances")
UNKNOWN_KIND = "unknown"
"""Of columns that do not say what they are: a rate and a plateau are all that can be fitted."""
LARGEST_ROUND = 100_000
HIGHEST_DEGREE = 1000
_SIZES = (LEAST_ERROR, 1e15)
"""Sizes of columns of factors and variances, and relative sizes of errors, that are fitted."""
_FREE_SIZES = (1e-130, 1e130)
"""Sizes of columns whose unit says nothing, such as distances: their squares are doubles."""
_SMALLEST_SCATTER = 1e-12  # of the size of a curve, where it follows a law to rounding


def from_arrays(
    curve: ArrayLike,
    *,
    kind: str,
    degrees: ArrayLike | None,
    rounds: ArrayLike | None,
    standard_errors: ArrayLike | None,
    covariance: ArrayLike | None,
    data: ArrayLike | None,
    data_errors: ArrayLike | None,
    names: tuple[str, ...] | None,
    error_freedom: ErrorFreedom | None = None,
) -> Observations:
    """Return arrays as observations; arguments as in `diagnosis.diagnose`, missing values as NaN."""
    values = with_gaps(curve, "curve")
    count, columns = values.shape
    index = np.arange(count, dtype=np.float64) if rounds is None else checks.vector(rounds, "rounds")
    if index.shape != (count,):
        raise InputError(
            f"rounds must be whole numbers >= 0, one a row of curve ({count}), got {len(index)} of them."
        )
    for wrong in index[(index < 0.0) | (index != np.rint(index))]:
        raise InputError(f"rounds must be whole numbers >= 0, got {float(wrong)!r}.")
    if index.max() > LARGEST_ROUND:
        raise InputError(f"rounds must be at most {LARGEST_ROUND}, got {index.max():g}.")
    if len(np.unique(index)) < count:
        twice = index[np.flatnonzero(np.diff(np.sort(index)) == 0)[0]]
        raise InputError(f"rounds must not repeat, got round {twice:g} more than once.")
    if standard_errors is not None and covariance is not None:
        raise InputError("covariance must be left out where standard_errors are given, got both.")
    if index.max() == 0.0:
        raise InputError("curve must hold rounds after round 0, the data, got one row only, that of round 0.")
    labels = names or tuple(f"column {j + 1}" for j in range(columns))
    errors = None if standard_errors is None else _errors(standard_errors, values, index, labels)
    joint = None if covariance is None else _covariance(covariance, values, index, labels)
    if data is not None:
        row = _row(data, columns, "data")
        known = np.zeros(columns) if data_errors is None else _row(data_errors, columns, "data_errors")
        if known.min() < 0.0:
            raise InputError(f"data_errors must be >= 0, got {float(known.min())!r}.")
        if data_errors is not None and errors is None and joint is None:
            raise InputError(
                "data_errors must come with standard_errors or covariance, without which nothing is tested, got "
                f"{known.tolist()} alone."
            )
        if joint is not None:
            larger = np.zeros((len(joint) + columns,) * 2)
            larger[:columns, :columns] = np.diag(known**2)
            larger[columns:, columns:] = joint
            joint = larger
        if np.any(index == 0.0):
            raise InputError(
                "data must be left out where the curve has a round 0, which is the data, got both."
            )
        values, index = np.concatenate([row[None], values]), np.concatenate([[0.0], index])
        errors = None if errors is None else np.concatenate([known[None], errors])
    elif data_errors is not None:
        raise InputError("data_errors must come with data, got data_errors alone.")
    if kind == "deviations":
        if np.nanmin(values) < 0.0:
            raise InputError(f"curve must hold standard deviations >= 0, got {float(np.nanmin(values))!r}.")
        spread = 2.0 * np.nan_to_num(values)
        errors = None if errors is None else spread * errors
        joint = None if joint is None else spread.reshape(-1, 1) * joint * spread.reshape(-1)
        values = values**2
    if kind == "variances" and np.nanmin(values) < 0.0:
        raise InputError(f"curve must hold variances >= 0, got {float(np.nanmin(values))!r}.")
    limits, units = _SIZES, None
    if kind in ("distances", "squared_distances", UNKNOWN_KIND):
        limits, units = _FREE_SIZES, own_units(values)
        values = values / units
        errors = None if errors is None else errors / units
        joint = None if joint is None else _rescaled(joint, np.tile(units, len(values)))
    errors = None if errors is None else without_rounding(values, errors)
    joint = None if joint is None else _without_rounding(values, joint)
    _require_size(values, errors, names, limits, units)
    observations = _assembled(
        values,
        index,
        errors,
        joint,
        _column_degrees(kind, degrees, columns, names),
        labels,
        exact_rows=data is not None and data_errors is None,
    ).replace(units=units, are_deviations=kind == "deviations")
    if error_freedom is None or errors is None:
        return observations
    added = len(values) - len(error_freedom.values)
    known = np.concatenate([np.full((added, columns), np.inf), error_freedom.values])
    groups = np.where(
        error_freedom.is_pooled, np.arange(columns), columns + np.arange(values.size).reshape(-1, columns)
    )
    groups[np.isinf(known)] = columns + values.size
    return observations.replace(
        error_freedom=known[observations.used],
        error_groups=np.unique(groups[observations.used], return_inverse=True)[1].astype(np.int64),
    )


def own_units(values: FloatArray) -> FloatArray:
    """Return powers of two of about the sizes of columns, shape (m,): divided by them, no digit changes."""
    sizes = np.nanmax(np.abs(values), axis=0, initial=0.0)
    low, high = _FREE_SIZES
    is_moderate = (sizes >= low) & (sizes <= high)
    return np.asarray(np.exp2(np.round(np.log2(np.where(is_moderate, sizes, 1.0)))))


def _rescaled(covariance: FloatArray, units: FloatArray) -> FloatArray:
    return np.asarray(covariance / units / units[:, None])


def _without_rounding(values: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return the covariance without entries whose standard errors are rounding."""
    errors = np.sqrt(np.maximum(np.diagonal(covariance), 0.0)).reshape(values.shape)
    remain = without_rounding(values, errors).reshape(-1) > 0.0
    return np.where(remain & remain[:, None], covariance, 0.0)


def _require_size(
    values: FloatArray,
    errors: FloatArray | None,
    names: tuple[str, ...] | None,
    limits: tuple[float, float],
    units: FloatArray | None,
) -> None:
    """Refuse columns in whose units fits lose their digits."""
    sizes = np.nanmax(np.abs(values), axis=0, initial=0.0)
    (low, high), given = limits, sizes if units is None else sizes * units
    for j in np.flatnonzero((given > high) | ((given < low) & (given > 0.0))):
        name = f"column {j + 1}" if names is None else names[j]
        raise InputError(
            f"curve must hold largest values within [{low:g}, {high:g}], got {given[j]:g} in {name}: change its unit."
        )
    low, high = _SIZES
    if errors is not None:
        relative = errors / np.where(sizes > 0.0, sizes, 1.0)
        wrong = (errors > 0.0) & ~((relative >= low) & (relative <= high))
        if wrong.any():
            raise InputError(
                f"standard_errors must be 0 or within [{low:g}, {high:g}] of a column's largest value, got "
                f"{float(errors[wrong][0])!r}."
            )


def _assembled(
    values: FloatArray,
    rounds: FloatArray,
    errors: FloatArray | None,
    joint: FloatArray | None,
    degrees: IntArray,
    names: tuple[str, ...],
    *,
    exact_rows: bool,
    factors_start_at_one: bool = True,
) -> Observations:
    """Put the parts together: what is fitted, what is exact, where columns start."""
    first = rounds == 0.0
    used = np.isfinite(values)
    exact = np.zeros_like(used)
    if errors is not None:
        exact = used & (errors == 0.0) & first[:, None]
        used = used & (errors > 0.0)
    elif joint is not None:
        own = np.diagonal(joint).reshape(values.shape)
        exact = used & (own == 0.0) & first[:, None]
        used = used & (own > 0.0)
    elif exact_rows:
        exact = used & first[:, None]
        used = used & ~exact
    starts = np.full(values.shape[1], np.nan)
    for j in range(values.shape[1]):
        if degrees[j] > 0 and factors_start_at_one:
            starts[j] = 1.0
        elif degrees[j] == VARIANCE and exact[:, j].any():
            starts[j] = values[exact[:, j], j][0]
    if not used.any(axis=0).all():
        name = names[int(np.flatnonzero(~used.any(axis=0))[0])]
        raise InputError(f"curve must hold values of every column after round 0, got none of {name}.")
    if errors is not None:
        covariance = (errors**2)[used]
    elif joint is not None:
        inside = np.flatnonzero(used.reshape(-1))
        covariance = joint[np.ix_(inside, inside)]
        least = least_eigenvalue(covariance)
        if least <= 0.0:
            raise InputError(
                "covariance must be positive definite where it is used, got correlations whose least eigenvalue is "
                f"{least:.2g}."
            )
    else:
        covariance = np.ones(int(used.sum()))
    return Observations(
        values=np.where(np.isfinite(values), values, 0.0),
        rounds=rounds,
        used=used,
        covariance=covariance,
        degrees=degrees,
        starts=starts,
        names=names,
        has_errors=errors is not None or joint is not None,
    )


def from_measured(
    measured: Measured,
    contraction: FloatArray | float,
    slope: FloatArray | float,
    values: FloatArray | None = None,
    start: FloatArray | None = None,
) -> Observations:
    """Return measured generations as observations, with the covariance of one hypothesis about the rounds.

    Parameters
    ----------
    measured : Measured
    contraction : float or array, shape (c,) or (k, c)
        By which a round multiplies an error in a curve; of rounds 0 -> 1, 1 -> 2, ... where it changes.
    slope : float or array, shape (c,) or (k, c)
        By which a round map multiplies it, before fresh data dilute it.
    values : array, shape (r, c), optional
        Values under the hypothesis.
    start : array, shape (c,), optional
        Values of the data under the hypothesis.
    """
    count = len(measured.names)
    degrees = np.array(
        [
            round(number) if kind == FACTOR else VARIANCE
            for kind, number in zip(measured.kinds, measured.numbers, strict=True)
        ],
        dtype=np.int64,
    )
    table, rounds = measured.values, measured.rounds.astype(np.float64)
    near = np.where(measured.are_scales & (table > 0.0), table if values is None else values, 0.0)
    joint = measured.covariance(np.clip(contraction, 0.0, 1.0), values, slope=slope)
    # Factors are measured in units of the data's own, whose error is that of the start.
    if not (measured.data_are_exact and np.any(rounds == 0.0)):
        table, rounds = np.concatenate([measured.data[None], table]), np.concatenate([[0.0], rounds])
        near = np.concatenate([np.zeros((1, count)), near])
        larger = np.zeros((len(joint) + count,) * 2)
        larger[:count, :count] = measured.covariance_of_data(start)
        larger[count:, count:] = joint
        joint = larger
    observations = _assembled(
        table,
        rounds,
        None,
        joint,
        degrees,
        measured.names,
        exact_rows=False,
        factors_start_at_one=measured.data_are_exact,
    )
    moments = measured.moments if set(measured.kinds) == {DIRECTION} else None
    return observations.replace(moments=moments, measured=measured, reference=near)


def without_constant(observations: Observations) -> tuple[Observations, tuple[str, ...]]:
    """Return curves without errors of their own less those that never change, and the names of these; all if none does.

    The scatter of a constant column is none, and would outweigh every other column.
    """
    values = np.where(observations.used, observations.values, observations.start_guesses)
    changes = np.ptp(np.concatenate([observations.start_guesses[None], values]), axis=0) > 0.0
    if changes.all() or not changes.any():
        return observations, ()
    names = tuple(observations.names[j] for j in np.flatnonzero(~changes))
    return observations.only(np.flatnonzero(changes)), names


def estimated_scatter(observations: Observations, predicted: FloatArray, free: int) -> FloatArray:
    """Return the standard deviation of each column about predicted curves, shape (m,).

    Parameters
    ----------
    observations : Observations
    predicted : array, shape (r, m)
    free : int
        Number of fitted parameters of one column.
    """
    squares = np.where(observations.used, (predicted - observations.values) ** 2, 0.0).sum(axis=0)
    freedom = np.maximum(observations.used.sum(axis=0) - free, 1)
    size = np.abs(np.where(observations.used, observations.values, 0.0)).max(axis=0)
    return np.maximum(np.sqrt(squares / freedom), _SMALLEST_SCATTER * np.where(size > 0.0, size, 1.0))


def with_gaps(value: ArrayLike, name: str) -> FloatArray:
    """Return values by row and column, NaN where one is missing."""
    listed = value.tolist() if isinstance(value, np.ndarray) and value.dtype.kind == "O" else value
    array = as_array(_without_none(listed), name).astype(np.float64)
    gaps = np.isnan(array)
    if gaps.all():
        return checks.samples(array, name)
    result = checks.samples(np.where(gaps, 0.0, array), name)
    return np.where(gaps.reshape(result.shape), np.nan, result)


def _without_none(value: object) -> object:
    """Return lists with NaN in the place of None."""
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return math.nan if value is None else value


def _errors(value: ArrayLike, values: FloatArray, rounds: FloatArray, names: tuple[str, ...]) -> FloatArray:
    sigma = np.nan_to_num(with_gaps(value, "standard_errors"))
    if sigma.shape != values.shape:
        raise InputError(
            f"standard_errors must be >= 0 and shaped like curve, {values.shape}, got {sigma.shape}."
        )
    _require_positive(sigma, "standard_errors must be >= 0", rounds, names)
    if not sigma.any():
        raise InputError(
            "standard_errors must be > 0 for values that are used, got zeros only; runs that are copies of one another "
            "have no scatter: give one of them."
        )
    return sigma


def _covariance(
    value: ArrayLike, values: FloatArray, rounds: FloatArray, names: tuple[str, ...]
) -> FloatArray:
    matrix = checks.real_array(value, "covariance")
    if matrix.shape != (values.size, values.size):
        raise InputError(
            f"covariance must be symmetric of shape {(values.size, values.size)}, in the order of curve.ravel(), got "
            f"{matrix.shape}."
        )
    for i, j in np.argwhere(~np.isclose(matrix, matrix.T)):
        raise InputError(
            f"covariance must be symmetric, got {float(matrix[i, j])!r} at {(int(i), int(j))} and "
            f"{float(matrix[j, i])!r} at {(int(j), int(i))}."
        )
    own = np.diagonal(matrix).reshape(values.shape)
    _require_positive(own, "covariance must be positive semidefinite, with variances >= 0", rounds, names)
    if not np.any(own > 0.0):
        raise InputError("covariance must hold variances > 0 of values that are used, got zeros only.")
    return matrix


def _require_positive(sizes: FloatArray, rule: str, rounds: FloatArray, names: tuple[str, ...]) -> None:
    """Refuse errors or variances (r, m) below 0 by a rule, and say where the first one is."""
    for i, j in np.argwhere(sizes < 0.0):
        raise InputError(f"{rule}, got {float(sizes[i, j])!r} in round {rounds[i]:g} of {names[j]}.")


def _row(value: ArrayLike, columns: int, name: str) -> FloatArray:
    row = checks.real_array(value, name)
    if row.shape not in ((), (columns,)):
        raise InputError(f"{name} must have one entry a column of curve ({columns}), got {row.shape}.")
    return np.array(np.broadcast_to(row, (columns,)))


def _column_degrees(
    kind: str, degrees: ArrayLike | None, columns: int, names: tuple[str, ...] | None
) -> IntArray:
    if kind != "factors" and degrees is not None:
        raise InputError(
            f"degrees must be left out for {kind.replace('_', ' ')}, which have none, got "
            f"{np.atleast_1d(checks.degrees(degrees, 'degrees')).tolist()}."
        )
    if kind == "distances":
        return np.array([SQUARED if is_squared(name) else DISTANCE for name in names or ("",) * columns])
    if kind == "squared_distances":
        return np.full(columns, SQUARED)
    if kind == UNKNOWN_KIND:
        return np.full(columns, UNKNOWN)
    if kind in ("variances", "deviations"):
        return np.full(columns, VARIANCE)
    numbers = (
        np.arange(1, columns + 1) if degrees is None else np.atleast_1d(checks.degrees(degrees, "degrees"))
    )
    if numbers.shape != (columns,) or np.any(numbers < 1):
        raise InputError(
            f"degrees must have one entry >= 1 a column of curve ({columns}), got {numbers.tolist()}."
        )
    if np.any(numbers > HIGHEST_DEGREE):
        raise InputError(f"degrees must be at most {HIGHEST_DEGREE} for a fit, got {int(numbers.max())}.")
    return numbers
