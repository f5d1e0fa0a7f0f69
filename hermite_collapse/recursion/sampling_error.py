r"""Predicted sampling error of simulated Hermite coefficients, before anything is simulated.

A simulated recursion with N particles measures c^(i) = mean of h over the particles of round i.  It is unbiased,
and its covariance S(i, j) between rounds obeys a recursion of its own.  With L the action of a round's channel on
coefficients, (w, v) the mixing weights, and Q = sum_{jk} v_j v_k S(j, k) the covariance of the generated part of the
training law,

    channel   S(i+1, i+1) = (1 - 1/N) L Q L^T + Var_{p_{i+1}}(h) / N
    kernel    the same with Q replaced by (1 - 1/M) Q + Var_{q_i}(h) / M       a pool of M points is drawn first
    exact     S(i+1, i+1) = Var_{p_{i+1}}(h) / N                              independent particles of a known law
    S(i+1, k) = L sum_j v_j S(j, k)                                           zero for exact

For Ornstein-Uhlenbeck rounds L is diagonal and the variance of each mode stands alone; so does that of any
combination of modes of one degree, which is how a degree as a whole is tested in any dimension.  Blur and
variance-exploding rounds couple degrees, and then all modes are carried together.

Normality fails at high degree, where E h_n^4 grows like 9^n: `kurtosis` says how far each mode is from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core import checks
from ..core.errors import InputError
from ..hermite.combined_moments import combined_second_moments
from ..hermite.moments import fourth_moment_bound, product_moments
from ..laws.aged import AgedLaw
from ..laws.channel_action import channel_matrix
from ..laws.channels import GaussianChannel
from ..laws.mixture import GaussianMixture
from .recursion import Recursion

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

GENERATORS = ("channel", "exact", "kernel")
KURTOSIS_RULE = 0.05  # z-scores are trusted while kurtosis / N is below this
LARGEST_COUPLED = 600  # modes whose covariances between all rounds are carried as matrices
LARGEST_COMBINED = 1500  # modes that are combined into degree statistics


@dataclass(frozen=True)
class SamplingError:
    """Predicted means, covariances and kurtosis of simulated statistics, for one run.

    Attributes
    ----------
    expected : (rounds + 1, s) exact values; NaN for a degree without energy in the data.
    covariance : (rounds + 1, rounds + 1, s) covariance of each statistic between rounds.
    joint : (rounds + 1, rounds + 1, s, s) covariance between all statistics too, or None where they are not carried.
    kurtosis : (rounds + 1, s) bound of E (h - c)^4 / Var(h)^2 for the summand h of the statistic.
    particles : N.
    """

    expected: FloatArray
    covariance: FloatArray
    joint: FloatArray | None
    kurtosis: FloatArray
    particles: int

    @property
    def standard_error(self) -> FloatArray:
        """(rounds + 1, s) predicted standard error."""
        return np.sqrt(np.maximum(np.einsum("iis->is", self.covariance), 0.0))

    def is_testable(self, runs: int = 1) -> NDArray[np.bool_]:
        """(rounds + 1, s) whether the mean of so many runs is random at all and near enough to normal for a z-score."""
        near_normal = self.kurtosis / (self.particles * runs) < KURTOSIS_RULE
        return near_normal & (self.standard_error > 0.0) & np.isfinite(self.expected)


def predict_sampling_error(
    recursion: Recursion,
    degree: int,
    *,
    rounds: int,
    particles: int,
    generator: str = "channel",
    pool: int | None = None,
) -> SamplingError:
    """Predicted sampling error of every Hermite coefficient of total degree <= degree.

    Parameters
    ----------
    recursion : the recursion that is simulated; p_0 is sampled with N particles too.
    degree : highest total degree; statistics are ordered as `total_degree_indices`.
    rounds : number of rounds.
    particles : N, of each run and round.
    generator : "channel", "exact" or "kernel".
    pool : M for "kernel"; N if None.

    Cost : second moments of each distinct age once; product moments where modes are coupled.
    Raises : InputError for more than 600 coupled modes.
    """
    data = recursion.target.hermite_coefficients(checks.integer(degree, "degree"))
    statistics = _Statistics(recursion, data.indices, data.values, None, joint=not recursion.is_diagonal)
    return _predicted(recursion, statistics, rounds, particles, generator, pool)


def predict_degree_error(
    recursion: Recursion,
    degree: int,
    *,
    rounds: int,
    particles: int,
    generator: str = "channel",
    pool: int | None = None,
) -> SamplingError:
    """Predicted sampling error of the degree statistics sum_{abs(k)=n} c_k* c^_k / E_n(p*), for n = 0..degree.

    The statistic of degree n estimates the factor f_n(i) from all modes of the degree at once.  Covariances between
    degrees are included.  Ornstein-Uhlenbeck rounds only.  Arguments as for `predict_sampling_error`.
    """
    recursion.rate  # noqa: B018 - raises where degrees are coupled
    data = recursion.target.hermite_coefficients(checks.integer(degree, "degree"))
    combinations = degree_combinations(data.indices, data.values)
    statistics = _Statistics(recursion, data.indices, data.values, combinations, joint=True)
    return _predicted(recursion, statistics, rounds, particles, generator, pool)


def degree_combinations(indices: IntArray, values: FloatArray) -> FloatArray:
    """Rows c_k* / E_n on the modes of degree n = 0, 1, ...; zero rows where E_n vanishes to rounding.  Shape (n, m)."""
    degrees = indices.sum(axis=1)
    rows = np.where(degrees == np.arange(degrees.max() + 1)[:, None], values, 0.0)
    energy = np.sum(rows**2, axis=1)
    visible = energy > (1e-12 * np.abs(values).max()) ** 2 * np.bincount(degrees)
    return np.where(visible[:, None], rows / np.where(visible, energy, 1.0)[:, None], 0.0)


class _Statistics:
    """The observed functions: all h_k, or one combination of them a degree; and their moments under any law."""

    def __init__(
        self,
        recursion: Recursion,
        indices: IntArray,
        data: FloatArray,
        combinations: FloatArray | None,
        *,
        joint: bool,
    ) -> None:
        largest = LARGEST_COUPLED if combinations is None else LARGEST_COMBINED
        if joint and len(indices) > largest:
            raise InputError(
                f"degree must leave at most {largest} modes to be carried together, got {len(indices)} in dimension "
                f"{recursion.dimension}."
            )
        self.indices, self.data, self.combinations, self.joint = indices, data, combinations, joint
        self.degree = int(indices.sum(axis=1).max())
        self.second_moments = _AgeAverage(self._second_moments)
        self.fourth_moments = _AgeAverage(self._fourth_moments)

    def observed(self, coefficients: FloatArray) -> FloatArray:
        """Coefficients (..., m) as statistics (..., s)."""
        return coefficients if self.combinations is None else coefficients @ self.combinations.T

    def variance(self, law: AgedLaw, mean: FloatArray) -> FloatArray:
        """Covariance of one draw: (s, s) if joint, else the variances (s,)."""
        return self.second_moments(law) - (np.multiply.outer(mean, mean) if self.joint else mean**2)

    def action(self, channel: GaussianChannel) -> FloatArray:
        """The channel on the statistics: a matrix (s, s) if joint, else its diagonal (s,)."""
        degrees = self.indices.sum(axis=1) if self.combinations is None else np.arange(len(self.combinations))
        if not self.joint:
            return np.asarray(channel.scale**degrees, dtype=np.float64)
        if self.combinations is None:
            return channel_matrix(self.indices, channel)
        return np.diag(channel.scale**degrees)

    def _second_moments(self, law: GaussianMixture) -> FloatArray:
        if not self.joint:
            return law.second_moments(self.indices)
        if self.combinations is not None and law.frames is None:
            return combined_second_moments(law, self.indices, self.combinations)
        products = product_moments(law, self.indices)
        return products if self.combinations is None else self.combinations @ products @ self.combinations.T

    def _fourth_moments(self, law: GaussianMixture) -> FloatArray:
        moments = fourth_moment_bound(law, self.indices)
        if self.combinations is None:
            return moments
        return (np.abs(self.combinations) @ moments**0.25) ** 4  # Minkowski


class _AgeAverage:
    """Moments of a law as the average over its ages, each distinct age (root and channel) computed once."""

    def __init__(self, moments: Callable[[GaussianMixture], FloatArray]) -> None:
        self._moments = moments
        self._known: dict[tuple[int, str, str], FloatArray] = {}

    def __call__(self, law: AgedLaw) -> FloatArray:
        total = np.zeros(())
        for weight, scale, variance, base in law._ages():
            key = (id(base), f"{scale:.12e}", f"{variance:.12e}")
            if key not in self._known:
                self._known[key] = self._moments(base.as_mixture().through(GaussianChannel(scale, variance)))
            total = total + weight * self._known[key]
        return total


def _predicted(
    recursion: Recursion,
    statistics: _Statistics,
    rounds: int,
    particles: int,
    generator: str,
    pool: int | None,
) -> SamplingError:
    count = checks.integer(particles, "particles", minimum=2)
    kind = checks.one_of(generator, GENERATORS, "generator")
    pool_size = count if pool is None else checks.integer(pool, "pool", minimum=1)
    expected = statistics.observed(recursion.coefficients(statistics.degree, rounds=rounds))
    size = expected.shape[1]
    covariance = np.zeros((rounds + 1, rounds + 1, size) + ((size,) if statistics.joint else ()))
    covariance[0, 0] = statistics.variance(recursion.law(0), expected[0]) / count
    for i in range(rounds):
        own = statistics.variance(recursion.law(i + 1), expected[i + 1]) / count
        if kind == "exact":
            covariance[i + 1, i + 1] = own
            continue
        fresh, earlier = recursion.mixing(i)
        past = covariance[: i + 1, : i + 1]
        generated = np.einsum("j,k,jk...->...", earlier, earlier, past)
        if kind == "kernel":
            mean = fresh * statistics.observed(statistics.data) + earlier @ expected[: i + 1]
            drawn = statistics.variance(recursion.training_law(i), mean) / pool_size
            generated = (1.0 - 1.0 / pool_size) * generated + drawn
        action = statistics.action(recursion.channel(i))
        inherited = action @ generated @ action.T if statistics.joint else action**2 * generated
        covariance[i + 1, i + 1] = (1.0 - 1.0 / count) * inherited + own
        crossed = np.einsum("j,jk...->k...", earlier, past)
        crossed = action @ crossed if statistics.joint else action * crossed
        covariance[i + 1, : i + 1] = crossed
        covariance[: i + 1, i + 1] = crossed.swapaxes(1, 2) if statistics.joint else crossed
    visible = True if statistics.combinations is None else np.any(statistics.combinations != 0.0, axis=1)
    return SamplingError(
        expected=np.where(visible, expected, np.nan),
        covariance=np.einsum("ijss->ijs", covariance) if statistics.joint else covariance,
        joint=covariance if statistics.joint else None,
        kurtosis=_kurtosis(recursion, statistics, expected),
        particles=count,
    )


def _kurtosis(recursion: Recursion, statistics: _Statistics, expected: FloatArray) -> FloatArray:
    """Bound of E (h - c)^4 / Var(h)^2 by round, from the raw moments m2, m4 and the mean c.

    E (h-c)^4 = m4 - 4 c m3 + 6 c^2 m2 - 3 c^4 with abs(m3) <= sqrt(m2 m4), or Minkowski's bound if smaller.
    """
    kurtosis = np.full_like(expected, np.inf)
    for i, mean in enumerate(expected):
        law = recursion.law(i)
        spread = statistics.variance(law, mean)
        variance = np.diagonal(spread) if statistics.joint else spread
        random = variance > 1e-13 * (
            variance + mean**2
        )  # h_0 is constant: only rounding is left of its variance
        size, second, fourth = np.abs(mean), variance + mean**2, statistics.fourth_moments(law)
        by_expansion = fourth + 4.0 * size * np.sqrt(second * fourth) + 6.0 * mean**2 * second - 3.0 * mean**4
        centred = np.minimum(by_expansion, (fourth**0.25 + size) ** 4)
        kurtosis[i, random] = centred[random] / variance[random] ** 2
    return kurtosis
