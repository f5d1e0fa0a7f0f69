r"""A refit to n samples held to the scatter that its own n gives to rounds.

Refits shrink variances by 1/n in a round, and scatter them by sqrt(2/n).  A shrinkage without that scatter is no refit:
with the covariance of training sets of n samples its chi-square is too small, which the lower tail says.
"""

from __future__ import annotations

import numpy as np

from ..core.significance import chi_square_p_value
from .fitting import BORDER_ERRORS, LEAST_FREEDOM, MechanismFit, fit
from .observations import Observations
from .reweighting import of_rounds
from .round_models import RoundModel

_FEWER = 0.5  # share of the training sets' size below which the samples of a refit are held to their scatter
_TOO_SMALL = 1e-3
"""Lower tail of chi-square below which a refit is rejected; what only shrinks is far below."""


def held_to_scatter(
    one: MechanismFit, model: RoundModel, observations: Observations, fresh_fraction: float | None
) -> MechanismFit:
    """Return a fit, or for a refit whose rounds scatter too little for its samples that which rejects it.

    Parameters
    ----------
    one : MechanismFit
    model : RoundModel
    observations : Observations
        That it fits; only measured generations tell a refit's scatter from other errors.
    fresh_fraction : float, optional
        If held.
    """
    measured, samples = observations.measured, one.parameters.get("samples")
    fresh = one.parameters.get("fresh_fraction")
    if (
        not one.is_accepted
        or measured is None
        or samples is None
        or fresh is None
        or one.freedom < LEAST_FREEDOM
    ):
        return one
    size = measured.training_samples or float(np.median(measured.samples))
    loss, error = one.fitted["samples"]  # 1/n, whose errors are symmetric
    least = loss - BORDER_ERRORS * error
    if not least * _FEWER * size > 1.0:
        return one
    scattered = observations.replace(measured=measured.replace(training_samples=max(1, round(1.0 / least))))
    again = fit(model, of_rounds(one, fresh.value, scattered), fresh_fraction=fresh_fraction)
    below = 1.0 - chi_square_p_value(again.chi_square, again.freedom)
    if below >= _TOO_SMALL:
        return one
    return again.replace(parameters=one.parameters, p_value=below, scatters_too_little=True)
