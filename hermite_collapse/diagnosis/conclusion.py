"""From observations to a diagnosis: every mechanism fitted, and what may be concluded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..core.estimates import Estimate
from .fits.fitting import LEAST_FREEDOM, MechanismFit, fit
from .fits.round_models import AffineModel, RoundModel
from .histories import on_regime
from .noise.own_rounds import fit_of_own_rounds
from .noise.profiles import with_limits
from .noise.refit_scatter import held_to_scatter
from .observed.gathering import estimated_scatter, without_constant
from .observed.observations import Observations
from .result import Diagnosis
from .sentences import critical_slope, describe
from .verdict import IDENTIFIED, RATE_AND_PLATEAU, decide, rests_on_runs


class Judged(NamedTuple):
    """Mechanisms fitted to observations, in the units of the fit.

    Attributes
    ----------
    fits : dict of str to MechanismFit
    observations : Observations
        What was fitted.
    still : tuple of str
        Columns that were left out, since nothing changes in them.
    """

    fits: dict[str, MechanismFit]
    observations: Observations
    still: tuple[str, ...]


def concluded(
    observations: Observations,
    models: list[RoundModel],
    fresh: float | None,
    stated: Mapping[str, MechanismFit] | None = None,
) -> Diagnosis:
    """Return what fits to observations say, as in `all_judged`."""
    return told(all_judged(observations, models, fresh, stated))


def all_judged(
    observations: Observations,
    models: list[RoundModel],
    fresh: float | None,
    stated: Mapping[str, MechanismFit] | None = None,
) -> Judged:
    """Return every mechanism fitted.

    Parameters
    ----------
    observations : Observations
    models : list of RoundModel
        Mechanisms to try.
    fresh : float, optional
        Fresh fraction, if held.
    stated : mapping of str to MechanismFit, optional
        Fits with errors as stated, by whose chi-square a mechanism is rejected that both reject.
    """
    still: tuple[str, ...] = ()
    if not observations.has_errors:
        observations, still = without_constant(observations)
        general = fit(AffineModel(), observations)
        free = 2 + len(observations.free_starts) // len(observations.degrees)
        observations = observations.with_scatter(estimated_scatter(observations, general.predicted, free))
    fits = {model.name: judged(model, observations, fresh) for model in models}
    for name, one in (stated or {}).items():
        if fits[name].is_rejected:
            fits[name] = fits[name].replace(chi_square=one.chi_square, p_value=one.p_value)
    return Judged(fits, observations, still)


def told(of: Judged) -> Diagnosis:
    """Return what may be concluded of fits."""
    fits, observations, still = of
    decision, units = decide(fits, observations), observations.units
    fits = {name: one.in_units(units) for name, one in fits.items()}
    decision = decision._replace(leading=decision.leading.in_units(units))
    observations = observations.as_given()
    truncation = fits.get("truncation")
    known: dict[str, Estimate | None] = {}
    if decision.verdict in (IDENTIFIED, RATE_AND_PLATEAU) and truncation is not None:
        is_known = truncation.is_accepted and truncation.freedom >= LEAST_FREEDOM
        known = dict(truncation.parameters) if is_known else {}
    return Diagnosis(
        verdict=decision.verdict,
        accepted=tuple(name for name, one in fits.items() if one.is_accepted),
        fits_by_mechanism=fits,
        leading=decision.leading,
        fresh_fraction=known.get("fresh_fraction"),
        truncation_time=known.get("truncation_time"),
        observations=observations,
        text=describe(decision, fits, observations)
        + on_regime(
            observations.regime, grow=critical_slope(fits, decision.verdict, decision.leading) is not None
        )
        + (f" Left out, since nothing changes in it: {', '.join(still)}." if still else ""),
    )


def judged(model: RoundModel, observations: Observations, fresh: float | None) -> MechanismFit:
    """Return a fit, by the errors of its own rounds where it is rejected, held to their scatter, with limits."""
    one = fit(model, observations, fresh_fraction=fresh)
    one, fitted = fit_of_own_rounds(one, model, observations, fresh)
    one = held_to_scatter(one, model, fitted, fresh)
    return limited(one, model, fitted, fresh) if one.is_accepted else one


def limited(
    one: MechanismFit, model: RoundModel, observations: Observations, fresh: float | None
) -> MechanismFit:
    """Return a fit with limits of parameters at a border.

    Samples of refits, whose scatter goes with the number of runs, are undetermined where nobody says that.
    """
    one = with_limits(one, model, observations, fresh)
    if not rests_on_runs(one, observations):
        return one
    limits = {name: limit for name, limit in one.limits.items() if name != "samples"}
    return one.replace(parameters=one.parameters | {"samples": None}, limits=limits)
