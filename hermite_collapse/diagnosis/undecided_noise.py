"""What a diagnosis of a table says where nobody says how errors of different rounds belong together.

Independent errors are what a table seems to state.  Where noise that rounds pass on is likelier, it takes their place.
What is rejected is so under every noise that is possible, and errors are the largest that one of these leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np

from ..core.numbers import p_equals
from ..core.significance import chi_square_p_value
from ..core.words import listing
from .conclusion import Judged, all_judged, concluded, judged, limited, told
from .fits.fitting import LEAST_FREEDOM, PROFILE_RISE, REJECTED_BELOW, MechanismFit, fit
from .fits.round_models import CONTAINED_IN, AffineModel, RoundModel
from .noise.noise_likelihood import (
    Likelihood,
    kinds_of_noise,
    likelihoods,
    likely,
    noisiest,
    of_noise,
    possible,
    with_followed_noise,
)
from .noise.passed_noise import may_pass_noise, not_followed, words, words_of
from .noise.training_sizes import misfit
from .observed.few_runs import MOST_RUNS, with_runs
from .observed.innovations import are_followed
from .observed.observations import Observations
from .observed.round_noise import BETWEEN_RUNS, INDEPENDENT, OWN_SAMPLES, TRAINING_SETS
from .result import Diagnosis
from .sentences import p_value, parameters, ruled_out
from .trends import trend_of
from .verdict import IDENTIFIED, REJECTED

_LARGER = 1.5
"""Ratio of errors from which it is said."""
_SLACK = 3.0
"""Of a bound by the common covariance, for that of a mechanism's own rounds."""
_REACH = 10.828
"""Misfit above the least, at 0.1 %, within which a noise does not let anything be rejected that it explains."""
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

    Errors hold for every possible one, too.

    Parameters
    ----------
    observations, models, fresh, stated
        As in `conclusion.all_judged`, with independent errors.
    """
    independent = all_judged(observations, models, fresh, stated)
    diagnosis = told(independent)
    if diagnosis.verdict == REJECTED or not may_pass_noise(observations, fresh):
        return diagnosis
    # Given changes of a mechanism are not noise, which is judged about a rate and a plateau.
    general = diagnosis.fits_by_mechanism.get(AffineModel.name)
    changing = [one for one in diagnosis.fits_by_mechanism.values() if one.contractions is not None]
    if general is not None and general.is_rejected and any(one.is_accepted for one in changing):
        return diagnosis
    tried = likelihoods(observations)
    left, nearest = possible(tried), likely(tried)
    if not left and all(one.noise.name != INDEPENDENT for one in likely(tried, _REACH)):
        left = nearest  # residuals of independent errors are even less what they should be
    of_runs = OWN_SAMPLES not in kinds_of_noise(observations)
    if of_runs:  # whose part that is passed on may be small
        left = sorted(left, key=lambda one: one.noise.name == INDEPENDENT)
    others = [with_followed_noise(one, observations, fresh) for one in left]
    others += _of_many_runs(left, observations, fresh)
    smallest = _of_smallest_sets(left[:1], observations, fresh)  # where their noise is what is likeliest
    beside = [with_followed_noise(one, observations, fresh) for one in nearest if one not in left]
    distant = [one for one in possible(tried, _REACH) if one not in left]

    def by(base: Judged, said: str = "", rescuing: Sequence[Observations] = others) -> Diagnosis:
        besides = [one for one in others + beside if one is not base.observations]
        near = (one for one in rescuing if one is not base.observations)
        far = (with_followed_noise(one, observations, fresh) for one in distant)
        widened = _with_errors_of_all(base, besides, models, fresh, said)
        return _with_all_rescued(widened, chain(near, smallest, far), models, fresh)

    if not left or left[0].noise.name == INDEPENDENT or left[0].freedom < LEAST_FREEDOM:
        return by(independent)
    # Trends of a mechanism are not noise, but where noise is the likelier.
    trend = trend_of(diagnosis.fits_by_mechanism, observations, models, fresh)
    if trend is not None:
        of_trend = misfit(observations, diagnosis.fits_by_mechanism) - trend.misfit
        alone = min(one.misfit for one in tried if one.noise.name == INDEPENDENT)
        if alone - left[0].misfit <= of_trend + PROFILE_RISE:
            return by(independent)
    likeliest = all_judged(others[0], models, fresh, stated)
    other = told(likeliest)
    if other.verdict == REJECTED:
        return by(independent, rescuing=others[1:])
    what, name = words(left[0].noise, observations), other.leading.name
    if other.verdict == IDENTIFIED and name not in diagnosis.accepted:
        one, held = other.leading, diagnosis.fits_by_mechanism[name]
        other = other.undetermined(
            f"Undetermined: {_DECIDES} If they are independent, {one.title} is rejected "
            f"({p_equals(held.p_value)}); if {what}, which is likelier, it explains the curves ({parameters(one)}, "
            f"{p_equals(one.p_value)}): {_OPTION}."
        )
        return _with_all_rescued(other, [*others[1:], *smallest], models, fresh)
    why = "as those of runs do" if of_runs else "which is likelier than that errors of rounds are independent"
    return by(likeliest, f"It was assumed that {what}, {why}")


def _of_smallest_sets(
    left: Sequence[Likelihood], observations: Observations, fresh: float | None
) -> list[Observations]:
    """Return curves with the most noise of training sets that is as likely as the likeliest, if that is possible."""
    most = [noisiest(one, observations) for one in left if one.noise.name == TRAINING_SETS]
    return [
        with_followed_noise(one, observations, fresh, is_size_known=True) for one in most if one is not None
    ]


def _of_many_runs(
    left: Sequence[Likelihood], observations: Observations, fresh: float | None
) -> list[Observations]:
    """Return curves as means of the most runs whose errors are not exact, where errors seem to be those of runs."""
    if observations.runs is not None or all(one.noise.name != BETWEEN_RUNS for one in left):
        return []
    means = with_runs(observations, np.array(float(MOST_RUNS)))
    return [of_noise(BETWEEN_RUNS, means, fresh).replace(runs=None)] if are_followed(means) else []


def _with_errors_of_all(
    base: Judged,
    others: Sequence[Observations],
    models: list[RoundModel],
    fresh: float | None,
    said: str,
) -> Diagnosis:
    """Return what fits say with errors that hold for other noises, too, beginning with what was assumed."""
    fits, widest = _with_largest_errors(base, others, models, fresh)
    diagnosis = told(base._replace(fits=fits))
    if widest is not None:
        begin = said or f"It was assumed that {words_of(base.observations)}"
        said = f"{begin}; errors given here are large enough to hold if {words_of(widest)}, too"
    return diagnosis.replace(text=f"{diagnosis.text} {said}: {_OPTION}.") if said else diagnosis


def _with_all_rescued(
    diagnosis: Diagnosis, others: Iterable[Observations], models: list[RoundModel], fresh: float | None
) -> Diagnosis:
    """Return a diagnosis that rejects only what others reject, too, which are made as long as anything is rejected."""
    remaining = iter(others)
    while any(one.is_rejected for one in diagnosis.fits_by_mechanism.values()):
        other = next(remaining, None)
        if other is None:
            break
        diagnosis = _with_rescued(diagnosis, other, models, fresh)
    return diagnosis


def _with_largest_errors(
    base: Judged, others: Sequence[Observations], models: list[RoundModel], fresh: float | None
) -> tuple[dict[str, MechanismFit], Observations | None]:
    """Return fits with the largest errors of several noises, and the noise that makes much larger ones, if one does."""
    widest, largest, wide = None, _LARGER, dict(base.fits)
    for model in models:
        before = base.fits[model.name]
        if not before.is_accepted:
            continue
        for one in others:
            other = limited(fit(model, one, fresh_fraction=fresh), model, one, fresh)
            wide[model.name] = wide[model.name].with_errors_beside(other)
            ratio = _growth(before, other)
            widest, largest = (one, ratio) if ratio > largest else (widest, largest)
    return wide, widest


def _growth(before: MechanismFit, after: MechanismFit) -> float:
    """Return by how much errors of a fit have grown at most; infinity where one is undetermined since."""
    if any(value is not None and after.parameters[name] is None for name, value in before.parameters.items()):
        return np.inf
    old, new = (
        np.concatenate([[error for _, error in one.fitted.values()], one.plateau_error])
        for one in (before, after)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = new / old
    return float(np.max(ratios, where=np.isfinite(ratios), initial=0.0))


def _with_rescued(
    base: Diagnosis, observations: Observations, models: list[RoundModel], fresh: float | None
) -> Diagnosis:
    """Return a diagnosis that rejects only what another noise rejects, too."""
    rescued, largest = {}, np.inf  # errors that are estimates make no chi-square of others
    if observations.error_freedom is None:
        largest = _SLACK * _spread(base.observations, observations)
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
    before, fits = base.fits_by_mechanism, base.fits_by_mechanism | rescued
    base = base.replace(
        accepted=tuple(name for name, one in fits.items() if one.is_accepted), fits_by_mechanism=fits
    )
    told_of = words_of(observations)
    if base.verdict == IDENTIFIED and rescued.keys() - set(CONTAINED_IN[base.leading.name]):
        one, named = base.leading, listing(f"{one.title} ({p_value(one)})" for one in rescued.values())
        out, are = listing(before[name].title for name in rescued), "is" if len(rescued) == 1 else "are"
        return base.undetermined(
            f"Undetermined: {_DECIDES} If {words_of(base.observations)}, {one.title} explains the curves "
            f"({parameters(one)}, {p_equals(one.p_value)}) and {out} {are} rejected; if {told_of}, which residuals do "
            f"not contradict, {named} {are} not: {_OPTION}."
        )
    named = listing(
        f"{one.title} ({p_value(before[name])}, and {p_value(one)})" for name, one in rescued.items()
    )
    ending = "" if _OPTION in base.text else f": {_OPTION}"
    otherwise = (
        f"Rejected if {words_of(base.observations)}, but not if {told_of}, which residuals do not contradict: "
        f"{named}{ending}."
    )
    return base.replace(text=_with_other_rejections(base.text, before, fits, otherwise))


def _with_other_rejections(
    text: str, before: Mapping[str, MechanismFit], after: Mapping[str, MechanismFit], otherwise: str
) -> str:
    """Return a text that says apart what is rejected no more."""
    for names in (list(before), [name for name in before if name != AffineModel.name]):
        was, left = (ruled_out(fits[name] for name in names) for fits in (before, after))
        if was and was in text:
            return text.replace(was, f"{left} {otherwise}".strip())
    return f"{text} {otherwise}"


def _spread(base: Observations, other: Observations) -> float:
    """Return by what factor another covariance makes a chi-square smaller at most: max x^T C' x / x^T C x."""
    covariance = other.covariance if other.covariance.ndim > 1 else np.diag(other.covariance)
    return float(np.linalg.eigvalsh(base.whiten(base.whiten(covariance).T))[-1])


def rejected_by_any_noise(diagnosis: Diagnosis, models: list[RoundModel], fresh: float | None) -> Diagnosis:
    """Return a rejection of everything, undetermined where it rests on independent errors."""
    observations = diagnosis.observations
    if diagnosis.verdict != REJECTED:
        return diagnosis
    reason = not_followed(observations, fresh)
    if reason:
        return diagnosis.undetermined(
            f"Undetermined: {_DECIDES} If they are independent, everything is rejected; noise that rounds pass on is "
            f"not followed for {reason}: leave out rounds or curves."
        )
    if not may_pass_noise(observations, fresh):
        return diagnosis
    left = [one for one in possible(likelihoods(observations), _REACH) if one.noise.name != INDEPENDENT]
    others = [with_followed_noise(one, observations, fresh) for one in left]
    others += _of_many_runs(left, observations, fresh)
    others += _of_smallest_sets(left, observations, fresh)
    answers = [concluded(one, models, fresh) for one in others]
    other = max(answers, key=lambda one: len(one.accepted), default=diagnosis)
    if not other.accepted:
        return diagnosis.replace(text=f"{diagnosis.text} {_NOR_WITH_NOISE}")
    what = words_of(other.observations)
    return other.undetermined(
        f"Undetermined: {_DECIDES} If they are independent, everything is rejected; if {what}, which the scatter does "
        f"not contradict, these are not: {_left(other)}; {_OPTION}."
    )


def beside_histories(by_noise: Diagnosis) -> str:
    """Return what noise leaves of generations that replaced the last, beside histories with independent errors."""
    begin = "This takes errors of different rounds as independent."
    if not by_noise.accepted:
        return f"{begin} Noise that rounds pass on is not followed for so many rounds or curves."
    what = words_of(by_noise.observations)
    return (
        f"{begin} If {what}, which the scatter does not contradict, these describe generations that replaced the last, "
        f"too: {_left(by_noise)}; {_OPTION}."
    )


def _left(other: Diagnosis) -> str:
    """Return what is not rejected, with parameters."""
    fits = [other.fits_by_mechanism[name] for name in other.accepted if name != AffineModel.name]
    return listing(f"{one.title} ({parameters(one)})" for one in fits) or other.leading.title
