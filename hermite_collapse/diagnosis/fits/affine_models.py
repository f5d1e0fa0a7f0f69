"""Mechanisms that are affine in the variance, as curves: truncation, blur, refit, score error, autoencoder."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...core.types import FloatArray, IntArray
from ...recursion.accumulated import ACCUMULATE, REPLACE, accumulated_sums
from ..observed.observations import VARIANCE, Observations
from .couplings import basis_curves, basis_limits
from .round_models import LongRun, Parameter, RoundModel, geometric

LARGEST_SLOPE = 4.0
_SMALLEST_LOSS = 1e-12  # of a refit, below which the number of samples counts as infinite
_LOSSES = (1e-5, 0.0005, 0.003, 0.01, 0.03, 0.08, 0.2, 0.4, 0.7)
"""Shares of a variance that a round may lose, where fits begin."""


class AffineMechanism(RoundModel):
    """A mechanism of slope A and offset B."""

    @abstractmethod
    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        """Return slopes and offsets of the columns, each (s, m), of own parameters (s, p)."""

    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        slope, offset = self.law(own, observations)
        rounds, regime = observations.rounds, observations.regime
        if regime == REPLACE:
            power, sums = geometric((1.0 - alpha) * slope, rounds)
            curves = power * starts[:, None, :] + (alpha * slope * starts + offset)[:, None, :] * sums
        else:
            kappa = slope if regime == ACCUMULATE else (1.0 - alpha) * slope
            step = ((slope - 1.0) * starts + offset)[:, None, :]
            curves = starts[:, None, :] + step * accumulated_sums(kappa, rounds, regime)
        fed = self.couplings(own, starts, observations)
        if fed:
            columns, weights = list(fed), np.stack(list(fed.values()), axis=1)
            basis = basis_curves(*_by_column(slope, alpha, columns, observations), rounds, regime)
            of_columns = basis.reshape(*weights.shape[:2], *basis.shape[1:])
            curves[:, :, columns] = np.einsum("scrk,sck->src", of_columns, weights)
        return curves

    def couplings(
        self, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> dict[int, FloatArray]:
        """Return start, phi_1 and phi_2 (s, 3) of the columns that lower degrees feed, by column (`couplings`)."""
        return {}

    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        slope, offset = self.law(own, observations)
        if observations.regime == ACCUMULATE:
            alpha = np.zeros_like(alpha)
        kappa = (1.0 - alpha) * slope
        drive = alpha * slope * starts + offset
        with np.errstate(divide="ignore", invalid="ignore"):
            plateau = np.where(kappa < 1.0, drive / (1.0 - kappa), np.inf)
        still = (kappa >= 1.0) & (np.abs(drive - (1.0 - kappa) * starts) <= 1e-12 * np.abs(starts))
        plateau = np.where(still, starts, plateau)
        fed = self.couplings(own, starts, observations)
        if fed:
            columns, weights = list(fed), np.stack(list(fed.values()), axis=1)
            limits = basis_limits(*_by_column(slope, alpha, columns, observations), observations.regime)
            limits = limits.reshape(weights.shape)
            parts = np.multiply(limits, weights, out=np.zeros_like(limits), where=weights != 0.0)
            plateau[:, columns] = parts.sum(axis=2)
        if observations.regime != REPLACE:
            kappa = np.full_like(kappa, np.nan)  # deviations fall by powers of the round
        return LongRun(plateau, kappa)


def _by_column(
    slope: FloatArray, alpha: FloatArray, columns: list[int], observations: Observations
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return degrees, rho and fresh fractions of columns, points (s,) and columns (c,) in one axis, each (s c,)."""
    degrees = np.broadcast_to(observations.degrees[columns], (len(slope), len(columns)))
    roots = slope[:, columns] ** (1.0 / degrees)
    return degrees.ravel(), roots.ravel(), np.broadcast_to(alpha, roots.shape).ravel()


def _powers(observations: Observations) -> FloatArray:
    """Return the power of A that acts on each column: 1 on variances, n/2 on the factors of degree n."""
    degrees = observations.degrees
    return np.where(degrees == VARIANCE, 1.0, degrees / 2.0)


def _offset_parameters(observations: Observations, name: str, *, means: bool) -> tuple[Parameter, ...]:
    """Return the offsets: one shared by the variances, one for each column of factors, two from degree 4 on."""
    shared = np.any(observations.degrees == VARIANCE)
    own = own_offsets(observations, means=means)
    return (
        ((Parameter(name, 0.0, np.inf, borders=(0.0,)),) if shared else ())
        + tuple(Parameter(f"offset of {observations.names[j]}", -np.inf, np.inf) for j in own)
        + tuple(
            Parameter(f"offset of {observations.names[j]}, square", -np.inf, np.inf)
            for j in _twice_coupled(observations)
        )
    )


def _twice_coupled(observations: Observations) -> list[int]:
    return [j for j in range(len(observations.degrees)) if observations.degrees[j] >= 4]


def _weights(
    offsets: FloatArray, parameters: FloatArray, starts: FloatArray, observations: Observations
) -> dict[int, FloatArray]:
    """Return start, phi_1 and phi_2 of the columns above degree 2, from offsets (s, m) and all parameters (s, p)."""
    twice = _twice_coupled(observations)
    second = parameters[:, parameters.shape[1] - len(twice) :]
    nothing = np.zeros(len(parameters))
    return {
        int(j): np.stack(
            [starts[:, j], offsets[:, j], second[:, twice.index(int(j))] if j in twice else nothing], axis=1
        )
        for j in np.flatnonzero(observations.degrees > 2)
    }


def own_offsets(observations: Observations, *, means: bool) -> list[int]:
    """Return the columns of factors that have an offset of their own, in the order of these parameters."""
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
    for j in own_offsets(observations, means=means):
        offsets[:, j] = parameters[:, next_one]
        next_one += 1
    return offsets


def truncation_grid(rate: float) -> tuple[float, ...]:
    """Return the truncation times at which fits begin."""
    return tuple(float(-np.log1p(-loss) / (2.0 * rate)) for loss in _LOSSES)


def truncation_law(
    time: FloatArray, rate: float, observations: Observations
) -> tuple[FloatArray, FloatArray]:
    """Return slopes and offsets of the columns, each (s, m), at truncation times (s, 1)."""
    exponent = -2.0 * rate * time
    slope = np.exp(exponent * _powers(observations))
    return slope, np.where(observations.degrees == VARIANCE, -np.expm1(exponent), 0.0)


@dataclass(frozen=True)
class TruncationModel(AffineMechanism):
    """Early stopping at one truncation time, fitted or held."""

    rate: float = 0.5
    time: float | None = None
    name: ClassVar[str] = "truncation"
    title: ClassVar[str] = "truncation"

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        if self.time is not None:
            return ()
        return (Parameter("truncation_time", 0.0, 20.0 / self.rate, truncation_grid(self.rate), (0.0,)),)

    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        time = own[:, :1] if self.time is None else np.full((len(own), 1), self.time)
        return truncation_law(time, self.rate, observations)

    def reported(self, own: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        return own if self.time is None else own | {"truncation_time": (self.time, 0.0)}


class BlurModel(AffineMechanism):
    """A blur of one bandwidth."""

    name: ClassVar[str] = "blur"
    title: ClassVar[str] = "blur"

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        return _offset_parameters(observations, "bandwidth", means=False)

    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        offsets = _offsets(own, observations, means=False)
        return np.ones_like(offsets), offsets

    def couplings(
        self, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> dict[int, FloatArray]:
        return _weights(_offsets(own, observations, means=False), own, starts, observations)

    def reported(self, own: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        squared = own.get("bandwidth")
        if squared is None or squared[0] <= 0.0:
            return own
        width = float(np.sqrt(squared[0]))
        return own | {"bandwidth": (width, squared[1] / (2.0 * width))}


class RefitModel(AffineMechanism):
    """A refit that loses the share 1/n of every variance."""

    name: ClassVar[str] = "refit"
    title: ClassVar[str] = "refitting to finite samples"

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        return (Parameter("samples", 0.0, 0.5, tuple(loss for loss in _LOSSES if loss < 0.5), (0.0,)),)

    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        slope = np.broadcast_to(1.0 - own[:, :1], (len(own), len(observations.degrees)))
        return slope, np.zeros_like(slope)

    def reported(self, own: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        if "samples" not in own:
            return own
        share, error = own["samples"]
        count = (1.0 / share, error / share**2) if share > _SMALLEST_LOSS else (np.inf, np.nan)
        return own | {"samples": count}


class ScoreErrorModel(AffineMechanism):
    """An error of the learned score, of one slope and one energy."""

    name: ClassVar[str] = "score_error"
    title: ClassVar[str] = "an error of the learned score"
    gain: ClassVar[Parameter] = Parameter(
        "slope", -1.0, LARGEST_SLOPE, (*(-loss for loss in _LOSSES), -0.95, 0.0, 0.02, 0.1, 0.3, 1.0)
    )
    offset: ClassVar[str] = "energy"

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        return (self.gain, *_offset_parameters(observations, self.offset, means=True))

    def slope(self, gain: FloatArray) -> FloatArray:
        """Return A of the gain parameter."""
        return 1.0 + gain

    def slopes(self, gain: FloatArray, observations: Observations) -> FloatArray:
        """Return the slopes of the columns (s, m) of the gain parameter (s, 1)."""
        return np.asarray(np.maximum(self.slope(gain), 1e-12) ** _powers(observations))

    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        slope = self.slopes(own[:, :1], observations)
        return slope, _offsets(own[:, 1:], observations, means=True)

    def couplings(
        self, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> dict[int, FloatArray]:
        return _weights(_offsets(own[:, 1:], observations, means=True), own, starts, observations)


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
