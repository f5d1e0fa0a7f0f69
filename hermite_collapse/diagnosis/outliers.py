r"""Whether one value alone is to blame where errors of rounds are independent and nothing describes a table.

Each value is held against what the general law, a rate and a plateau of each curve, makes of the others: of all N
values one was chosen, so that its two-sided p-value counts N times.  The few to try are those without which chi-square
falls most, near the fit to all:

    r^2 / (1 - h),     h = diag(J (J^T J)^{-1} J^T)

with residuals r in errors and their derivatives J.  A value is not named where another one's absence mends as much,
where the others hold another outlier, nor where noise of one round that is passed on, or another plateau from a round
on, does as much as an error of this value,

    kappa^(i - k)     or     1 - kappa^(i - k + 1)     in rounds i >= k.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.estimates import Estimate
from ..core.numbers import p_equals, with_error
from ..core.significance import chi_square_p_value
from ..core.types import FloatArray
from ..recursion.regimes import NAMES
from .fits.fitting import LEAST_FREEDOM, PROFILE_RISE, REJECTED_BELOW
from .fits.minimum import Minimum, minimum
from .fits.round_models import RoundModel
from .observed.observations import Observations

_TRIED = 3
_CLEAR = 1e-3
"""p-value, of the largest of all deviations, below which a value is off."""
_SAME = 0.9
"""Squared cosine between changes of a curve from which one is as good as the other."""
_SILENT = 1e-6
"""Of a fit: directions and values below are followed to rounding alone."""


class _Apart(NamedTuple):
    """A value and what the others say without it.

    Attributes
    ----------
    row, column : int
    others : Minimum
        The fit to these.
    predicted, error : float
        What they make of the value.
    p_value : float
        Of the value beside that.
    """

    row: int
    column: int
    others: Minimum
    predicted: float
    error: float
    p_value: float


def on_an_outlier(every: Minimum) -> list[str]:
    """Return which value alone keeps the general law from a table with independent errors, if there is one.

    A table that the law describes in another regime has none.

    Parameters
    ----------
    every : Minimum
        The general law, fitted to all values, which it does not describe.
    """
    law, observations = every.problem.model, every.problem.observations
    apart = _only_one(every, law)
    if apart is None or not _is_told_from_changes(apart, every) or is_of_another_regime(law, observations):
        return []
    value = float(observations.values[apart.row, apart.column])
    values, errors = observations.shown(
        np.array([value, apart.predicted]), np.array([_error(observations, apart), apart.error])
    )
    stated, expected = (
        with_error(Estimate(float(one), float(error), "standard_error", "samples"))
        for one, error in zip(values, errors, strict=True)
    )
    return [
        f"The value of round {observations.rounds[apart.row]:g} ({observations.names[apart.column]}) alone is off: "
        f"{stated} where the others give {expected}; without it the rest is described by {law.title} "
        f"({p_equals(apart.others.p_value)}){_unless(apart, observations)}."
    ]


def _unless(apart: _Apart, observations: Observations) -> str:
    """Return what else may make the first or the last value of a curve differ from what the others give."""
    rows = observations.rows_in_order(apart.column)
    if apart.row == rows[-1]:
        return ", unless the last round differs from those before"
    is_start = apart.row == rows[0] and np.isnan(observations.starts[apart.column])
    return ", unless the first round differs from those after it" if is_start else ""


def _only_one(every: Minimum, law: RoundModel) -> _Apart | None:
    """Return the value without which the law holds, None where none is, or several are."""
    observations = every.problem.observations
    gains = _gains(every)
    rows, columns = np.nonzero(observations.used)
    tried = [_without(int(rows[k]), int(columns[k]), observations, law) for k in np.argsort(-gains)[:_TRIED]]
    left = sorted((one for one in tried if _is_mended(one.others)), key=lambda one: one.others.chi_square)
    if not left or not len(gains) * left[0].p_value < _CLEAR:
        return None
    if len(left) > 1 and left[1].others.chi_square < left[0].others.chi_square + PROFILE_RISE:
        return None
    return left[0]


def _is_mended(others: Minimum) -> bool:
    """Return whether a fit is not rejected, and the largest of its deviations is none of another outlier."""
    if others.freedom < LEAST_FREEDOM or others.p_value < REJECTED_BELOW:
        return False
    gains = _gains(others)
    return len(gains) * chi_square_p_value(float(gains.max()), 1) >= REJECTED_BELOW


def _gains(one: Minimum) -> FloatArray:
    """Return by how much chi-square falls without each value, near a fit, shape (N,)."""
    followed = np.sum(_followed(one.problem.jacobian(one.x)) ** 2, axis=1)
    return np.asarray(one.problem.residuals(one.x) ** 2 / np.maximum(1.0 - followed, _SILENT))


def _followed(jacobian: FloatArray) -> FloatArray:
    """Return an orthonormal basis of what a fit follows, shape (N, p)."""
    scale = np.linalg.norm(jacobian, axis=0)
    basis, values, _ = np.linalg.svd(jacobian / np.where(scale > 0.0, scale, 1.0), full_matrices=False)
    return np.asarray(basis[:, values > _SILENT * max(float(values.max(initial=0.0)), 1e-300)])


def _is_told_from_changes(apart: _Apart, every: Minimum) -> bool:
    """Return whether an error of the value mends more than other changes of its curve that are not nearly the same."""
    problem, x = every.problem, apart.others.x
    observations, kappa = (
        problem.observations,
        float(np.clip(apart.others.contraction[apart.column], 0.0, 1.0)),
    )
    if np.isnan(kappa):
        return True
    later = observations.rounds[None, :] - observations.rounds[observations.rows_in_order(apart.column), None]
    ages = np.maximum(later, 0.0)
    changes = np.zeros((2 * len(later) + 1, *observations.used.shape))
    changes[0, apart.row, apart.column] = 1.0
    changes[1:, :, apart.column] = np.concatenate([kappa**ages, 1.0 - kappa ** (ages + 1.0)]) * np.tile(
        later >= 0.0, (2, 1)
    )
    ways = observations.whiten(changes[:, observations.used])
    followed = _followed(problem.jacobian(x))
    left = ways - (ways @ followed) @ followed.T
    sizes = np.linalg.norm(left, axis=1)
    visible = sizes > _SILENT * np.linalg.norm(ways, axis=1)
    visible[0] = True
    units = left[visible] / np.maximum(sizes[visible], 1e-300)[:, None]
    gains = (units @ problem.residuals(x)) ** 2
    are_other = (units @ units[0]) ** 2 < _SAME
    return not np.any(are_other & (gains > gains[0] - PROFILE_RISE))


def _without(row: int, column: int, observations: Observations, law: RoundModel) -> _Apart:
    entry = int(observations.entries[row, column])
    left_out = np.zeros_like(observations.used)
    left_out[row, column] = True
    others = minimum(law, observations.without(left_out))
    predicted = float(others.predicted[row, column])
    slope = others.problem.derivatives(lambda x: others.problem.predict(x)[:, row, column, None], others.x)[0]
    is_known = np.isfinite(np.diagonal(others.covariance))
    finite = np.where(np.isfinite(others.covariance), others.covariance, 0.0)
    if np.any(np.abs(slope[~is_known]) > 0.0):
        return _Apart(row, column, others, predicted, np.inf, 1.0)
    variance = max(float(slope @ finite @ slope), 0.0)
    own = float(observations.covariance[entry])
    size = abs(float(observations.values[row, column]) - predicted) / (own + variance) ** 0.5
    freedom = np.inf if observations.error_freedom is None else float(observations.error_freedom[entry])
    return _Apart(row, column, others, predicted, variance**0.5, _two_sided(size, freedom))


def _two_sided(size: float, freedom: float) -> float:
    """Return how likely a deviation of so many errors is that are estimates of so many degrees of freedom."""
    from scipy.special import stdtr

    return chi_square_p_value(size**2, 1) if np.isinf(freedom) else 2.0 * float(stdtr(freedom, -size))


def is_of_another_regime(law: RoundModel, observations: Observations) -> bool:
    """Return whether a law describes curves in a regime that is not theirs."""
    others = [
        minimum(law, observations.replace(regime=name)) for name in NAMES if name != observations.regime
    ]
    return any(not one.p_value < REJECTED_BELOW for one in others)


def _error(observations: Observations, apart: _Apart) -> float:
    return float(observations.covariance[observations.entries[apart.row, apart.column]]) ** 0.5
