"""A diagnosis in sentences."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..core.estimates import Estimate
from ..core.numbers import p_equals, significant
from ..core.words import capital, listing, small
from ..recursion.accumulated import REPLACE
from .fits.fitting import MechanismFit
from .fits.neighbours import separation
from .fits.round_models import CONTAINED_IN
from .levels import is_one_step, levels, number
from .neighbour_sentences import bound_sentence, shortfall_sentence
from .noise.training_sizes import TrainingSets
from .observed.observations import Observations
from .steadiness import on_steadiness
from .verdict import (
    DISTANCES_MIX,
    IDENTIFIED,
    NEVER_WIDENING,
    RATE_AND_PLATEAU,
    REJECTED,
    Decision,
    is_overdetermined,
)

_NAMES = {
    "fresh_fraction": "fresh fraction",
    "truncation_time": "truncation time",
    "bandwidth": "bandwidth",
    "samples": "samples",
    "time_factor": "factor of the truncation times",
    "slope": "slope",
    "energy": "energy",
    "gain": "gain",
    "residual": "residual",
}
_EXACT = ("truncation", "blur", "autoencoder", "affine")
"""Mechanisms whose factors are exact above degree 2, but for affine, which claims none."""
_SMALLEST_P = 1e-12
_UNEVEN, _TWO_SIDED = 0.1, 1.96
"""Relative error from which numbers of samples are said by an interval, and its half width (95 %) in errors."""


def describe(decision: Decision, fits: dict[str, MechanismFit], observations: Observations) -> str:
    """Return the diagnosis in a few sentences."""
    parts = [
        *_conclusion(decision, fits, observations),
        *on_steadiness(fits, observations),
        _critical_share(fits, decision.verdict, decision.leading) if observations.regime == REPLACE else "",
        _closure(fits, observations),
    ]
    return " ".join(part for part in parts if part)


def _conclusion(decision: Decision, fits: dict[str, MechanismFit], observations: Observations) -> list[str]:
    leading = decision.leading
    if decision.verdict == REJECTED:
        return [_rejected(fits)]
    if decision.verdict == IDENTIFIED:
        return [
            f"{capital(leading.title)} explains the curves{_with_parameters(leading)} ({quality(leading)}).",
            levels(leading, observations),
            _others(leading, fits),
            _part_left_out(decision, observations),
        ]
    if decision.verdict == RATE_AND_PLATEAU:
        order = ", to leading order and extrapolated by one rate" if observations.are_shapeless else ""
        return [
            f"Rate and plateau only{order}: {_why_only(fits)}.",
            f"{levels(leading, observations).removesuffix('.')} ({quality(leading)}).",
            _not_rejected(fits),
            _part_left_out(decision, observations),
            _settling(decision, fits, observations),
        ]
    return [
        f"Undetermined: {decision.reason}.",
        _undetermined(decision, fits, observations),
        _part_left_out(decision, observations),
    ]


def _why_only(fits: dict[str, MechanismFit]) -> str:
    """Return why no mechanism is named."""
    own = [one for name, one in fits.items() if name != "affine"]
    if own and all(one.is_rejected for one in own):
        return "no mechanism that was tried describes the curves"
    return "the mechanism is not identified"


def of_training_sets(
    sets: TrainingSets,
    fits: dict[str, MechanismFit],
    default: dict[str, MechanismFit],
    rescued: list[str],
    all_rejected: bool,
) -> str:
    """Return what a diagnosis with the likeliest training sets says of one by the default assumption.

    Parameters
    ----------
    sets : TrainingSets
    fits, default : dict of str to MechanismFit
        With these training sets, and as assumed where nothing is said.
    rescued : list of str
        Mechanisms that are rejected by the second alone.
    all_rejected : bool
        Whether these are all.
    """
    before = listing(f"{default[name].title} ({p_value(default[name])})" for name in rescued)
    if not all_rejected:
        return (
            f"Models were taken to have had {sets.assumed}, which the scatter from round to round does not contradict; "
            f"were the measured samples {sets.otherwise}, {before} would be rejected: give {sets.options} to measure."
        )
    named = listing(f"{fits[name].title} ({parameters(fits[name])})" for name in rescued if name != "affine")
    left = named or fits["affine"].title
    return (
        f"Undetermined: {sets.unsaid} trained each model is not said, and decides. If the measured samples were "
        f"{sets.otherwise}, everything is rejected; with {sets.assumed}, which the scatter does not contradict, these "
        f"are not: {left}. Give {sets.options} to measure."
    )


def _closure(fits: dict[str, MechanismFit], observations: Observations) -> str:
    """Return what holds only about at high degrees, where such degrees were fitted."""
    about = [one.title for name, one in fits.items() if name not in _EXACT]
    if not about or not np.any(observations.degrees > 2):
        return ""
    return (
        f"Above degree 2 {listing(about)} {'is' if len(about) == 1 else 'are'} exact only for linear maps about the "
        "origin; truncation, blur and autoencoders are exact there."
    )


def parameters(one: MechanismFit) -> str:
    """Return fitted parameters with their errors in words."""
    named, unknown = [], []
    for name, value in one.parameters.items():
        if value is None and name in one.limits:
            bound = "at least" if name == "samples" else "at most"
            named.append(f"{_NAMES[name]} {bound} {significant(one.limits[name])}")
        elif value is None:
            unknown.append(_NAMES[name])
        elif name == "samples" and value.error > _UNEVEN * value.value:
            named.append(f"{_NAMES[name]} {_interval_of_samples(value)}")
        elif value.error != 0.0:
            named.append(f"{_NAMES[name]} {number(value)}")
    if unknown:
        named.append(f"{' and '.join(unknown) if len(unknown) < 3 else 'all parameters'} undetermined")
    return listing(named) if named else "no fitted parameter"


def _interval_of_samples(samples: Estimate) -> str:
    """Return the interval of n that errors of 1 / n, which are even, leave at 95 %."""
    loss, reach = 1.0 / samples.value, _TWO_SIDED * samples.error / samples.value**2
    if reach >= loss:
        return f"at least {significant(1.0 / (loss + reach))}"
    return f"between {significant(1.0 / (loss + reach))} and {significant(1.0 / (loss - reach))}"


def _with_parameters(one: MechanismFit) -> str:
    """Return fitted parameters after a colon, nothing where all were held."""
    is_held = all(value is not None and value.error == 0.0 for value in one.parameters.values())
    return "" if is_held else f": {parameters(one)}"


def _critical_share(fits: dict[str, MechanismFit], verdict: str, leading: MechanismFit) -> str:
    """Return the fresh fraction below which the variances have no limit, where a round widens them; else nothing."""
    slope = critical_slope(fits, verdict, leading)
    if slope is None:
        return ""
    share = 1.0 - 1.0 / slope.value
    error = slope.error / slope.value**2
    begin = "If it is an error of the learned score, a" if may_not_widen(fits) else "A"
    return (
        f"{begin} round multiplies variances by A = {number(slope)}: without a fresh fraction above the critical share "
        f"1 - 1/A = {number(Estimate(share, error, 'standard_error'))} they grow without bound."
    )


def critical_slope(fits: dict[str, MechanismFit], verdict: str, leading: MechanismFit) -> Estimate | None:
    """Return the slope A of a round where it is above 1 by more than two errors, and the law is not rejected.

    None beside an identified mechanism that never widens.
    """
    if verdict == IDENTIFIED and leading.name in NEVER_WIDENING:
        return None
    one = fits.get("score_error")
    slope = None if one is None or not one.is_accepted else one.parameters.get("slope")
    if slope is not None and slope.value > 2.0 * slope.error:
        return Estimate(1.0 + slope.value, slope.error, "standard_error", "samples")
    return None


def critical_share(fits: dict[str, MechanismFit], verdict: str, leading: MechanismFit) -> float | None:
    """Return the fresh fraction below which curves grow, None where it is not known that they do."""
    slope = None if may_not_widen(fits) else critical_slope(fits, verdict, leading)
    return None if slope is None else 1.0 - 1.0 / slope.value


def may_not_widen(fits: dict[str, MechanismFit]) -> bool:
    """Return whether a mechanism is left that never widens."""
    return any(fits[name].is_accepted for name in NEVER_WIDENING if name in fits)


def _rejected(fits: dict[str, MechanismFit]) -> str:
    general = fits.get("affine")
    if general is None:
        return f"Rejected: {listing(f'{one.title} ({quality(one)})' for one in fits.values())}."
    names = listing(one.title for one in fits.values() if one is not general)
    listed = f"{names}, and not even" if names else "not even"
    return (
        f"Rejected: {listed} {general.title} describe these values within their errors "
        f"({quality(general)}). Something else is at work, or the errors are larger than stated."
        + (" With fresh data alone nothing may change after round 1." if is_one_step(general) else "")
    )


def ruled_out(fits: Iterable[MechanismFit]) -> str:
    """Return which of some mechanisms are rejected where not all are, nothing if none is."""
    rejected = [f"{one.title} ({p_value(one)})" for one in fits if one.is_rejected]
    return f"Rejected: {listing(rejected)}." if rejected else ""


def _others(leading: MechanismFit, fits: dict[str, MechanismFit]) -> str:
    left = [one for one in fits.values() if one.is_accepted and one is not leading and one.name != "affine"]
    wider = [f"{one.title} ({parameters(one)})" for one in left if one.name in CONTAINED_IN[leading.name]]
    worse = [one.title for one in left if one.name not in CONTAINED_IN[leading.name]]
    fit = "fits" if len(wider) == 1 else "fit"
    contained = f"It is a special case of {listing(wider)}, which {fit} no better." if wider else ""
    behind = f"Not rejected alone, but worse than a law that contains it: {listing(worse)}." if worse else ""
    return " ".join(part for part in (ruled_out(fits.values()), contained, behind) if part)


def _part_left_out(decision: Decision, observations: Observations) -> str:
    """Return how much the mechanism that alone is left leaves out of what it does, nothing where no law contains it."""
    one, apart = decision.candidate, decision.separation
    if one is None or apart is None:
        return ""
    if decision.verdict == IDENTIFIED:
        return bound_sentence(one, apart, observations)
    return shortfall_sentence(one, apart, observations)


def _not_rejected(fits: dict[str, MechanismFit]) -> str:
    accepted = [one for one in fits.values() if one.is_accepted and one.name != "affine"]
    parts = []
    if accepted:
        parts.append(f"Not rejected: {listing(f'{one.title} ({parameters(one)})' for one in accepted)}.")
    parts.append(ruled_out(one for one in fits.values() if one.name != "affine"))
    if len(fits) == 1 and "affine" not in fits:
        parts.append("No other mechanism was tried.")
    return " ".join(filter(None, parts))


def _settling(decision: Decision, fits: dict[str, MechanismFit], observations: Observations) -> str:
    """Return what further measurements would tell the mechanisms apart."""
    if observations.are_shapeless:
        return _on_distances(observations)
    general = fits.get("score_error")
    if (
        general is None
        or general.is_rejected
        or len(fits) < 3
        or any(one.mean_of_runs is not None for one in fits.values())
    ):
        return ""
    wanted = []
    fresh = general.parameters.get("fresh_fraction")
    if fresh is None:
        wanted.append("the fresh fraction, if it is known,")
    if len(observations.degrees) == 1:
        is_factor = observations.degrees[0] > 0
        wanted.append("a second degree" if is_factor else "a second direction of another variance")
    if not wanted and decision.separation is not None:
        return ""
    if not wanted:
        wanted.append("smaller errors, or means beside variances,")
    return capital(f"{' or '.join(wanted)} would tell more.")


def _undetermined(decision: Decision, fits: dict[str, MechanismFit], observations: Observations) -> str:
    leading = decision.leading
    if observations.has_errors:
        accepted = [one for one in fits.values() if one.is_accepted and one.name != "affine"]
        rejected = ruled_out(one for one in fits.values() if one.name != "affine")
        if accepted:
            left = listing(f"{one.title} ({parameters(one)})" for one in accepted)
            return f"Not rejected: {left}. {rejected}".strip()
        if observations.are_shapeless and (leading.is_rejected or observations.regime != REPLACE):
            if observations.regime == REPLACE:
                return f"Of each curve one rate and one plateau: {quality(leading)}."
            return f"Of each curve one power of the round: {quality(leading)}. {_on_distances(observations)}".strip()
        return rejected
    where = levels(leading, observations)
    if leading.name != "affine" and leading.is_determined and _is_told(leading, fits, observations):
        return f"Best fit, not tested: {leading.title} with {parameters(leading)}. {where}"
    best = f"Best fit, not tested: {small(levels(fits.get('affine', leading), observations))}"
    return " ".join(filter(None, [best, _on_distances(observations)]))


def _on_distances(observations: Observations) -> str:
    """Return what distances cannot tell, where there are any; columns of unknown kind say what they are first."""
    return f"{capital(DISTANCES_MIX)}." if observations.hold_distances else ""


def _is_told(one: MechanismFit, fits: dict[str, MechanismFit], observations: Observations) -> bool:
    """Return whether the curves fix more than the mechanism has, and tell it from a law that contains it."""
    if not is_overdetermined(one, fits, observations):
        return False
    apart = separation(one, fits, observations)
    return apart is None or apart.is_told


def outcome(one: MechanismFit, observations: Observations) -> str:
    """Return in two words what the curves say of a mechanism."""
    if one.is_rejected:
        return "no fit" if observations.are_shapeless else "rejected"
    return "not rejected" if one.is_accepted else "not tested"


def quality(one: MechanismFit) -> str:
    """Return chi-square, degrees of freedom and p-value of a fit in words."""
    return f"chi-square {one.chi_square:.1f} on {one.freedom} degrees of freedom, {p_value(one)}"


def p_value(one: MechanismFit) -> str:
    """Return the p-value of a fit in words."""
    if np.isnan(one.p_value):
        return "not tested"
    return p_equals(one.p_value) if one.p_value > _SMALLEST_P else f"p < {significant(_SMALLEST_P)}"
