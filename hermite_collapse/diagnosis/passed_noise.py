r"""How errors of different rounds belong together, where rounds pass their noise on to later ones.

Each round of a recursion passes the noise of its training set on.  With e_i the errors that a table states, R what
noise of one round adds to later ones (`accumulated.passed_on`) and d_i in proportion to the values of variances,
constant for factors, the covariance of a curve is one of

    independent      C = diag(e^2)                              errors of the evaluation alone
    between_runs     C_ij = e_i e_j K_ij                        scatter of runs, K the correlations of R diag(d^2) R^T
    own_samples      C = R diag(e^2) R^T                        each value is of the samples that train the next round
    training_sets    C = diag(e^2) + q R diag(d^2) R^T          of the evaluation, beside the noise of training sets

The data of round 0 are apart: no round scatters them.  Under each a curve y_i = y_0 + u G_i(kappa), which any mechanism
follows, has

    -2 log restricted likelihood = chi-square + log det C + log det X^T C^{-1} X,     X = d y / d (y_0, u),

which does not count as noise what plateau and start follow.  Hypotheses within 3.84 of the least are possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..core.numbers import rough_count, significant
from ..core.significance import chi_square_p_value
from ..core.types import FloatArray, IntArray
from ..core.value import Value
from .accumulated import REPLACE, accumulated_sums, passed_on
from .affine_models import ScoreErrorModel
from .fitting import PROFILE_RISE, MechanismFit, fit
from .observations import VARIANCE, Observations
from .round_models import geometric
from .round_noise import BETWEEN_RUNS, INDEPENDENT, NOISE, OWN_SAMPLES, TRAINING_SETS, RoundNoise

LARGEST_ROUND = 300
LARGEST_COUNT = 1000
"""Rounds and values up to which noise is followed."""
_RATIOS = tuple(4.0**k for k in range(-1, 8))
"""Of the variance that a training set adds in a round to that of a stated error, that are tried."""
_SMALLEST_SET = 10.0
"""Samples of training sets that are tried."""
_FAR = 20.0
"""Misfit above the least of smaller training sets' noise from which larger ones are not tried."""
_TAIL = 0.01
"""p-value of the chi-square of all curves below which, in either tail, noise does not go with them."""
_RATES = np.concatenate([np.linspace(0.0, 0.9, 19), [0.93, 0.95, 0.97, 0.985, 1.0, 1.03, 1.1, 1.25, 1.5]])
_ZOOMS = 5
_GENERAL, _PASSES = ScoreErrorModel(), 2
_ZOOM = np.linspace(0.0, 1.0, 9)


def words(noise: RoundNoise, observations: Observations) -> str:
    """Return what it takes for a hypothesis to hold, after "if"."""
    if noise.name == TRAINING_SETS:
        samples = _samples(noise, observations)
        size = "" if samples is None else f" of about {rough_count(samples)} samples"
        times = f", {significant(noise.ratio**0.5, 2)} times the errors," if samples is None else ""
        return f"rounds pass on the noise of training sets{size}{times} beside independent errors"
    return {
        INDEPENDENT: "errors of different rounds are independent",
        BETWEEN_RUNS: "errors are the scatter of runs that pass their noise on from round to round",
        OWN_SAMPLES: "each value is of the very samples that train the next round",
    }[noise.name]


def _samples(noise: RoundNoise, observations: Observations) -> float | None:
    """Return T of 2 v^2 / T for variances, None where a curve is none."""
    rows, columns = np.nonzero(observations.used)
    values = observations.values[rows, columns]
    later = (observations.rounds[rows] > 0.0) & (values > 0.0)
    if np.any(observations.degrees != VARIANCE) or not later.any():
        return None
    return float(2.0 / (noise.ratio * np.median(noise.stated[later] / values[later] ** 2)))


def covariances(
    noise: RoundNoise, kappa: FloatArray, predicted: FloatArray, observations: Observations, column: int
) -> FloatArray:
    """Return covariances of a curve's fitted entries after round 0, shape (g, n, n).

    Parameters
    ----------
    noise : RoundNoise
    kappa : array, shape (g,) or (last, g)
        Factors of a round, of each round where they change; those above 1 pass on as 1 does.
    predicted : array, shape (r,)
        Values of the curve without noise.
    observations : Observations
    column : int
    """
    later, rounds = _entries(observations, column)
    own = noise.stated[later]
    if noise.name == INDEPENDENT:
        return np.broadcast_to(np.diag(own), (np.shape(kappa)[-1], len(own), len(own)))
    sizes = np.ones(observations.last)
    if observations.degrees[column] == VARIANCE:
        order = np.argsort(observations.rounds)
        each = np.arange(1.0, observations.last + 1.0)
        sizes = np.interp(each, observations.rounds[order], np.abs(predicted[order]))
    added = sizes**2 * np.median(own / sizes[rounds - 1] ** 2)
    if noise.name == OWN_SAMPLES:
        added[rounds - 1] = own
    passed = passed_on(observations.regime, np.clip(kappa, 0.0, 1.0), observations.last)[:, rounds]
    joint = (passed * added) @ np.swapaxes(passed, -1, -2)
    if noise.name == BETWEEN_RUNS:
        scale = np.sqrt(own / np.diagonal(joint, axis1=-2, axis2=-1))
        return np.asarray(joint * scale[:, :, None] * scale[:, None, :])
    return np.asarray(np.diag(own) + noise.ratio * joint if noise.name == TRAINING_SETS else joint)


def _entries(observations: Observations, column: int) -> tuple[IntArray, IntArray]:
    """Return which of all fitted entries a curve has after round 0, and their rounds."""
    rows, columns = np.nonzero(observations.used)
    later = np.flatnonzero((columns == column) & (observations.rounds[rows] > 0.0))
    return later, observations.rounds[rows[later]].astype(np.int64)


def with_noise(
    noise: RoundNoise, kappa: FloatArray, predicted: FloatArray, observations: Observations
) -> Observations:
    """Return curves with noise of rounds, at factors of a round (m,) or (last, m) and curves (r, m)."""
    covariance = np.diag(noise.stated)
    for j in range(len(observations.names)):
        later, _ = _entries(observations, j)
        if len(later):
            block = covariances(noise, kappa[..., j : j + 1], predicted[:, j], observations, j)
            covariance[np.ix_(later, later)] = block[0]
    return observations.replace(covariance=covariance, noise=noise)


def noise_of_rounds(one: MechanismFit, observations: Observations) -> Observations:
    """Return curves with the noise that a fit's own rounds pass on; as they are where its rates are not known."""
    steps = one.contraction if one.contractions is None else one.contractions
    if observations.noise is None or not np.isfinite(steps).all():
        return observations
    return with_noise(observations.noise, steps, one.predicted, observations)


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
        Whether the chi-square that goes with it is one of its law, by both tails.
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


def may_pass_noise(observations: Observations, fresh_fraction: float | None) -> bool:
    """Return whether rounds of such curves may pass noise on that errors do not say."""
    return bool(
        observations.has_errors
        and observations.covariance.ndim == 1
        and observations.measured is None
        and not observations.are_shapeless
        and fresh_fraction != 1.0
        and observations.last <= LARGEST_ROUND
        and observations.count <= LARGEST_COUNT
        and (observations.runs is None or np.all(np.isfinite(observations.runs)))
    )


def require_noise(name: str, observations: Observations, fresh_fraction: float | None) -> None:
    """Refuse noise by name where it says nothing."""
    if observations.measured is not None:
        raise InputError(f"noise must be left out with measured generations, which say it, got {name!r}.")
    if not observations.has_errors or observations.covariance.ndim > 1:
        raise InputError(f"noise must come with standard errors, whose rounds it is of, got {name!r}.")
    if name != INDEPENDENT and not may_pass_noise(observations, fresh_fraction):
        raise InputError(
            f"noise must be 'independent' for distances, infinite runs, fresh data alone, and beyond round "
            f"{LARGEST_ROUND} or {LARGEST_COUNT} values, got {name!r}."
        )


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
    for name in _of_runs(observations) if names is None else names:
        least = np.inf
        for ratio in _RATIOS if name == TRAINING_SETS else (0.0,):
            noise = RoundNoise(name, observations.covariance, ratio)
            if name == TRAINING_SETS and (_samples(noise, observations) or np.inf) < _SMALLEST_SET:
                break
            one = _likelihood(noise, observations)
            tried.append(one)
            least = min(least, one.misfit)
            if one.misfit > least + _FAR:
                break
    return tried


def _of_runs(observations: Observations) -> tuple[str, ...]:
    """Return what errors may be: of runs, of one, or of nobody knows how many."""
    runs = observations.runs
    are_few = observations.error_freedom is not None and not observations.are_rounded
    if are_few or (runs is not None and np.all(runs > 1.0)):
        return INDEPENDENT, BETWEEN_RUNS
    if runs is not None and np.all(runs == 1.0):
        return INDEPENDENT, OWN_SAMPLES, TRAINING_SETS
    return NOISE


def with_followed_noise(
    likelihood: Likelihood, observations: Observations, fresh: float | None
) -> Observations:
    """Return curves with a noise whose rates are those of the law of most mechanisms, if it describes the curves."""
    if likelihood.noise.name == INDEPENDENT:
        return observations
    current = with_noise(likelihood.noise, likelihood.kappa, likelihood.predicted, observations)
    for _ in range(_PASSES if _GENERAL.speaks_of(observations) else 0):
        one = fit(_GENERAL, current, fresh_fraction=fresh)
        if one.is_rejected:
            break
        current = noise_of_rounds(one, current)
        if likelihood.noise.name == TRAINING_SETS:
            current = noise_of_rounds(one, current.replace(noise=_likeliest_size(one, current, observations)))
    return current


def _likeliest_size(one: MechanismFit, current: Observations, stated: Observations) -> RoundNoise:
    """Return noise of training sets of the likeliest size at the rates of a fit."""
    from scipy.optimize import minimize_scalar

    noise = current.noise
    if noise is None or not np.isfinite(one.contraction).all():
        return RoundNoise(INDEPENDENT, stated.covariance) if noise is None else noise

    def misfit(logarithm: float) -> float:
        tried = noise.replace(ratio=float(np.exp(logarithm)))
        columns = range(len(stated.names))
        rates = one.contraction[:, None]
        return sum(float(_profile(tried, stated, j, rates[j], one.predicted[:, j])[0][0]) for j in columns)

    middle = np.log(noise.ratio)
    span = np.log(_RATIOS[1] / _RATIOS[0])
    minimum = minimize_scalar(
        misfit, bounds=(middle - span, middle + span), method="bounded", options={"xatol": 0.02}
    )
    return noise.replace(ratio=float(np.exp(minimum.x)))


def of_noise(name: str, observations: Observations, fresh: float | None) -> Observations:
    """Return curves with one noise, the likeliest of its sizes."""
    if name == INDEPENDENT:
        return observations
    likeliest = min(likelihoods(observations, [name]), key=lambda one: one.misfit)
    return with_followed_noise(likeliest, observations, fresh)


def renewed(observations: Observations) -> Observations:
    """Return curves whose rounds pass noise on with that of their regime."""
    if observations.noise is None:
        return observations
    stated = observations.replace(covariance=observations.noise.stated, noise=None)
    one = _likelihood(observations.noise, stated)
    return with_noise(one.noise, one.kappa, one.predicted, stated)


def possible(tried: Sequence[Likelihood]) -> list[Likelihood]:
    """Return the hypotheses that the curves do not contradict, the likeliest first."""
    plausible = sorted((one for one in tried if one.is_plausible), key=lambda one: one.misfit)
    return [one for one in plausible if one.misfit <= plausible[0].misfit + PROFILE_RISE]


def _likelihood(noise: RoundNoise, observations: Observations) -> Likelihood:
    kappa, predicted = np.zeros(len(observations.names)), np.zeros_like(observations.values)
    misfit, chi_square, freedom = 0.0, 0.0, 0
    for j in range(len(observations.names)):
        kappa[j], predicted[:, j], own = _of_curve(noise, observations, j)
        misfit, chi_square, freedom = misfit + own[0], chi_square + own[1], freedom + round(own[2])
    upper = chi_square_p_value(chi_square, freedom) if freedom > 0 else np.nan
    is_plausible = freedom > 0 and _TAIL <= upper <= 1.0 - _TAIL
    return Likelihood(noise, misfit, freedom, is_plausible, kappa, predicted)


def _of_curve(
    noise: RoundNoise, observations: Observations, column: int
) -> tuple[float, FloatArray, tuple[float, float, float]]:
    """Return the likeliest factor of a round, the curve, and misfit, chi-square and degrees of freedom."""
    about = np.where(observations.used[:, column], observations.values[:, column], np.nan)
    rounds = observations.rounds
    known = np.isfinite(about)
    order = np.argsort(rounds[known])
    smooth = np.interp(rounds, rounds[known][order], about[known][order])
    rates = _RATES
    for _ in range(_ZOOMS):
        misfit, chi_square, curves = _profile(noise, observations, column, rates, smooth)
        least = int(np.argmin(misfit))
        low, high = rates[max(least - 1, 0)], rates[min(least + 1, len(rates) - 1)]
        best = float(rates[least]), curves[least], float(misfit[least]), float(chi_square[least])
        smooth = np.where(np.isfinite(curves[least]), curves[least], smooth)
        rates = low + (high - low) * _ZOOM
    free = 2 + int(np.isnan(observations.starts[column]))
    return best[0], best[1], (best[2], best[3], float(observations.used[:, column].sum() - free))


def _profile(
    noise: RoundNoise, observations: Observations, column: int, rates: FloatArray, about: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return misfits (g,), chi-squares (g,) and curves (g, r) at factors of a round (g,)."""
    rounds, used = observations.rounds, observations.used[:, column]
    start = observations.starts[column]
    sums = (
        geometric(rates[:, None], rounds)[1]
        if observations.regime == REPLACE
        else accumulated_sums(rates[:, None], rounds, observations.regime)
    )[:, :, 0]
    design = sums[:, :, None]
    if np.isnan(start):
        design = np.concatenate([np.ones_like(design), design], axis=2)
    offset = 0.0 if np.isnan(start) else start
    later = covariances(noise, rates, about, observations, column)
    rows = np.flatnonzero(used)
    is_later = rounds[rows] > 0.0
    covariance = np.zeros((len(rates), len(rows), len(rows)))
    entries = np.nonzero(observations.used)[1] == column
    covariance[:] = np.diag(noise.stated[entries])
    after = np.flatnonzero(is_later)
    covariance[:, after[:, None], after] = later
    scale = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    factor = np.linalg.cholesky(covariance / scale[:, :, None] / scale[:, None, :])
    size = max(float(np.abs(observations.values[rows, column]).max()), 1e-300)
    both = np.concatenate(
        [
            design[:, rows] * size,
            np.broadcast_to(
                observations.values[rows, column][None, :, None] - offset, (len(rates), len(rows), 1)
            ),
        ],
        axis=2,
    )
    whitened = np.linalg.solve(factor, both / scale[:, :, None])
    orthogonal, triangle = np.linalg.qr(whitened[:, :, :-1])
    along = np.einsum("gnk,gn->gk", orthogonal, whitened[:, :, -1])
    chi_square = np.sum((whitened[:, :, -1] - np.einsum("gnk,gk->gn", orthogonal, along)) ** 2, axis=1)
    diagonal = np.abs(np.diagonal(triangle, axis1=1, axis2=2))
    with np.errstate(divide="ignore"):
        determinant = 2.0 * (
            np.log(scale).sum(axis=1)
            + np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
            + np.log(np.maximum(diagonal, 1e-12)).sum(axis=1)
        )
    solved = np.linalg.solve(triangle + 1e-300 * np.eye(triangle.shape[-1]), along[:, :, None])[:, :, 0]
    curves = offset + size * np.einsum("grk,gk->gr", design, solved)
    return chi_square + determinant, chi_square, curves
