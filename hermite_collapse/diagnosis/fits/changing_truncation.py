r"""Truncation whose times change from round to round: held times, times known up to a factor, and a trend.

v_i = e^{-2 theta t_i} w_i + 1 - e^{-2 theta t_i},     f_i = e^{-n theta t_i} w_i,
w_i = alpha y_0 + (1 - alpha) y_{i-1}

held        t_i = s_i
a factor    t_i = c s_i
a trend     t_i = t e^{d (i - 1)}                      tried where nobody gave times and a constant one is rejected
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...core.types import FloatArray
from ...recursion.accumulated import training
from ...recursion.schedules import Schedule
from ..observed.observations import Observations
from .affine_models import AffineMechanism, truncation_grid, truncation_law
from .round_models import Parameter, RoundModel

LARGEST_DRIFT = 3.0
"""Of the logarithm of the truncation time, in a round."""
_DRIFTS = (-0.7, -0.3, -0.1, 0.0, 0.1, 0.3, 0.7)
_LARGEST_EXPONENT = 40.0  # of a trend over all rounds


@dataclass(frozen=True)
class _ChangingTruncation(AffineMechanism):
    rate: float
    name: ClassVar[str] = "truncation"
    title: ClassVar[str] = "truncation"

    @abstractmethod
    def times(self, own: FloatArray, rounds: int) -> FloatArray:
        """Return the times of rounds 1 to `rounds`, shape (s, rounds), of own parameters (s, p)."""

    @abstractmethod
    def final(self, own: FloatArray, observations: Observations) -> FloatArray:
        """Return the time that decides on the long run, shape (s, 1)."""

    def law(self, own: FloatArray, observations: Observations) -> tuple[FloatArray, FloatArray]:
        return truncation_law(self.final(own, observations), self.rate, observations)

    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        times = self.times(own, observations.last)
        curve = [np.broadcast_to(starts, (len(own), starts.shape[1]))]
        total = np.zeros_like(curve[0])
        for i in range(observations.last):
            slope, offset = truncation_law(times[:, i : i + 1], self.rate, observations)
            mixed = training(observations.regime, alpha, starts, curve[-1], total, i)
            curve.append(slope * mixed + offset)
            total = total + curve[-1]
        return np.stack(curve, axis=1)[:, observations.rounds.astype(np.int64)]

    def contractions(
        self, alpha: FloatArray, own: FloatArray, observations: Observations
    ) -> FloatArray | None:
        times = self.times(own, max(observations.last, 1))
        laws = [
            truncation_law(times[:, i : i + 1], self.rate, observations)[0] for i in range(times.shape[1])
        ]
        return (1.0 - alpha[:, :, None]) * np.stack(laws, axis=1)


@dataclass(frozen=True)
class ScheduledTruncation(_ChangingTruncation):
    """Truncation at the times of a schedule, or at a fitted factor times these."""

    schedule: Schedule
    has_factor: bool = False

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        if not self.has_factor:
            return ()
        largest = float(self.schedule.times(max(observations.last, 1)).max())
        grid = tuple(time / largest for time in truncation_grid(self.rate))
        return (Parameter("time_factor", 0.0, 20.0 / self.rate / largest, grid, (0.0,)),)

    def times(self, own: FloatArray, rounds: int) -> FloatArray:
        return self._factor(own) * self.schedule.times(rounds)

    def final(self, own: FloatArray, observations: Observations) -> FloatArray:
        return self._factor(own) * self.schedule.final

    def _factor(self, own: FloatArray) -> FloatArray:
        return own[:, :1] if self.has_factor else np.ones((len(own), 1))


@dataclass(frozen=True)
class DriftingTruncation(_ChangingTruncation):
    """Truncation at a time that grows or shrinks by one factor a round."""

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        return (
            Parameter("truncation_time", 0.0, 20.0 / self.rate, truncation_grid(self.rate), (0.0,)),
            Parameter("drift", -LARGEST_DRIFT, LARGEST_DRIFT, _DRIFTS),
        )

    def times(self, own: FloatArray, rounds: int) -> FloatArray:
        exponent = np.clip(own[:, 1:] * np.arange(rounds), -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        return np.asarray(own[:, :1] * np.exp(exponent))

    def final(self, own: FloatArray, observations: Observations) -> FloatArray:
        return self.times(own, max(observations.last, 1))[:, -1:]


def scheduled_of(models: Iterable[RoundModel]) -> ScheduledTruncation | None:
    """Return the truncation of a given schedule among models, if it is there."""
    return next((model for model in models if isinstance(model, ScheduledTruncation)), None)
