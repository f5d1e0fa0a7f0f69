r"""Errors of means of a few runs, which scatter themselves: moderated where the number of runs is given or shows.

An error e of the mean of n runs is that of a scatter s^2 = n e^2 with n - 1 degrees of freedom.  Over the rounds of a
curve scatters follow one of two laws, the likelier one, and a trend (`storage.runs`):

    s_i^2 = c     or     s_i^2 = c y_i^2

so that all rounds of a curve share one estimate of c, of sum (n - 1) degrees of freedom, or, where they do not agree,
each takes a part of it.  What follows from these errors is tested by laws of F and Student (`estimated_errors`).

Where nobody says n, the logarithms of errors say it: of estimates they scatter by

    Var(log s^2) = trigamma((n - 1) / 2)

about the law and a smooth course, less what rounding of the errors adds.  Errors that are known exactly scatter less.
"""

from __future__ import annotations

import numpy as np

from ...core.errors import InputError
from ...core.types import FloatArray, IntArray
from ...storage.curves import Curve
from ...storage.roles import IGNORE, ONE_RUN, RUN_NUMBERS
from ...storage.runs import inverse_trigamma, moderated
from .observations import Observations
from .run_scatter import RunScatter

MOST_RUNS = 16
"""That scattering errors are taken for; those of more runs are nearly exact."""
_LEAST_ROUNDS = 6
_SMOOTH = 2
"""Degree of the course, in log(1 + round), about which errors scatter."""
_DIFFERENT = 0.01
"""p-value below which round 0 has another scatter than later rounds."""


def number_of_runs(given: float | None, curve: object) -> FloatArray | None:
    """Return of how many runs the values of a curve are means, one number or one a value, or None where nobody says.

    Parameters
    ----------
    given : float, optional
        By the user; a table's own numbers serve where it is None.
    curve : object

    Raises
    ------
    InputError
        If it is neither a whole number >= 1 nor infinite, or the table says it itself.
    """
    if given is None:
        return curve.runs if isinstance(curve, Curve) else None
    if isinstance(curve, Curve) and curve.error_freedom is not None:
        raise InputError(f"runs must be left out with a table of runs, which are counted, got {given!r}.")
    if isinstance(curve, Curve) and curve.runs is not None:
        raise InputError(f"runs must be left out with a table that {_where_said(curve)}, got {given!r}.")
    is_number = isinstance(given, int | float | np.number) and not isinstance(given, bool)
    if not is_number or not given >= 1.0 or (np.isfinite(given) and given != round(given)):
        raise InputError(
            f"runs must be a whole number >= 1, or infinite where errors are exact, got {given!r}."
        )
    return np.array(float(given))


def _where_said(curve: Curve) -> str:
    """Return where a table says its numbers of runs, and how to take it from there."""
    columns = [name for name, use in curve.columns.items() if use in (RUN_NUMBERS, ONE_RUN)]
    if not columns:
        return "says their number in a name or a cell (change it there to correct it)"
    return f"has a column of them (say --columns '{columns[0]}={IGNORE}' to correct it)"


def with_runs(observations: Observations, runs: FloatArray) -> Observations:
    """Return curves with the errors of means of so many runs; 1 and infinity leave errors as stated.

    Parameters
    ----------
    observations : Observations
    runs : array, shape () or (r, m)
    """
    by_entry = np.broadcast_to(runs, observations.values.shape)[observations.used]
    rows, columns = np.nonzero(observations.used)
    many = np.array([np.median(by_entry[columns == j]) for j in range(len(observations.names))])
    if observations.error_freedom is not None or not observations.has_errors:  # of runs that the table holds
        return observations.replace(runs=many)
    if observations.covariance.ndim > 1:
        raise InputError("runs must be left out with a covariance, whose own errors are not known.")
    values, errors = np.abs(observations.values[observations.used]), observations.covariance
    covariance, freedom, groups = (
        errors.copy(),
        np.full(len(rows), np.inf),
        np.zeros(len(rows), dtype=np.int64),
    )
    for j in range(len(observations.names)):
        own = np.flatnonzero((columns == j) & (by_entry > 1.0) & np.isfinite(by_entry))
        for part in _of_one_scatter(own, observations.rounds[rows], errors * by_entry, by_entry - 1.0):
            variance, known, pooled = _moderated(
                errors[part] * by_entry[part], values[part], by_entry[part] - 1.0
            )
            covariance[part], freedom[part] = variance / by_entry[part], known
            groups[part] = groups.max() + (1 if pooled else 1 + np.arange(len(part)))
    estimated = bool(np.isfinite(freedom).any())
    estimates = freedom if estimated else None
    shared = np.unique(groups, return_inverse=True)[1].astype(np.int64) if estimated else None
    return observations.replace(
        covariance=covariance,
        error_freedom=estimates,
        error_groups=shared,
        runs=many,
        scatter=RunScatter(errors, estimates, shared, many) if estimated else None,
    )


def _of_one_scatter(
    own: IntArray, rounds: FloatArray, scatter: FloatArray, freedom: FloatArray
) -> list[IntArray]:
    """Return entries of a curve, those of round 0 apart where their scatter is another one."""
    from scipy.special import fdtr, fdtrc

    first = own[rounds[own] == 0.0]
    later = own[rounds[own] > 0.0]
    if not len(first) or not len(later):
        return [own] if len(own) else []
    many = float(freedom[later].sum())
    ratio = float(scatter[first[0]] / np.average(scatter[later], weights=freedom[later]))
    tail = min(fdtr(freedom[first[0]], many, ratio), fdtrc(freedom[first[0]], many, ratio))
    return [first, later] if 2.0 * tail < _DIFFERENT else [own]


def _moderated(
    scatter: FloatArray, values: FloatArray, freedom: FloatArray
) -> tuple[FloatArray, FloatArray, bool]:
    """Return variances of the runs by the likelier law, on how much each rests, and if all share one."""
    laws = [np.ones_like(values)] + ([values**2] if values.min() > 0.0 else [])
    law = min(laws, key=lambda law: _misfit(scatter / law, freedom) + float(freedom @ np.log(law)))
    variance, known, pooled = moderated(freedom * scatter / law, freedom, np.zeros(len(law), dtype=bool))
    return law * variance, known, pooled


def _misfit(scatter: FloatArray, freedom: FloatArray) -> float:
    """Return -2 log likelihood of one scatter, less what does not depend on the law."""
    return float(freedom.sum() * np.log(np.average(scatter, weights=freedom)))


def apparent_runs(observations: Observations) -> int | None:
    """Return of about how many runs errors seem to be, by their own scatter; None where they seem to be known."""
    if not observations.has_errors or observations.covariance.ndim > 1 or observations.runs is not None:
        return None
    if observations.error_freedom is not None or observations.measured is not None:
        return None
    rows, columns = np.nonzero(observations.used)
    squares, total = 0.0, 0.0
    for j in range(len(observations.names)):
        own = (columns == j) & (observations.rounds[rows] > 0.0)
        scatter, values = observations.covariance[own], np.abs(observations.values[observations.used][own])
        rounds, freedom = observations.rounds[rows][own], len(scatter) - 1 - _SMOOTH
        if len(scatter) < _LEAST_ROUNDS:
            continue
        course = np.vander(np.log1p(rounds), _SMOOTH + 1)
        laws = [scatter] + ([scatter / values**2] if len(values) and values.min() > 0.0 else [])
        rest = min(_residual(course, np.log(law)) for law in laws)
        squares += max(rest - freedom * _of_rounding(np.sqrt(scatter)), 0.0)
        total += freedom
    if total == 0.0 or squares == 0.0:
        return None
    runs = 1 + max(1, round(2.0 * inverse_trigamma(squares / total)))
    return runs if runs <= MOST_RUNS else None


def on_apparent_runs(runs: int) -> str:
    """Return what is said of errors that scatter as those of so many runs."""
    return (
        f"Errors scatter from round to round as those of means of about {runs} runs do, and were taken for "
        "such; what is rejected is so with the errors as stated, too, of which its p is: give the number of runs "
        "(runs, --runs), or infinity where errors are exact."
    )


def _residual(course: FloatArray, logarithms: FloatArray) -> float:
    residual = logarithms - course @ np.linalg.lstsq(course, logarithms, rcond=None)[0]
    return float(residual @ residual)


def _of_rounding(errors: FloatArray) -> float:
    """Return by how much rounding to the digits that errors have scatters the logarithms of their squares."""
    for digits in range(-15, 16):
        unit = 10.0**-digits
        multiples = errors / unit
        if np.all(np.abs(multiples - np.rint(multiples)) <= 1e-6 * np.maximum(multiples, 1.0)) and np.all(
            multiples > 0.5
        ):
            return float(np.mean(unit**2 / 12.0 * 4.0 / errors**2))
    return 0.0
