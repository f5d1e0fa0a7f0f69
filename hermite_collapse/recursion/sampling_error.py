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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..core.types import BoolArray, FloatArray, IntArray
from ..core.value import Value
from ..hermite.central_moments import CentralMoments, central_moments, mixed_moments
from ..hermite.indices import MODES_ONE_BY_ONE
from ..laws.aged import AgedLaw
from ..laws.channel_action import channel_matrix
from ..laws.channels import GaussianChannel
from .recursion import Recursion

GENERATORS = ("channel", "exact", "kernel")
KURTOSIS_RULE = 0.05  # z-scores are trusted while kurtosis / N is below this
LARGEST_COUPLED = 600  # modes whose covariances between all rounds are carried as matrices
LARGEST_COMBINED = MODES_ONE_BY_ONE  # modes that are combined into degree statistics


@dataclass(frozen=True, eq=False)
class SamplingError(Value):
    """Predicted means, covariances and kurtosis of simulated statistics, for one run.

    Attributes
    ----------
    expected : array, shape (rounds + 1, s)
        Exact values; NaN for a degree without energy in the data.
    covariance : array, shape (rounds + 1, rounds + 1, s)
        Covariance of each statistic between rounds.
    joint : array, shape (rounds + 1, rounds + 1, s, s), or None
        Covariance between all statistics too, where it is carried.
    kurtosis : array, shape (rounds + 1, s)
        E (h - c)^4 / Var(h)^2 for the summand h of the statistic, or an upper bound of it (`hermite.central_moments`);
        infinite for what is not random.
    particles : int
        N.
    """

    expected: FloatArray
    covariance: FloatArray
    joint: FloatArray | None
    kurtosis: FloatArray
    particles: int

    @property
    def standard_error(self) -> FloatArray:
        """Predicted standard error, shape (rounds + 1, s)."""
        return np.sqrt(np.einsum("iis->is", self.covariance))

    def is_testable(self, runs: int = 1) -> BoolArray:
        """Return where the mean of so many runs is random and near normal enough for a z-score, (rounds + 1, s)."""
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
    """Return the predicted sampling error of every Hermite coefficient of total degree <= degree.

    Parameters
    ----------
    recursion : Recursion
        What is simulated; p_0 is sampled with N particles too.
    degree : int
        Highest total degree; statistics are ordered as `total_degree_indices`.
    rounds : int
        Number of rounds.
    particles : int
        N >= 2, of each run and round.
    generator : str
        "channel", "exact" or "kernel".
    pool : int, optional
        M for "kernel"; N if None.

    Returns
    -------
    SamplingError

    Raises
    ------
    InputError
        If an argument is outside its range, or more than 600 modes are coupled.

    Cost
    ----
    Central moments of each distinct age once.
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
    """Return the predicted sampling error of the degree statistics, which estimate the factors f_n(i).

        sum_{abs(k)=n} c_k* c^_k / E_n(p*),     n = 0..degree

    Each statistic uses all modes of the degree at once; covariances between degrees are included.

    Parameters
    ----------
    recursion : Recursion
        With Ornstein-Uhlenbeck rounds.
    degree, rounds, particles, generator, pool
        As for `predict_sampling_error`.

    Returns
    -------
    SamplingError

    Raises
    ------
    InputError
        If an argument is outside its range, degrees are coupled, or there are more than 1500 modes.
    """
    recursion.rate  # noqa: B018 - raises where degrees are coupled
    data = recursion.target.hermite_coefficients(checks.integer(degree, "degree"))
    combinations = degree_combinations(data.indices, data.values)
    statistics = _Statistics(recursion, data.indices, data.values, combinations, joint=True)
    return _predicted(recursion, statistics, rounds, particles, generator, pool)


def degree_combinations(indices: IntArray, values: FloatArray) -> FloatArray:
    """Return rows c_k* / E_n on the modes of degree n = 0, 1, ..., zero where E_n vanishes to rounding; (n + 1, m)."""
    degrees = indices.sum(axis=1)
    rows = np.where(degrees == np.arange(degrees.max() + 1)[:, None], values, 0.0)
    energy = np.sum(rows**2, axis=1)
    visible = energy > (1e-12 * np.abs(values).max()) ** 2 * np.bincount(degrees)
    return np.where(visible[:, None], rows / np.where(visible, energy, 1.0)[:, None], 0.0)


def carried_covariances(
    local: Sequence[FloatArray],
    *,
    mixing: Sequence[FloatArray],
    actions: Sequence[FloatArray],
    inherited: float = 1.0,
) -> FloatArray:
    """Carry the covariances of independent errors, made in each round, through the rounds that follow.

        S(i+1, i+1) = inherited L_i [sum_jk v_ij v_ik S(j, k)] L_i^T + local_{i+1},     S(0, 0) = local_0
        S(i+1, k)   = L_i sum_j v_ij S(j, k)

    Parameters
    ----------
    local : sequence of rounds + 1 arrays, shape (s,) or (s, s)
        Variances, or covariances, of the error that each round adds.
    mixing : sequence of arrays, shape (i + 1,)
        Weights v_i0, ..., v_ii of earlier rounds in the training law of round i (`Recursion.mixing`); zeros where
        nothing is inherited.
    actions : sequence of arrays, shape (s,) or (s, s), like local
        Diagonals of the L_i, or matrices (`channel_matrix`).
    inherited : float
        Share of the variance that survives resampling, such as 1 - 1/N.

    Returns
    -------
    array, shape (rounds + 1, rounds + 1, s) or (rounds + 1, rounds + 1, s, s)
    """
    matrices = local[0].ndim == 2
    covariance = np.zeros((len(local), len(local), *local[0].shape))
    covariance[0, 0] = local[0]
    for i, (earlier, action) in enumerate(zip(mixing, actions, strict=True)):
        past = covariance[: i + 1, : i + 1]
        generated = np.einsum("j,k,jk...->...", earlier, earlier, past)
        carried = action @ generated @ action.T if matrices else action**2 * generated
        covariance[i + 1, i + 1] = inherited * carried + local[i + 1]
        crossed = np.einsum("j,jk...->k...", earlier, past)
        crossed = action @ crossed if matrices else action * crossed
        covariance[i + 1, : i + 1] = crossed
        covariance[: i + 1, i + 1] = crossed.swapaxes(1, 2) if matrices else crossed
    return covariance


class _Statistics:
    """The observed functions, all h_k or one combination of them a degree, and their moments under any law."""

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
        self._known: dict[tuple[int, str, str], CentralMoments] = {}

    def observed(self, coefficients: FloatArray) -> FloatArray:
        """Return coefficients (..., m) as statistics (..., s)."""
        return coefficients if self.combinations is None else coefficients @ self.combinations.T

    def action(self, channel: GaussianChannel) -> FloatArray:
        """Return the channel on the statistics: a matrix (s, s) if joint, else its diagonal (s,)."""
        degrees = self.indices.sum(axis=1) if self.combinations is None else np.arange(len(self.combinations))
        if not self.joint:
            return np.asarray(channel.scale**degrees, dtype=np.float64)
        if self.combinations is None:
            return channel_matrix(self.indices, channel)
        return np.diag(channel.scale**degrees)

    def moments(self, law: AgedLaw) -> CentralMoments:
        """Return the moments of one draw, averaged over the ages of the law, each distinct age computed once."""
        ages = []
        for scale, variance, base in zip(law.scales, law.variances, law.base_of, strict=True):
            key = (id(law.bases[base]), f"{scale:.12e}", f"{variance:.12e}")
            if key not in self._known:
                mixture = law.bases[base].as_mixture().through(GaussianChannel(scale, variance))
                self._known[key] = central_moments(mixture, self.indices, self.combinations, joint=self.joint)
            ages.append(self._known[key])
        return mixed_moments(law.weights, ages)


def _predicted(
    recursion: Recursion,
    statistics: _Statistics,
    rounds: int,
    particles: int,
    generator: str,
    pool: int | None,
) -> SamplingError:
    count = checks.count(particles, "particles", minimum=2)
    kind = checks.one_of(generator, GENERATORS, "generator")
    pool_size = count if pool is None else checks.integer(pool, "pool", minimum=1)
    expected = statistics.observed(recursion.coefficients(statistics.degree, rounds=rounds))
    laws = [statistics.moments(recursion.law(i)) for i in range(rounds + 1)]
    local = [moments.covariance / count for moments in laws]
    mixing = [recursion.mixing(i)[1] for i in range(rounds)]
    actions = [statistics.action(recursion.channel(i)) for i in range(rounds)]
    inherited = 1.0 - 1.0 / count
    if kind == "exact":
        mixing = [np.zeros_like(earlier) for earlier in mixing]
    elif kind == "kernel":
        for i, action in enumerate(actions):
            drawn = statistics.moments(recursion.training_law(i)).covariance / pool_size
            carried = action @ drawn @ action.T if statistics.joint else action**2 * drawn
            local[i + 1] = local[i + 1] + inherited * carried
        inherited *= 1.0 - 1.0 / pool_size
    covariance = carried_covariances(local, mixing=mixing, actions=actions, inherited=inherited)
    visible = True if statistics.combinations is None else np.any(statistics.combinations != 0.0, axis=1)
    return SamplingError(
        expected=np.where(visible, expected, np.nan),
        covariance=np.einsum("ijss->ijs", covariance) if statistics.joint else covariance,
        joint=covariance if statistics.joint else None,
        kurtosis=np.stack([moments.kurtosis for moments in laws]),
        particles=count,
    )
