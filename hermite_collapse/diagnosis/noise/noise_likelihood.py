r"""What curves say of kinds of noise between rounds (`passed_noise`).

Under each a curve y_i = y_0 + u G_i(kappa), which any mechanism follows, has

    -2 log restricted likelihood = chi-square + log det C + log det X^T C^{-1} X - log det X^T X

with X = d y / d (y_0, u, kappa): that of what start, plateau and rate do not follow, at the likeliest kappa.
Hypotheses within 3.84 of the least are possible, whose residuals are as large as normal ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...core.types import FloatArray
from ...core.value import Value
from ..fits.affine_models import ScoreErrorModel
from ..fits.fitting import BORDER_ERRORS, PROFILE_RISE, fit
from ..fits.round_models import sums_of
from ..observed.observations import VARIANCE, Observations
from ..observed.residuals import Residuals, are_normal, normal_scores
from ..observed.round_noise import BETWEEN_RUNS, INDEPENDENT, NOISE, OWN_SAMPLES, TRAINING_SETS, RoundNoise
from .passed_noise import noise_of_rounds, whitening, with_noise

_STEP_OF_RATIOS = 4.0
_RATIOS = {
    INDEPENDENT: (0.0,),
    BETWEEN_RUNS: (0.25, 0.5, 0.75, 1.0),
    OWN_SAMPLES: (0.0, 0.02, 0.1, 0.25, 0.5),
}
"""Parts of the variance of runs that are passed on, and shares of data in sets that are drawn anew from own samples."""
_LEAST_RATIO = 1.0 / _STEP_OF_RATIOS
"""Of what training sets add in a round to a stated variance."""
_LARGEST_SHARE = 0.7
_LARGEST_NOISE = 0.8
"""Of a curve's size that training sets add in a round, at most: of variances, those of 3 samples."""
_FAR = 20.0
"""Misfit above the least of smaller training sets' noise from which larger ones are not tried."""
_LEAST_PASSED = 0.05
"""Likeliest factor of a round above which noise is passed on at all."""
_RATES = np.concatenate([np.linspace(0.0, 0.9, 19), [0.93, 0.95, 0.97, 0.985, 1.0, 1.03, 1.1, 1.25, 1.5]])
_ZOOMS, _HALVINGS = 3, 4
_GENERAL, _PASSES = ScoreErrorModel(), 2
_ZOOM = np.linspace(0.0, 1.0, 9)
_SMOOTH = 2
_REFINED, _SAME = 4, 0.1
_SMALLEST, _STEP = 1e-9, 1e-4


@dataclass(frozen=True, eq=False)
class Likelihood(Value):
    """What curves say of one hypothesis.

    Attributes
    ----------
    noise : RoundNoise
    misfit : float
        -2 log restricted likelihood.
    freedom : int
        Degrees of freedom behind it.
    is_plausible : bool
        Whether residuals are those of its law, and something is passed on.
    kappa : array, shape (m,)
        Likeliest factors of a round.
    predicted : array, shape (r, m)
        Curves with these.
    """

    noise: RoundNoise
    misfit: float
    freedom: int
    is_plausible: bool
    kappa: FloatArray
    predicted: FloatArray


def likelihoods(observations: Observations, names: Sequence[str] | None = None) -> list[Likelihood]:
    """Return what curves say of each hypothesis, that of independent errors first.

    Parameters
    ----------
    observations : Observations
        With independent errors.
    names : sequence of str, optional
        Hypotheses; those that the number of runs leaves if None.
    """
    tried = []
    for name in kinds_of_noise(observations) if names is None else names:
        best: Likelihood | None = None
        for ratio in _RATIOS[name] if name in _RATIOS else _ratios_of_sets(observations):
            noise = RoundNoise(name, observations.covariance, ratio)
            one = _likelihood(noise, observations)
            tried.append(one)
            best = one if best is None or one.misfit < best.misfit else best
            if one.misfit > best.misfit + _FAR:
                break
        for _ in range(_REFINED):  # many values tell more than these steps
            if best is None or best.noise.ratio == 0.0:
                break
            noise = _of_likeliest_ratio(best.noise, best.kappa, best.predicted, observations)
            one = _likelihood(noise, observations)
            tried.append(one)
            if one.misfit > best.misfit - _SAME:
                break
            best = one
    return tried


def noisiest(likeliest: Likelihood, observations: Observations) -> Likelihood | None:
    """Return training sets that add the most noise within reach of the likeliest; None where these add as much.

    Parameters
    ----------
    likeliest : Likelihood
        Of training sets whose size is not known.
    observations : Observations
        With independent errors.
    """
    noise = likeliest.noise
    inside, largest = np.log([noise.ratio, max(_largest_ratio(observations), noise.ratio)])
    best: Likelihood | None = None

    def within(logarithm: float) -> Likelihood | None:
        one = _likelihood(noise.replace(ratio=float(np.exp(logarithm))), observations)
        return one if one.is_plausible and one.misfit <= likeliest.misfit + PROFILE_RISE else None

    outside = inside
    while outside < largest:  # steps outwards, as far as these do
        outside = min(outside + np.log(_STEP_OF_RATIOS), largest)
        one = within(outside)
        if one is None:
            break
        inside, best = outside, one
    for _ in range(_HALVINGS if outside > inside else 0):
        middle = 0.5 * (inside + outside)
        one = within(middle)
        inside, outside, best = (inside, middle, best) if one is None else (middle, outside, one)
    return best


def _ratios_of_sets(observations: Observations) -> tuple[float, ...]:
    """Return ratios of what training sets add in a round to a stated variance, to be tried one after the other."""
    steps = np.log(max(_largest_ratio(observations), _LEAST_RATIO) / _LEAST_RATIO) / np.log(_STEP_OF_RATIOS)
    return tuple(_LEAST_RATIO * _STEP_OF_RATIOS**k for k in range(int(steps) + 1))


def _largest_ratio(observations: Observations) -> float:
    """Return the largest q at which training sets add no more than `_LARGEST_NOISE` to every curve."""
    sizes = np.abs(observations.values)
    sizes = np.where(observations.degrees == VARIANCE, sizes, sizes.max(axis=0))
    rows, columns = np.nonzero(observations.used)
    later = (observations.rounds[rows] > 0.0) & (sizes[rows, columns] > 0.0)
    relative = observations.variances[later] / sizes[rows, columns][later] ** 2
    own = [np.median(relative[columns[later] == j]) for j in np.unique(columns[later])]
    return float(_LARGEST_NOISE**2 / max(own)) if own else 0.0


def kinds_of_noise(observations: Observations) -> tuple[str, ...]:
    """Return what errors may be: of runs, of one, or of nobody knows how many."""
    runs = observations.runs
    are_few = observations.error_freedom is not None and not observations.are_rounded
    if are_few or (runs is not None and np.all(runs > 1.0)):
        return INDEPENDENT, BETWEEN_RUNS
    if runs is not None and np.all(runs == 1.0):
        return INDEPENDENT, OWN_SAMPLES, TRAINING_SETS
    return NOISE


def with_followed_noise(
    likelihood: Likelihood, observations: Observations, fresh: float | None, *, is_size_known: bool = False
) -> Observations:
    """Return curves with a noise whose rates are those of the law of most mechanisms, if it describes the curves.

    And whose size is the likeliest at these rates, where it is not known.
    """
    if likelihood.noise.name == INDEPENDENT:
        return observations
    noise = likelihood.noise
    current = with_noise(noise, likelihood.kappa, likelihood.predicted, observations)
    for _ in range(_PASSES if _GENERAL.speaks_of(observations) else 0):
        one = fit(_GENERAL, current, fresh_fraction=fresh)
        if one.is_rejected:
            break
        is_open = noise.ratio > 0.0 and noise.samples is None and not is_size_known
        is_open &= noise.name != BETWEEN_RUNS or current.innovations is None
        energy, error = one.fitted.get("energy", (0.0, np.nan))  # factors have none
        if noise.name == TRAINING_SETS and np.isfinite(error):
            noise = noise.replace(unscattered=max(energy - BORDER_ERRORS * error, 0.0))
        if is_open and np.isfinite(one.contraction).all():
            noise = _of_likeliest_ratio(noise, one.contraction, one.predicted, observations)
        current = noise_of_rounds(one, current.replace(noise=noise))
    return current


def _of_likeliest_ratio(
    noise: RoundNoise, kappa: FloatArray, predicted: FloatArray, stated: Observations
) -> RoundNoise:
    """Return noise of the likeliest ratio at rates (m,) and curves (r, m)."""
    from scipy.optimize import minimize_scalar

    def misfit(logarithm: float) -> float:
        tried = noise.replace(ratio=float(np.exp(logarithm)))
        return sum(
            float(profile_of_rates(tried, stated, j, kappa[j : j + 1], predicted[:, j]).misfit[0])
            for j in range(len(kappa))
        )

    largest = {BETWEEN_RUNS: 1.0, OWN_SAMPLES: _LARGEST_SHARE}.get(noise.name, _largest_ratio(stated))
    largest = min(noise.ratio * _STEP_OF_RATIOS, max(largest, noise.ratio))
    bounds = np.log(noise.ratio / _STEP_OF_RATIOS), np.log(largest)
    least = minimize_scalar(misfit, bounds=bounds, method="bounded", options={"xatol": 0.02})
    return noise.replace(ratio=float(np.exp(least.x)))


def of_noise(
    name: str, observations: Observations, fresh: float | None, samples: int | None = None
) -> Observations:
    """Return curves with one noise, the likeliest of its sizes, or that of training sets of known size."""
    if name == INDEPENDENT:
        return observations
    if samples is not None and name == TRAINING_SETS:
        one = _likelihood(RoundNoise(name, observations.covariance, 1.0, samples), observations)
        return with_followed_noise(one, observations, fresh)
    tried = likelihoods(observations, [name])
    likeliest = min(tried, key=lambda one: one.misfit)
    if name == BETWEEN_RUNS:  # which is said: curves that are smooth by chance do not take it back
        near = [one for one in tried if one.misfit <= likeliest.misfit + PROFILE_RISE]
        most = max(near, key=lambda one: one.noise.ratio)
        return with_followed_noise(most, observations, fresh, is_size_known=most is not likeliest)
    return with_followed_noise(likeliest, observations, fresh)


def renewed(observations: Observations) -> Observations:
    """Return curves whose rounds pass noise on with that of their regime."""
    if observations.noise is None:
        return observations
    stated = observations.with_independent_errors
    one = _likelihood(observations.noise, stated)
    return with_noise(one.noise, one.kappa, one.predicted, stated)


def possible(tried: Sequence[Likelihood], reach: float = PROFILE_RISE) -> list[Likelihood]:
    """Return the likeliest of each kind of noise that the curves do not contradict, the likeliest first."""
    return likely([one for one in tried if one.is_plausible], reach)


def likely(tried: Sequence[Likelihood], reach: float = PROFILE_RISE) -> list[Likelihood]:
    """Return the likeliest of each kind of noise within reach of the least misfit, the likeliest first."""
    ordered = sorted(tried, key=lambda one: one.misfit)
    kinds: dict[str, Likelihood] = {}
    for one in ordered:
        if one.misfit <= ordered[0].misfit + reach:
            kinds.setdefault(one.noise.name, one)
    return list(kinds.values())


def _likelihood(noise: RoundNoise, observations: Observations) -> Likelihood:
    curves = [_of_curve(noise, observations, j) for j in range(len(observations.names))]
    kappa = np.array([one.kappa for one in curves])
    return Likelihood(
        noise=noise,
        misfit=sum(one.misfit for one in curves),
        freedom=sum(one.residuals.freedom for one in curves),
        is_plausible=are_normal([one.residuals for one in curves])
        and (noise.name == INDEPENDENT or bool(kappa.max() > _LEAST_PASSED)),
        kappa=kappa,
        predicted=np.stack([one.predicted for one in curves], axis=1),
    )


class _Curve(NamedTuple):
    """One curve under a hypothesis: the likeliest factor of a round, what that predicts, and residuals in errors."""

    kappa: float
    predicted: FloatArray
    misfit: float
    residuals: Residuals


def _of_curve(noise: RoundNoise, observations: Observations, column: int) -> _Curve:
    rounds, rows = observations.rounds, observations.rows_in_order(column)
    smooth = _course(rounds, rounds[rows], observations.values[rows, column])
    rates = _RATES
    profile = own_profile(noise, observations, column, rates, smooth)
    for _ in range(_ZOOMS):
        least = int(np.argmin(profile.misfit))
        low, high = rates[max(least - 1, 0)], rates[min(least + 1, len(rates) - 1)]
        rates = low + (high - low) * _ZOOM
        profile = profile_of_rates(noise, observations, column, rates, profile.curves[least])
    least = int(np.argmin(profile.misfit))
    best, smooth = rates[least : least + 1], profile.curves[least]
    # Of the curve at this rate; the volume is also that of the rate, along which noise of rounds may be far from it.
    residuals = profile_of_rates(noise, observations, column, best, smooth).residuals[0]
    profile = profile_of_rates(noise, observations, column, best, smooth, with_rate=True)
    misfit = float(profile.misfit[0] + residuals @ residuals - profile.residuals[0] @ profile.residuals[0])
    if noise.follows_states(observations.regime) and observations.degrees[column] == VARIANCE:
        values = np.where(rounds[rows] > 0.0, observations.values[rows, column], 0.0)
        residuals = normal_scores(residuals, profile.spreads[0], values)
    freedom = len(rows) - 2 - int(np.isnan(observations.starts[column]))
    return _Curve(float(best[0]), smooth, misfit, Residuals(residuals, profile.basis[0], freedom))


def _course(rounds: FloatArray, at: FloatArray, values: FloatArray) -> FloatArray:
    """Return a smooth course through values, at rounds (r,): noise in proportion to values themselves favours low ones.

    Of positive values a quadratic course of logarithms; of others, and of few, the values.
    """
    if len(values) <= _SMOOTH + 1 or values.min() <= 0.0:
        return np.interp(rounds, at, values)
    logarithms = np.polynomial.Polynomial.fit(np.log1p(at), np.log(values), _SMOOTH)(np.log1p(rounds))
    return np.exp(np.clip(logarithms, *np.log([values.min(), values.max()])))


class RateProfile(NamedTuple):
    """A curve under a hypothesis, at factors of a round (g,): misfits, residuals in errors (g, n), and what fits.

    Attributes
    ----------
    misfit : array, shape (g,)
        Of what start and step do not follow, nor, where so asked, the factor.
    residuals, spreads : array, shape (g, n)
        In errors, and those of each value given the ones before it, in the order of rounds.
    basis : array, shape (g, n, p)
        Orthonormal, of what is followed, in errors.
    curves : array, shape (g, r)
    steps, starts : array, shape (g,)
        u and y_0 of y_i = y_0 + u G_i.
    """

    misfit: FloatArray
    residuals: FloatArray
    spreads: FloatArray
    basis: FloatArray
    curves: FloatArray
    steps: FloatArray
    starts: FloatArray


def own_profile(
    noise: RoundNoise, observations: Observations, column: int, rates: FloatArray, about: FloatArray
) -> RateProfile:
    """Return the same with noise about each rate's own curve, where it is in proportion to that; searched from a curve.

    Parameters as in `profile_of_rates`.
    """
    profile = profile_of_rates(noise, observations, column, rates, about)
    for _ in range(_PASSES if noise.follows_states(observations.regime) else 0):
        profile = profile_of_rates(noise, observations, column, rates, profile.curves.T)
    return profile


def profile_of_rates(
    noise: RoundNoise,
    observations: Observations,
    column: int,
    rates: FloatArray,
    about: FloatArray,
    *,
    with_rate: bool = False,
) -> RateProfile:
    """Return what a curve says of factors of a round (g,), with noise about given values (r,) or (r, g).

    Of what start and step do not follow, nor, where so asked, the factor.
    """
    start = observations.starts[column]
    columns = [sums_of(rates[:, None], observations)[:, :, 0]]
    if np.isnan(start):
        columns.append(np.ones_like(columns[0]))
    if with_rate:
        low = np.maximum(rates - _STEP, 0.0)
        ahead, behind = (sums_of(one[:, None], observations)[:, :, 0] for one in (rates + _STEP, low))
        columns.append(ahead - behind)
    design = np.stack(columns, axis=2)
    offset = 0.0 if np.isnan(start) else start
    white = whitening(noise, rates, about, observations, column)
    rows = observations.rows_in_order(column)
    basis, sizes, turns = np.linalg.svd(design[:, rows], full_matrices=False)
    is_told = sizes > _SMALLEST * sizes[:, :1]  # at factor 0 without round 0, start and plateau are one
    basis = np.where(is_told[:, None, :], basis, 0.0)
    values = (observations.values[rows, column] - offset)[:, None]
    both = np.concatenate([basis, np.broadcast_to(values, (len(rates), *values.shape))], axis=2)
    whitened = white.whitened(both)
    orthogonal, triangle = np.linalg.qr(whitened[:, :, :-1])
    orthogonal = np.where(is_told[:, None, :], orthogonal, 0.0)
    along = np.einsum("gnk,gn->gk", orthogonal, whitened[:, :, -1])
    residuals = whitened[:, :, -1] - np.einsum("gnk,gk->gn", orthogonal, along)
    diagonal = np.where(is_told, np.abs(np.diagonal(triangle, axis1=1, axis2=2)), 1.0)
    determinant = np.log(white.innovations).sum(axis=1) + 2.0 * np.log(diagonal).sum(axis=1)
    untold = np.where(is_told, 0.0, 1.0)[:, :, None] * np.eye(sizes.shape[1])
    weights = np.linalg.solve(triangle + untold, along[:, :, None])[:, :, 0] / np.where(is_told, sizes, 1.0)
    weights = np.einsum("gjk,gj->gk", turns, weights)
    return RateProfile(
        misfit=np.sum(residuals**2, axis=1) + determinant,
        residuals=residuals,
        basis=orthogonal,
        spreads=np.sqrt(white.innovations),
        curves=offset + np.einsum("grk,gk->gr", design, weights),
        steps=weights[:, 0],
        starts=weights[:, 1] if np.isnan(start) else np.full(len(rates), start),
    )
