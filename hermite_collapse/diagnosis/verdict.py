"""What a careful reader may conclude from the fits of all mechanisms to the same curves.

    identified         one mechanism is not rejected where others with as few parameters are, by more than one curve
    rate_and_plateau   the curves approach plateaus at rates that are known; several mechanisms do that, or none tried
    undetermined       no change beyond the errors, no errors, too few values, or a parameter at its border
    rejected           every mechanism that was tried is rejected

A mechanism that contains another as a special case does not compete with it, but the curves must tell the two apart:
what the special case leaves out is known to be less than half of what it does (`neighbours`).  Distances to the data
reject nothing: directions of several rates, and powers of their deviations, add up in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core.significance import chi_square_p_value
from ..core.words import listing
from ..recursion.accumulated import REPLACE
from .fits.fitting import LEAST_FREEDOM, REJECTED_BELOW, MechanismFit, fit
from .fits.neighbours import Separation, separation
from .fits.round_models import CONTAINED_IN, AffineModel
from .observed.observations import Observations

IDENTIFIED, RATE_AND_PLATEAU, UNDETERMINED, REJECTED = (
    "identified",
    "rate_and_plateau",
    "undetermined",
    "rejected",
)
_TWO_NUMBERS = ("score_error", "autoencoder", "affine")
NEVER_WIDENING = ("truncation", "blur", "refit")
"""Mechanisms that multiply variances by 1 at most."""
DISTANCES_MIX = (
    "a distance mixes directions of several rates, so that one rate and one plateau are its leading order alone and "
    "need not describe it; variances by direction or factors by degree (hermite-collapse measure) decide on mechanisms"
)
_DIFFERENT = 0.1
"""Relative difference of starts from which two directions count as of different variance."""


class Decision(NamedTuple):
    """A verdict, the fit it speaks of, and the sentence that says why where it is undetermined.

    Attributes
    ----------
    verdict : str
    leading : MechanismFit
        The identified mechanism, else the law of rates and plateaus, else the best fit.
    reason : str
    candidate : MechanismFit or None
        The mechanism that alone is left, identified or not.
    separation : Separation or None
        How well the curves tell it from a law that contains it, where there is one.
    """

    verdict: str
    leading: MechanismFit
    reason: str = ""
    candidate: MechanismFit | None = None
    separation: Separation | None = None


def decide(fits: dict[str, MechanismFit], observations: Observations) -> Decision:
    """Return what the fits of the mechanisms that were tried allow to conclude."""
    best = min(fits.values(), key=_criterion(observations))
    general = fits.get("affine", best)
    if not observations.has_errors:
        if np.all(
            np.ptp(np.where(observations.used, observations.values, observations.start_guesses), axis=0) == 0
        ):
            return Decision(UNDETERMINED, general, "nothing changes, and the curve has no standard errors")
        return Decision(UNDETERMINED, best, "the curve has no standard errors, so no mechanism was tested")
    if all(one.is_rejected for one in fits.values()):
        if observations.are_shapeless:
            return Decision(UNDETERMINED, general, DISTANCES_MIX)
        return Decision(REJECTED, general)
    if max(one.freedom for one in fits.values()) < LEAST_FREEDOM:
        return Decision(
            UNDETERMINED,
            general,
            f"fewer than {LEAST_FREEDOM} degrees of freedom are left to test anything with",
        )
    if _is_constant(general, fits, observations):
        return Decision(UNDETERMINED, general, "nothing changes beyond the errors")
    candidate = _only_candidate(fits, observations)
    if candidate is None or rests_on_runs(candidate, observations):
        return _without_name(fits, general, observations)
    apart = separation(candidate, fits, observations)
    decision = (
        Decision(IDENTIFIED, candidate)
        if apart is None or apart.is_told
        else _without_name(fits, general, observations)
    )
    return decision._replace(candidate=candidate, separation=apart)


def rests_on_runs(one: MechanismFit, observations: Observations) -> bool:
    """Return whether it is a refit whose scatter depends on a number of runs that nobody says."""
    return "samples" in one.fitted and (one.mean_of_runs is not None or observations.are_of_unsaid_runs)


def _without_name(
    fits: dict[str, MechanismFit], general: MechanismFit, observations: Observations
) -> Decision:
    """Return what may be concluded of rates and plateaus where no mechanism is identified."""
    accepted = [one for one in fits.values() if one.is_accepted]
    if not accepted:
        reason = "what is not rejected has as many parameters as the curves have values"
        return Decision(UNDETERMINED, general, reason)
    if observations.regime != REPLACE:
        if observations.are_shapeless:
            return Decision(UNDETERMINED, general, "no plateau is in sight where generations are kept")
        least = min(accepted, key=_criterion(observations))
        are_left = any(one.name != AffineModel.name for one in accepted)
        reason = (
            "the curves do not tell mechanisms apart" if are_left else "no mechanism describes the curves"
        )
        return Decision(UNDETERMINED, least, reason)
    settled = general.settles & (general.contraction < 1.0)
    if general.name == "affine" and general.is_accepted and np.any(settled):
        return Decision(RATE_AND_PLATEAU, general)
    # Mechanisms of one parameter say more than a rate and a plateau; the others say as much.
    alone = len(fits) == 1 and general.name != "affine"
    telling = [one for one in accepted if one.is_determined and (one.name not in _TWO_NUMBERS or alone)]
    best = min(telling, key=_criterion(observations)) if telling and _lead_to_one_plateau(telling) else None
    if best is not None:
        for one in accepted:  # a law that contains it and fits as well leads where it may
            if best.contractions is None and one.name in CONTAINED_IN[best.name]:
                best = best.with_long_run_beside(one)
        if alone or np.any(best.settles):
            return Decision(RATE_AND_PLATEAU, best)
    if telling:
        return Decision(UNDETERMINED, general, "mechanisms that are not rejected lead to different plateaus")
    leading = general if general.is_accepted else min(accepted, key=_criterion(observations))
    if np.any(leading.settles & (leading.contraction > 1.0)):
        return Decision(UNDETERMINED, leading, "the curves grow without a plateau")
    if leading.name == "affine":
        return Decision(UNDETERMINED, leading, "no plateau is in sight")
    if general.name == AffineModel.name and general.is_rejected:
        reason = (
            "no mechanism is identified, and a rate and a plateau of each curve alone do not describe them"
        )
        return Decision(UNDETERMINED, leading, reason)
    unknown = [name.replace("_", " ") for name, value in leading.parameters.items() if value is None]
    what = listing(unknown) or "a parameter"
    return Decision(
        UNDETERMINED, leading, f"{leading.title} fits with {what} unknown or at the border of its range"
    )


def _lead_to_one_plateau(telling: list[MechanismFit]) -> bool:
    """Return whether fits agree on plateaus within the smallest of their errors, or there is one alone."""
    plateaus = np.stack([one.plateau for one in telling])
    with np.errstate(invalid="ignore"):
        apart = np.ptp(plateaus, axis=0)
        errors = np.min([one.plateau_error for one in telling], axis=0)
        return len(telling) == 1 or bool(np.all((apart <= errors) | ~np.isfinite(errors)))


def _criterion(observations: Observations) -> Callable[[MechanismFit], float]:
    """Return the key by which fits are ordered: misfit and number of parameters (Schwarz)."""
    count = observations.count

    def value(one: MechanismFit) -> float:
        price = one.free * np.log(count)
        if observations.has_errors:
            return float(one.chi_square + price)
        # The scatter was estimated from the most general law, so that less than one a value is no better fit.
        return float(count * np.log(max(one.chi_square / count, 1.0)) + price)

    return value


def _is_constant(general: MechanismFit, fits: dict[str, MechanismFit], observations: Observations) -> bool:
    """Return whether columns that stay where they start describe the curves as well as every law that is left."""
    columns = range(len(observations.degrees))
    still = {f"rate {j}": 0.5 for j in columns} | {f"step {j}": 0.0 for j in columns}
    constant = fit(AffineModel(), observations, fixed=still)
    if constant.p_value < REJECTED_BELOW:
        return False
    accepted = [one for one in fits.values() if one.is_accepted and one.name != AffineModel.name]
    laws = [(one, max(one.free, 1)) for one in accepted]
    laws.append((general, general.free if general.name == AffineModel.name else 2 * len(columns)))
    gains = [chi_square_p_value(constant.chi_square - one.chi_square, free) for one, free in laws]
    return min(gains) * len(gains) >= REJECTED_BELOW


def _only_candidate(fits: dict[str, MechanismFit], observations: Observations) -> MechanismFit | None:
    """Return the mechanism that alone is left, if others could have been and its parameters are determined."""
    specific = {name: one for name, one in fits.items() if name != "affine"}
    accepted = {name for name, one in specific.items() if one.is_accepted and not _is_worse(one, fits)}
    minimal = [
        name
        for name in accepted
        if not any(name in CONTAINED_IN[other] for other in accepted if other != name)
    ]
    if len(minimal) != 1 or len(specific) < 2 or observations.are_shapeless:
        return None
    one = specific[minimal[0]]
    return one if one.is_determined and is_overdetermined(one, fits, observations) else None


def _is_worse(one: MechanismFit, fits: dict[str, MechanismFit]) -> bool:
    """Return whether a mechanism that contains this one describes the curves significantly better."""
    general = CONTAINED_IN[one.name]
    return any(
        one.gain_p_value(fits[name]) < REJECTED_BELOW / len(general) for name in general if name in fits
    )


def is_overdetermined(one: MechanismFit, fits: dict[str, MechanismFit], observations: Observations) -> bool:
    """Return whether the curves fix more numbers than the mechanism has."""
    if one.name == "sampler" or one.contractions is not None:  # given steps, and rounds that differ as given
        return True
    if _is_nameless(one):
        return False
    fresh = fits["score_error"].parameters.get("fresh_fraction") if "score_error" in fits else None
    if fresh is None:
        return False
    return one.name not in _TWO_NUMBERS or _columns_differ(observations)


def _is_nameless(one: MechanismFit) -> bool:
    """Return whether all that was fitted are weights by which degrees feed others, and no parameter of a mechanism."""
    own = one.parameters.keys() - {"fresh_fraction"}
    return not own and one.free > int("fresh_fraction" in one.fitted)


def _columns_differ(observations: Observations) -> bool:
    starts, degrees = observations.start_guesses, observations.degrees
    if len(np.unique(degrees)) > 1:
        return True
    return bool(np.ptp(starts) > _DIFFERENT * np.max(np.abs(starts)))
