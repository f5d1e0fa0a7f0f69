r"""Training on n images a round: the refit and the drift of the mean, once the drift has settled.

M = gamma^2 Sbar / (n (1 - (1-alpha)^2 gamma^2)),     S_fit = (1 - 1/n) Sbar + alpha (1-alpha) M
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..core.types import FloatArray
from .mechanism import Exactness, Mechanism

REFIT_ITERATIONS = 12  # each gains a factor 1/n


LARGEST_VARIANCE = 1e150
"""What a variance that grows without bound is read as, so that its square is a number."""


@dataclass(frozen=True)
class SettledRefit(Mechanism):
    """The refit to n images and the mechanisms after it, once the drift of the mean has settled.

    From the variance Sbar of the pool to V(S_fit), with gamma = gamma(S_fit) and

        M = gamma^2 Sbar / (n (1 - (1-alpha)^2 gamma^2)),     S_fit = (1 - 1/n) Sbar + alpha (1-alpha) M
    """

    after: Mechanism
    images: int
    fresh_fraction: float
    exactness: ClassVar[Exactness] = "first_order"

    def drift_share(self, fitted: FloatArray) -> FloatArray:
        """Return M / Sbar."""
        square = self.after._gain(fitted) ** 2
        alpha = self.fresh_fraction
        left = 1.0 - square + square * (alpha * (2.0 - alpha))  # 1 - (1-alpha)^2 gamma^2 for any alpha
        with np.errstate(divide="ignore"):
            share = np.where(left > 0.0, square / (self.images * np.maximum(left, 0.0)), np.inf)
        return np.asarray(share)

    def fitted(self, pool: FloatArray) -> FloatArray:
        """Return S_fit, by iteration: the gain depends on it a little."""
        between = self.fresh_fraction * (1.0 - self.fresh_fraction)
        share, fitted = 1.0 - 1.0 / self.images, pool
        for _ in range(REFIT_ITERATIONS):
            drift = between * self.drift_share(fitted) if between > 0.0 else 0.0
            fitted = np.minimum((share + drift) * pool, LARGEST_VARIANCE)
        return fitted

    def _variance(self, w: FloatArray) -> FloatArray:
        return self.after._variance(self.fitted(w))

    def describe(self) -> str:
        return f"fit to {self.images} images, then {self.after.describe()}"
