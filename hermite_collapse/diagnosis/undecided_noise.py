"""What a diagnosis of a table says where nobody says how errors of different rounds belong together.

Independent errors are what a table seems to state.  Where noise that rounds pass on is likelier, it takes their place,
and what rejects everything holds only if it does so under every noise that is possible.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..core.numbers import p_equals, significant
from ..core.significance import chi_square_p_value
from .conclusion import concluded, judged
from .fitting import LEAST_FREEDOM, REJECTED_BELOW, MechanismFit, fit
from .noise_likelihood import Likelihood, kinds_of_noise, likelihoods, possible, with_followed_noise
from .observations import Observations
from .passed_noise import may_pass_noise, words, words_of
from .result import Diagnosis
from .round_models import CONTAINED_IN, RoundModel
from .round_noise import INDEPENDENT, OWN_SAMPLES
from .sentences import listing, parameters
from .trends import trend_of
from .verdict import IDENTIFIED, REJECTED, UNDETERMINED

_LARGER = 1.5
"""Ratio of errors from which it is said."""
_SLACK = 3.0
"""Of a bound by the common covariance, for that of a mechanism's own rounds."""
_DECIDES = "how errors of different rounds belong together is not said, and decides."
_NOR_WITH_NOISE = "Everything is rejected where rounds pass their noise on to later ones, too."
_OPTION = "say which it is (noise, --noise)"


def concluded_with_noise(
    observations: Observations,
    models: list[RoundModel],
    fresh: float | None,
    stated: Mapping[str, MechanismFit] | None = None,
) -> Diagnosis:
    """Return what curves say with the likeliest noise of rounds, and what is rejected by every possible one.

    Parameters
    ----------
    observations, models, fresh, stated
        As in `conclusion.concluded`, with independent errors.
    """
    diagnosis = concluded(observations, models, fresh, stated)
    if diagnosis.verdict == REJECTED or not may_pass_noise(observations, fresh):
        return diagnosis
    left = possible(likelihoods(observations))
    of_runs = OWN_SAMPLES not in kinds_of_noise(observations)
    if of_runs:  # whose part that is passed on may be small
        left.sort(key=lambda one: one.noise.name == INDEPENDENT)
    others = [one for one in left if one.noise.name != INDEPENDENT]
    if not others or left[0] is not others[0] or left[0].freedom < LEAST_FREEDOM:
        return _with_all(diagnosis, others, observations, models, fresh)
    # Trends of a mechanism are not noise.
    if trend_of(diagnosis.fits_by_mechanism, observations, models, fresh) is not None:
        return diagnosis
    likeliest = others[0]
    other = concluded(with_followed_noise(likeliest, observations, fresh), models, fresh, stated)
    if other.verdict == REJECTED:
        return _with_all(diagnosis, others[1:], observations, models, fresh)
    what = words(likeliest.noise, observations)
    if other.verdict == IDENTIFIED and other.leading.name not in diagnosis.accepted:
        one, held = other.leading, diagnosis.fits_by_mechanism[other.leading.name]
        other = other.undetermined(
            f"Undetermined: {_DECIDES} If they are independent, {one.title} is rejected "
            f"({p_equals(held.p_value)}); if {what}, which is likelier, it explains the curves ({parameters(one)}, "
            f"{p_equals(one.p_value)}): {_OPTION}."
        )
    else:
        why = (
            ", as those of runs do"
            if of_runs
            else ", which is likelier than that errors of rounds are independent"
        )
        other = other.replace(text=f"{other.text} It was assumed that {what}{why}: {_OPTION}.")
    return _with_all(other, [one for one in left if one is not likeliest], observations, models, fresh)


def _with_all(
    diagnosis: Diagnosis,
    others: list[Likelihood],
    observations: Observations,
    models: list[RoundModel],
    fresh: float | None,
) -> Diagnosis:
    is_silent = diagnosis.observations.noise is None and diagnosis.verdict != UNDETERMINED
    for one in others:
        if not is_silent and not any(each.is_rejected for each in diagnosis.fits_by_mechanism.values()):
            break
        followed = with_followed_noise(one, observations, fresh)
        before = diagnosis
        diagnosis = _with_rescued(diagnosis, followed, models, fresh)
        if is_silent and diagnosis is before:
            diagnosis = _with_larger_errors(diagnosis, followed, models, fresh)
        is_silent = is_silent and diagnosis is before
    return diagnosis


def _with_larger_errors(
    diagnosis: Diagnosis, observations: Observations, models: list[RoundModel], fresh: float | None
) -> Diagnosis:
    """Return a diagnosis by independent errors that says how much larger another noise makes errors."""
    leading = diagnosis.leading
    model = next(model for model in models if model.name == leading.name)
    before, after = (
        np.concatenate([[error for _, error in one.fitted.values()], one.plateau_error])
        for one in (leading, fit(model, observations, fresh_fraction=fresh))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = after / before
    largest = float(np.max(ratios, where=np.isfinite(ratios), initial=0.0))
    if largest < _LARGER:
        return diagnosis
    return diagnosis.replace(
        text=f"{diagnosis.text} Errors of different rounds were taken as independent; if {words_of(observations)}, "
        f"errors above are up to {significant(largest, 2)} times as large: {_OPTION}."
    )


def _with_rescued(
    base: Diagnosis, observations: Observations, models: list[RoundModel], fresh: float | None
) -> Diagnosis:
    """Return a diagnosis that rejects only what another noise rejects, too."""
    rescued, largest = {}, _SLACK * _spread(base.observations, observations)
    for model in models:
        known = base.fits_by_mechanism[model.name]
        if (
            known.is_rejected
            and chi_square_p_value(known.chi_square / largest, known.freedom) >= REJECTED_BELOW
        ):
            one = judged(model, observations, fresh)
            if one.is_accepted:
                rescued[model.name] = one
    if not rescued:
        return base
    named = listing(f"{one.title} ({p_equals(one.p_value)})" for one in rescued.values())
    fits = base.fits_by_mechanism | rescued
    base = base.replace(
        accepted=tuple(name for name, one in fits.items() if one.is_accepted), fits_by_mechanism=fits
    )
    are = "is" if len(rescued) == 1 else "are"
    otherwise = f"if {words_of(observations)}, which residuals do not contradict, {named} {are} not"
    if base.verdict == IDENTIFIED and rescued.keys() - set(CONTAINED_IN[base.leading.name]):
        one = base.leading
        return base.undetermined(
            f"Undetermined: {_DECIDES} If {words_of(base.observations)}, {one.title} explains the curves "
            f"({parameters(one)}, {p_equals(one.p_value)}) and others are rejected; {otherwise}: {_OPTION}."
        )
    ending = "" if _OPTION in base.text else f": {_OPTION}"
    return base.replace(text=f"{base.text} This is so with these errors; {otherwise} rejected{ending}.")


def _spread(base: Observations, other: Observations) -> float:
    """Return by what factor another covariance makes a chi-square smaller at most: max x^T C' x / x^T C x."""
    covariance = other.covariance if other.covariance.ndim > 1 else np.diag(other.covariance)
    return float(np.linalg.eigvalsh(base.whiten(base.whiten(covariance).T))[-1])


def rejected_by_any_noise(diagnosis: Diagnosis, models: list[RoundModel], fresh: float | None) -> Diagnosis:
    """Return a rejection of everything, undetermined where it rests on independent errors."""
    if diagnosis.verdict != REJECTED or not may_pass_noise(diagnosis.observations, fresh):
        return diagnosis
    mildest: tuple[int, Likelihood, Diagnosis] | None = None
    for one in possible(likelihoods(diagnosis.observations)):
        if one.noise.name != INDEPENDENT:
            other = concluded(with_followed_noise(one, diagnosis.observations, fresh), models, fresh)
            if other.accepted and (mildest is None or len(other.accepted) > mildest[0]):
                mildest = len(other.accepted), one, other
    if mildest is None:
        return diagnosis.replace(text=f"{diagnosis.text} {_NOR_WITH_NOISE}")
    _, likelihood, other = mildest
    what = words(likelihood.noise, diagnosis.observations)
    return other.undetermined(
        f"Undetermined: {_DECIDES} If they are independent, everything is rejected; if {what}, which the scatter does "
        f"not contradict, {_described(other)}: {_OPTION}."
    )


def _described(other: Diagnosis) -> str:
    """Return what is not rejected, with parameters."""
    fits = [other.fits_by_mechanism[name] for name in other.accepted if name != "affine"]
    if not fits:
        return f"{other.leading.title} describes them"
    return f"these are not: {listing(f'{one.title} ({parameters(one)})' for one in fits)}"
