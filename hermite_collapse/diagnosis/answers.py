"""From a question to a diagnosis: fits, what noise, training sets, trends and histories leave of them, remarks."""

from __future__ import annotations

from itertools import chain

import numpy as np

from ..core.words import small
from ..storage.curves import Curve
from .arguments import is_of_unknown_kind, unknown_kind
from .breaks import on_a_break
from .conclusion import concluded, judged
from .fits.affine_models import TruncationModel
from .fits.fitting import PROFILE_RISE, REJECTED_BELOW
from .fits.minimum import minimum
from .fits.proportional_errors import with_errors_of_a_fit
from .fits.round_models import AffineModel, RoundModel
from .histories import (
    NOR_KEPT,
    REPLACING,
    are_determined,
    beside_replacing,
    lead_near,
    on_histories,
    other_histories,
)
from .measuring.measured import Measured
from .noise.noise_likelihood import of_noise
from .noise.passed_noise import require_noise
from .noise.training_sizes import mildest_size, misfit
from .observed.few_runs import apparent_runs, on_apparent_runs, with_runs
from .observed.observations import Observations
from .observed.printed_errors import on_printed_digits, with_printed_digits
from .outliers import on_an_outlier
from .question import Question
from .remarks import left_out_since, on_first_values, on_large_errors, on_unused, remarks_on
from .result import Diagnosis
from .sentences import of_training_sets, quality
from .trends import Trend, on_constant_time, trend_of
from .undecided_noise import beside_histories, concluded_with_noise, rejected_by_any_noise
from .verdict import IDENTIFIED, RATE_AND_PLATEAU, REJECTED, UNDETERMINED


def answered(asked: Question) -> Diagnosis:
    """Return what curves say of the mechanisms that are tried."""
    models, fresh, noise = asked.models, asked.fresh, asked.noise
    observations = _with_said_noise(asked)
    runs = apparent_runs(asked.observations) if observations.covariance.ndim == 1 else None
    diagnosis = _concluded(asked, observations, runs)
    trend = trend_of(diagnosis.fits_by_mechanism, diagnosis.observations, models, fresh)
    if asked.measured is not None and asked.measured.are_training_sets_open:
        diagnosis, trend = _of_any_training_size(diagnosis, asked.measured.tried, models, fresh, trend)
    by_noise = rejected_by_any_noise(diagnosis, models, fresh) if noise is None else diagnosis
    fitted, verdict = diagnosis, diagnosis.verdict
    if trend is not None:
        diagnosis = _of_a_trend(diagnosis, by_noise, trend)
    held = None if asked.observations.are_shapeless and fresh != 1.0 else fresh  # which decides nothing there
    is_regime_open = not asked.is_regime_said and asked.measured is None
    if is_regime_open and (held is None or not set(diagnosis.accepted) - {AffineModel.name}):
        diagnosis = _of_other_histories(diagnosis, verdict, models, held)
    if verdict == REJECTED and trend is None:
        diagnosis = _beside_noise(diagnosis, by_noise)
    remarks = [NOR_KEPT] if is_regime_open and held is None and diagnosis.verdict == REJECTED else []
    remarks += _on_curves(asked, observations, fitted, diagnosis.verdict, has_trend=trend is not None)
    remarks += _on_fits(asked, diagnosis)
    return diagnosis.replace(text=" ".join([diagnosis.text, *remarks]), apparent_runs=runs)


def _with_said_noise(asked: Question) -> Observations:
    """Return curves with errors of their digits and of a fit, and with noise of rounds where it is said."""
    exact = with_printed_digits(asked.observations, asked.stated, asked.curve)
    observations = with_errors_of_a_fit(exact)
    if asked.noise is None:
        return observations
    samples = None if asked.sets is None else asked.sets.samples
    require_noise(asked.noise, observations, asked.fresh, samples)
    return of_noise(asked.noise, observations, asked.fresh, samples)


def _concluded(asked: Question, observations: Observations, runs: int | None) -> Diagnosis:
    """Return what fits say, where errors seem to be of a few runs as means of these."""
    models, fresh = asked.models, asked.fresh
    conclude = concluded_with_noise if asked.noise is None else concluded
    if runs is None:
        return conclude(observations, models, fresh)
    moderated = with_runs(asked.observations, np.array(float(runs))).replace(runs=None)
    moderated = with_printed_digits(moderated, asked.stated, asked.curve)
    by_stated = {model.name: judged(model, observations, fresh) for model in models}
    diagnosis = conclude(moderated, models, fresh, by_stated)
    return diagnosis.replace(text=f"{diagnosis.text} {on_apparent_runs(runs)}")


def _on_curves(
    asked: Question, observations: Observations, diagnosis: Diagnosis, last: str, *, has_trend: bool
) -> list[str]:
    """Return remarks on the curves that were fitted, and on those that were not; `last` is the verdict in the end."""
    measured, curve = asked.measured, asked.curve
    is_rejected = diagnosis.verdict == REJECTED and not has_trend
    if measured is not None:
        left_out = [left_out_since(reason, names) for reason, names in measured.uncertain.items()]
        names = diagnosis.observations.names
        return left_out + remarks_on(measured.tried, names, asked.fresh, all_rejected=is_rejected)
    if observations.are_shapeless:
        unused = on_unused(curve, asked.fresh, observations.regime)
        if isinstance(curve, Curve) and is_of_unknown_kind(curve, asked.kind):
            return [unknown_kind(curve), *unused]
        return unused
    is_noise_open = asked.noise is None and diagnosis.verdict == UNDETERMINED
    if not is_rejected and not is_noise_open:
        return []
    first = on_first_values(observations) if is_rejected else []
    return first + _on_what_is_off(asked, diagnosis, last)


def _on_what_is_off(asked: Question, diagnosis: Diagnosis, last: str) -> list[str]:
    """Return which value alone, or which round, is to blame where everything is rejected with independent errors.

    Noise that rounds pass on, or generations that are kept, look like a round in which something changed.
    """
    general = next((model for model in asked.models if model.name == AffineModel.name), AffineModel())
    observations = diagnosis.observations
    if asked.noise is None:  # which one value makes as large as it is
        observations = observations.with_independent_errors
    if observations.covariance.ndim > 1 or observations.noise is not None or not observations.has_errors:
        return []
    every = minimum(general, observations)
    if not every.p_value < REJECTED_BELOW:
        return []
    off = on_an_outlier(every)
    return off if off or last != REJECTED else on_a_break(every)


def _on_fits(asked: Question, diagnosis: Diagnosis) -> list[str]:
    """Return remarks on what fits rest on."""
    remarks: list[str] = []
    truncation, leading, observations = asked.truncation, diagnosis.leading, diagnosis.observations
    fits = diagnosis.fits_by_mechanism
    is_fitted = isinstance(truncation, TruncationModel) and truncation.time is None and asked.fresh is None
    if diagnosis.verdict == IDENTIFIED and leading.name == truncation.name and is_fitted:
        remarks += on_constant_time(leading, observations, asked.rate)
    remarks += on_large_errors(fits, observations, None if asked.sets is None else asked.sets.samples)
    remarks += [] if asked.sets is None else asked.sets.remarks(observations)
    any_rejected = any(one.is_rejected for one in fits.values())
    return remarks + on_printed_digits(observations, asked.curve, is_anything_rejected=any_rejected)


def _of_a_trend(diagnosis: Diagnosis, by_noise: Diagnosis, trend: Trend) -> Diagnosis:
    """Return the diagnosis that knows of a trend: truncation at one time is not identified then, nor its numbers.

    Nor is everything rejected where truncation with a trend describes the curves, or the noise that rounds pass on.
    """
    text = small(trend.text)
    if diagnosis.verdict == REJECTED != by_noise.verdict:
        return by_noise.replace(text=f"{by_noise.text} With independent errors {text}")
    if diagnosis.verdict in (IDENTIFIED, REJECTED):
        return diagnosis.undetermined(f"Undetermined: {text}")
    return diagnosis.replace(fresh_fraction=None, truncation_time=None, text=f"{diagnosis.text} {trend.text}")


def _beside_noise(diagnosis: Diagnosis, by_noise: Diagnosis) -> Diagnosis:
    """Return what noise that rounds pass on leaves of a rejection, beside other histories where these leave any."""
    if diagnosis.verdict == REJECTED:
        return by_noise
    if by_noise.verdict == REJECTED:
        return diagnosis
    text = f"{diagnosis.text} {beside_histories(by_noise)}"
    return diagnosis.accepting(by_noise.accepted).replace(text=text)


def _of_other_histories(
    diagnosis: Diagnosis, verdict: str, models: list[RoundModel], fresh: float | None
) -> Diagnosis:
    """Return the diagnosis that knows whether the curves may be those of generations that are all kept.

    The verdict is that of truncation at one time, where each generation replaced the last.
    """
    observations, leading = diagnosis.observations, diagnosis.leading
    is_rejected = leading.is_rejected and (diagnosis.verdict == REJECTED or observations.are_shapeless)
    if not observations.has_errors:
        text = f"{diagnosis.text} {REPLACING}" if fresh is None else diagnosis.text
        return diagnosis.replace(is_regime_open=fresh is None, text=text)
    histories = other_histories(leading, observations, models, fresh)
    is_open = verdict == UNDETERMINED and not is_rejected
    if is_open:
        diagnosis = diagnosis.replace(is_regime_open=bool(histories) and fresh is None)
        histories = histories if are_determined(histories) else []
    if not histories:
        return diagnosis
    others = {one.regime: {fit.name: fit for fit in one.fits} for one in histories}
    diagnosis = diagnosis.accepting(chain(*others.values())).replace(
        is_regime_open=True, other_regimes=others
    )
    is_near = observations.are_shapeless and lead_near(histories, leading)
    if is_open or (diagnosis.verdict == RATE_AND_PLATEAU and (fresh is not None or is_near)):
        besides = beside_replacing(histories, observations, promises=not is_open)
        return diagnosis.replace(text=f"{diagnosis.text} {besides}")
    by_replacing = quality(leading) if is_rejected else diagnosis.text
    text = on_histories(
        histories, by_replacing, is_rejected=is_rejected, are_shapeless=observations.are_shapeless
    )
    return diagnosis.undetermined(text)


def _of_any_training_size(
    diagnosis: Diagnosis,
    measured: Measured,
    models: list[RoundModel],
    fresh: float | None,
    trend: Trend | None,
) -> tuple[Diagnosis, Trend | None]:
    """Return the diagnosis with other training sets, if what it rejects is a matter of these, and a trend if of that.

    Of both by their likelihoods: what is worse by more than 3.84 is not said.
    """
    fits = diagnosis.fits_by_mechanism
    if not any(one.is_rejected for one in fits.values()):
        return diagnosis, trend
    mildest = mildest_size(measured, models, fresh, diagnosis.observations, fits)
    if mildest is None:
        return diagnosis, trend
    other = concluded(mildest.observations, models, fresh)
    rescued = [name for name in other.accepted if fits[name].is_rejected]
    if not rescued:
        return diagnosis, trend
    if trend is not None:
        gain = misfit(mildest.observations, other.fits_by_mechanism) - trend.misfit
        if gain > PROFILE_RISE:
            return diagnosis, trend
        trend = trend if gain >= -PROFILE_RISE else None
    text = of_training_sets(mildest, other.fits_by_mechanism, fits, rescued, diagnosis.verdict == REJECTED)
    if diagnosis.verdict != REJECTED:
        return other.replace(text=f"{other.text} {text}"), trend
    return other.undetermined(text), trend
