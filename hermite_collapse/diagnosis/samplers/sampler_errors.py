r"""Measured curves with the errors that the rounds of a sampler themselves give them, at the likeliest fresh fraction.

What errors of one round do to later ones depends on the contraction of the round map and so on the fresh fraction
alpha: the covariance C speaks of it as the curves do.  With the variances s of the data at their best for each alpha,

    -2 log likelihood = min over s of (y - F(alpha, s))^T C(alpha)^{-1} (y - F(alpha, s)) + log det C(alpha),

F linear in s about the measured values.  C holds the noise of the samples and what it passes on (`history`), what
directions pass to each other (`matrix_errors`), the errors of moments of unseen data (`data_errors`), and the scatter
of what finite training sets add (`finite_sets`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from ...core.significance import least_eigenvalue
from ...core.types import FloatArray
from ..fits.reweighting import near_measured
from ..measuring.measured import Measured
from ..measuring.moments import OWN_WEIGHT
from ..measuring.sampling_noise import LEAST_SHRINKAGE
from ..observed.gathering import from_measured
from ..observed.observations import Observations
from .data_errors import BackStep, DataErrors, errors_of, forms_of_data
from .matrix_errors import Step, passed_between
from .matrix_rounds import Law, MatrixRounds, Trained, law_of

_SHARES = (0.02, 0.1, 0.25, 0.45, 0.7)
_ACCURACY = 5e-3  # of the likeliest fresh fraction, below its error
_ASIDE = 0.02  # from a fresh fraction to those beside it, whose parabola leads on
_FARTHEST = 3.0  # such steps


class _Rounds(NamedTuple):
    """What a fresh fraction makes of variances of the data: curves (k + 1, c), slopes (k, c) and their errors.

    `by_training` is the covariance (k, c, k) of what finite training sets add to the mean of each curve.
    """

    curves: FloatArray
    slopes: FloatArray
    steps: list[Step]
    data: FloatArray
    errors: DataErrors | None
    by_training: FloatArray | None


class _Hypothesis(NamedTuple):
    """The curves with the covariance of one fresh fraction, -2 log likelihood, and the best variances of the data."""

    observations: Observations
    misfit: float
    starts: FloatArray


def with_own_errors(
    rounds: MatrixRounds, observations: Observations, fresh_fraction: float | None
) -> Observations:
    """Return measured curves with the covariance of a sampler's own rounds.

    Parameters
    ----------
    rounds : MatrixRounds
    observations : Observations
        Others than measured generations stay as they are.
    fresh_fraction : float, optional
        If held; the likeliest one otherwise.
    """
    if observations.measured is None or observations.covariance.ndim == 1:
        return observations
    measured, under = observations.measured, _hypotheses(rounds, observations)
    share = _smallest(lambda share: under(share).misfit) if fresh_fraction is None else fresh_fraction
    one = under(share)
    if len(observations.free_starts) == 0:
        return one.observations
    return _under(rounds, observations, measured, share, one.starts).observations


def about_share(
    rounds: MatrixRounds, observations: Observations, fresh_fraction: float | None, near: float | None
) -> tuple[float, float]:
    """Return chi-square at the likeliest fresh fraction without a fit, and that fraction.

    Parameters
    ----------
    rounds : MatrixRounds
    observations : Observations
        Measured generations.
    fresh_fraction : float, optional
        If held.
    near : float, optional
        The likeliest one of nearly the same errors, from which a parabola leads on; a search without it.
    """
    under = _hypotheses(rounds, observations)
    if fresh_fraction is not None:
        best = fresh_fraction
    elif near is None:
        best = _smallest(lambda share: under(share).misfit)
    else:
        middle = min(max(near, _ASIDE), 1.0 - _ASIDE)
        low, value, high = (under(middle + k * _ASIDE).misfit for k in (-1, 0, 1))
        slope, bend = 0.5 * (high - low), low - 2.0 * value + high
        away = -slope / bend if bend > 0.0 else -np.sign(slope) * _FARTHEST
        best = float(np.clip(middle + _ASIDE * np.clip(away, -_FARTHEST, _FARTHEST), 0.0, 1.0))
    one = under(best)
    return one.misfit - one.observations.log_determinant, best


def _hypotheses(rounds: MatrixRounds, observations: Observations) -> Callable[[float], _Hypothesis]:
    """Return the hypotheses of fresh fractions at the variances that were measured of the data, each made once."""
    measured, guesses = observations.measured, np.maximum(observations.start_guesses, 0.0)
    if measured is None:
        raise ValueError("observations must be those of measured generations")
    return cache(lambda share: _under(rounds, observations, measured, share, guesses))


def _smallest(misfit: Callable[[float], float]) -> float:
    """Return the fresh fraction of the smallest value: between the neighbours of the best of a grid."""
    from scipy.optimize import minimize_scalar

    grid = (0.0, *_SHARES, 1.0)
    values = [misfit(share) for share in grid[1:-1]]
    best = int(np.argmin(values)) + 1
    between = minimize_scalar(
        misfit, bounds=(grid[best - 1], grid[best + 1]), method="bounded", options={"xatol": _ACCURACY}
    )
    return float(between.x) if between.fun < values[best - 1] else grid[best]


def _under(
    rounds: MatrixRounds, observations: Observations, measured: Measured, share: float, starts: FloatArray
) -> _Hypothesis:
    """Return the curves under a fresh fraction and variances of the data."""
    old = 1.0 - share
    made = _made(rounds, observations, share, starts)
    near = near_measured(made.curves[measured.rounds.astype(np.int64)], measured)
    current = from_measured(measured, old * made.slopes, made.slopes, near, starts).replace(
        moments=observations.moments
    )
    if observations.moments is not None:
        current = _widened(current, measured, made, old)
    index = observations.rounds.astype(np.int64)
    free = observations.free_starts
    rest = -current.residuals(made.curves[index])
    best = starts.copy()
    if made.errors is not None and len(free):
        design = current.whiten(made.errors.by_starts[index][..., free][current.used].T).T
        moved = np.linalg.lstsq(design, rest, rcond=None)[0]
        rest = rest - design @ moved
        best[free] = np.clip(best[free] + moved, 0.5 * best[free], 2.0 * best[free])
    return _Hypothesis(current, float(rest @ rest) + current.log_determinant, best)


def _made(rounds: MatrixRounds, observations: Observations, share: float, starts: FloatArray) -> _Rounds:
    """Return the curves of a fresh fraction."""
    count, moments = len(starts), observations.moments
    if moments is None:
        curves, slopes, by_starts = [starts], [], [np.ones(count)]
        for _ in range(observations.last):
            image, slope = rounds.interpolant.with_slope(share * starts + (1.0 - share) * curves[-1])
            curves.append(image)
            slopes.append(slope)
            by_starts.append(slope * (share + (1.0 - share) * by_starts[-1]))
        diagonal = np.eye(count) * np.array(by_starts)[:, None, :]
        nothing = np.empty(0)
        return _Rounds(
            np.array(curves), np.array(slopes), [], nothing, DataErrors(diagonal, nothing, nothing), None
        )
    alpha = np.array([[share]])
    law = model = law_of(moments, starts[None])
    scatter = rounds.scatter(alpha, law, observations.measured)
    needs_errors = moments.samples > 0 or len(observations.free_starts) > 0
    curves, slopes, steps, back = [starts], [], [], []
    for _ in range(observations.last):
        trained = rounds.trained(alpha, law, model, scatter)
        steps.append(Step(trained.axes[0], trained.differences[0], (trained.image + trained.bias)[0]))
        if needs_errors:
            back.append(_back_step(rounds, trained, law, model))
        slopes.append(trained.slopes(count)[0])
        model = trained.model
        curves.append(model.along(count)[0])
    errors = errors_of(forms_of_data(back, share, count), law.covariance[0]) if needs_errors else None
    parts = np.square([step.axes[:count] for step in steps])
    added = (
        None
        if scatter is None
        else np.einsum("icb,jcb,ijb->icj", parts, parts, scatter.joint(), optimize=True)
    )
    return _Rounds(np.array(curves), np.array(slopes), steps, law.covariance[0], errors, added)


def _back_step(rounds: MatrixRounds, trained: Trained, law: Law, model: Law) -> BackStep:
    """Return the round of a model as forms run through it backwards."""
    return BackStep(
        trained.axes[0],
        trained.differences[0],
        rounds.gain_differences(trained)[0],
        trained.gain[0],
        trained.mean[0],
        (law.mean - model.mean)[0],
    )


def _widened(observations: Observations, measured: Measured, made: _Rounds, old: float) -> Observations:
    """Return the curves with what directions pass to each other, and the errors of moments of unseen data."""
    covariance = observations.covariance.copy()
    added = passed_between(measured, made.data, made.steps, old, made.slopes)
    if made.by_training is not None:
        models = measured.rounds.astype(np.int64)
        rows = np.flatnonzero(models > 0)
        scatter = made.by_training[models[rows] - 1][:, :, models[rows] - 1]
        columns = np.arange(len(measured.names))
        view = added.reshape(len(models), len(columns), len(models), -1)
        view[rows[:, None, None], columns[None, :, None], rows[None, None, :], columns[None, :, None]] += (
            scatter
        )
    covariance[-len(added) :, -len(added) :] += added
    moments = observations.moments
    if moments is not None and moments.samples > 0 and made.errors is not None:
        index = observations.rounds.astype(np.int64)
        used = observations.used.reshape(-1)
        joint = made.errors.joint[index][:, :, index] / moments.samples
        # The first row is that of the data, whose errors enter their correlations with their weight.
        with_data = -OWN_WEIGHT * made.errors.with_starts[index] / measured.data_samples
        joint[:, :, 0] += with_data
        joint[0] += with_data.transpose(2, 0, 1)
        covariance += joint.reshape(used.size, used.size)[np.ix_(used, used)]
    # What Gaussian samples pass on may not fit to the noise of others.
    safe = least_eigenvalue(covariance) > LEAST_SHRINKAGE / 10.0
    return observations.replace(covariance=covariance) if safe else observations
