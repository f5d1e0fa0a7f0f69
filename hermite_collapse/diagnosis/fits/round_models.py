r"""Mechanisms as curves: what each would make of the measured columns, as a function of its parameters.

A mechanism is V(w) = A w + B on variances (`pipeline.mechanisms`).  With w = alpha y_0 + (1 - alpha) y a column y is

    y_i = kappa^i y_0 + (alpha A y_0 + B) G_i,     kappa = (1 - alpha) A,     G_i = (1 - kappa^i) / (1 - kappa).

On the factors f_n of a Hermite degree (y_0 = 1) the slope becomes A^{n/2} and B a free offset of each column, none for
truncation and refits.  Above degree 2 lower degrees feed higher ones with free weights (`couplings`): exact for
channels x -> rho x + s z to degree 5.  For refits and moved means it is a closure.

    truncation      A = exp(-2 theta t),  B = 1 - A            t >= 0
    blur            A = 1,                B = h^2 >= 0         no offset at degree 1: means stay
    refit           A = 1 - 1/n,          B = 0                the same slope at every degree: a share is lost
    score_error     A = 1 + c,            B = e >= 0
    autoencoder     A = rho^2 <= 1,       B = s^2 >= 0
    sampler         V of K given steps                         no parameter
    affine          every column its own rate kappa and step u:  y_i = y_0 + u G_i; at alpha = 1 kappa is 0

The last is the law of all of them: one column alone fixes its rate and its plateau and nothing else.  Of distances to
the data it is the leading order, where one rate leads: plain ones grow with a deviation, squared ones with its square,

    y_i = y_0 + u G_i^2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np

from ...core.types import FloatArray
from ...recursion.accumulated import REPLACE, accumulated_sums
from ..observed.observations import SQUARED, Observations

LARGEST_RATE = 3.0
_SMALLEST, _LARGEST_EXPONENT = 1e-300, 100.0


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


FRESH = Parameter(
    "fresh_fraction", 0.0, 1.0, (1e-4, 1e-3, 0.01, 0.05, 0.12, 0.25, 0.4, 0.6, 0.85), (0.0, 1.0)
)
_RATES = (0.05, 0.2, 0.35, 0.5, 0.62, 0.72, 0.8, 0.86, 0.91, 0.95, 0.98, 0.999, 1.02, 1.1, 1.4)


class LongRun(NamedTuple):
    """Where columns lead: plateau and factor of one round, each shape (s, m); no plateau from factor 1 on."""

    plateau: FloatArray
    contraction: FloatArray


class RoundModel(ABC):
    """One mechanism as a family of curves."""

    name: ClassVar[str]
    title: ClassVar[str]
    starts_are_linear: ClassVar[bool] = True

    def speaks_of(self, observations: Observations) -> bool:
        """Return whether the mechanism says anything of columns like these."""
        return not observations.are_shapeless

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

    def contractions(
        self, alpha: FloatArray, own: FloatArray, observations: Observations
    ) -> FloatArray | None:
        """Return contractions of rounds 0 -> 1, 1 -> 2, ..., (s, k, m), where they change from round to round."""
        return None

    def observed(self, observations: Observations, fresh_fraction: float | None) -> Observations:
        """Return the columns with the errors of what the mechanism's curves rest on besides, if there are any."""
        return observations

    def reported(self, own: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        """Return values and errors as the mechanism names them, from those of the fitted parameters."""
        return own


def geometric(kappa: FloatArray, rounds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return kappa^i and its sum G_i = (1 - kappa^i)/(1 - kappa), (s, r, m) for kappa (s, m)."""
    base, powers = kappa[:, None, :], rounds[None, :, None]
    # No curve grows so far; a search that tries it must come back.
    exponent = np.minimum(powers * np.log(np.maximum(np.abs(base), _SMALLEST)), _LARGEST_EXPONENT)
    power = np.exp(exponent)
    if (kappa < 0.0).any():
        power *= np.where((base < 0.0) & (powers % 2 == 1), -1.0, 1.0)
    power = np.where(base == 0.0, 0.0, power)
    power[:, rounds == 0.0] = 1.0
    below = 1.0 - base
    is_one = below == 0.0
    sums = 1.0 - power
    np.negative(np.expm1(exponent), out=sums, where=np.abs(below) < 0.5)
    return power, np.where(is_one, powers, sums / np.where(is_one, 1.0, below))


def sums_of(kappa: FloatArray, observations: Observations) -> FloatArray:
    """Return G_i (s, r, m) of kappa (s, m), in the regime of the curves."""
    if observations.regime == REPLACE:
        return geometric(kappa, observations.rounds)[1]
    return accumulated_sums(kappa, observations.rounds, observations.regime)


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
        kappa = own[:, :columns]
        sums = sums_of(kappa, observations) ** _orders(observations)
        return starts[:, None, :] + own[:, None, columns:] * sums

    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        columns = len(observations.degrees)
        kappa, step = own[:, :columns], own[:, columns:]
        with np.errstate(divide="ignore", invalid="ignore"):
            sums = 1.0 / (1.0 - kappa)
            plateau = np.where(kappa < 1.0, starts + step * sums ** _orders(observations), np.inf)
        return LongRun(plateau, kappa if observations.regime == REPLACE else np.full_like(kappa, np.nan))


class OneStepModel(RoundModel):
    """The law of rates and plateaus at fresh fraction 1: every round is one step from the data, y_i = y_0 + u."""

    name: ClassVar[str] = AffineModel.name
    title: ClassVar[str] = "one value of each curve from round 1 on"

    def speaks_of(self, observations: Observations) -> bool:
        return True

    def parameters(self, observations: Observations) -> tuple[Parameter, ...]:
        return tuple(Parameter(f"step {j}", -np.inf, np.inf) for j in range(len(observations.degrees)))

    def predict(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> FloatArray:
        return starts[:, None, :] + own[:, None, :] * (observations.rounds > 0.0)[None, :, None]

    def long_run(
        self, alpha: FloatArray, own: FloatArray, starts: FloatArray, observations: Observations
    ) -> LongRun:
        return LongRun(starts + own, np.zeros_like(own))


def _orders(observations: Observations) -> FloatArray:
    """Return by which power of a deviation each column grows, shape (m,)."""
    return np.where(observations.degrees == SQUARED, 2.0, 1.0)


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
