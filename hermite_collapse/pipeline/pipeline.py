r"""A pipeline: the mechanisms of a round in their order, and where the recursion through them leads.

One round trains on w = alpha v_d + (1 - alpha) v (plus the spread between moved means) and makes the variance
v' = F(v) = V(w), V the composition of the mechanisms: mix, refit to n images, sampler with guidance and its last step,
decode, clip, encode.  At a limit with r = V(w)/w,

    v/v_d = alpha r / (1 - (1-alpha) r),     w/v_d = alpha / (1 - (1-alpha) r),

so that a loss 1 - r of one round is amplified about 1/alpha times.  Maps of real samplers have several limits: the one
reached from the data is reported first, all others with their stability.

**Finite images.**  n points, alpha n of them fresh: with S the model's variance and M the mean square by which its mean
has drifted, a Gaussian fit gives S_fit = (1 - 1/n) Sbar + alpha (1-alpha) M and M_fit = (1-alpha)^2 M + Sbar/n, Sbar =
alpha v_d + (1-alpha) S, and the sampler S = V(S_fit), M = gamma^2 M_fit.  A lower bound of what a network trained on n
images does; first order in 1/n where V is not affine.

**Guidance** spreads the class means by its mean gain, and with them the variance of the means that the next round sees:
with gamma the gain so far, gbar = alpha + (1-alpha) gamma,

    w = alpha v_d + (1-alpha) v + alpha (1-alpha) (1-gamma)^2 b_d,     b = gbar^2 b_d,     gamma' = gain(w, b) gbar.

With finite images the means of classes drift one by one, and b = gbar^2 b_d + M_fit: guidance parts even classes that
share a mean.
Below a critical fresh fraction the means, and with them the variances, grow without bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.types import FloatArray
from ..core.value import plain
from .denoiser import Sampler
from .finite_images import SettledRefit
from .fixed_points import FixedPoint, ScalarRecursion
from .guidance import Guidance
from .guided import GuidedRecursion
from .interpolant import Interpolant, in_range
from .ledger import IMAGES, Ledger, last_step, separated
from .mechanism import Mechanism, composed, variances
from .mechanisms import FinalStep, FlowStop, Refit, Truncation
from .stationary import State


@lru_cache(maxsize=64)
def _interpolant(mechanism: Mechanism) -> Interpolant:
    """Return the interpolant of a mechanism, the same for every fresh fraction."""
    return Interpolant.of(mechanism)


@public
@dataclass(frozen=True)
class Pipeline:
    """A recursion through the mechanisms of a real pipeline.

    Parameters
    ----------
    mechanisms : sequence of Mechanism
        In the order of a round; none is the identity.  A sampler of K steps contains its guidance, its last step and
        its stop, so that none of these may stand beside it.
    fresh_fraction : float
        Share alpha of fresh real data in every round, in [0, 1].
    images : int, optional
        Number of training images of each round, of each class under guidance: a refit together with the drift of
        the mean.

    Raises
    ------
    InputError
        For a sampler beside a last step, a stop or guidance, for both a `Refit` and `images`, and for arguments outside
        their range.

    Notes
    -----
    One round is exact for Gaussian directions where every mechanism is.  Later rounds and limits are exact for
    mechanisms that are affine in the variance; else they are a Gaussian closure even for Gaussian data, since fresh
    data and model output of different variance mix to a law that is not Gaussian: for DDIM with 20 steps on unit
    variance and 30 % of fresh data the second round makes 0.73072 where the closure says 0.73110.  Directions of other
    data are a Gaussian closure from the first round on.  `mixture_rounds` plays rounds of one-dimensional mixtures out.

    Examples
    --------
    >>> from hermite_collapse.pipeline.mechanisms import SamplerSteps
    >>> pipeline = Pipeline([SamplerSteps.edm(steps=18)], fresh_fraction=0.1)
    >>> round(pipeline.limit(0.25) / 0.25, 6)
    5.357437
    """

    mechanisms: tuple[Mechanism, ...]
    fresh_fraction: float
    images: int | None = None

    def __init__(
        self, mechanisms: Sequence[Mechanism], *, fresh_fraction: float, images: int | None = None
    ) -> None:
        parts = (
            (mechanisms,)
            if isinstance(mechanisms, Mechanism)
            else tuple(checks.items(mechanisms, "mechanisms"))
        )
        for part in parts:
            if not isinstance(part, Mechanism):
                raise InputError(f"mechanisms must hold round maps (hc.mechanisms), got {part!r}.")
        samplers = [part for part in parts if part.is_sampler]
        beside = [part for part in parts if isinstance(part, FinalStep | Truncation | FlowStop | Guidance)]
        if len(samplers) > 1:
            raise InputError(f"mechanisms must hold one sampler, got {len(samplers)}.")
        if samplers and beside:
            raise InputError(
                f"mechanisms must not hold {beside[0].describe()} beside {samplers[0].describe()}, which contains its "
                "last step, its stop and its guidance."
            )
        if images is not None and any(isinstance(part, Refit) for part in parts):
            raise InputError(f"images must be left out where mechanisms hold a Refit, got {images!r}.")
        object.__setattr__(self, "mechanisms", parts)
        object.__setattr__(self, "fresh_fraction", checks.fraction(fresh_fraction))
        count = None if images is None else checks.count(images, "images", minimum=2)
        object.__setattr__(self, "images", count)

    @property
    def guidance(self) -> Guidance | None:
        """The guidance in the pipeline, its own or its sampler's."""
        for part in self.mechanisms:
            inner = part.guidance if isinstance(part, Sampler) else part
            if isinstance(inner, Guidance):
                return inner
        return None

    @cached_property
    def round_map(self) -> Mechanism:
        """The mechanisms of one round as one; guidance with the data's class means."""
        return composed(self.mechanisms)

    @cached_property
    def _recursion(self) -> ScalarRecursion:
        settled = self.round_map
        if self.images is not None:
            settled = SettledRefit(self.round_map, self.images, self.fresh_fraction)
        return ScalarRecursion(_interpolant(settled), self.fresh_fraction)

    def variance(self, w: ArrayLike) -> FloatArray:
        """Return the variance V(w) that the mechanisms of one round leave of a variance w, shaped like w."""
        return self.round_map.variance(w)

    def gain(self, w: ArrayLike) -> FloatArray:
        """Return the mean gain of the mechanisms of one round, shaped like w."""
        return self.round_map.gain(w)

    def trajectory(self, v: ArrayLike, rounds: int) -> FloatArray:
        """Return the variances of the data and of the models after 1..rounds rounds, shape (rounds + 1, ...).

        Parameters
        ----------
        v : float or array, shape (...)
            Variances of the data; within a class under guidance.
        rounds : int
            >= 0.
        """
        data = variances(v, "v")
        count = checks.entries(rounds, "rounds", each=8.0 * data.size)
        result = np.empty((count + 1, *data.shape))
        state = State.of_data(data)
        result[0] = data
        for i in range(count):
            state = self.step(data, state)
            result[i + 1] = state.variance
        return result

    @public
    def step(self, data: FloatArray, state: State) -> State:
        """Return the state of directions after one more round, by the mechanisms themselves."""
        guidance = self.guidance
        between = np.zeros_like(data) if guidance is None else guidance.spread_over(data)
        return self._step(data, state, np.full_like(data, self.fresh_fraction), between)

    def _step(self, data: FloatArray, state: State, alpha: FloatArray, class_means: FloatArray) -> State:
        """Return the state after one more round, for class means of variance `class_means` in the data."""
        keep = 1.0 - alpha
        mixed = alpha * data + keep * state.variance
        drift = keep**2 * state.drift
        if self.images is not None:
            between_means = alpha * keep * state.drift
            mixed, drift = (1.0 - 1.0 / self.images) * mixed + between_means, drift + mixed / self.images
        spread = alpha + keep * state.spread
        if self.guidance is not None:
            mixed = mixed + alpha * keep * (1.0 - state.spread) ** 2 * class_means
        gain = np.ones_like(mixed)
        for part in self.mechanisms:
            between = gain**2 * (spread**2 * class_means + drift)  # means drift class by class
            if isinstance(part, Guidance):
                mixed, own = part.at(between, mixed)
            elif isinstance(part, Sampler) and part.guidance is not None:
                mixed, own = part.responses(mixed, between)
            else:
                own = part._gain(mixed)
                mixed = part._variance(mixed)
            gain = gain * own
        return State(mixed, gain**2 * drift, gain * spread)

    def limit(self, v: ArrayLike) -> FloatArray:
        """Return the variance of the model that the recursion reaches from the data.

        Parameters
        ----------
        v : float or array, any shape
            Variances of the data; within a class under guidance.

        Returns
        -------
        float or array, shaped like v
            Infinity where the variance grows without bound, NaN where rounds end in a cycle (see `cycle`) or wander.

        Cost
        ----
        A tenth of a second for the map, then less than a microsecond for each direction; guided pipelines are played
        out round by round.
        """
        data = _all_of(v)
        if self.guidance is not None:
            return plain(self._guided(data).variance)
        limits = self._recursion.from_data(data)
        return plain(np.where(limits.settles | np.isinf(limits.variance), limits.variance, np.nan))

    def limits(self, v: float) -> tuple[FixedPoint, ...]:
        """Return every limit of one direction, with its rate and stability, from the smallest variance on.

        Raises
        ------
        InputError
            For a guided pipeline, whose limits are pairs of a variance and a gain; `limit` gives the one reached.
        """
        self._needs_no_guidance("limits")
        return self._recursion.all_of(_one_of(checks.nonnegative(v, "v")))

    def rate(self, v: ArrayLike) -> FloatArray:
        """Return the factor by which a deviation from the limit changes in one round: (1 - alpha) V'(w), shaped like v.

        Negative where deviations alternate.  With finite images, of the variance alone.
        """
        self._needs_no_guidance("rate")
        data = _all_of(v)
        return plain(self._recursion.rates(self._recursion.from_data(data).training_variance))

    def folds(self) -> tuple[tuple[float, float], ...]:
        """Return the fold points: training variance and data variance at which two limits meet."""
        self._needs_no_guidance("folds")
        return self._recursion.folds()

    def cycle(self, v: float, *, longest: int = 8) -> FloatArray:
        """Return the variances of the cycle that rounds from the data end in, shape (period,); one value for a limit.

        Raises
        ------
        InputError
            If rounds end in no cycle of at most `longest` values.
        """
        self._needs_no_guidance("cycle")
        data = np.array([_one_of(checks.nonnegative(v, "v"))])
        model = self._recursion.from_data(data).variance
        path = [model]
        for _ in range(longest):
            path.append(self._recursion.step(data, path[-1]))
            if abs(path[-1][0] - model[0]) <= 1e-9 * abs(model[0]):
                return np.concatenate(path[:-1])
        raise InputError(f"v must lead to a cycle of at most {longest} rounds, got {v!r}.")

    def rounds_to(self, v: ArrayLike, tolerance: float, *, longest: int = 100_000) -> FloatArray:
        """Return the rounds after which the variance stays within a relative tolerance of its limit, shaped like v.

        Infinity where that takes more than `longest` rounds, or where there is no limit.
        """
        data, level = _all_of(v), checks.positive(tolerance, "tolerance")
        limit = np.asarray(self.limit(data))
        exists = np.isfinite(limit)
        band = level * np.abs(np.where(exists, limit, 0.0))
        aim = np.where(exists, limit, -1.0)  # which no variance comes near
        state = State.of_data(data)
        rounds = np.where(np.abs(data - aim) <= band, 0.0, np.inf)
        for i in range(1, longest + 1):
            if np.all(np.isfinite(rounds) | ~exists) and i > 1:
                break
            state = State(*(np.where(exists, value, 0.0) for value in self.step(data, state)))
            near = np.abs(state.variance - aim) <= band
            rounds = np.where(near, np.minimum(rounds, float(i)), np.inf)
        return plain(rounds)

    def mean_drift(self, v: ArrayLike) -> FloatArray:
        """Return the mean square by which the mean has drifted at the limit, with finite images, shaped like v.

        M = gamma^2 Sbar / (n (1 - (1-alpha)^2 gamma^2))
        """
        data = _all_of(v)
        if self.images is None:
            return plain(np.zeros_like(data))
        if self.guidance is not None:
            return plain(self._guided(data).drift)
        pool = self._recursion.from_data(data).training_variance
        refit = SettledRefit(self.round_map, self.images, self.fresh_fraction)
        return plain(refit.drift_share(refit.fitted(pool)) * pool)

    def spread(self, v: ArrayLike) -> FloatArray:
        """Return the gain of the class means over the data's at the limit, under guidance; infinity where they grow."""
        data = _all_of(v)
        return plain(np.ones_like(data) if self.guidance is None else self._guided(data).spread)

    def critical_share(self, v: float) -> float:
        """Return the fresh fraction below which guidance lets the class means grow without bound; 0 for none.

        Parameters
        ----------
        v : float
            Variance > 0 of the data within a class.

        Raises
        ------
        InputError
            If there is no guidance, or it has class means of several directions.

        Accuracy
        --------
        1e-9 where the limit ends by meeting an unstable one, as it does for the exact flow; 1e-5 otherwise.
        """
        guidance = self.guidance
        if guidance is None:
            raise InputError("mechanisms must hold guidance for a critical share, got none.")
        if isinstance(guidance.between, tuple):
            raise InputError(
                "mechanisms must hold guidance along one direction for a critical share, got several."
            )
        return GuidedRecursion(self._step).critical_share(_one_of(checks.positive(v, "v")), guidance.between)

    def ledger(self, v: ArrayLike) -> Ledger:
        """Return what each mechanism does alone, what all do together, and what is left by their interplay.

        Parameters
        ----------
        v : float or array, shape (m,)
            Variances > 0 of the data; within a class under guidance.

        Returns
        -------
        Ledger

        Examples
        --------
        >>> from hermite_collapse.pipeline.mechanisms import Rounding, SamplerSteps
        >>> pipeline = Pipeline([SamplerSteps.edm(steps=18), Rounding()], fresh_fraction=0.1)
        >>> pipeline.ledger([0.25, 1e-5]).dominant.in_round
        ('sampler steps', 'rounding')
        """
        data = np.atleast_1d(_all_of(v))
        if data.ndim != 1 or data.size == 0 or data.min() <= 0.0:
            raise InputError(f"v must be one axis of variances > 0, got {v!r}.")
        names, parts = self._alone()
        with np.errstate(divide="ignore", invalid="ignore"):
            log_ratios = np.array([np.log(part._first_round(data) / data) for part in parts])
            log_ratio = np.log(self._first_round(data) / data)
        interplay = np.zeros_like(data)
        sampler = next((part for part in self.mechanisms if isinstance(part, Sampler)), None)
        if sampler is not None and sampler.guidance is not None:
            apart = sampler.replace(guidance=None).variance(data) * sampler.guidance.variance(data)
            interplay = np.log(sampler.variance(data) * data / apart)
        ending, last = last_step(self.mechanisms), np.full((2, len(data)), np.nan)
        if ending is not None:
            end = Pipeline([ending], fresh_fraction=self.fresh_fraction)
            last = np.array([ending.variance(data), end.limit(data)]) / data
        return Ledger(
            names,
            tuple(part.describe() for part in parts),
            self.fresh_fraction,
            data,
            log_ratios.reshape(len(parts), len(data)),
            log_ratio,
            np.array([part.limit(data) / data for part in parts]).reshape(len(parts), len(data)),
            np.asarray(self.limit(data) / data),
            interplay,
            last,
        )

    def describe(self) -> str:
        """Return the mechanisms in a few words."""
        images = [] if self.images is None else [f"fit to {self.images} images"]
        return ", then ".join(images + [part.describe() for part in self.mechanisms]) or "nothing"

    def _alone(self) -> tuple[tuple[str, ...], tuple[Pipeline, ...]]:
        """Return the names of the mechanisms, and each as a pipeline of its own."""
        alpha = self.fresh_fraction
        pairs = [(name, Pipeline([part], fresh_fraction=alpha)) for name, part in separated(self.mechanisms)]
        if self.images is not None:
            pairs.insert(0, (IMAGES, Pipeline([], fresh_fraction=alpha, images=self.images)))
        return tuple(name for name, _ in pairs), tuple(pipeline for _, pipeline in pairs)

    def _first_round(self, data: FloatArray) -> FloatArray:
        """Return the variance after the round that is trained on the data alone."""
        return self.step(data, State.of_data(data)).variance

    def _needs_no_guidance(self, name: str) -> None:
        if self.guidance is not None:
            raise InputError(
                f"mechanisms must hold no guidance for {name}, whose class means move; use limit and spread."
            )

    def _guided(self, data: FloatArray) -> State:
        """Return the state that rounds from the data lead to, class means moving along."""
        assert self.guidance is not None
        between = self.guidance.spread_over(data)
        return GuidedRecursion(self._step).settled(data, np.full_like(data, self.fresh_fraction), between)


def _all_of(v: ArrayLike) -> FloatArray:
    """Return variances of the data in the range of the map's table, or 0."""
    return in_range(variances(v, "v"), "v")


def _one_of(v: float) -> float:
    """Return one of them."""
    return float(in_range(np.asarray(v), "v"))
