"""The recursion: train on a mixture of fresh and generated data, sample with truncated reverse diffusion, repeat.

    q_i = w_i p* + sum_j v_ij p_j          training law of round i (`regimes`)
    p_{i+1} = C_i q_i                      perfect score, exact sampling; C_i blur, then truncation at t_i

Unrolled, every law is an average of channels applied to the data: a sample's age is the number of generations
between it and real data, and p_i is the law of the data carried through that many channels (its genealogy).

References: arXiv:2606.13796, Theorem 3.1, Corollary 3.2, Proposition 3.3, Theorem 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import checks
from ..core.display import Displayed
from ..core.errors import InputError
from ..laws.aged import AgedLaw
from ..laws.ages import BLOCK_NODES, geometric_ages, ornstein_uhlenbeck_ages
from ..laws.channel_action import through_channel
from ..laws.channels import GaussianChannel, OrnsteinUhlenbeck, Process, channel_powers
from ..laws.empirical import EmpiricalLaw
from ..laws.protocol import Law
from .modes import contraction_rate, mode_factors
from .regimes import as_regime
from .schedules import Constant, Schedule, as_schedule

FloatArray = NDArray[np.float64]

MAXIMUM_AGES = 4096
EXACT_ROUNDS = 64  # longer replacement runs at constant time use the compressed geometric ages


class _Ages(NamedTuple):
    """A law as ages: weight, channel and root (0 the data, 1 the initial law) of each."""

    weights: FloatArray
    scales: FloatArray
    variances: FloatArray
    roots: NDArray[np.int64]


class Recursion(Displayed):
    """A recursively trained diffusion model with perfect scores.

    Parameters
    ----------
    target : data law p*, a GaussianMixture or an EmpiricalLaw.
    fresh_fraction : share of fresh real data in each round's training set, in [0, 1]; one value, or one a round (the
        last holds on).
    truncation : truncation time (dimensionless OU time; the noise variance sigma^2 for `VarianceExploding`), one a
        round, or a schedule.
    regime : "replace", "accumulate", "accumulate_with_fresh", or a table of weights (`regimes`).
    blur : bandwidth h of a Gaussian kernel density estimate in front of every round, data units, >= 0.
    process : OrnsteinUhlenbeck(rate) or VarianceExploding().
    initial : law p_0 of the first model; the data law if None.

    Raises
    ------
    InputError for parameters out of range, laws of different dimensions, and samples that are not in the diffusion's
    units unless their `scale` was given.

    Examples
    --------
    >>> from hermite_collapse import presets
    >>> recursion = Recursion(presets.load("three_modes_1d"), fresh_fraction=0.3, truncation=0.1)
    >>> recursion.limit().age_count <= 32
    True
    >>> recursion.mode_factors([1, 2], rounds=2).round(4).tolist()
    [[1.0, 1.0], [0.9512, 0.9048], [0.9188, 0.8446]]
    """

    def __init__(
        self,
        target: Law,
        *,
        fresh_fraction: float | Sequence[float],
        truncation: float | Sequence[float] | Schedule,
        regime: str | ArrayLike = "replace",
        blur: float = 0.0,
        process: Process | None = None,
        initial: Law | None = None,
    ) -> None:
        for name, law in (("target", target), ("initial", initial)):
            if not isinstance(law, Law) and (name == "target" or law is not None):
                raise InputError(
                    f"{name} must be a law (GaussianMixture, EmpiricalLaw), got {type(law).__name__}."
                )
            if isinstance(law, EmpiricalLaw) and law.scale is None:
                checks.diffusion_units(law.samples, name)
        if process is not None and not hasattr(process, "channel"):
            raise InputError(
                f"process must be OrnsteinUhlenbeck(...) or VarianceExploding(), got {process!r}."
            )
        if initial is not None and initial.dimension != target.dimension:
            raise InputError(
                f"initial must have the dimension of target, {target.dimension}, got {initial.dimension}."
            )
        self.target, self.initial = target, initial
        self.schedule = as_schedule(truncation)
        self.regime = as_regime(regime, fresh_fraction)
        self.blur = checks.nonnegative(blur, "blur")
        self.process: Process = OrnsteinUhlenbeck() if process is None else process
        self._known_ages: dict[int, _Ages] = {}

    def __repr__(self) -> str:
        parts = [f"{self.target!r}", f"fresh_fraction={self.fresh_fraction}", f"truncation={self.schedule}"]
        parts += [f"regime={self.regime.name!r}"] if self.regime.name != "replace" else []
        parts += [f"blur={self.blur:g}"] if self.blur else []
        parts += [f"process={self.process}"]
        return f"Recursion({', '.join(parts)})"

    @property
    def dimension(self) -> int:
        """d."""
        return self.target.dimension

    @property
    def fresh_fraction(self) -> float | tuple[float, ...]:
        """The fresh fraction, or the values by round where it varies."""
        fractions = self.regime.fresh_fractions
        return fractions[0] if len(fractions) == 1 else fractions

    @property
    def rate(self) -> float:
        """Rate of the Ornstein-Uhlenbeck process; an error for processes that mix Hermite degrees."""
        if not self.is_diagonal:
            raise InputError(
                "process must be OrnsteinUhlenbeck without blur for Hermite modes to evolve one by one, got "
                f"process={self.process}, blur={self.blur:g}; `coefficients` carries all modes together."
            )
        return self.process.rate  # type: ignore[union-attr]

    @property
    def is_diagonal(self) -> bool:
        """Whether each round acts on every Hermite mode by itself."""
        return isinstance(self.process, OrnsteinUhlenbeck) and self.blur == 0.0

    @property
    def has_constant_rounds(self) -> bool:
        """Whether every round is the same: one time, one fresh fraction."""
        return isinstance(self.schedule, Constant) and len(self.regime.fresh_fractions) == 1

    def channel(self, round_index: int) -> GaussianChannel:
        """The channel of round i = 0, 1, ...: kernel blur, then truncation."""
        times = self.schedule.times(checks.integer(round_index, "round_index") + 1)
        return self._channel_at(float(times[-1]))

    def _channel_at(self, time: float) -> GaussianChannel:
        return self.process.channel(time).after(GaussianChannel(1.0, self.blur**2))

    def mixing(self, round_index: int) -> tuple[float, FloatArray]:
        """Weight of p* and weights of p_0, ..., p_i in the training law of round i."""
        return self.regime.mixing(checks.integer(round_index, "round_index"))

    def law(self, rounds: int) -> AgedLaw:
        """The exact law p_i of the model after `rounds` rounds.

        Raises InputError where the number of distinct ages grows beyond bounds (accumulation under varying times: it
        doubles every round); `mode_factors` and `coefficients` are available there.
        """
        return self._aged(self._law_ages(checks.integer(rounds, "rounds")))

    def training_law(self, round_index: int) -> AgedLaw:
        """The law q_i that round i is trained on."""
        return self._aged(self._training_ages(checks.integer(round_index, "round_index")))

    def limit(self, ages: int = 32) -> AgedLaw:
        """The limit law p_inf.

            p_inf = sum_{k >= 1} alpha (1-alpha)^{k-1} C^k p*

        For Ornstein-Uhlenbeck rounds an average over `ages` Gauss nodes, exact in every moment and Hermite coefficient
        of degree < 2 ages; for other rounds the dyadic rule of `laws.ages` with ages / 2 nodes a
        block (at least 14).  `error_bound` of the result is its
        measured change when the nodes are doubled.

        Schedules count by their final time and fresh fraction (annealing theorem).  Without fresh data the limit is the
        standard normal, or the initial law carried through the total time if that is finite.

        Raises InputError where there is no limit (no fresh data and a channel of scale 1 whose variance adds up).
        References : arXiv:2606.13796, Theorem 3.1, Corollary 3.2, Theorem 4.1.
        """
        count = checks.integer(ages, "ages", minimum=1)
        if self.regime.name == "table":
            raise InputError(
                "regime must be a named one for a limit law to be defined, got a table of weights."
            )
        alpha = self.regime.final_fraction
        final = self._channel_at(self.schedule.final)
        if self.regime.name == "accumulate":
            return self._limit_of_accumulation(final)
        if alpha == 0.0:
            return self._limit_without_fresh_data(final)
        if final.is_identity:
            return self._single_age(self.target, GaussianChannel.identity())
        if self.is_diagonal:
            exponent = self.process.rate * self.schedule.final  # type: ignore[union-attr]
            scales, weights = ornstein_uhlenbeck_ages(alpha, exponent, count)
            variances = (1.0 - scales) * (1.0 + scales)
        else:
            powers, weights = geometric_ages(alpha, nodes=max(BLOCK_NODES, count // 2))
            scales, variances = channel_powers(final, powers)
        return AgedLaw(
            (self.target,),
            weights / weights.sum(),
            scales,
            variances,
            np.zeros(len(weights), dtype=np.int64),
            unbounded_ages=alpha < 1.0,
            refine=(lambda: self.limit(2 * count)) if alpha < 1.0 else None,
        )

    def _limit_of_accumulation(self, final: GaussianChannel) -> AgedLaw:
        """The data are diluted away; collapse is slow (a power of the round) but complete unless nothing collapses."""
        if not isinstance(self.schedule, Constant):
            raise InputError("truncation must be constant for the limit of accumulation, got a schedule.")
        if final.is_identity:
            return self._single_age(self.target, final)
        return self._single_age(self.target, self._attractor(final))

    def _limit_without_fresh_data(self, final: GaussianChannel) -> AgedLaw:
        root = self.target if self.initial is None or self.regime.name != "replace" else self.initial
        if len(self.regime.fresh_fractions) > 1:
            raise InputError(
                "fresh_fraction must stay positive or be 0 throughout for a limit law, got a change to 0."
            )
        if not final.is_identity:
            return self._single_age(root, self._attractor(final))
        if self.schedule.total < np.inf and self.regime.name == "replace":
            return self._single_age(root, self.process.channel(self.schedule.total))
        if self.schedule.total < np.inf:
            raise InputError(
                "regime must be 'replace' for the limit of a vanishing schedule without fresh data."
            )
        return self._single_age(root, self._attractor(self._channel_at(1.0)))

    @staticmethod
    def _attractor(channel: GaussianChannel) -> GaussianChannel:
        """The channel that infinitely many repetitions tend to."""
        if channel.scale == 1.0:
            raise InputError(
                f"fresh_fraction must be > 0 for a limit law when every round adds variance {channel.variance:g} at "
                "scale 1, got 0.0."
            )
        excess = (1.0 - channel.scale) * (1.0 + channel.scale)
        return GaussianChannel(0.0, channel.variance / excess)

    def mode_factors(self, degree: ArrayLike, *, rounds: int) -> FloatArray:
        """Factors f_n(i) on the data's modes, shape (rounds + 1, len(degree)); p_0 must be the data law.

        Raises InputError for blur and variance-exploding rounds, which mix degrees.
        """
        if self.initial is not None:
            raise InputError(
                "initial must be None for mode factors, which compare with the data; use `coefficients`."
            )
        return mode_factors(
            degree,
            fresh_fraction=self.regime.fresh_fractions,
            truncation=self.schedule,
            rounds=rounds,
            rate=self.rate,
            regime=self.regime.name if self.regime.table is None else self.regime.table,
        )

    def coefficients(self, degree: int, *, rounds: int) -> FloatArray:
        """Hermite coefficients of p_0, ..., p_rounds, shape (rounds + 1, m), in the order of `total_degree_indices`.

            c(i+1) = L_i (w_i c* + sum_j v_ij c(j)),   L_i the action of channel i on coefficients

        Exact for every process, regime, schedule, blur and initial law.
        """
        count = checks.integer(rounds, "rounds")
        data = self.target.hermite_coefficients(degree)
        start = data if self.initial is None else self.initial.hermite_coefficients(degree)
        values = np.empty((count + 1, len(data.values)))
        values[0] = start.values
        for i in range(count):
            fresh, earlier = self.mixing(i)
            values[i + 1] = through_channel(
                fresh * data.values + earlier @ values[: i + 1], data.indices, self.channel(i)
            )
        return values

    def rounds_to(self, tolerance: float, *, metric: str) -> float:
        """Rounds after which the distance to the limit law is proved to be at most `tolerance` times the initial one.

        An integer as a float: 0 where fresh data alone suffice, infinity where the proved rate is 1.  Needs constant
        rounds of replacement with Ornstein-Uhlenbeck truncation or any channel at alpha > 0.
        """
        if not self.has_constant_rounds or self.regime.name != "replace":
            raise InputError(
                "truncation and fresh_fraction must be constant, and the regime 'replace', for a rate."
            )
        level = checks.positive(tolerance, "tolerance")
        channel = self.channel(0)
        rate = contraction_rate(
            fresh_fraction=self.regime.final_fraction,
            truncation_time=-np.log(channel.scale) if channel.scale > 0.0 else np.inf,
            metric=metric,
            rate=1.0,
        )
        if rate >= 1.0:
            return np.inf if level < 1.0 else 0.0
        return float(max(0.0, np.ceil(np.log(level) / np.log(rate)))) if rate > 0.0 else 1.0

    def _aged(self, ages: _Ages) -> AgedLaw:
        roots = (self.target,) if self.initial is None else (self.target, self.initial)
        used = np.unique(ages.roots)
        return AgedLaw(
            tuple(roots[r] for r in used),
            ages.weights,
            ages.scales,
            ages.variances,
            np.searchsorted(used, ages.roots),
        )

    def _single_age(self, root: Law, channel: GaussianChannel) -> AgedLaw:
        return AgedLaw(
            (root,),
            np.ones(1),
            np.array([channel.scale]),
            np.array([channel.variance]),
            np.zeros(1, dtype=np.int64),
        )

    @property
    def _initial_root(self) -> int:
        return 0 if self.initial is None else 1

    def _law_ages(self, rounds: int) -> _Ages:
        if rounds not in self._known_ages:
            self._known_ages[rounds] = self._new_law_ages(rounds)
        return self._known_ages[rounds]

    def _new_law_ages(self, rounds: int) -> _Ages:
        if rounds == 0:
            return _Ages(np.ones(1), np.ones(1), np.zeros(1), np.array([self._initial_root]))
        if self.regime.name == "replace":
            return _merged(self._replacement_ages(rounds))
        channel = self.channel(rounds - 1)
        before = self._training_ages(rounds - 1)
        return _merged(
            before._replace(
                scales=channel.scale * before.scales,
                variances=channel.scale**2 * before.variances + channel.variance,
            )
        )

    def _training_ages(self, round_index: int) -> _Ages:
        fresh, earlier = self.mixing(round_index)
        parts = [_Ages(np.array([fresh]), np.ones(1), np.zeros(1), np.zeros(1, dtype=np.int64))]
        for j in np.flatnonzero(earlier):
            ages = self._law_ages(int(j))
            parts.append(ages._replace(weights=earlier[j] * ages.weights))
        joined = _merged(_Ages(*(np.concatenate(columns) for columns in zip(*parts, strict=True))))
        if len(joined.weights) > MAXIMUM_AGES:
            raise InputError(
                f"law must have at most {MAXIMUM_AGES} distinct ages, got {len(joined.weights)} after round "
                f"{round_index}: accumulation under varying times doubles them every round; use `mode_factors` or "
                "`coefficients`."
            )
        return joined

    def _replacement_ages(self, rounds: int) -> _Ages:
        """Ages 1..rounds of the data and age `rounds` of the initial law."""
        last = np.array([self._initial_root])
        if self.has_constant_rounds and rounds > EXACT_ROUNDS:
            alpha = self.regime.final_fraction
            if alpha > 0.0:
                powers, weights = geometric_ages(alpha, rounds)
            else:
                powers, weights = np.empty(0), np.empty(0)
            scales, variances = channel_powers(self.channel(0), np.append(powers, float(rounds)))
            rest = np.exp(rounds * np.log1p(-alpha)) if alpha < 1.0 else 0.0
            return _Ages(
                np.append(weights, rest),
                scales,
                variances,
                np.concatenate([np.zeros(len(powers), dtype=np.int64), last]),
            )
        weights, scales, variances = np.empty(rounds + 1), np.empty(rounds + 1), np.empty(rounds + 1)
        chain, keep = GaussianChannel.identity(), 1.0
        for k in range(rounds):
            i = rounds - 1 - k
            alpha = self.regime.fresh_fraction(i)
            chain = (
                chain.after(self.channel(i)) if not self.has_constant_rounds else self.channel(0).power(k + 1)
            )
            weights[k], scales[k], variances[k] = keep * alpha, chain.scale, chain.variance
            keep *= 1.0 - alpha
        weights[rounds], scales[rounds], variances[rounds] = keep, chain.scale, chain.variance
        return _Ages(weights, scales, variances, np.concatenate([np.zeros(rounds, dtype=np.int64), last]))


def _merged(ages: _Ages) -> _Ages:
    """Ages of equal root and channel (to twelve digits) put together, ages of no weight dropped; newest first."""
    used = ages.weights > 0.0
    weights, scales, variances, roots = _Ages(
        ages.weights[used], ages.scales[used], ages.variances[used], ages.roots[used]
    )
    keys = np.stack([roots, _rounded(-scales), _rounded(variances)], axis=1)
    _, first, label = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    total = np.bincount(label.reshape(-1), weights=weights).astype(np.float64)
    return _Ages(total, scales[first], variances[first], roots[first])


def _rounded(values: FloatArray) -> FloatArray:
    """Twelve significant digits."""
    size = 10.0 ** np.floor(np.log10(np.maximum(np.abs(values), 1e-300)))
    return np.where(values == 0.0, 0.0, np.round(values / size, 12) * size)
