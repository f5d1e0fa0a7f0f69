"""The recursion: train on a mixture of fresh and generated data, sample with truncated reverse diffusion, repeat.

    q_i = w_i p* + sum_j v_ij p_j          training law of round i (`regimes`)
    p_{i+1} = C_i q_i                      perfect score, exact sampling; C_i blur, then truncation at t_i

Unrolled, every law is an average of channels applied to the data (`genealogy`).

References: arXiv:2606.13796, Theorem 3.1, Corollary 3.2, Proposition 3.3, Theorem 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.display import Displayed
from ..core.errors import InputError
from ..core.signature import public, with_names_of_today
from ..core.types import FloatArray
from ..core.value import Value
from ..laws.aged import AgedLaw
from ..laws.ages import AgeRule, attractor
from ..laws.channel_action import through_channel
from ..laws.channels import GaussianChannel, OrnsteinUhlenbeck, Process
from ..laws.conversion import as_law
from ..laws.empirical import EmpiricalLaw
from ..laws.mixture import Law
from .constant_rounds import ConstantRounds
from .genealogy import EXACT_ROUNDS, Ages, compressed_replacement_ages, joined, merged, replacement_ages
from .modes import mode_factors
from .regimes import Regime, as_regime
from .repetitions import repetitions_to
from .schedules import Constant, Schedule, as_schedule

LARGEST_BLUR = 1e30


@public
class Recursion(Displayed, Value):
    """A recursively trained diffusion model with perfect scores: an immutable value.

    Parameters
    ----------
    target : Law or array, shape (n, d) or (n,)
        Data law p*: a GaussianMixture, an EmpiricalLaw, or samples in the units of the diffusion.
    fresh_fraction : float or sequence of float
        Share of fresh real data in each round's training set, in [0, 1]; one value, or one a round (the last holds on).
    truncation_time : float, sequence of float, or Schedule
        Truncation time (dimensionless OU time; the noise variance sigma^2 for `VarianceExploding`), one a round, or a
        schedule.
    regime : str, array or Regime
        "replace", "accumulate", "accumulate_with_fresh", or a table of weights (`regimes`).
    blur : float
        Bandwidth h >= 0 of a Gaussian kernel density estimate in front of every round, data units.
    process : Process, optional
        OrnsteinUhlenbeck(rate), the default, or VarianceExploding().
    initial : Law or array, optional
        Law p_0 of the first model; the data law if left out.  The regimes "accumulate" and "accumulate_with_fresh"
        train on the data first and never on p_0, which is then round 0 of a record and nothing else.

    Attributes
    ----------
    target, initial : Law
    schedule : Schedule
    regime : Regime
    blur : float
    process : Process

    Raises
    ------
    InputError
        For parameters out of range, laws of different dimensions, and samples that are not in the diffusion's units
        unless their `scale` was given.

    Examples
    --------
    >>> from hermite_collapse import presets
    >>> recursion = Recursion(presets.load("three_modes_1d"), fresh_fraction=0.3, truncation_time=0.1)
    >>> recursion.limit().age_count <= 32
    True
    >>> recursion.mode_factors([1, 2], rounds=2).round(4).tolist()
    [[1.0, 1.0], [0.9512, 0.9048], [0.9188, 0.8446]]
    """

    _fields = ("target", "schedule", "regime", "blur", "process", "initial")

    target: Law
    schedule: Schedule
    regime: Regime
    blur: float
    process: Process
    initial: Law | None

    def __init__(
        self,
        target: Law | ArrayLike,
        *,
        fresh_fraction: float | Sequence[float],
        truncation_time: float | Sequence[float] | Schedule,
        regime: str | ArrayLike | Regime = "replace",
        blur: float = 0.0,
        process: Process | None = None,
        initial: Law | ArrayLike | None = None,
    ) -> None:
        data = _law_in_units(target, "target")
        start = None if initial is None else _law_in_units(initial, "initial")
        if process is not None and not isinstance(process, Process):
            raise InputError(
                f"process must be OrnsteinUhlenbeck(...) or VarianceExploding(), got {process!r}."
            )
        if start is not None and start.dimension != data.dimension:
            raise InputError(
                f"initial must have the dimension of target, {data.dimension}, got {start.dimension}."
            )
        self._set("target", data)
        self._set("initial", start)
        self._set("schedule", as_schedule(truncation_time))
        self._set("regime", as_regime(regime, fresh_fraction))
        self._set("blur", checks.nonnegative(blur, "blur"))
        if self.blur > LARGEST_BLUR:
            raise InputError(
                f"blur must be <= {LARGEST_BLUR:g} for powers of it to be numbers, got {blur!r}."
            )
        self._set("process", OrnsteinUhlenbeck() if process is None else process)

    def _arguments(self) -> dict[str, Any]:
        names = ("target", "fresh_fraction", "regime", "blur", "process", "initial")
        return {name: getattr(self, name) for name in names} | {"truncation_time": self.schedule}

    def replace(self, **changes: Any) -> Recursion:
        """Return a copy with other values for some of the arguments of the constructor."""
        if "fresh_fraction" in changes and "regime" not in changes:
            changes["regime"] = self.regime.name if self.regime.table is None else self.regime.table
        return Recursion(**{**self._arguments(), **with_names_of_today(changes)})

    def __repr__(self) -> str:
        parts = [
            f"{self.target!r}",
            f"fresh_fraction={self.fresh_fraction}",
            f"truncation_time={self.schedule}",
        ]
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
        if not isinstance(self.process, OrnsteinUhlenbeck) or self.blur != 0.0:
            raise InputError(
                "process must be OrnsteinUhlenbeck without blur for Hermite modes to evolve one by one, got "
                f"process={self.process}, blur={self.blur:g}; `coefficients` carries all modes together."
            )
        return self.process.rate

    @property
    def is_diagonal(self) -> bool:
        """Whether each round acts on every Hermite mode by itself."""
        return isinstance(self.process, OrnsteinUhlenbeck) and self.blur == 0.0

    @property
    def has_constant_rounds(self) -> bool:
        """Whether every round is the same: one time, one fresh fraction."""
        return isinstance(self.schedule, Constant) and len(self.regime.fresh_fractions) == 1

    @property
    def final_rounds(self) -> ConstantRounds:
        """Rounds of the last fresh fraction and the last truncation time: what decides a limit law."""
        return ConstantRounds(float(self.regime.final_fraction), self.rate * float(self.schedule.final))

    def channel(self, round_index: int) -> GaussianChannel:
        """Return the channel of round i = 0, 1, ...: kernel blur, then truncation."""
        times = self.schedule.times(checks.integer(round_index, "round_index") + 1)
        return self._channel_at(float(times[-1]))

    def _channel_at(self, time: float) -> GaussianChannel:
        return self.process.channel(time).after(GaussianChannel(1.0, self.blur**2))

    def mixing(self, round_index: int) -> tuple[float, FloatArray]:
        """Return the weight of p* and the weights of p_0, ..., p_i in the training law of round i."""
        return self.regime.mixing(checks.integer(round_index, "round_index"))

    def law(self, rounds: int) -> AgedLaw:
        """Return the exact law p_i of the model after `rounds` rounds.

        Parameters
        ----------
        rounds : int
            >= 0.

        Returns
        -------
        AgedLaw

        Raises
        ------
        InputError
            Where the number of distinct ages grows beyond bounds (accumulation under varying times: it doubles every
            round); `mode_factors` and `coefficients` are available there.
        """
        return self._aged(self._law_ages(checks.integer(rounds, "rounds")))

    def training_law(self, round_index: int) -> AgedLaw:
        """Return the law q_i that round i is trained on."""
        return self._aged(self._training_ages(checks.integer(round_index, "round_index")))

    def limit(self, ages: int = 32) -> AgedLaw:
        """Return the limit law p_inf.

            p_inf = sum_{k >= 1} alpha (1-alpha)^{k-1} C^k p*

        Parameters
        ----------
        ages : int
            Number of Gauss nodes for Ornstein-Uhlenbeck rounds; other rounds take the dyadic rule of `laws.ages` with
            ages / 2 nodes a block (at least 14).

        Returns
        -------
        AgedLaw
            With `error_bound`.

        Raises
        ------
        InputError
            Where there is no limit: no fresh data and a channel of scale 1 whose variance adds up.

        Accuracy
        --------
        For Ornstein-Uhlenbeck rounds every moment and Hermite coefficient of degree < 2 ages is exact up to rounding,
        about 1e-14 of the largest term of its sum over ages; the density is as exact as `error_bound` says.

        Notes
        -----
        Schedules count by their final time and fresh fraction (annealing theorem).  Without fresh data the limit is
        the standard normal, or the initial law carried through the total time if that is finite.

        References
        ----------
        arXiv:2606.13796, Theorem 3.1, Corollary 3.2, Theorem 4.1.
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
            return AgedLaw.single(self.target, GaussianChannel.identity())
        if alpha == 1.0:
            return AgedLaw.single(self.target, final)
        return AgedLaw.of_rule(self.target, AgeRule(alpha, final, count))

    def _limit_of_accumulation(self, final: GaussianChannel) -> AgedLaw:
        """The data are diluted away; collapse is slow (a power of the round) but complete unless nothing collapses."""
        if not isinstance(self.schedule, Constant):
            raise InputError(
                "truncation_time must be constant for the limit of accumulation, got a schedule."
            )
        if final.is_identity:
            return AgedLaw.single(self.target, final)
        return AgedLaw.single(self.target, _attractor(final))

    def _limit_without_fresh_data(self, final: GaussianChannel) -> AgedLaw:
        root = self.target if self.initial is None or self.regime.name != "replace" else self.initial
        if len(self.regime.fresh_fractions) > 1:
            raise InputError(
                "fresh_fraction must stay positive or be 0 throughout for a limit law, got a change to 0."
            )
        if not final.is_identity:
            return AgedLaw.single(root, _attractor(final))
        if self.schedule.total < np.inf and self.regime.name == "replace":
            return AgedLaw.single(root, self.process.channel(self.schedule.total))
        if self.schedule.total < np.inf:
            raise InputError(
                "regime must be 'replace' for the limit of a vanishing schedule without fresh data."
            )
        return AgedLaw.single(root, _attractor(self._channel_at(1.0)))

    def mode_factors(self, degree: ArrayLike, *, rounds: int) -> FloatArray:
        """Return the factors f_n(i) on the data's modes, shape (rounds + 1, len(degree)).

        Raises
        ------
        InputError
            For an initial law, and for blur and variance-exploding rounds, which mix degrees.
        """
        if self.initial is not None:
            raise InputError(
                "initial must be None for mode factors, which compare with the data; use `coefficients`."
            )
        return mode_factors(
            degree,
            fresh_fraction=self.regime.fresh_fractions,
            truncation_time=self.schedule,
            rounds=rounds,
            rate=self.rate,
            regime=self.regime,
        )

    def coefficients(self, degree: int, *, rounds: int) -> FloatArray:
        """Return the Hermite coefficients of p_0, ..., p_rounds, shape (rounds + 1, m).

            c(i+1) = L_i (w_i c* + sum_j v_ij c(j)),   L_i the action of channel i on coefficients

        Exact for every process, regime, schedule, blur and initial law; modes in the order of `total_degree_indices`.
        """
        data = self.target.hermite_coefficients(degree)
        count = checks.entries(rounds, "rounds", each=8.0 * len(data.values))
        start = data if self.initial is None else self.initial.hermite_coefficients(degree)
        values = np.empty((count + 1, len(data.values)))
        values[0] = start.values
        for i in range(count):
            fresh, earlier = self.mixing(i)
            values[i + 1] = through_channel(
                fresh * data.values + earlier @ values[: i + 1], data.indices, self.channel(i)
            )
        return values

    def rounds_to(self, tolerance: float, *, metric: str = "wasserstein2") -> float:
        """Return the rounds after which the distance to the limit law is proved to be `tolerance` times the first.

        Parameters
        ----------
        tolerance : float
            Share of the first distance, > 0.
        metric : str
            One of those of `contraction_rate`.

        Returns
        -------
        float
            An integer as a float: 0 where fresh data alone suffice, infinity where the proved rate is 1.

        Raises
        ------
        InputError
            Unless rounds are replacement with a constant time and fresh fraction.
        """
        if not self.has_constant_rounds or self.regime.name != "replace":
            raise InputError(
                "truncation_time and fresh_fraction must be constant, and the regime 'replace', for a rate."
            )
        level = checks.positive(tolerance, "tolerance")
        decay = min(self.channel(0).decay, 1e4)  # beyond about 745 the scale is 0
        rate = ConstantRounds(self.regime.final_fraction, decay).rate_in(metric)
        return float(repetitions_to(level, rate))

    def _aged(self, ages: Ages) -> AgedLaw:
        roots = (self.target,) if self.initial is None else (self.target, self.initial)
        used = np.unique(ages.roots)
        return AgedLaw(
            tuple(roots[r] for r in used),
            ages.weights,
            ages.scales,
            ages.variances,
            np.searchsorted(used, ages.roots),
        )

    def _law_ages(self, rounds: int) -> Ages:
        return self._known("law", rounds, self._new_law_ages)

    def _new_law_ages(self, rounds: int) -> Ages:
        root = 0 if self.initial is None else 1
        if rounds == 0:
            return Ages.youngest(root)
        if self.regime.name != "replace":
            return merged(self._training_ages(rounds - 1).through(self.channel(rounds - 1)))
        if self.has_constant_rounds and rounds > EXACT_ROUNDS:
            return compressed_replacement_ages(self.channel(0), self.regime.final_fraction, rounds, root)
        channels = [self._channel_at(float(time)) for time in self.schedule.times(rounds)]
        return replacement_ages(channels, [self.regime.fresh_fraction(i) for i in range(rounds)], root)

    def _training_ages(self, round_index: int) -> Ages:
        return self._known("training", round_index, self._new_training_ages)

    def _known(self, name: str, number: int, make: Callable[[int], Ages]) -> Ages:
        """Return ages that were made before, or new ones."""
        known: dict[tuple[str, int], Ages] = self.__dict__.setdefault("_known_ages", {})
        if (name, number) not in known:
            known[name, number] = make(number)
        return known[name, number]

    def _new_training_ages(self, round_index: int) -> Ages:
        fresh, earlier = self.mixing(round_index)
        parts = [Ages.youngest(0, fresh)]
        parts += [self._law_ages(int(j)).weighted(earlier[j]) for j in np.flatnonzero(earlier)]
        return joined(parts, round_index)


def _attractor(channel: GaussianChannel) -> GaussianChannel:
    """Return the channel that infinitely many rounds without fresh data tend to."""
    if channel.decay == 0.0:
        raise InputError(
            f"fresh_fraction must be > 0 for a limit law when every round adds variance {channel.variance:g} at "
            "scale 1, got 0.0."
        )
    return attractor(channel)


def _law_in_units(law: Law | ArrayLike, name: str) -> Law:
    """Return what a user passed as a law; refuse samples that are not in the units of a diffusion."""
    result = as_law(law, name)
    if isinstance(result, EmpiricalLaw) and result.scale is None:
        checks.diffusion_units(result.squares, name)
    return result
