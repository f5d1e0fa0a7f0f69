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

The d_i and y_i of variances, in regimes that keep no generations, are those that values so far tell (`filters`).
The diagonal of the second is e^2, or, where errors are estimates of few runs, has the shape that rounds give it.  The
data of round 0 are apart: no round scatters them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...core.errors import InputError
from ...core.numbers import rough_count, significant
from ...core.types import FloatArray, IntArray
from ...recursion.accumulated import REPLACE, passed_on
from ..fits.fitting import MechanismFit
from ..observed.filters import Factored, Filter, Sets, of_runs
from ..observed.innovations import are_followed, given_the_last, of_single_curve
from ..observed.observations import UNKNOWN, VARIANCE, Observations
from ..observed.round_noise import BETWEEN_RUNS, INDEPENDENT, OWN_SAMPLES, TRAINING_SETS, RoundNoise

_MANY = 1e5
"""Samples from which sets scatter hardly."""
LARGEST_ROUND = 300
LARGEST_COUNT = 1000
"""Rounds and values up to which noise is followed."""


def words(noise: RoundNoise, observations: Observations) -> str:
    """Return what it takes for a hypothesis to hold, after "if"."""
    if noise.name == TRAINING_SETS:
        samples = _samples(noise, observations)
        size = "" if samples is None else f" of about {rough_count(samples)} samples"
        if samples is not None and samples > _MANY:
            size = f" of {rough_count(_MANY)} samples or more"
        times = f", {significant(noise.ratio**0.5, 2)} times the errors," if samples is None else ""
        return f"rounds pass on the noise of training sets{size}{times} beside independent errors"
    return {
        INDEPENDENT: "errors of different rounds are independent",
        BETWEEN_RUNS: f"errors are the scatter of {_runs(observations)} that pass their noise on from round to round",
        OWN_SAMPLES: "each value is of the very samples that train the next round"
        + (", in sets that are drawn anew" if noise.ratio > 0.0 else ""),
    }[noise.name]


def _runs(observations: Observations) -> str:
    """Return how many runs it takes, where that is not said and matters."""
    if observations.runs is not None or observations.scatter is None:
        return "runs"
    return f"about {rough_count(float(np.median(observations.scatter.runs)))} runs"


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


def whitening(
    noise: RoundNoise, kappa: FloatArray, predicted: FloatArray, observations: Observations, column: int
) -> Filter | Factored:
    """Return what makes a curve's values, in the order of rounds, white; the data of round 0 are apart.

    Parameters
    ----------
    noise : RoundNoise
    kappa : array, shape (g,) or (last, g)
        Factors of a round, of each round where they change; those above 1 pass on as 1 does.
    predicted : array, shape (r,) or (r, g)
        Values of the curve without noise, or at each of the factors.
    observations : Observations
    column : int
    """
    rows = observations.rows_in_order(column)
    own = noise.stated[observations.entries[rows, column]]
    rounds = observations.rounds[rows].astype(np.int64)
    factors, last = np.clip(kappa, 0.0, 1.0), observations.last
    steps = np.broadcast_to(factors, (last, factors.shape[-1])) if factors.ndim == 1 else factors[:last]
    first = int(rounds[0] == 0)
    if noise.name == INDEPENDENT or first == len(rows):
        return Filter(*(np.tile(one, (steps.shape[1], 1)) for one in (0.0 * own, 0.0 * own, own)))
    later = _Later(noise, rows[first:], rounds[first:], own[first:], steps, observations, column)
    white = later.filter(predicted) if observations.regime == REPLACE else later.factored(factors, predicted)
    if not first:
        return white
    return white.after_data(float(own[0]))


class _Later(NamedTuple):
    """Values of a curve in rounds >= 1, in their order, and the factors (last, g) of rounds."""

    noise: RoundNoise
    rows: IntArray
    rounds: IntArray
    stated: FloatArray
    steps: FloatArray
    observations: Observations
    column: int

    @property
    def is_variance(self) -> bool:
        return bool(self.observations.degrees[self.column] == VARIANCE)

    def filter(self, predicted: FloatArray) -> Filter:
        """Return what makes values white where each generation replaces the last."""
        noise, observations = self.noise, self.observations
        if noise.name == BETWEEN_RUNS and are_followed(observations):
            return of_single_curve(self.rounds, self.steps, predicted, observations, self.column)
        sizes = self._sizes(predicted)
        if noise.name == BETWEEN_RUNS:
            # Errors that are estimates: the shape of what rounds pass on is better known.
            is_shape = observations.error_freedom is not None
            return of_runs(self.rounds, self.stated, self.steps, sizes, noise.ratio, is_shape=is_shape)
        reference = None if observations.reference is None else observations.reference[self.rows, self.column]
        are_relative = self.is_variance and reference is not None and bool(np.all(reference > 0.0))
        is_own = noise.name == OWN_SAMPLES
        sets = Sets(
            rounds=self.rounds,
            values=observations.values[self.rows, self.column],
            stated=self.stated / reference**2 if reference is not None and are_relative else self.stated,
            unscattered=noise.unscattered if self.is_variance else 0.0,
            share=noise.ratio if is_own else 0.0,
            follows=self.is_variance,
            are_relative=are_relative,
            are_own=is_own,
        )
        return sets.filter(self.steps, sizes, self._typical(sizes) * (1.0 if is_own else noise.ratio))

    def factored(self, kappa: FloatArray, predicted: FloatArray) -> Factored:
        """Return the same where generations are kept."""
        noise, rounds, own = self.noise, self.rounds, self.stated[None, :]
        sizes, last = self._sizes(predicted), len(self.steps)
        typical = self._typical(sizes)
        added = np.square(sizes[1:]) * typical
        if noise.name == OWN_SAMPLES:
            added = np.broadcast_to(added, self.steps.shape).copy()
            added[rounds - 1] = own.T
            if noise.ratio > 0.0:
                added += typical * _drawn_anew(noise.ratio, self.steps, sizes)
        passed = passed_on(self.observations.regime, kappa, last)[:, rounds]
        joint = (passed * np.swapaxes(added, 0, 1)[:, None, :]) @ np.swapaxes(passed, -1, -2)
        left = np.zeros_like(own)
        if noise.name == TRAINING_SETS:
            joint, left = noise.ratio * joint, own
        elif noise.name == BETWEEN_RUNS:
            squares = np.diagonal(joint, axis1=-2, axis2=-1)
            scale = np.divide(own, squares, out=np.zeros_like(squares), where=squares > 0.0)
            if self.observations.error_freedom is not None:
                scale = np.broadcast_to(scale.mean(axis=-1, keepdims=True), scale.shape)
            scale = np.sqrt(noise.ratio * scale)
            left = np.where(squares > 0.0, (1.0 - noise.ratio) * own, own)
            joint = joint * scale[:, :, None] * scale[:, None, :]
        return Factored.of(joint + left[:, :, None] * np.eye(len(rounds)))

    def _sizes(self, predicted: FloatArray) -> FloatArray:
        """Return what noise of a round is in proportion to, (last + 1, 1 or g)."""
        if not self.is_variance:
            return np.ones((len(self.steps) + 1, 1))
        return self.observations.in_all_rounds(np.abs(predicted).reshape(len(predicted), -1))

    def _typical(self, sizes: FloatArray) -> FloatArray:
        """Return c of sets that add as much to a value as its error is, (1 or g,)."""
        if self.noise.samples is not None:
            return np.array([2.0 / self.noise.samples])
        squares = sizes[self.rounds] ** 2
        relative = np.full_like(squares, np.nan)
        np.divide(self.stated[:, None], squares, out=relative, where=squares > 0.0)
        some = np.any(squares > 0.0, axis=0)  # nothing scatters what is 0 in all rounds
        return np.nanmedian(np.where(some, relative, 0.0), axis=0)


def _drawn_anew(share: float, kappa: FloatArray, sizes: FloatArray) -> FloatArray:
    """Return what samples of training sets that are drawn anew add, (last, g), in squared errors of 1."""
    drawn = share * (1.0 - share) * sizes[:-1] ** 2 + share * sizes[:1] ** 2
    drawn[0] = sizes[0] ** 2
    return np.asarray(np.minimum(kappa / (1.0 - share), 1.0) ** 2 * drawn)


def with_noise(
    noise: RoundNoise, kappa: FloatArray, predicted: FloatArray, observations: Observations
) -> Observations:
    """Return curves with noise of rounds, at factors of a round (m,) or (last, m) and curves (r, m)."""
    if noise.name == BETWEEN_RUNS and are_followed(observations):
        return given_the_last(noise.stated, kappa, predicted, observations).replace(noise=noise)
    observations = observations.not_given_the_last
    covariance = np.zeros((len(noise.stated),) * 2)
    innovations, gains = noise.stated.copy(), np.ones_like(noise.stated)
    follows = noise.follows_states(observations.regime) and bool(np.all(observations.degrees == VARIANCE))
    for j in range(len(observations.names)):
        own = observations.entries[observations.rows_in_order(j), j]
        white = whitening(noise, kappa[..., j : j + 1], predicted[:, j], observations, j)
        covariance[np.ix_(own, own)] = white.covariance()[0]
        if isinstance(white, Filter):
            innovations[own], gains[own] = white.innovations[0], white.gains[0]
    return observations.replace(
        covariance=covariance,
        noise=noise,
        innovations=innovations if follows else None,
        gains=gains if follows and np.any(gains < 1.0) else None,
    )


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


def not_followed(observations: Observations, fresh_fraction: float | None) -> str:
    """Return why noise that may be passed on is not followed, after "for", where there are too many values alone."""
    reason = _why_independent(observations, fresh_fraction)
    is_open = observations.has_errors and observations.covariance.ndim == 1 and observations.measured is None
    return reason if is_open and reason == _why_too_many(observations) else ""


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
    return _why_too_many(observations)


def _why_too_many(observations: Observations) -> str:
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
