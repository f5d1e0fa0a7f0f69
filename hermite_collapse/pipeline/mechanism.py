"""Mechanisms: one round of a pipeline seen along one Gaussian direction.

A training law N(m, w) along a direction becomes a model law with

    variance V(w),     mean gamma(w) m + const.

V is the round map of the mechanism and gamma its mean gain.  Whether the map speaks of more than Gaussian directions
is part of the mechanism (`exactness`):

    "channel"      exact for every law: X -> A X + sqrt(v) Z
    "gaussian"     exact for Gaussian directions; a Gaussian closure for others
    "first_order"  right to first order in a small parameter
    "model"        an assumption about the data's pipeline, no theorem

What is said here is said of one round; where V is not affine, the recursion of variances is a closure from the second
round on, for a pool of fresh and generated Gaussians is none.

On mixtures a map of exactness "gaussian" is a closure: in every case tried the total variance moves the same way,
by 0.23 to 0.96 of what the map says, and the variance within a mode can move the other way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.types import FloatArray
from ..core.value import plain

Exactness = Literal["channel", "gaussian", "first_order", "model"]

LARGEST_DEVIATION = 1e30

EXACTNESS_WORDS: dict[str, str] = {
    "channel": "exact for every law",
    "gaussian": "exact for Gaussian directions, a closure for others",
    "first_order": "first order",
    "model": "a model, not a theorem",
}


class Mechanism(ABC):
    """What one part of a round does to one direction."""

    exactness: ClassVar[Exactness]
    is_sampler: ClassVar[bool] = False

    @abstractmethod
    def _variance(self, w: FloatArray) -> FloatArray:
        """Return V(w) for a float64 array of variances >= 0."""

    def _gain(self, w: FloatArray) -> FloatArray:
        """Return gamma(w) for a float64 array of variances >= 0."""
        return np.ones_like(w)

    @abstractmethod
    def describe(self) -> str:
        """Return the mechanism in a few words with its parameters."""

    def variance(self, w: ArrayLike) -> FloatArray:
        """Return the variance V(w) that the round leaves of a variance w.

        Parameters
        ----------
        w : float or array, any shape
            Variances >= 0 of the training law, in the units of the sampler.

        Returns
        -------
        float or array, shaped like w
        """
        return plain(self._variance(variances(w)))

    def gain(self, w: ArrayLike) -> FloatArray:
        """Return the mean gain gamma(w), shaped like w: a mean m of the training law comes out as gamma m + const."""
        return plain(self._gain(variances(w)))


def deviation(value: object, name: str, *, smallest: float = 0.0) -> float:
    """Return a number >= smallest whose square and fourth power are numbers."""
    number = checks.positive(value, name) if smallest else checks.nonnegative(value, name)
    if number > LARGEST_DEVIATION or number < smallest:
        least = (
            f"lie in [{smallest:g}, {LARGEST_DEVIATION:g}]" if smallest else f"be <= {LARGEST_DEVIATION:g}"
        )
        raise InputError(f"{name} must {least} for its powers to be numbers, got {number!r}.")
    return number


def variances(w: ArrayLike, name: str = "w") -> FloatArray:
    """Return an array of variances >= 0 as float64."""
    array = checks.real_array(w, name)
    if array.size and array.min() < 0.0:
        raise InputError(f"{name} must hold variances >= 0, got {float(array.min())!r}.")
    return array


@dataclass(frozen=True)
class Composition(Mechanism):
    """Mechanisms one after another, in the order of a round; none at all is the identity."""

    parts: tuple[Mechanism, ...]
    exactness: ClassVar[Exactness] = "gaussian"

    def _variance(self, w: FloatArray) -> FloatArray:
        for part in self.parts:
            w = part._variance(w)
        return w

    def _gain(self, w: FloatArray) -> FloatArray:
        total = np.ones_like(w)
        for part in self.parts:
            total = total * part._gain(w)
            w = part._variance(w)
        return total

    def describe(self) -> str:
        return ", then ".join(part.describe() for part in self.parts) or "nothing"


def composed(parts: Sequence[Mechanism]) -> Mechanism:
    """Return mechanisms one after another as one."""
    return parts[0] if len(parts) == 1 else Composition(tuple(parts))
