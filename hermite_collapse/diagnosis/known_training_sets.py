r"""Tables of one run whose models are known to have seen T samples each.

The variance of T Gaussian samples has the variance 2 v^2 / T.  This is what a round adds to the noise that it passes
on, beside errors of an evaluation (`passed_noise`, "training_sets"), and, where the table has no errors, what a value
is off by that is of these samples themselves ("own_samples").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray
from ..storage.curves import Curve
from .arguments import kind_of
from .measuring.measured import Measured
from .observed.gathering import KINDS, UNKNOWN_KIND, with_gaps
from .observed.observations import Observations
from .observed.round_noise import OWN_SAMPLES, TRAINING_SETS

LEAST = 2
_RELATIVE_SQUARES = {"variances": 2.0, "deviations": 0.5}
"""T times the relative variance of what T Gaussian samples say."""


class KnownSets(NamedTuple):
    """T, and what it makes of a curve.

    Attributes
    ----------
    samples : int
    noise : str
        "training_sets" beside errors, "own_samples" in their place.
    curve : array or Curve
        With errors, if a table that had none.
    standard_errors : array or None
        Those that were given, or the samples' own.
    """

    samples: int
    noise: str
    curve: ArrayLike | Curve
    standard_errors: ArrayLike | None

    def remarks(self, observations: Observations) -> list[str]:
        """Return what is taken for granted where the table has no errors."""
        if self.noise == TRAINING_SETS:
            return []
        exact = "" if np.isnan(observations.starts).any() else "; the data are taken as known exactly"
        return [f"Errors are those of {self.samples} Gaussian samples, which train the next round{exact}."]


def known_sets(
    training_samples: object,
    curve: ArrayLike | Curve | Measured,
    given: Mapping[str, Any],
    noise: str | None,
) -> KnownSets | None:
    """Return what T says of a curve, if it is given; the arguments of `diagnose` that speak of arrays as a mapping."""
    if training_samples is None:
        return None
    if isinstance(curve, Measured):
        raise InputError(
            f"training_samples must be given to measure with measured generations, got {training_samples!r} here."
        )
    kind, rounds, standard_errors = given["kind"], given["rounds"], given["standard_errors"]
    samples = checks.count(training_samples, "training_samples", minimum=LEAST)
    of_kind = (
        kind_of(curve, kind) if isinstance(curve, Curve) else checks.one_of(kind or "factors", KINDS, "kind")
    )
    if of_kind == UNKNOWN_KIND:
        raise InputError(
            "training_samples must come with variances or standard deviations, got columns of unknown kind "
            f"({', '.join(np.atleast_1d(getattr(curve, 'names', ())))}): columns, or --columns NAME=variance, says it."
        )
    if of_kind not in _RELATIVE_SQUARES:
        raise InputError(
            "training_samples must come with variances or standard deviations, whose noise they say, got "
            f"{samples} with {of_kind.replace('_', ' ')}."
        )
    errors = curve.standard_errors if isinstance(curve, Curve) else standard_errors
    has_errors = errors is not None or given["covariance"] is not None
    says = TRAINING_SETS if has_errors else OWN_SAMPLES
    if noise not in (None, says):
        beside = "with" if has_errors else "without"
        raise InputError(
            f"noise must be {says!r} for training_samples {beside} standard errors, or left out, got {noise!r}."
        )
    if isinstance(curve, Curve):
        if not has_errors:
            curve = curve.replace(standard_errors=_errors(curve.values, curve.rounds, samples, of_kind))
    elif not has_errors:
        standard_errors = _errors(with_gaps(curve, "curve"), rounds, samples, of_kind)
    return KnownSets(samples, says, curve, standard_errors)


def _errors(values: FloatArray, rounds: ArrayLike | None, samples: int, kind: str) -> FloatArray:
    """Return standard errors (r, m) of so many samples; 0 in round 0, the data."""
    index = np.arange(len(values))
    if rounds is not None and np.shape(rounds) == index.shape:  # others are refused with the curve
        index = np.asarray(rounds)
    later = np.asarray(index > 0)[:, None]
    if np.any(later & (values == 0.0)):
        raise InputError(
            "curve must hold variances above 0 for training_samples, by which their errors are known, got 0 in round "
            f"{index[np.flatnonzero((later & (values == 0.0)).any(axis=1))[0]]:g}."
        )
    return np.where(later, np.sqrt(_RELATIVE_SQUARES[kind] / samples) * np.abs(values), 0.0)


def require_one_run(sets: KnownSets, observations: Observations) -> None:
    """Refuse T beside means of several runs, whose scatter holds what training sets add."""
    if observations.runs is not None and np.any(observations.runs != 1.0):
        raise InputError(
            "training_samples must be left out for means of runs, whose scatter has their noise in it, and for exact "
            f"errors, got {sets.samples}."
        )
