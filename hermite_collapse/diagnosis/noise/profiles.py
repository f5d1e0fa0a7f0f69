"""Limits of parameters that a fit leaves at a border: where the profile of chi-square has risen by 3.84."""

from __future__ import annotations

import math
from functools import cache

from ...core.types import FloatArray
from ..fits.fitting import BORDER_ERRORS, PROFILE_RISE, MechanismFit
from ..fits.minimum import minimum
from ..fits.round_models import AffineModel, Parameter, RoundModel
from ..observed.observations import Observations
from .rate_limits import with_errors_of_rates

_DOUBLINGS = 12
_PRECISION = 1e-5
_LIMITED = ("truncation_time", "bandwidth", "samples")
"""Parameters whose border is a mechanism that is not at work."""


def with_limits(
    one: MechanismFit, model: RoundModel, observations: Observations, fresh_fraction: float | None
) -> MechanismFit:
    """Return the fit with the limit of the parameter that makes the mechanism, where it is left at its border.

    The limit is the largest value that is not rejected, for `samples` the smallest; none where there is no such value.
    Where rounds pass noise on, errors of rates and plateaus hold by their likelihood, too.
    """
    if model.name == AffineModel.name:
        return with_errors_of_rates(one, observations)
    for parameter in model.parameters(observations):
        if parameter.name in _LIMITED and one.parameters.get(parameter.name, 0.0) is None:
            limit = _limit(one, model, observations, fresh_fraction, parameter)
            if limit is not None:
                named = model.reported({parameter.name: (limit, 0.0)})[parameter.name][0]
                return one.replace(limits={parameter.name: named})
    return one


def _limit(
    one: MechanismFit,
    model: RoundModel,
    observations: Observations,
    fresh_fraction: float | None,
    parameter: Parameter,
) -> float | None:
    """Return where the profile crosses its level above the fitted value, None where it does not."""
    from scipy.optimize import brentq

    last: FloatArray | None = None

    @cache
    def excess(at: float) -> float:
        nonlocal last
        fixed = {parameter.name: at}
        held = minimum(
            model, observations, fresh_fraction=fresh_fraction, fixed=fixed, near=last, precision=_PRECISION
        )
        last = held.x
        # The root of the rise is nearly straight.
        return float(max(held.chi_square - one.chi_square, 0.0) ** 0.5 - PROFILE_RISE**0.5)

    value, error = one.fitted[parameter.name]
    reach = BORDER_ERRORS * error if error > 0.0 else math.inf  # NaN where no error is known
    inside, step = value, min(reach, 0.01 * min(parameter.high, 1.0))
    for _ in range(_DOUBLINGS if excess(inside) < 0.0 else 0):
        outside = inside + step
        if outside >= parameter.high:
            return None
        if excess(outside) > 0.0:
            return float(brentq(excess, inside, outside, rtol=0.01, xtol=1e-9))
        inside, step = outside, 2.0 * step
    return None
