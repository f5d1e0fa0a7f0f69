r"""How errors of different rounds belong together, where rounds pass their noise on to later ones.

Each round of a recursion passes the noise of its training set on.  With e_i the errors that a table states, R what
noise of one round adds to later ones (`accumulated.passed_on`) and d_i in proportion to the values of variances,
constant for factors, the covariance of a curve is one of

    independent      C = diag(e^2)                              errors of the evaluation alone
    between_runs     C = (1 - q) diag(e^2) + q R diag(d^2) R^T  scatter of runs, of which the part q is passed on
    own_samples      C = R diag(e^2 + f^2) R^T                  each value is of the samples that train the next round
    training_sets    C = diag(e^2) + q R diag(d^2) R^T          of the evaluation, beside the noise of training sets

With f = 0 the data are exact, and all samples train.  Where training sets are drawn anew, the share q from data of
value y_0 and the rest from the last samples, with A = kappa / (1 - q), at most 1, sampling adds

    f_i^2 = A^2 (q (1 - q) y_{i-1}^2 + q y_0^2) e_i^2 / y_i^2,     f_1^2 = A^2 y_0^2 e_1^2 / y_1^2.

The diagonal of the second is e^2, or, where errors are estimates of few runs, has the shape that rounds give it.  The
data of round 0 are apart: no round scatters them.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError
from ..core.numbers import rough_count, significant
from ..core.types import FloatArray, IntArray
from .accumulated import passed_on
from .fitting import MechanismFit
from .innovations import (
    are_followed,
    as_stated,
    covariances_given_the_last,
    given_the_last,
)
from .observations import UNKNOWN, VARIANCE, Observations
from .round_noise import BETWEEN_RUNS, INDEPENDENT, OWN_SAMPLES, TRAINING_SETS, RoundNoise

LARGEST_ROUND = 300
LARGEST_COUNT = 1000
"""Rounds and values up to which noise is followed."""
_LARGE = 0.07
"""Of a value, that a round adds, from which the second order of it shows in errors."""


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
        OWN_SAMPLES: "each value is of the very samples that train the next round"
        + (", in sets that are drawn anew" if noise.ratio > 0.0 else ""),
    }[noise.name]


def words_of(observations: Observations) -> str:
    """Return the same of curves with a noise, or with independent errors."""
    noise = observations.noise
    return words(RoundNoise(INDEPENDENT, observations.variances) if noise is None else noise, observations)


def _samples(noise: RoundNoise, observations: Observations) -> float | None:
    """Return T of 2 v^2 / T for variances, None where a curve is none."""
    if noise.samples is not None:
        return float(noise.samples)
    rows, columns = np.nonzero(observations.used)
    values = observations.values[rows, columns]
    later = (observations.rounds[rows] > 0.0) & (values > 0.0)
    if np.any(observations.degrees != VARIANCE) or not later.any():
        return None
    return float(2.0 / (noise.ratio * np.median(noise.stated[later] / values[later] ** 2)))


def on_large_noise(observations: Observations) -> list[str]:
    """Return what it means that a round adds much to what rounds pass on, nothing where it adds little."""
    noise = observations.noise
    if noise is None or noise.name == BETWEEN_RUNS or np.any(observations.degrees != VARIANCE):
        return []
    samples = _samples(noise.replace(ratio=1.0) if noise.name == OWN_SAMPLES else noise, observations)
    if samples is None or samples > 2.0 / _LARGE**2:
        return []
    return [
        f"A round adds noise of about {100.0 * (2.0 / samples) ** 0.5:.0f} % of the values, and errors are of first "
        "order in it: of so few samples they are too small, by a tenth or two at 7 %, by a third or more at 14 %."
    ]


def covariances(
    noise: RoundNoise, kappa: FloatArray, predicted: FloatArray, observations: Observations, column: int
) -> FloatArray:
    """Return covariances of a curve's fitted entries, shape (g, n, n); round 0 is apart.

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
    own = noise.stated[_entries(observations, column)]
    if noise.name == BETWEEN_RUNS and are_followed(observations):
        return covariances_given_the_last(own, kappa, predicted, observations.only(np.array([column])))
    rounds = observations.rounds[observations.used[:, column]].astype(np.int64)
    later = np.flatnonzero(rounds > 0)
    covariance = np.tile(np.diag(own), (np.shape(kappa)[-1], 1, 1))
    if noise.name != INDEPENDENT and len(later):
        joint = _of_later_rounds(noise, own[later], rounds[later], kappa, predicted, observations, column)
        covariance[:, later[:, None], later] = joint
    return covariance


def _of_later_rounds(
    noise: RoundNoise,
    own: FloatArray,
    rounds: IntArray,
    kappa: FloatArray,
    predicted: FloatArray,
    observations: Observations,
    column: int,
) -> FloatArray:
    """Return covariances of entries of rounds >= 1 whose stated variances are `own`."""
    sizes = np.ones(observations.last + 1)
    if observations.degrees[column] == VARIANCE:
        order = np.argsort(observations.rounds)
        each = np.arange(observations.last + 1.0)
        sizes = np.interp(each, observations.rounds[order], np.abs(predicted[order]))
    typical = np.median(own / sizes[rounds] ** 2) if noise.samples is None else 2.0 / noise.samples
    added, factors = sizes[1:] ** 2 * typical, np.clip(kappa, 0.0, 1.0)
    if noise.name == OWN_SAMPLES:
        added[rounds - 1] = own
        if noise.ratio > 0.0:
            added = added + typical * _drawn_anew(noise.ratio, factors, sizes, observations.last)
            added = added[:, None, :]
    passed = passed_on(observations.regime, factors, observations.last)[:, rounds]
    joint = (passed * added) @ np.swapaxes(passed, -1, -2)
    if noise.name == OWN_SAMPLES:
        return np.asarray(joint)
    if noise.name == TRAINING_SETS:
        return np.asarray(np.diag(own) + noise.ratio * joint)
    scale = own / np.diagonal(joint, axis1=-2, axis2=-1)
    if observations.error_freedom is not None:  # estimates: the shape of what rounds pass on is better known
        scale = np.broadcast_to(scale.mean(axis=-1, keepdims=True), scale.shape)
    scale = np.sqrt(noise.ratio * scale)
    return np.asarray((1.0 - noise.ratio) * np.diag(own) + joint * scale[:, :, None] * scale[:, None, :])


def _drawn_anew(share: float, factors: FloatArray, sizes: FloatArray, last: int) -> FloatArray:
    """Return what samples of training sets that are drawn anew add, (g, last) or (1, last), in squared errors of 1."""
    steps = factors[:, None] if factors.ndim == 1 else factors[:last].T
    drawn = share * (1.0 - share) * sizes[:-1] ** 2 + share * sizes[0] ** 2
    drawn[0] = sizes[0] ** 2
    return np.asarray(np.minimum(steps / (1.0 - share), 1.0) ** 2 * drawn)


def _entries(observations: Observations, column: int) -> IntArray:
    """Return which of all fitted entries are those of a curve."""
    return np.flatnonzero(np.nonzero(observations.used)[1] == column)


def with_noise(
    noise: RoundNoise, kappa: FloatArray, predicted: FloatArray, observations: Observations
) -> Observations:
    """Return curves with noise of rounds, at factors of a round (m,) or (last, m) and curves (r, m)."""
    if noise.name == BETWEEN_RUNS and are_followed(observations):
        return given_the_last(noise.stated, kappa, predicted, observations).replace(noise=noise)
    observations = as_stated(observations)
    covariance = np.zeros((len(noise.stated),) * 2)
    for j in range(len(observations.names)):
        own = _entries(observations, j)
        block = covariances(noise, kappa[..., j : j + 1], predicted[:, j], observations, j)
        covariance[np.ix_(own, own)] = block[0]
    return observations.replace(covariance=covariance, noise=noise)


def noise_of_rounds(one: MechanismFit, observations: Observations) -> Observations:
    """Return curves with the noise that a fit's own rounds pass on; as they are where its rates are not known."""
    steps = one.contraction if one.contractions is None else one.contractions
    if observations.noise is None or not np.isfinite(steps).all():
        return observations
    return with_noise(observations.noise, steps, one.predicted, observations)


def may_pass_noise(observations: Observations, fresh_fraction: float | None) -> bool:
    """Return whether rounds of such curves may pass noise on that errors do not say."""
    return (
        observations.has_errors
        and observations.covariance.ndim == 1
        and observations.measured is None
        and not _why_independent(observations, fresh_fraction)
    )


def _why_independent(observations: Observations, fresh_fraction: float | None) -> str:
    """Return of what curves no noise is followed from round to round, after "for", nothing where it is."""
    names, short = observations.names, observations.used.sum(axis=0) < 2 + np.isnan(observations.starts)
    exact = np.zeros(len(names), dtype=bool) if observations.runs is None else np.isinf(observations.runs)
    if observations.are_shapeless:
        return "columns of unknown kind" if np.any(observations.degrees == UNKNOWN) else "distances"
    if fresh_fraction == 1.0:
        return "fresh data alone, where no round passes anything on"
    if exact.any():
        return (
            f"errors that are exact, as those of infinitely many runs ({', '.join(np.array(names)[exact])})"
        )
    if short.any():
        return f"curves of too few values to show a rate ({', '.join(np.array(names)[short])})"
    if observations.last > LARGEST_ROUND:
        return f"rounds beyond {LARGEST_ROUND} (the last is {observations.last})"
    if observations.count > LARGEST_COUNT:
        return f"more than {LARGEST_COUNT} values (these are {observations.count})"
    return ""


def require_noise(
    name: str, observations: Observations, fresh_fraction: float | None, samples: int | None = None
) -> None:
    """Refuse noise by name, or by the size of training sets, where it says nothing."""
    given, value = ("noise", name) if samples is None else ("training_samples", samples)
    if observations.measured is not None:
        raise InputError(f"noise must be left out with measured generations, which say it, got {name!r}.")
    if not observations.has_errors or observations.covariance.ndim > 1:
        raise InputError(
            f"{given} must come with standard errors, since it says how those of different rounds belong together, got "
            f"{value!r}."
        )
    reason = _why_independent(observations, fresh_fraction)
    if name != INDEPENDENT and reason:
        rule = "be 'independent'" if samples is None else "be left out"
        raise InputError(f"{given} must {rule} for {reason}, got {value!r}.")
