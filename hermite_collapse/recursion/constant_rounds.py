"""Rounds that are all alike: what follows from the fresh fraction and the decay of one round alone.

With alpha the fresh fraction, x = rate * truncation time the decay and E_n = expm1(n x),

    attenuation    g_n = alpha / (alpha + E_n)                     limit of the mode over the data's
    contraction    kappa_n = (1 - alpha) exp(-n x)                 what one round leaves of a deviation

References: arXiv:2606.13796, Theorem 3.1, Propositions 3.3 and 5.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..core import checks
from ..core.types import FloatArray, IntArray

METRICS = ("total_variation", "kl", "chi_square", "wasserstein1", "wasserstein2", "l2_gamma")


@dataclass(frozen=True)
class ConstantRounds:
    """The rates of rounds with one fresh fraction and one truncation time; made by `of`, which checks.

    Parameters
    ----------
    fresh_fraction : float
        Share alpha of fresh real data in every round, in [0, 1].
    decay : float
        x = rate * truncation_time >= 0; a mode of degree n decays by exp(-n x) in a round.
    """

    fresh_fraction: float
    decay: float

    @classmethod
    def of(cls, fresh_fraction: float, truncation_time: float, rate: float) -> ConstantRounds:
        """Return the rounds of a fresh fraction and a truncation time; InputError outside their ranges."""
        alpha = checks.fraction(fresh_fraction)
        return cls(
            alpha, checks.positive(rate, "rate") * checks.nonnegative(truncation_time, "truncation_time")
        )

    def attenuation(self, degree: IntArray | int) -> FloatArray:
        """Return g_n at each degree, read as 1 where nothing grows (degree 0, or time 0)."""
        growth = self._growth(degree)
        alpha = self.fresh_fraction
        return np.divide(alpha, alpha + growth, out=np.ones_like(growth), where=growth > 0.0)

    def loss(self, degree: IntArray | int) -> FloatArray:
        """Return 1 - g_n = E_n / (alpha + E_n), 0 where nothing grows and 1 where the growth overflows."""
        growth = self._growth(degree)
        finite = np.isfinite(growth)
        whole = self.fresh_fraction + growth
        share = np.divide(growth, whole, out=np.zeros_like(growth), where=finite & (growth > 0.0))
        return np.where(finite, share, 1.0)

    def contraction(self, degree: IntArray | int) -> FloatArray:
        """Return kappa_n at each degree."""
        return np.asarray((1.0 - self.fresh_fraction) * np.exp(-self._exponents(degree)))

    def rate_in(self, metric: str) -> float:
        """Return the proved factor by which a round brings two starts together; `modes.contraction_rate`."""
        kind = checks.one_of(metric, METRICS, "metric")
        keep = 1.0 - self.fresh_fraction
        if kind in ("total_variation", "kl", "chi_square"):
            return keep
        return (math.sqrt(keep) if kind == "wasserstein2" else keep) * math.exp(-self.decay)

    def degree_of_odds(self, odds: float) -> float:
        """Return the (real) degree at which lost over kept is `odds`: log1p(alpha odds) / x, infinite for x = 0."""
        budget = np.log1p(self.fresh_fraction * odds)
        with np.errstate(over="ignore"):
            return float(budget / self.decay) if self.decay > 0.0 else np.inf

    @property
    def half_degree(self) -> float:
        """The degree at which the limit law keeps half of a mode."""
        return self.degree_of_odds(1.0)

    def _exponents(self, degree: IntArray | int) -> FloatArray:
        """Return n x, infinite where it overflows; 0 at degree 0, even where x itself is infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.where(degree == 0, 0.0, degree * self.decay)

    def _growth(self, degree: IntArray | int) -> FloatArray:
        with np.errstate(over="ignore"):  # beyond 709 the growth is infinite and the share exactly 0
            return np.expm1(self._exponents(degree))
