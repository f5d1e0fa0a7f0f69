r"""Mechanisms as curves: what each would make of the measured columns, as a function of its parameters.

A mechanism is V(w) = A w + B on variances (`pipeline.mechanisms`).  With w = alpha y_0 + (1 - alpha) y a column y is

    y_i = kappa^i y_0 + (alpha A y_0 + B) G_i,     kappa = (1 - alpha) A,     G_i = (1 - kappa^i) / (1 - kappa).

On the factors f_n of a Hermite degree (y_0 = 1) the slope becomes A^{n/2} and B a free offset of each column, none for
truncation and refits: exact for channels up to degree 2, beyond it a closure that leaves lower degrees out.

    truncation      A = exp(-2 theta t),  B = 1 - A            t >= 0
    blur            A = 1,                B = h^2 >= 0         no offset at degree 1: means stay
    refit           A = 1 - 1/n,          B = 0                the same slope at every degree: a share is lost
    score_error     A = 1 + c,            B = e >= 0
    autoencoder     A = rho^2 <= 1,       B = s^2 >= 0
    sampler         V of K given steps                         no parameter
    affine          every column its own rate kappa and step u:  y_i = y_0 + u G_i

The last is the law of all of them: one column alone fixes its rate and its plateau and nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from ..core.types import FloatArray
from ..pipeline.interpolant import Interpolant
from ..pipeline.mechanism import Mechanism
from .observations import DISTANCE, VARIANCE, Observations

LARGEST_RATE = 3.0
_ROUNDS_TO_LIMIT, _NEWTON_STEPS = 60, 12  # after which a sampler's recursion is near its limit, and at it
LARGEST_GAIN = 4.0


class Parameter(NamedTuple):
    """A parameter of a mechanism.

    Attributes
    ----------
    name : str
    low, high : float
        Between which it is fitted.
    grid : tuple of float
        Values tried at first; none for parameters in which the curves are linear.
    borders : tuple of float
        Ends of the range at which the mechanism is not at work, or cannot be told from none.
    """

    name: str
    low: float
    high: float
    grid: tuple[float, ...] = ()
    borders: tuple[float, ...] = ()


FRESH = Parameter("fresh_fraction", 0.0, 1.0, (0.01, 0.05, 0.12, 0.25, 0.4, 0.6, 0.85), (0.0, 1.0))
_LOSSES = (0.0005, 0.003, 0.01, 0.03, 0.08, 0.2, 0.4, 0.7)
_RATES = (0.05, 0.2, 0.35, 0.5, 0.62, 0.72, 0.8, 0.86, 0.91, 0.95, 0.98, 0.999, 1.02, 1.1, 1.4)


class LongRun(NamedTuple):
    """Where columns lead: plateau and factor of one round, each shape (s, m); no plateau from factor 1 on."""

    plateau: FloatArray
    contraction: FloatArray


@lru_cache(maxsize=16)
def interpolant_of(mechanism: Mechanism) -> Interpolant:
    """Return the interpolant of a mechanism, made once."""
    return Interpolant.of(mechanism)


class RoundModel(ABC):
    """One mechanism as a family of curves."""

    name: ClassVar[str]
    title: ClassVar[str]
    starts_are_linear: ClassVar[bool] = True

    def speaks_of(self, observations: Observations) -> bool:
        """Return whether the mechanism says anything of columns like these."""
        return not np.any(observations.degrees == DISTANCE)

    @abstractmethod
    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        """Return the mechanism's own parameters for these columns."""

    @abstractmethod
    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        """Return curves (s, r, m) of fresh fractions (s, 1), own parameters (s, p) and starts (s, m)."""

    @abstractmethod
    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        """Return plateaus and contractions (s, m) of the same arguments."""

    def reported(self, own: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        """Return values and errors as the mechanism names them, from those of the fitted parameters."""
        return own


def geometric(kappa: FloatArray, rounds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return kappa^i and its sum G_i = (1 - kappa^i)/(1 - kappa), (s, r, m) for kappa (s, m)."""
    base = kappa[:, None, :]
    powers = rounds[None, :, None]
    with np.errstate(over="ignore", invalid="ignore"):
        power = np.abs(base) ** powers * np.where((base < 0) & (powers % 2 == 1), -1.0, 1.0)
        log = np.log(np.maximum(np.abs(base), 1e-300))
        near = np.abs(base - 1.0) < 0.5
        below = np.where(base == 1.0, 1.0, 1.0 - base)
        sums = np.where(near, -np.expm1(powers * np.where(near, log, 0.0)), 1.0 - power) / below
    return power, np.where(base == 1.0, powers, sums)


class _AffineMechanism(RoundModel):
    """A mechanism of slope A and offset B."""

    @abstractmethod
    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        """Return slopes and offsets of the columns, each (s, m), of own parameters (s, p)."""

    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        slope, offset = self.law(own, observations)
        power, sums = geometric((1.0 - alpha) * slope, observations.rounds)
        return power * starts[:, None, :] + (alpha * slope * starts + offset)[:, None, :] * sums

    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        slope, offset = self.law(own, observations)
        kappa = (1.0 - alpha) * slope
        drive = alpha * slope * starts + offset
        with np.errstate(divide="ignore", invalid="ignore"):
            plateau = np.where(kappa < 1.0, drive / (1.0 - kappa), np.inf)
        still = (kappa >= 1.0) & (np.abs(drive - (1.0 - kappa) * starts) <= 1e-12 * np.abs(starts))
        return LongRun(np.where(still, starts, plateau), kappa)


def _powers(observations: Observations) -> FloatArray:
    """Return the power of A that acts on each column: 1 on variances, n/2 on the factors of degree n."""
    degrees = observations.degrees
    return np.where(degrees == VARIANCE, 1.0, degrees / 2.0)


def _offset_parameters(observations: Observations, name: str, *, means: bool) -> tuple[Parameter, ...]:
    """Return the offsets: one shared by the variances, one for each column of factors."""
    shared = np.any(observations.degrees == VARIANCE)
    own = _own_offsets(observations, means)
    return ((Parameter(name, 0.0, np.inf, borders=(0.0,)),) if shared else ()) + tuple(
        Parameter(f"offset of {observations.names[j]}", -np.inf, np.inf) for j in own
    )


def _own_offsets(observations: Observations, means: bool) -> list[int]:
    degrees = observations.degrees
    return [j for j in range(len(degrees)) if degrees[j] > (0 if means else 1)]


def _offsets(parameters: FloatArray, observations: Observations, *, means: bool) -> FloatArray:
    """Return the offsets (s, m) of the columns from the parameters that `_offset_parameters` declares."""
    offsets = np.zeros((len(parameters), len(observations.degrees)))
    shared = observations.degrees == VARIANCE
    next_one = 0
    if shared.any():
        offsets[:, shared] = parameters[:, :1]
        next_one = 1
    for j in _own_offsets(observations, means):
        offsets[:, j] = parameters[:, next_one]
        next_one += 1
    return offsets


@dataclass(frozen=True)
class TruncationModel(_AffineMechanism):
    """Early stopping at one truncation time, fitted or held, or at held times by round."""

    rate: float = 0.5
    times: tuple[float, ...] = ()
    name: ClassVar[str] = "truncation"
    title: ClassVar[str] = "truncation"

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        if self.times:
            return ()
        grid = tuple(float(-np.log1p(-loss) / (2.0 * self.rate)) for loss in _LOSSES)
        return (Parameter("truncation_time", 0.0, 20.0 / self.rate, grid, (0.0,)),)

    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        time = own[:, :1] if not self.times else np.full((len(own), 1), self.times[0])
        return self._law(time, observations)

    def _law(self, time: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        exponent = -2.0 * self.rate * time
        slope = np.exp(exponent * _powers(observations))
        return slope, np.where(observations.degrees == VARIANCE, -np.expm1(exponent), 0.0)

    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        if len(self.times) < 2:
            return super().predict(alpha, own, starts, observations)
        laws = [self._law(np.array([[time]]), observations) for time in self.times]
        curve = [starts]
        for i in range(observations.last):
            slope, offset = laws[min(i, len(laws) - 1)]
            curve.append(slope * (alpha * starts + (1.0 - alpha) * curve[-1]) + offset)
        return np.stack(curve, axis=1)[:, observations.rounds.astype(np.int64)]

    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        last = TruncationModel(self.rate, self.times[-1:])
        return super(TruncationModel, last).long_run(alpha, own, starts, observations)


class BlurModel(_AffineMechanism):
    """A blur of one bandwidth."""

    name: ClassVar[str] = "blur"
    title: ClassVar[str] = "blur"

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        return _offset_parameters(observations, "bandwidth", means=False)

    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        offsets = _offsets(own, observations, means=False)
        return np.ones_like(offsets), offsets

    def reported(self, own: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        squared = own.get("bandwidth")
        if squared is None or squared[0] <= 0.0:
            return own
        width = float(np.sqrt(squared[0]))
        return own | {"bandwidth": (width, squared[1] / (2.0 * width))}


class RefitModel(_AffineMechanism):
    """A refit that loses the share 1/n of every variance."""

    name: ClassVar[str] = "refit"
    title: ClassVar[str] = "refitting to finite samples"

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        return (Parameter("samples", 0.0, 0.5, tuple(loss for loss in _LOSSES if loss < 0.5), (0.0,)),)

    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        slope = np.broadcast_to(1.0 - own[:, :1], (len(own), len(observations.degrees)))
        return slope, np.zeros_like(slope)

    def reported(self, own: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        share, error = own["samples"]
        return own | {"samples": (1.0 / share, error / share**2) if share > 0.0 else (np.inf, np.nan)}


class ScoreErrorModel(_AffineMechanism):
    """An error of the learned score, of one slope and one energy."""

    name: ClassVar[str] = "score_error"
    title: ClassVar[str] = "an error of the learned score"
    gain: ClassVar[Parameter] = Parameter(
        "slope", -1.0, LARGEST_GAIN, (*(-loss for loss in _LOSSES), -0.95, 0.0, 0.02, 0.1, 0.3, 1.0)
    )
    offset: ClassVar[str] = "energy"

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        return (self.gain, *_offset_parameters(observations, self.offset, means=True))

    def slope(self, gain: FloatArray) -> FloatArray:
        """Return A of the gain parameter."""
        return 1.0 + gain

    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        slope = np.maximum(self.slope(own[:, :1]), 1e-12) ** _powers(observations)
        return slope, _offsets(own[:, 1:], observations, means=True)


class AutoencoderModel(ScoreErrorModel):
    """A decode and encode, of one gain up to 1 and one residual."""

    name: ClassVar[str] = "autoencoder"
    title: ClassVar[str] = "an autoencoder"
    gain: ClassVar[Parameter] = Parameter(
        "gain", 0.0, 1.0, (*(float(np.sqrt(1.0 - loss)) for loss in _LOSSES), 0.2, 1.0)
    )
    offset: ClassVar[str] = "residual"

    def slope(self, gain: FloatArray) -> FloatArray:
        return gain**2


class AffineModel(RoundModel):
    """Every column at its own rate to its own plateau."""

    name: ClassVar[str] = "affine"
    title: ClassVar[str] = "a rate and a plateau of each curve"

    def speaks_of(self, observations: Observations) -> bool:
        return True

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        columns = range(len(observations.degrees))
        return tuple(Parameter(f"rate {j}", 0.0, LARGEST_RATE, _RATES, (0.0,)) for j in columns) + tuple(
            Parameter(f"step {j}", -np.inf, np.inf) for j in columns
        )

    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        columns = len(observations.degrees)
        _, sums = geometric(own[:, :columns], observations.rounds)
        return starts[:, None, :] + own[:, None, columns:] * sums

    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        columns = len(observations.degrees)
        kappa, step = own[:, :columns], own[:, columns:]
        with np.errstate(divide="ignore", invalid="ignore"):
            return LongRun(np.where(kappa < 1.0, starts + step / (1.0 - kappa), np.inf), kappa)


@dataclass(frozen=True)
class SamplerModel(RoundModel):
    """Given steps of a sampler: any round map, without parameters of its own."""

    mechanism: Mechanism
    interpolant: Interpolant
    name: ClassVar[str] = "sampler"
    title: ClassVar[str] = "the given sampler"
    starts_are_linear: ClassVar[bool] = False

    @classmethod
    def of(cls, mechanism: Mechanism) -> SamplerModel:
        """Return the curves of a mechanism."""
        return cls(mechanism, interpolant_of(mechanism))

    def speaks_of(self, observations: Observations) -> bool:
        return bool(np.all(observations.degrees == VARIANCE))

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        return ()

    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        data = np.maximum(starts, 0.0)
        curve = [data]
        for _ in range(observations.last):
            curve.append(self.interpolant.variance(alpha * data + (1.0 - alpha) * curve[-1]))
        return np.stack(curve, axis=1)[:, observations.rounds.astype(np.int64)]

    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        data = np.maximum(starts, 0.0)
        value = data
        for _ in range(_ROUNDS_TO_LIMIT):
            value = self.interpolant.variance(alpha * data + (1.0 - alpha) * value)
        rate = np.ones_like(value)
        for _ in range(_NEWTON_STEPS):
            image, slope = self.interpolant.with_slope(alpha * data + (1.0 - alpha) * value)
            rate = (1.0 - alpha) * slope
            step = np.divide(image - value, 1.0 - rate, out=np.zeros_like(value), where=rate < 1.0)
            value = np.maximum(value + step, 0.0)
        return LongRun(np.where(rate < 1.0, value, np.inf), rate)


CONTAINED_IN: dict[str, tuple[str, ...]] = {
    "truncation": ("score_error", "autoencoder", "affine"),
    "blur": ("score_error", "autoencoder", "affine"),
    "refit": ("score_error", "autoencoder", "affine"),
    "score_error": ("affine",),
    "autoencoder": ("affine",),
    "sampler": (),
    "affine": (),
}
"""Mechanism -> those that contain it as a special case."""
MECHANISMS = tuple(CONTAINED_IN)
