"""Hypotheses about errors of different rounds: how they belong together."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.types import BoolArray, FloatArray
from ...core.value import Value
from ...recursion.accumulated import REPLACE

NOISE = INDEPENDENT, BETWEEN_RUNS, OWN_SAMPLES, TRAINING_SETS = (
    "independent",
    "between_runs",
    "own_samples",
    "training_sets",
)


@dataclass(frozen=True, eq=False)
class RoundNoise(Value):
    """One hypothesis about errors of different rounds, as in `passed_noise`.

    Attributes
    ----------
    name : str
        Of `NOISE`.
    stated : array, shape (N,)
        Variances of the fitted entries, as the errors say.
    ratio : float
        q of runs, of own samples and of training sets, 0 of independent errors.
    samples : int or None
        T of variances of training sets where it is known; q is 1 then, of 2 v^2 / T.
    unscattered : float
        Variance that a round adds after training, which no training set scatters.
    """

    name: str
    stated: FloatArray
    ratio: float = 0.0
    samples: int | None = None
    unscattered: float = 0.0

    def follows_states(self, regime: str) -> bool:
        """Whether noise is in proportion to what values say of the rounds of variances (`filters`)."""
        return self.name in (OWN_SAMPLES, TRAINING_SETS) and regime == REPLACE

    def only(self, inside: BoolArray) -> RoundNoise:
        """Return that of some entries, by a mask (N,)."""
        return self.replace(stated=self.stated[inside])
