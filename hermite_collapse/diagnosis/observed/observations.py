r"""What is fitted: values by round and column, their covariance, and where each column starts.

A column holds, round by round, the variance of a direction, the factor f_n of a Hermite degree, or a distance to the
data.  Round 0 is the data.  Values y and their predictions p enter a fit as

    residuals = W (y - p),     W^T W = covariance^{-1},

so that their sum of squares is chi-square.  Variances of generations are multiplied by noise round after round, so that
their logarithms are the Gaussian ones, with the covariance of y in units of its mean and

    E log y = log p - C_ii / (2 p_i^2)

to second order.  Near a reference m, which is a fit, this is what enters in place of y:

    log p - E log y = (p - y_m) / m,     y_m = m (1 + log(y / m)) + C_ii / (2 m).

Without standard errors W is filled in from the scatter about the law of
most freedom, and no chi-square is a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...core.types import BoolArray, FloatArray, IntArray
from ...core.value import Value
from ..measuring.measured import Measured
from ..measuring.moments import Moments
from .estimated_errors import spread_of_estimates
from .roots import scales_and_factors
from .round_noise import BETWEEN_RUNS, INDEPENDENT, RoundNoise
from .run_scatter import RunScatter

VARIANCE, DISTANCE, UNKNOWN, SQUARED = 0, -1, -2, -3
"""What stands for the degree of a column of variances, of distances, of a column that does not say what it is, and of
squared distances."""
_LARGEST_SPREAD = 1.0  # C_ii / m^2 up to which the second order is a correction


@dataclass(frozen=True, eq=False)
class Observations(Value):
    """Measured curves.

    Attributes
    ----------
    values : array, shape (r, m)
    rounds : array, shape (r,)
    used : array of bool, shape (r, m)
        Entries that are fitted.
    covariance : array, shape (N,) or (N, N)
        Of the N entries that are fitted, in the order of `values[used]`; variances alone where one axis.
    degrees : array of int, shape (m,)
        Hermite degree of a column of factors, `VARIANCE`, `DISTANCE`, `UNKNOWN` or `SQUARED`.
    starts : array, shape (m,)
        Value in round 0 where it is known exactly; NaN where it is fitted.
    names : tuple of str, length m
    has_errors : bool
        Whether the covariance was measured; if not, fits are not tested.
    moments : Moments or None
        Of the data in the space of the directions whose variances the columns are; None where they are eigenvectors.
    measured : Measured or None
        The generations whose curves the columns are, by which a mechanism finds the covariance of its own rounds.
    error_freedom : array, shape (N,), or None
        Degrees of freedom behind each error, infinite where it is known; None where all are.
    error_groups : int array, shape (N,), or None
        Entries of one number share one estimate of scatter.
    are_deviations : bool
        Whether columns are squares of standard deviations, as which they were given.
    units : array, shape (m,), or None
        By which columns of no unit were divided to be fitted.
    reference : array, shape (r, m), or None
        m > 0 of the entries that are fitted by their logarithms, 0 of others; None where no entry is, nor any where
        rounds are held against the one before.
    runs : array, shape (m,), or None
        Of how many runs each curve is the mean, infinite where its errors are exact; None where nobody says.
    are_rounded : bool
        Whether errors are known so far only because they have few digits.
    regime : str
        What becomes of earlier generations, as in `accumulated`.
    noise : RoundNoise or None
        Whose covariance it is, by which a mechanism finds that of its own rounds.
    scatter : RunScatter or None
        Errors of means of a number of runs as they stand in the table; None of others.
    innovations : array, shape (N,), or None
        Variances of what each value adds to those before it, where rounds are held against these (`innovations`).
    gains : array, shape (N,), or None
        By how much of that each changes what is known of its round; all of it if None.
    """

    values: FloatArray
    rounds: FloatArray
    used: BoolArray
    covariance: FloatArray
    degrees: IntArray
    starts: FloatArray
    names: tuple[str, ...]
    has_errors: bool
    moments: Moments | None = None
    measured: Measured | None = None
    error_freedom: FloatArray | None = None
    error_groups: IntArray | None = None
    are_deviations: bool = False
    units: FloatArray | None = None
    reference: FloatArray | None = None
    runs: FloatArray | None = None
    are_rounded: bool = False
    regime: str = "replace"
    noise: RoundNoise | None = None
    scatter: RunScatter | None = None
    innovations: FloatArray | None = None
    gains: FloatArray | None = None

    def shown(self, values: FloatArray, errors: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values of columns and their errors as the columns were given: standard deviations of variances."""
        if not self.are_deviations:
            return values, errors
        roots = np.sqrt(np.maximum(values, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            return roots, np.where(errors > 0.0, errors / (2.0 * roots), errors)

    @property
    def kind_of_noise(self) -> str:
        """Name of the noise that rounds pass on, or of independent errors."""
        return INDEPENDENT if self.noise is None else self.noise.name

    @property
    def with_independent_errors(self) -> Observations:
        """The curves with errors as they were stated, whose rounds pass nothing on."""
        if self.noise is None:
            return self
        return self.not_given_the_last.replace(covariance=self.noise.stated, noise=None)

    @property
    def not_given_the_last(self) -> Observations:
        """The curves whose rounds share their errors, as before they were held against the one before."""
        if self.innovations is None:
            return self
        if self.scatter is None:
            return self.replace(innovations=None, gains=None)
        return self.replace(
            innovations=None,
            gains=None,
            error_freedom=self.scatter.freedom,
            error_groups=self.scatter.groups,
        )

    @cached_property
    def spread(self) -> float:
        r"""Factor of squared errors of parameters where errors are estimates, which rounds share.

        Where runs pass their noise on, rounds are alike: the mean of n squared scatters of nu degrees of freedom each,
        of deviations with correlations r, varies as one of

            nu n^2 / sum r_ij^2.
        """
        freedom, groups = self.error_freedom, self.error_groups
        if freedom is None:
            return 1.0
        are_alike = (
            self.kind_of_noise == BETWEEN_RUNS and self.innovations is None and self.covariance.ndim > 1
        )
        if groups is None or not are_alike:
            return spread_of_estimates(freedom)
        scale = np.sqrt(self.variances)
        squares = (self.covariance / np.outer(scale, scale)) ** 2
        alike = (squares * (groups[:, None] == groups)).sum(axis=1)
        return spread_of_estimates(
            freedom * np.bincount(groups)[groups] / np.bincount(groups, weights=alike)[groups]
        )

    @property
    def are_given_states(self) -> bool:
        """Whether noise is in proportion to what values say of the rounds before (`filters`)."""
        return self.noise is not None and self.noise.follows_states(self.regime)

    @property
    def enter_by_logarithms(self) -> bool:
        """Whether entries with a reference enter by their logarithms, and not each given those before it."""
        return self.reference is not None and self.innovations is None and not self.are_given_states

    @cached_property
    def entries(self) -> IntArray:
        """Which of the fitted entries each value is, -1 where it is none, shape (r, m)."""
        return np.where(self.used, np.cumsum(self.used).reshape(self.used.shape) - 1, -1)

    def rows_in_order(self, column: int) -> IntArray:
        """Return the rows of a column's fitted values, from the first round to the last."""
        rows = np.flatnonzero(self.used[:, column])
        return rows[np.argsort(self.rounds[rows], kind="stable")]

    def in_all_rounds(self, curves: FloatArray) -> FloatArray:
        """Return curves (r, g) in rounds 0, ..., last, (last + 1, g), straight between those of the table."""
        order, each = np.argsort(self.rounds), np.arange(self.last + 1.0)
        rounds = self.rounds[order]
        if np.array_equal(rounds, each):
            return curves[order]
        return np.stack([np.interp(each, rounds, one[order]) for one in curves.T], axis=1)

    @cached_property
    def previous(self) -> IntArray:
        """Entry of the last round >= 1 of the same curve, -1 where there is none, shape (N,)."""
        previous = np.full(self.count, -1, dtype=np.int64)
        for j in range(len(self.names)):
            rows = self.rows_in_order(j)
            own = self.entries[rows[self.rounds[rows] > 0.0], j]
            previous[own[1:]] = own[:-1]
        return previous

    @property
    def are_of_unsaid_runs(self) -> bool:
        """Whether errors seem to be of runs whose number nobody says."""
        seem = self.scatter is not None or self.kind_of_noise == BETWEEN_RUNS
        return seem and self.runs is None and self.measured is None

    @property
    def are_shapeless(self) -> bool:
        """Whether some column fixes a rate and a plateau at most: a distance, or what does not say what it is.

        Directions of several rates add up in such a column, so that none of them rejects anything.
        """
        return bool(np.any(self.degrees <= DISTANCE))

    @property
    def variances(self) -> FloatArray:
        """Variances of the fitted entries, shape (N,)."""
        return self.covariance if self.covariance.ndim == 1 else np.diagonal(self.covariance)

    @property
    def hold_distances(self) -> bool:
        """Whether some column is a distance."""
        return bool(np.any((self.degrees == DISTANCE) | (self.degrees == SQUARED)))

    @property
    def count(self) -> int:
        """Number of fitted entries."""
        return int(self.used.sum())

    @property
    def free_starts(self) -> IntArray:
        """Columns whose start is fitted."""
        return np.flatnonzero(np.isnan(self.starts))

    @property
    def last(self) -> int:
        """The last round, a whole number."""
        return round(float(self.rounds.max()))

    def as_given(self) -> Observations:
        """Return the columns in the units in which they were given."""
        if self.units is None:
            return self
        entries = np.broadcast_to(self.units, self.values.shape)[self.used]
        is_joint = self.covariance.ndim > 1
        squares = np.outer(entries, entries) if is_joint else np.square(entries)
        return self.replace(
            values=self.values * self.units,
            starts=self.starts * self.units,
            covariance=self.covariance * squares,
            units=None,
        )

    @cached_property
    def start_guesses(self) -> FloatArray:
        """Value of each column in its earliest fitted round, or its exact start, shape (m,)."""
        guesses = self.starts.copy()
        for j in self.free_starts:
            rows = np.flatnonzero(self.used[:, j])
            guesses[j] = self.values[rows[np.argmin(self.rounds[rows])], j]
        return guesses

    @cached_property
    def _whitening(self) -> FloatArray:
        """W, or its diagonal."""
        if self.covariance.ndim == 1:
            return np.asarray(1.0 / np.sqrt(self.covariance))
        scale, factor = scales_and_factors(self.covariance)
        from scipy.linalg import solve_triangular

        return np.asarray(solve_triangular(factor, np.diag(1.0 / scale), lower=True))

    @property
    def log_determinant(self) -> float:
        """Logarithm of the determinant of the covariance, in units of the reference where there is one."""
        if self.covariance.ndim == 1:
            volume = float(np.log(self.covariance).sum())
        else:
            volume = float(-2.0 * np.log(np.diagonal(self._whitening)).sum())
        if self.reference is None or not self.enter_by_logarithms:
            return volume
        units = self.reference[self.used]
        return volume - 2.0 * float(np.log(units[units > 0.0]).sum())

    @cached_property
    def _entered(self) -> FloatArray:
        """What enters fits, shape (N,): y_m of logarithms, else y."""
        values = self.values[self.used]
        if self.reference is None or not self.enter_by_logarithms:
            return values
        near = self.reference[self.used]
        logarithmic = near > 0.0
        m, y = near[logarithmic], values[logarithmic]
        own = self.variances[logarithmic]
        spread = np.minimum(own / m**2, _LARGEST_SPREAD)
        entered = values.copy()
        entered[logarithmic] = m * (1.0 + np.log(y / m) + 0.5 * spread)
        return entered

    def whiten(self, vectors: FloatArray) -> FloatArray:
        """Return W v for vectors (..., N)."""
        if self._whitening.ndim == 1:
            return vectors * self._whitening
        return np.asarray(vectors @ self._whitening.T)

    def residuals(self, predicted: FloatArray) -> FloatArray:
        """Return W (p - y), or W (p - y_m), of predictions (..., r, m), shape (..., N)."""
        return self.whiten(self.deviations(predicted))

    def deviations(self, predicted: FloatArray) -> FloatArray:
        """Return p - y, or p - y_m, of predictions (..., r, m), shape (..., N)."""
        return np.asarray(predicted[..., self.used] - self._entered)

    def with_scatter(self, deviations: FloatArray) -> Observations:
        """Return the curves with one variance a column, `deviations` squared, shape (m,)."""
        variances = np.broadcast_to(deviations**2, self.values.shape)[self.used]
        return self.replace(
            covariance=np.array(variances),
            has_errors=False,
            error_freedom=None,
            error_groups=None,
            noise=None,
            innovations=None,
            gains=None,
        )

    def without(self, left_out: BoolArray) -> Observations:
        """Return curves of independent errors without some of their values, an array (r, m)."""
        inside = ~left_out[self.used]
        return self.replace(
            used=self.used & ~left_out,
            covariance=self.covariance[inside],
            error_freedom=None if self.error_freedom is None else self.error_freedom[inside],
            error_groups=None if self.error_groups is None else self.error_groups[inside],
            scatter=None,
        )

    def in_rounds(self, rows: BoolArray) -> Observations:
        """Return curves of independent errors in some of their rounds, an array (r,)."""
        part = self.without(self.used & ~rows[:, None])
        return part.replace(
            values=part.values[rows],
            used=part.used[rows],
            rounds=part.rounds[rows],
            reference=None if part.reference is None else part.reference[rows],
        )

    def only(self, columns: IntArray) -> Observations:
        """Return some of the columns."""
        mask = np.zeros_like(self.used)
        mask[:, columns] = self.used[:, columns]
        inside = mask[self.used]
        covariance = (
            self.covariance[inside]
            if self.covariance.ndim == 1
            else self.covariance[np.ix_(np.flatnonzero(inside), np.flatnonzero(inside))]
        )
        return self.replace(
            values=self.values[:, columns],
            used=self.used[:, columns],
            covariance=covariance,
            degrees=self.degrees[columns],
            starts=self.starts[columns],
            names=tuple(self.names[j] for j in columns),
            error_freedom=None if self.error_freedom is None else self.error_freedom[inside],
            error_groups=None if self.error_groups is None else self.error_groups[inside],
            units=None if self.units is None else self.units[columns],
            reference=None if self.reference is None else self.reference[:, columns],
            moments=None if self.moments is None else self.moments.leading(columns),
            measured=None if self.measured is None else self.measured.only(columns),
            runs=None if self.runs is None else self.runs[columns],
            noise=None if self.noise is None else self.noise.only(inside),
            scatter=None if self.scatter is None else self.scatter.only(inside, columns),
            innovations=None if self.innovations is None else self.innovations[inside],
            gains=None if self.gains is None else self.gains[inside],
        )
