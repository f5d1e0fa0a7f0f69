"""What `diagnose` returns: the verdict, what was fitted, and where the curves lead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..core.display import Displayed
from ..core.estimates import Estimate
from ..core.types import BoolArray, FloatArray
from ..core.value import Value
from ..recursion.repetitions import repetitions_to
from .fits.fitting import MechanismFit
from .fits.round_models import MECHANISMS
from .levels import level
from .observed.observations import SQUARED, Observations
from .observed.round_noise import INDEPENDENT
from .verdict import REJECTED, UNDETERMINED


@dataclass(frozen=True, eq=False)
class Diagnosis(Displayed, Value):
    """What measured curves say about the mechanism of a recursion.

    Attributes
    ----------
    verdict : str
        "identified", "rate_and_plateau", "undetermined" or "rejected".
    accepted : tuple of str
        Mechanisms that were tested and not rejected at five per cent; in any regime where that is open.
    fits_by_mechanism : dict of str to MechanismFit
        Every mechanism that was tried.
    leading : MechanismFit
        What plateau, rounds and chi-square are of: the identified mechanism, else the law of rates and plateaus or a
        mechanism that says more of them, the best fit where nothing is concluded.
    fresh_fraction, truncation_time : Estimate or None
        Of truncation, with standard errors (0 for a value that was held); None unless truncation is accepted and
        the curves determine them.
    observations : Observations
        What was fitted.
    text : str
        The diagnosis in a few sentences.
    is_regime_open : bool
        Whether curves do not tell what became of earlier generations, and nobody says it.
    other_regimes : dict of str to dict of str to MechanismFit
        Mechanisms that describe the curves as well, or alone, in regimes in which generations are kept, where nobody
        says the regime; those of `fits_by_mechanism` are of generations that replaced the last.
    apparent_runs : int or None
        Of how many runs errors were taken to be by their own scatter.
    """

    verdict: str
    accepted: tuple[str, ...]
    fits_by_mechanism: dict[str, MechanismFit]
    leading: MechanismFit
    fresh_fraction: Estimate | None
    truncation_time: Estimate | None
    observations: Observations
    text: str
    is_regime_open: bool = False
    other_regimes: dict[str, dict[str, MechanismFit]] = field(default_factory=dict)
    apparent_runs: int | None = None

    def undetermined(self, text: str) -> Diagnosis:
        """Return a diagnosis that concludes nothing, and says so in a text."""
        return self.replace(verdict=UNDETERMINED, fresh_fraction=None, truncation_time=None, text=text)

    def accepting(self, names: Iterable[str]) -> Diagnosis:
        """Return a diagnosis that does not reject these mechanisms either."""
        left = {*self.accepted, *names}
        return self.replace(accepted=tuple(name for name in MECHANISMS if name in left))

    @property
    def every_fit(self) -> list[tuple[str, MechanismFit]]:
        """Every mechanism that was tried, and those that describe the curves in other regimes, with what to call it."""
        others = [
            (f"{one.title}, regime {regime}", one)
            for regime, fits in self.other_regimes.items()
            for one in fits.values()
        ]
        return [(one.title, one) for one in self.fits_by_mechanism.values()] + others

    @property
    def fits(self) -> bool | None:
        """True if something explains the curves, False if everything is rejected, None if undetermined."""
        return {REJECTED: False, UNDETERMINED: None}.get(self.verdict, True)

    @property
    def noise(self) -> str | None:
        """How errors of different rounds were taken to belong together; None where no errors of a table are."""
        one = self.observations
        if one.noise is not None:
            return one.noise.name
        return INDEPENDENT if one.has_errors and one.covariance.ndim == 1 and one.measured is None else None

    @property
    def regime(self) -> str | None:
        """What became of earlier generations, as `Recursion` names it; None where that is open."""
        return None if self.is_regime_open else self.observations.regime

    @property
    def plateau(self) -> FloatArray:
        """Values in the long run, by column as it was given, shape (m,); NaN where none is in sight."""
        return np.where(self._has_plateau, self._plateaus[0], np.nan)

    @property
    def _plateaus(self) -> tuple[FloatArray, FloatArray]:
        return self.observations.shown(self.leading.plateau, self.leading.plateau_error)

    @property
    def plateau_error(self) -> FloatArray:
        """Their standard errors, shape (m,); NaN where there are fewer than three degrees of freedom, and of distances.

        Several rates add up in a distance: the error that one rate alone would have says too little.
        """
        is_known = self._has_plateau & (not self.observations.are_shapeless)
        return np.where(is_known, self._plateaus[1], np.nan)

    @property
    def rounds(self) -> FloatArray:
        """Rounds after which 99 % of the way to the plateau is done, shape (m,); NaN where none is in sight."""
        contraction = np.clip(self.leading.contraction, 0.0, None)
        # What grows with the square of a deviation is at 99 % where the deviation is nearer.
        rounds = np.where(
            self.observations.degrees == SQUARED,
            repetitions_to(1.0 - 0.99**0.5, contraction),
            repetitions_to(0.01, contraction),
        )
        return np.where(self._has_plateau, rounds, np.nan)

    @property
    def _has_plateau(self) -> BoolArray:
        """Whether the leading fit, where it is not rejected, says where each curve leads, shape (m,).

        None does where it was tested and nothing is concluded.
        """
        is_open = self.verdict == UNDETERMINED and self.observations.has_errors
        return self.leading.leads & (not self.leading.is_rejected) & (not is_open)

    @property
    def long_run(self) -> list[tuple[str, str, float]]:
        """Name, plateau in words and rounds to 99 % of each curve; distances without errors."""
        columns = zip(self.observations.names, self.plateau, self.plateau_error, self.rounds, strict=True)
        return [
            (name, level(float(value), float(error)), float(rounds)) for name, value, error, rounds in columns
        ]

    @property
    def chi_square(self) -> float:
        """Weighted sum of squared deviations of the leading fit."""
        return self.leading.chi_square

    @property
    def freedom(self) -> int:
        """Its degrees of freedom."""
        return self.leading.freedom

    @property
    def p_value(self) -> float:
        """Its p-value; NaN where no standard errors were given."""
        return self.leading.p_value
