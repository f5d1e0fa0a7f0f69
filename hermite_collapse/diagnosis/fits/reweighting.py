"""Measured generations as observations, with a covariance that follows the fit.

What errors are passed on depends on the contraction of the curves, and the noise of variances on their values: both are
taken from a fit of the law of all mechanisms, again and again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.errors import InputError
from ...core.significance import whitened
from ...core.types import FloatArray
from ..measuring.clipping import LARGEST_BIAS
from ..measuring.combinations import independent_curves
from ..measuring.measured import FACTOR, Measured
from ..observed.gathering import from_measured
from ..observed.observations import Observations
from .affine_models import ScoreErrorModel, TruncationModel
from .fitting import REJECTED_BELOW, MechanismFit, fit
from .minimum import Minimum, minimum
from .round_models import AffineModel, RoundModel

_PASSES = 3
_KNOWN = 0.1  # standard error of a fresh fraction that the curves say by themselves
SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.27, 0.35, 0.45, 0.6, 0.8, 0.95)
_FARTHEST = 3.0  # ratio of a value and its fit up to which the noise goes with the fit
_NOT_FOLLOWED = 40.0  # -2 log likelihood above the least from which a fresh fraction is followed no further
_PLAUSIBLE = 1e-3  # p-value below which the covariance keeps to the measured values
_GENERAL = ScoreErrorModel()


def followed(measured: Measured, fresh: float | None, scheduled: RoundModel | None = None) -> Observations:
    """Return the curves that are fit for use, with a covariance that follows the fit.

    That of a mechanism whose rounds differ where one is given and describes the curves.

    Where a round changes the sum of variances of white noise, errors of lower degrees pass to degrees above 2, by inner
    products that are not measured: these degrees are left out unless truncation, which passes none, describes all.
    """
    curves = without_combinations(_without_bias(measured, _guess(fresh)))
    if scheduled is not None:
        observations = _of_own_rounds(scheduled, curves, fresh)
        if observations is not None:
            return observations
    low = np.flatnonzero((np.array(curves.kinds) != FACTOR) | (curves.numbers <= 2))
    observations = _followed(curves, fresh)
    if len(low) in (0, len(curves.names)) or _is_truncation(observations, fresh):
        return observations
    return _followed(curves.only(low), fresh)


def _is_truncation(observations: Observations, fresh: float | None) -> bool:
    """Return whether truncation describes the curves as well as a mechanism that contains it."""
    truncation = fit(TruncationModel(), observations, fresh_fraction=fresh)
    general = fit(_GENERAL, observations, fresh_fraction=fresh)
    return not truncation.is_rejected and truncation.gain_p_value(general) >= REJECTED_BELOW


def _followed(curves: Measured, fresh: float | None) -> Observations:
    observations = from_measured(curves, _guess(fresh), 1.0)
    if fresh is None and not fit(_GENERAL, observations).fitted["fresh_fraction"][1] < _KNOWN:
        return of_likeliest_share(_GENERAL, observations, SHARES)
    observations, one = _settled(_GENERAL, observations, fresh)
    if one.p_value < _PLAUSIBLE:
        return from_measured(curves, *_factors(one, one.fresh_fraction))
    return observations


def _of_own_rounds(model: RoundModel, curves: Measured, fresh: float | None) -> Observations | None:
    """Return the curves with the covariance of one mechanism's rounds, None where it does not describe them."""
    observations = from_measured(curves, _guess(fresh), 1.0)
    observations = of_likeliest_share(model, observations, SHARES if fresh is None else (fresh,))
    observations, one = _settled(model, observations, fresh)
    return None if one.p_value < _PLAUSIBLE else observations


def _settled(
    model: RoundModel, observations: Observations, fresh: float | None
) -> tuple[Observations, Minimum]:
    """Return measured curves with the covariance that a mechanism's own fit implies, again and again, and that fit."""
    one = minimum(model, observations, fresh_fraction=fresh)
    for _ in range(_PASSES):
        observations = of_rounds(one, one.fresh_fraction, observations)
        one = minimum(model, observations, fresh_fraction=fresh, near=one.x)
    return observations, one


def left_out(measured: Measured, fresh: float | None, used: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return why `followed` leaves out curves, and which: all but those that are used."""
    unmoved = _without_bias(measured, _guess(fresh))
    remaining = without_combinations(unmoved).names
    reasons = {
        "clipping at the ends of the range moved them": set(measured.names) - set(unmoved.names),
        "they follow from the other curves": set(unmoved.names) - set(remaining),
        f"truncation alone does not suffice for all curves together{_were_trained(measured)}, and lower degrees pass "
        "unknown errors to these under any other mechanism, so that all else is said of the other curves": (
            set(remaining) - set(used)
        ),
    }
    return [(reason, [n for n in measured.names if n in names]) for reason, names in reasons.items() if names]


def _were_trained(measured: Measured) -> str:
    """Return what `followed` takes samples for where nobody says which trained the models."""
    is_said = measured.training_samples is not None and measured.apart is not None
    return "" if is_said else " where the measured samples are of those that trained"


def _guess(fresh: float | None) -> float:
    """Return a contraction to begin with."""
    return 0.7 if fresh is None else 1.0 - fresh


def of_likeliest_share(
    model: RoundModel, observations: Observations, shares: Sequence[float]
) -> Observations:
    """Return measured curves with the covariance of a mechanism's own rounds, at the likeliest of some fresh fractions.

    What errors of one round do to later ones says it as well: -2 log likelihood = chi-square + log det C.
    """
    is_affine = isinstance(model, AffineModel)
    best, least = observations, np.inf

    def followed_on(one: Minimum, share: float, current: Observations) -> tuple[float, Observations, Minimum]:
        current = of_rounds(one, share, current)
        # Rates of curves that hardly move stay where they are: the grid begins anew.
        one = minimum(model, current, fresh_fraction=share, near=None if is_affine else one.x)
        return one.chi_square + current.log_determinant, current, one

    nearby = []
    for share in shares[:1] if is_affine and not _has_training_sets(observations) else shares:
        one = minimum(model, observations, fresh_fraction=share)
        nearby.append((share, *followed_on(one, share, observations)))
    for share, value, current, one in sorted(nearby, key=lambda each: each[1]):
        if value > least + _NOT_FOLLOWED:
            break
        value, current, _ = followed_on(one, share, current)
        if value < least:
            best, least = current, value
    return best


def _has_training_sets(observations: Observations) -> bool:
    """Return whether what is passed on depends on the fresh fraction, beside the contraction."""
    return observations.measured is not None and observations.measured.training_samples is not None


def of_rounds(one: MechanismFit | Minimum, share: float, observations: Observations) -> Observations:
    """Return the curves with the covariance that a fit with a fresh fraction implies."""
    measured = observations.measured
    if measured is None:
        return observations
    near = near_measured(one.predicted, measured)
    return from_measured(measured, *_factors(one, share), near, one.start)


def _factors(one: MechanismFit | Minimum, share: float) -> tuple[FloatArray, FloatArray]:
    """Return by how much an error in each curve is multiplied by a round, and by the round map of undiluted errors."""
    steps = one.contraction if one.contractions is None else one.contractions
    if share < 1.0:
        return steps, steps / (1.0 - share)
    slope = one.slope if isinstance(one, Minimum) else np.ones_like(steps)
    return steps, np.where(slope > 0.0, slope, 1.0)


def near_measured(predicted: FloatArray, curves: Measured) -> FloatArray:
    """Return what a fit predicts of the generations, no further from the measured values than noise goes with it."""
    size = np.abs(curves.values)
    return np.clip(predicted[-len(curves.rounds) :], size / _FARTHEST, size * _FARTHEST)


def without_combinations(measured: Measured) -> Measured:
    """Return the curves without those that follow from the others."""
    remaining = independent_curves(measured.data_scatter, measured.kinds)
    return measured if len(remaining) == len(measured.names) else measured.only(remaining)


def _without_bias(measured: Measured, contraction: float) -> Measured:
    """Return the curves without those that clipping moved, so that it moves no parameter by more than its error.

    A bias b moves a parameter by at most sqrt(b^T C^{-1} b) of its standard errors.  Biases are known to a factor of
    two: where most curves have one, none is trusted.
    """
    worst = np.abs(measured.clipping.bias).max(axis=0)
    remaining = np.argsort(worst, kind="stable")
    while 2 * len(remaining) > len(worst):
        curves = measured.only(np.sort(remaining))
        moved = curves.clipping.bias * curves.standard_errors
        size = np.sum(whitened(curves.covariance(contraction), moved.reshape(-1, 1)) ** 2)
        if size <= LARGEST_BIAS**2:
            return curves
        remaining = remaining[:-1]
    shares = 100.0 * measured.clipping.shares.sum(axis=1)
    raise InputError(
        "curve must hold curves that clipping left as they were, got most of them moved, by up to "
        f"{worst.max():.3g} standard errors: {shares[0]:.3g} % of the data's values and {shares[1:].min():.3g} to "
        f"{shares[1:].max():.3g} % of the generations' lie at the ends of their range; store samples before "
        "they are cut, as .npy files of floating-point numbers (or in a wider value_range)"
        + (
            ", or measure curves that the cut leaves alone, such as variances with --degrees 0."
            if FACTOR in measured.kinds
            else "."
        )
    )
