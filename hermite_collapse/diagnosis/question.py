"""What a diagnosis is asked: curves as observations, what is said of them, and the mechanisms to try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from ..core import checks
from ..pipeline.mechanism import Mechanism
from ..storage.curves import Curve
from .arguments import kind_of, none_of
from .fits.changing_truncation import scheduled_of
from .fits.reweighting import followed
from .fits.round_models import RoundModel
from .known_training_sets import KnownSets
from .measuring.measured import VARIANCE, Measured
from .observed.gathering import KINDS, from_arrays
from .observed.observations import Observations
from .samplers.sampler_model import SamplerModel


class MeasuredCurves(NamedTuple):
    """Curves of measured generations that can be fitted.

    Attributes
    ----------
    generations : Measured
    tried : Measured
        The part of their curves of which mechanisms speak.
    observations : Observations
    uncertain : dict of str to list of str
        Why others are left out, and their names.
    """

    generations: Measured
    tried: Measured
    observations: Observations
    uncertain: dict[str, list[str]]

    @property
    def are_training_sets_open(self) -> bool:
        """Whether it is not said on how many samples models trained, or what these saw."""
        return self.generations.training_samples is None or self.generations.apart is None


class Question(NamedTuple):
    """Curves and what is said of them.

    Attributes
    ----------
    curve : array, Curve or Measured
        As given, with the errors of own samples where the size of training sets says these.
    kind : str or None
        Of the columns, as asked.
    stated : Observations
        With errors as they are stated.
    observations : Observations
        With those of means of a number of runs, where it is said, and their regime.
    measured : MeasuredCurves or None
    models : list of RoundModel
        Mechanisms to try.
    fresh : float or None
        Fresh fraction, if held.
    truncation : RoundModel
        Of the mechanisms, as asked.
    rate : float
    is_regime_said : bool
    noise : str or None
        Of `round_noise.NOISE`.
    sets : KnownSets or None
    """

    curve: ArrayLike | Curve | Measured
    kind: str | None
    stated: Observations
    observations: Observations
    measured: MeasuredCurves | None
    models: list[RoundModel]
    fresh: float | None
    truncation: RoundModel
    rate: float
    is_regime_said: bool
    noise: str | None
    sets: KnownSets | None


def measured_curves(
    generations: Measured,
    given: Mapping[str, object],
    fresh: float | None,
    truncation: RoundModel,
    sampler: Mechanism | None,
) -> MeasuredCurves:
    """Return curves of measured generations, which answer other arguments themselves."""
    none_of(given, "measured generations")
    # A sampler's steps are a map of the variance of one direction: neither of factors nor of averages over modes.
    tried = generations if sampler is None else generations.part(VARIANCE)
    observations = followed(tried, fresh, scheduled_of([truncation]))
    if sampler is None:
        return MeasuredCurves(generations, tried, observations, {})
    return MeasuredCurves(generations, *SamplerModel.of(sampler).certain(tried, observations, fresh))


def observations_of(curve: ArrayLike | Curve, given: Mapping[str, Any]) -> Observations:
    """Return an array or a table as observations; `given` are the arguments of `diagnose` that speak of arrays."""
    if not isinstance(curve, Curve):
        kind = checks.one_of(given["kind"] or "factors", KINDS, "kind")
        return from_arrays(curve, **{**given, "kind": kind}, names=None)
    of_table = {"degrees", "rounds", "standard_errors", "covariance"}
    none_of({name: value for name, value in given.items() if name in of_table}, "a table")
    kind = kind_of(curve, given["kind"])
    return from_arrays(
        curve.values,
        kind=kind,
        degrees=curve.degrees if kind == "factors" else None,
        rounds=curve.rounds,
        standard_errors=curve.standard_errors,
        covariance=None,
        data=given["data"],
        data_errors=given["data_errors"],
        names=curve.names,
        error_freedom=curve.error_freedom,
    )
