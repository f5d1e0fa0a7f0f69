r"""Diagnosis: which mechanisms a measured recursion does not contradict, and what its curves determine.

Every mechanism of `round_models` is fitted by generalised least squares (`fitting`), and `verdict` says what may be
concluded.  A single curve of any of them is

    y_i = L + (y_0 - L) kappa^i:

it fixes a rate and a plateau.  The fresh fraction, or a second direction of another variance, tells mechanisms apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..core import checks
from ..core.errors import InputError
from ..core.signature import public
from ..core.threads import one_product_thread
from ..pipeline.mechanism import Mechanism
from ..recursion import regimes
from ..recursion.schedules import Schedule
from ..storage.curves import Curve
from .affine_models import TruncationModel
from .arguments import is_of_unknown_kind, kind_of, models_of, none_of, truncation_of, unknown_kind
from .changing_truncation import scheduled_of
from .conclusion import concluded, judged
from .few_runs import apparent_runs, number_of_runs, on_apparent_runs, with_runs
from .fitting import PROFILE_RISE
from .gathering import KINDS, from_arrays
from .histories import beside_held_fraction, on_histories, other_histories, require_regime
from .known_training_sets import known_sets, require_one_run
from .measuring.measured import VARIANCE, Measured
from .noise_likelihood import of_noise
from .passed_noise import require_noise
from .printed_errors import on_printed_digits, with_printed_digits
from .proportional_errors import with_errors_of_a_fit
from .remarks import left_out_since, on_first_values, on_large_errors, remarks_on
from .result import Diagnosis
from .reweighting import followed
from .round_models import MECHANISMS, AffineModel, RoundModel
from .round_noise import NOISE
from .samplers.sampler_model import SamplerModel
from .sentences import of_training_sets
from .training_sizes import mildest_size, misfit
from .trends import Trend, on_constant_time, trend_of
from .undecided_noise import concluded_with_noise, rejected_by_any_noise
from .verdict import IDENTIFIED, RATE_AND_PLATEAU, REJECTED, UNDETERMINED

VERDICTS = (IDENTIFIED, RATE_AND_PLATEAU, UNDETERMINED, REJECTED)
LEAST_VALUES = 3
SLOWEST_RATE, FASTEST_RATE = 1e-4, 1e4
"""Rates at which fits find the same minimum, in units of the truncation time."""


@public
@one_product_thread()
def diagnose(
    curve: ArrayLike | Curve | Measured,
    *,
    kind: str | None = None,
    degrees: ArrayLike | None = None,
    rounds: ArrayLike | None = None,
    standard_errors: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    data: ArrayLike | None = None,
    data_errors: ArrayLike | None = None,
    fresh_fraction: float | None = None,
    truncation_time: float | Sequence[float] | Schedule | None = None,
    fit_factor: bool = False,
    rate: float = 0.5,
    sampler: Mechanism | None = None,
    mechanism: str | None = None,
    runs: float | None = None,
    regime: str | None = None,
    noise: str | None = None,
    training_samples: int | None = None,
) -> Diagnosis:
    """Return which mechanisms measured curves do not contradict, and what the curves determine.

        y_i = kappa^i y_0 + (alpha A y_0 + B) (1 - kappa^i) / (1 - kappa),     kappa = (1 - alpha) A

    Parameters
    ----------
    curve : array of shape (r,) or (r, m), Curve or Measured
        Values by round, one column a degree, direction or distance, NaN where one is missing; a table of
        `read_curve`; or the generations that `measure` measured.
    kind : str, optional
        "factors" (f_n(i), 1 for the data), "variances" (of centred directions, in the diffusion's units),
        "deviations" (standard deviations of the same), "distances" (to the data: W1, W2, total variation; recall:
        whatever approaches a plateau as a deviation does) or "squared_distances" (FID, KID, squared MMD, KL).  What
        the table says, or "factors", if None; of the distances of a table each is what its name says.
    degrees : array of int, shape (m,), optional
        Hermite degree of each column of factors; 1, 2, ... if None.
    rounds : array of int, shape (r,), optional
        Round of each row; 0, 1, ... if None.  Round 0 is the data.
    standard_errors : array, shape of curve, optional
        0 in round 0 for data that are known exactly, elsewhere for values that are left out.  Without them nothing is
        tested.
    covariance : array, shape (r m, r m), optional
        Joint covariance of the values in the order of `curve.ravel()`, in place of standard errors.
    data, data_errors : float or array, shape (m,), optional
        Values of the data where the curve has no round 0, and their standard errors, 0 if None.
    fresh_fraction : float, optional
        Held at this value instead of fitted, in [0, 1].
    truncation_time : float, sequence of float or schedule, optional
        Held at this value instead of fitted; times of rounds 1, 2, ... if a sequence, the last one for all later
        rounds, or if a schedule such as `hc.schedules.Geometric(0.1, 0.9)`.
    fit_factor : bool
        Whether these times are known up to a factor, which is fitted (`time_factor`, 1 for the times as given).
    rate : float
        Of the Ornstein-Uhlenbeck process, within [1e-4, 1e4].
    sampler : Mechanism, optional
        Round map to try besides, such as `hc.mechanisms.SamplerSteps.edm(steps=18)`.  Columns of variances are taken
        as those of eigenvectors of the data's covariance; measured generations say how their directions lie to them.
    mechanism : str, optional
        The only mechanism to try: "truncation", "blur", "refit", "score_error", "autoencoder", "sampler" or "affine".
    runs : float, optional
        Of how many runs each value is the mean, from whose scatter its error is; infinity for exact errors.  Without it
        errors that scatter as those of a few runs are taken for such.
    regime : str, optional
        What each round trained on, as in `Recursion`: "replace" (fresh data and the last generation), "accumulate" (the
        data and all generations) or "accumulate_with_fresh".  Without it, and without a fresh fraction, all are tried.
    noise : str, optional
        How errors of different rounds belong together: "independent" (of the evaluation alone), "between_runs" (scatter
        of runs that pass their noise on), "own_samples" (of samples that train the next round) or "training_sets"
        (independent beside the noise of training sets).  Without it what the curves do not contradict is said.
    training_samples : int, optional
        T, of variances and standard deviations of a single run whose models saw so many samples each: noise of training
        sets of this size beside standard errors, or the errors of own samples where the curve has none.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
        If an argument is outside its range, or the mechanism that is asked for says nothing of such curves.

    Accuracy
    --------
    Errors are from the curvature of chi-square at its minimum.  A true mechanism is rejected in five per cent of cases.

    Notes
    -----
    On factors truncation is exact at every degree, blur and autoencoders to degree 5, with free weights by which lower
    degrees feed higher ones.  Above degree 2 the others are a closure: exact for linear maps about the origin.
    Distances are fitted by their leading order where one rate leads, L - F = C for plain and C^2 for squared ones in

        y_i = F + (L - F) (1 - kappa^i)^p,     p = 1 (plain) or 2 (squared).

    Directions of several rates add up in a distance, so that it rejects nothing: what does not fit is undetermined.

    References
    ----------
    arXiv:2606.13796, Proposition 3.3, for truncation.

    Examples
    --------
    >>> import hermite_collapse as hc
    >>> curve = hc.mode_factors([1, 2], fresh_fraction=0.3, truncation_time=0.1, rounds=8)
    >>> diagnosis = diagnose(curve, standard_errors=np.full(curve.shape, 0.002))
    >>> diagnosis.verdict, round(diagnosis.fresh_fraction.value, 4), round(diagnosis.truncation_time.value, 4)
    ('identified', 0.3, 0.1)
    """
    fresh = None if fresh_fraction is None else checks.fraction(fresh_fraction)
    speed = checks.positive(rate, "rate")
    if not SLOWEST_RATE <= speed <= FASTEST_RATE:
        raise InputError(
            f"rate must lie within [{SLOWEST_RATE:g}, {FASTEST_RATE:g}] for a fit, got {speed!r}: change the unit of "
            "time."
        )
    truncation = truncation_of(truncation_time, fit_factor, curve, speed)
    asked = None if mechanism is None else checks.one_of(mechanism, MECHANISMS, "mechanism")
    if truncation_time is not None and asked not in (None, truncation.name):
        raise InputError(f"truncation_time must be left out where mechanism is another, got {asked!r}.")
    if sampler is not None and not isinstance(sampler, Mechanism):
        raise InputError(f"sampler must be a round map of hc.mechanisms, got {sampler!r}.")
    given = {
        "degrees": degrees,
        "rounds": rounds,
        "standard_errors": standard_errors,
        "covariance": covariance,
    }
    sets = None
    if training_samples is not None and not isinstance(curve, Measured):
        sets = known_sets(
            training_samples,
            curve,
            kind,
            rounds=rounds,
            standard_errors=standard_errors,
            has_covariance=covariance is not None,
            noise=noise,
        )
        noise, curve, given["standard_errors"] = sets.noise, sets.curve, sets.standard_errors
    samples = None if sets is None else sets.samples
    if isinstance(curve, Measured):
        alone = given | {"kind": kind, "data": data, "data_errors": data_errors, "runs": runs, "noise": noise}
        none_of(alone, "measured generations")
        if training_samples is not None:
            raise InputError(
                f"training_samples must be given to measure with measured generations, got {training_samples!r} here."
            )
        # A sampler's steps are a map of the variance of one direction: neither of factors nor of averages over modes.
        tried = curve if sampler is None else curve.part(VARIANCE)
        observations = followed(tried, fresh, scheduled_of([truncation]))
        uncertain: dict[str, list[str]] = {}
        if sampler is not None:
            tried, observations, uncertain = SamplerModel.of(sampler).certain(tried, observations, fresh)
    elif isinstance(curve, Curve):
        none_of(given, "a table")
        observations = from_arrays(
            curve.values,
            kind=kind_of(curve, kind),
            degrees=curve.degrees if kind_of(curve, kind) == "factors" else None,
            rounds=curve.rounds,
            standard_errors=curve.standard_errors,
            covariance=None,
            data=data,
            data_errors=data_errors,
            names=curve.names,
            error_freedom=curve.error_freedom,
        )
    else:
        observations = from_arrays(
            curve,
            kind=checks.one_of(kind or "factors", KINDS, "kind"),
            names=None,
            data=data,
            data_errors=data_errors,
            error_freedom=None,
            **given,
        )
    stated = observations
    number = number_of_runs(runs, curve)
    if number is not None:
        observations = with_runs(observations, number)
    if sets is not None:
        require_one_run(sets, observations)
    if regime is not None:
        history = checks.one_of(regime, regimes.NAMES, "regime")
        fresh = require_regime(history, observations, fresh, sampler)
        observations = observations.replace(regime=history)
    if observations.count < LEAST_VALUES:
        raise InputError(
            f"curve must hold at least {LEAST_VALUES} usable values for a fit, got {observations.count}."
        )
    models = models_of(observations, asked, truncation, sampler, fresh)
    exact = observations
    observations = with_errors_of_a_fit(with_printed_digits(exact, stated, curve))
    if noise is not None:
        name = checks.one_of(noise, NOISE, "noise")
        require_noise(name, observations, fresh, samples)
        observations = of_noise(name, observations, fresh, samples)
    conclude = concluded_with_noise if noise is None else concluded
    few = apparent_runs(exact) if observations.covariance.ndim == 1 else None
    if few is None:
        diagnosis = conclude(observations, models, fresh)
    else:
        moderated = with_runs(exact, np.array(float(few))).replace(runs=None)
        moderated = with_printed_digits(moderated, stated, curve)
        by_stated = {model.name: judged(model, observations, fresh) for model in models}
        diagnosis = conclude(moderated, models, fresh, by_stated)
        diagnosis = diagnosis.replace(text=f"{diagnosis.text} {on_apparent_runs(few)}")
    trend = trend_of(diagnosis.fits_by_mechanism, diagnosis.observations, models, fresh)
    remarks: list[str] = []
    if isinstance(curve, Measured):
        if curve.training_samples is None or curve.apart is None:
            diagnosis, trend = _of_any_training_size(diagnosis, tried, models, fresh, trend)
        remarks = [
            *(left_out_since(reason, names) for reason, names in uncertain.items()),
            *remarks_on(
                tried,
                diagnosis.observations.names,
                fresh,
                all_rejected=diagnosis.verdict == REJECTED and trend is None,
            ),
        ]
    elif isinstance(curve, Curve) and is_of_unknown_kind(curve, kind):
        remarks = [unknown_kind(curve)]
    elif diagnosis.verdict == REJECTED and trend is None:
        remarks = on_first_values(observations)
    replaced = diagnosis.verdict
    if trend is not None:
        by_noise = rejected_by_any_noise(diagnosis, models, fresh) if noise is None else diagnosis
        diagnosis = _of_a_trend(diagnosis, by_noise, trend)
    if regime is None and (fresh is None or not set(diagnosis.accepted) - {AffineModel.name}):
        diagnosis = _of_other_histories(diagnosis, replaced, models, fresh)
    if noise is None:
        diagnosis = rejected_by_any_noise(diagnosis, models, fresh)
    leading, is_fitted = (
        diagnosis.leading,
        isinstance(truncation, TruncationModel) and truncation.time is None,
    )
    if diagnosis.verdict == IDENTIFIED and leading.name == truncation.name and is_fitted and fresh is None:
        remarks += on_constant_time(leading, diagnosis.observations, speed)
    remarks += on_large_errors(diagnosis.fits_by_mechanism, diagnosis.observations, samples)
    any_rejected = any(one.is_rejected for one in diagnosis.fits_by_mechanism.values())
    remarks += [] if sets is None else sets.remarks(diagnosis.observations)
    remarks += on_printed_digits(diagnosis.observations, curve, is_anything_rejected=any_rejected)
    return diagnosis.replace(text=" ".join([diagnosis.text, *remarks]), apparent_runs=few)


def _of_a_trend(diagnosis: Diagnosis, by_noise: Diagnosis, trend: Trend) -> Diagnosis:
    """Return the diagnosis that knows of a trend: truncation at one time is not identified then, nor its numbers.

    Nor is everything rejected where truncation with a trend describes the curves, or the noise that rounds pass on.
    """
    text = f"{trend.text[0].lower()}{trend.text[1:]}"
    if diagnosis.verdict == REJECTED != by_noise.verdict:
        return by_noise.replace(text=f"{by_noise.text} With independent errors {text}")
    if diagnosis.verdict in (IDENTIFIED, REJECTED):
        return diagnosis.undetermined(f"Undetermined: {text}")
    return diagnosis.replace(fresh_fraction=None, truncation_time=None, text=f"{diagnosis.text} {trend.text}")


def _of_other_histories(
    diagnosis: Diagnosis, verdict: str, models: list[RoundModel], fresh: float | None
) -> Diagnosis:
    """Return the diagnosis that knows whether the curves may be those of generations that are all kept.

    The verdict is that of truncation at one time, where each generation replaced the last.
    """
    observations, leading = diagnosis.observations, diagnosis.leading
    if verdict == UNDETERMINED or observations.measured is not None or observations.are_shapeless:
        return diagnosis
    histories = other_histories(leading, observations, models, fresh)
    if not histories:
        return diagnosis
    if fresh is not None and diagnosis.verdict == RATE_AND_PLATEAU:
        return diagnosis.replace(text=f"{diagnosis.text} {beside_held_fraction(histories)}")
    nothing = np.full_like(leading.plateau, np.nan)
    return diagnosis.replace(
        verdict=UNDETERMINED,
        leading=leading.replace(
            plateau=nothing, plateau_error=nothing, contraction=nothing, contraction_error=nothing
        ),
        fresh_fraction=None,
        truncation_time=None,
        text=on_histories(histories, diagnosis.text, is_rejected=verdict == REJECTED),
        is_regime_open=True,
    )


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
