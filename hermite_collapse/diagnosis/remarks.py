"""What a reader should know of measured curves beside their diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from ..core.numbers import significant
from ..core.significance import chi_square_p_value
from ..recursion.accumulated import ACCUMULATE
from ..storage.curves import Curve
from ..storage.image_forms import OPENING as FORMATS_OF_IMAGES
from .fits.fitting import LEAST_FREEDOM, MechanismFit, fit
from .fits.reweighting import left_out
from .fits.round_models import AffineModel
from .measuring.measured import Measured
from .noise.noise_likelihood import of_noise
from .noise.passed_noise import may_pass_noise
from .observed.innovations import are_followed
from .observed.observations import VARIANCE, Observations
from .observed.round_noise import BETWEEN_RUNS

_FAR_FROM_ONE = 0.1
_SMALLEST = 1e-6
_TOO_CLOSE = 0.005
"""Lower tail of chi-square below which errors are larger than what scatters."""


def left_out_since(reason: str, names: Sequence[str]) -> str:
    """Return which curves are not fitted, and why."""
    return f"Left out, since {reason}: {', '.join(names)}."


def on_first_values(observations: Observations) -> list[str]:
    """Return what to do about factors that are far from 1 in round 0, where everything is rejected."""
    first = observations.rounds == 0.0
    distant = np.abs(observations.values[first] - 1.0) > _FAR_FROM_ONE
    far = (observations.degrees > VARIANCE) & np.any(distant & observations.used[first], axis=0)
    names = [name for name, is_far in zip(observations.names, far, strict=True) if is_far]
    if not names:
        return []
    return [
        f"Factors are shares of the data's coefficients, 1 in round 0 ({', '.join(names)} "
        f"{'differs' if len(names) == 1 else 'differ'} from that by more than {_FAR_FROM_ONE:g}): divide coefficients "
        "by those of the data, unless the first model had another law."
    ]


def on_unused(curve: object, fresh: float | None, regime: str) -> list[str]:
    """Return which numbers that were said of distances change nothing in one rate and one plateau."""
    has_times = isinstance(curve, Curve) and curve.truncation_times is not None
    remarks = []
    if fresh is not None and fresh < 1.0 and regime != ACCUMULATE:  # which says that it is 0
        remarks.append(
            "The fresh fraction that was given decides on no rate or plateau of such curves: it is not used."
        )
    if has_times:
        remarks.append("Truncation times decide on no rate or plateau of such curves: they are not used.")
    return remarks


def on_large_errors(
    fits: Mapping[str, MechanismFit], observations: Observations, samples: int | None = None
) -> list[str]:
    """Return what it means that a rate and a plateau of each curve are far closer to the values than errors allow.

    Chi-square is by the law that errors have, of known ones, or of estimates from few runs.  Nothing is said where
    generations were measured, whose errors are their own, of errors of one digit, which are known too little, of runs
    that drift far apart, whose mean is steadier in most tables than in the mean of all, nor where it is said of refits.

    Parameters
    ----------
    fits : mapping of str to MechanismFit
    observations : Observations
        That were fitted.
    samples : int, optional
        In each training set, if that was said.
    """
    is_said = any(one.scatters_too_little or one.mean_of_runs is not None for one in fits.values())
    if is_said or are_followed(observations) or not observations.has_errors:
        return []
    if observations.measured is not None or observations.are_rounded:
        return []
    general = fits.get(AffineModel.name) or fit(AffineModel(), observations)
    ways = [general, _passed_on(general, observations)]
    if samples is None:  # else errors are those of the training sets
        ways.append(_by_stated_errors(general, observations))
    if not all(_is_too_close(one) for one in ways):
        return []
    chi_square, freedom = general.chi_square, general.freedom
    if samples is not None:
        return [
            f"Values scatter far less than by training sets of {samples} samples (chi-square "
            f"{significant(chi_square, 3)} on {freedom} degrees of freedom): models saw more, or errors are too large."
        ]
    ratio = (freedom / max(chi_square, _SMALLEST * freedom)) ** 0.5
    return [
        f"Errors are about {significant(ratio, 2)} times what the values scatter (chi-square "
        f"{significant(chi_square, 3)} on {freedom} degrees of freedom), as standard deviations are in place of "
        "standard errors, or errors of one run beside means of several: where they are too large, names and limits are "
        "more cautious than they need be."
    ]


def _is_too_close(one: MechanismFit) -> bool:
    return one.freedom >= LEAST_FREEDOM and 1.0 - chi_square_p_value(one.chi_square, one.freedom) < _TOO_CLOSE


def _by_stated_errors(one: MechanismFit, observations: Observations) -> MechanismFit:
    """Return the fit by errors as they stand in the table, without noise beside them; else as it is."""
    if observations.noise is None:
        return one
    return fit(AffineModel(), observations.with_independent_errors)


def _passed_on(one: MechanismFit, observations: Observations) -> MechanismFit:
    """Return the fit where runs pass their noise on, which independent errors show too little of; else as it is."""
    if (
        observations.noise is not None
        or observations.scatter is None
        or not may_pass_noise(observations, None)
    ):
        return one
    return fit(AffineModel(), of_noise(BETWEEN_RUNS, observations, None))


def remarks_on(
    measured: Measured, used: Sequence[str], fresh: float | None, *, all_rejected: bool
) -> list[str]:
    """Return what a reader should know of formats, curves that were left out, copies, and a rejection's errors."""
    remarks = [note for note in measured.notes if note.startswith(FORMATS_OF_IMAGES)]
    remarks += [left_out_since(reason, names) for reason, names in left_out(measured, fresh, used)]
    if all_rejected:
        remarks.append(
            "The measured samples were taken as those that trained the next round, beside all of the data; training "
            "sets of another size do not describe the curves either, from a sixteenth of a generation to four, nor do "
            "others than the measured samples, from a thirty-second to sixteen."
            if measured.training_samples is None
            else f"Training sets were taken to hold {measured.training_samples} samples, fresh ones drawn anew: "
            "smaller sets, or always the same fresh data, scatter otherwise from round to round than these errors "
            "say, so that a true mechanism is rejected too."
        )
    copies = [
        f"{earlier} and {later}"
        for (earlier, former), (later, latter) in pairwise(zip(measured.labels, measured.values, strict=True))
        if np.array_equal(former, latter)
    ]
    if copies:
        remarks.append(
            f"Generations have the same values to the last digit ({', '.join(copies)}): copies are no rounds, and "
            "errors and p-values say nothing of them."
        )
    return remarks
