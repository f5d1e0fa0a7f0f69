"""What `diagnose` is asked: the kind of a table's columns, held truncation times, and the mechanisms to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..core import checks
from ..core.errors import InputError
from ..pipeline.mechanism import Mechanism
from ..recursion.schedules import Constant, Schedule, as_schedule
from ..storage.curves import Curve
from .catalogue import models_to_try
from .fits.affine_models import TruncationModel
from .fits.changing_truncation import ScheduledTruncation
from .fits.round_models import MECHANISMS, RoundModel
from .observed.gathering import KINDS, UNKNOWN_KIND
from .observed.observations import UNKNOWN, Observations
from .samplers.sampler_model import SamplerModel

SLOWEST_RATE, FASTEST_RATE = 1e-4, 1e4
"""Rates at which fits find the same minimum, in units of the truncation time."""


def rate_of(rate: float) -> float:
    """Return the rate of the process, of a size that fits can have."""
    speed = checks.positive(rate, "rate")
    if not SLOWEST_RATE <= speed <= FASTEST_RATE:
        raise InputError(
            f"rate must lie within [{SLOWEST_RATE:g}, {FASTEST_RATE:g}] for a fit, got {speed!r}: change the unit of "
            "time."
        )
    return speed


def mechanism_of(mechanism: str | None, truncation: RoundModel, truncation_time: object) -> str | None:
    """Return the only mechanism to try; truncation where its times are held."""
    asked = None if mechanism is None else checks.one_of(mechanism, MECHANISMS, "mechanism")
    if truncation_time is not None and asked not in (None, truncation.name):
        raise InputError(f"truncation_time must be left out where mechanism is another, got {asked!r}.")
    return asked


def sampler_of(sampler: object) -> Mechanism | None:
    """Return a round map to try, if one is given."""
    if sampler is not None and not isinstance(sampler, Mechanism):
        raise InputError(f"sampler must be a round map of hc.mechanisms, got {sampler!r}.")
    return sampler


def models_of(
    observations: Observations,
    asked: str | None,
    truncation: RoundModel,
    sampler: Mechanism | None,
    fresh_fraction: float | None = None,
) -> list[RoundModel]:
    """Return the mechanisms to try: the one that is asked for, or all that say something of such curves."""
    if sampler is not None and asked not in (None, SamplerModel.name):
        raise InputError(f"sampler must be left out where mechanism is another, got mechanism {asked!r}.")
    models = models_to_try(truncation=truncation, sampler=sampler, fresh_fraction=fresh_fraction)
    if sampler is not None and not SamplerModel.of(sampler).speaks_of(observations):
        raise InputError(
            "sampler must be left out for factors and distances: its steps are a map of variances, got "
            f"{', '.join(observations.names)}."
        )
    if asked is None:
        return [model for model in models if model.speaks_of(observations)]
    wanted = [model for model in models if model.name == asked]
    if not wanted:
        raise InputError('sampler must be given where mechanism is "sampler", got none.')
    if not wanted[0].speaks_of(observations):
        raise InputError(
            f"mechanism must be 'affine' for {_shapeless(observations)}, which fix no more, got {asked!r}."
        )
    return wanted


def kind_of(curve: Curve, asked: str | None) -> str:
    """Return the kind of a table's columns: what is asked for, what they say, or that it is unknown."""
    if asked is not None:
        return checks.one_of(asked, KINDS, "kind")
    if curve.kind is not None:
        return curve.kind
    return UNKNOWN_KIND if curve.degrees is None else "factors"


def is_of_unknown_kind(curve: Curve, asked: str | None) -> bool:
    """Return whether nobody says what a table's columns are."""
    return kind_of(curve, asked) == UNKNOWN_KIND


def unknown_kind(curve: Curve) -> str:
    """Return what a table does not say of its columns, and how to say it."""
    name = curve.names[0]
    return (
        f"What {', '.join(curve.names)} is, the table does not say, so that only a rate and a plateau were fitted: say "
        f"what it is, such as --columns '{name}=degree 2', '{name}=variance' or '{name}=distance', or by kind."
    )


def truncation_of(
    value: float | Sequence[float] | Schedule | None, fit_factor: bool, curve: object, rate: float
) -> RoundModel:
    """Return truncation at given times, at a factor times these, or at one that is fitted.

    Parameters
    ----------
    value : float, sequence of float or Schedule, optional
        A table's own times serve where it is None.
    fit_factor : bool
    curve : object
    rate : float
    """
    own = curve.truncation_times if isinstance(curve, Curve) else None
    if own is not None and value is not None:
        raise InputError(
            f"truncation_time must be left out with a table that has a column of it, got {value!r}."
        )
    given = own if value is None else value
    if given is None:
        if fit_factor:
            raise InputError("truncation_time must be given where fit_factor is, got none.")
        return TruncationModel(rate)
    schedule = as_schedule(given)
    if fit_factor and schedule.total == 0.0:
        raise InputError("truncation_time must hold a time > 0 where fit_factor is given, got zeros only.")
    if isinstance(schedule, Constant):
        return TruncationModel(rate, None if fit_factor else schedule.time)
    return ScheduledTruncation(rate, schedule, fit_factor)


def require_mechanisms(truncation_time: object, observations: Observations) -> None:
    """Refuse a truncation time beside curves that fix a rate and a plateau alone."""
    if truncation_time is not None and observations.are_shapeless:
        raise InputError(
            f"truncation_time must be left out for {_shapeless(observations)}, of which a rate and a plateau are "
            f"fitted whatever it is, got {truncation_time!r}."
        )


def _shapeless(observations: Observations) -> str:
    return "columns of unknown kind" if np.any(observations.degrees == UNKNOWN) else "distances"


def none_of(given: Mapping[str, object], what: str) -> None:
    """Refuse arguments that the curve itself answers."""
    for name, value in given.items():
        if value is not None:
            says = "say so themselves" if what.endswith("s") else "says so itself"
            raise InputError(f"{name} must be left out with {what}, which {says}, got {value!r}.")
