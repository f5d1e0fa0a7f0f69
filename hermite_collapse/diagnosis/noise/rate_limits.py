r"""Errors of rates and plateaus where rounds pass their noise on.

The factor kappa of a round says both how a curve nears its plateau and how noise is passed on.  The curvature of
chi-square, at the covariance of the fitted factor, knows the first alone: a factor that is too small by chance makes
noise that is forgotten too fast, and a plateau that is too certain.  The restricted likelihood of a curve
(`noise_likelihood`) knows both.  Its interval of 95 per cent,

    misfit(kappa) <= least misfit + 3.84,

and the plateaus L(kappa) = y_0 + u / (1 - kappa) in it bound errors from below; where it reaches 1 the plateau may be
anywhere.
"""

from __future__ import annotations

import numpy as np

from ..fits.fitting import PROFILE_RISE, MechanismFit
from ..observed.observations import Observations
from .noise_likelihood import own_profile

_LARGEST, _COUNT = 1.25, 126


def with_errors_of_rates(one: MechanismFit, observations: Observations) -> MechanismFit:
    """Return the law of rates and plateaus with errors that hold by the likelihood of each curve, too.

    Parameters
    ----------
    one : MechanismFit
        A rate and a plateau of each curve, fitted to these curves.
    observations : Observations
        With the noise that rounds pass on.
    """
    noise = observations.noise
    if noise is None:
        return one
    stated = observations.with_independent_errors
    rates = np.linspace(0.0, _LARGEST, _COUNT)
    plateau_error, rate_error = one.plateau_error.copy(), one.contraction_error.copy()
    for j in np.flatnonzero(one.contraction < _LARGEST):
        profile = own_profile(noise, stated, int(j), rates, one.predicted[:, j])
        inside = np.flatnonzero(profile.misfit <= profile.misfit.min() + PROFILE_RISE)
        ends = rates[[max(inside[0] - 1, 0), min(inside[-1] + 1, _COUNT - 1)]]
        rise = PROFILE_RISE**0.5
        rate_error[j] = np.fmax(rate_error[j], np.abs(ends - one.contraction[j]).max() / rise)
        if ends[1] < 1.0:
            plateaus = profile.starts[inside] + profile.steps[inside] / (1.0 - rates[inside])
            plateau_error[j] = np.fmax(plateau_error[j], np.abs(plateaus - one.plateau[j]).max() / rise)
        elif ends[0] < 1.0:
            plateau_error[j] = np.inf
    return one.replace(plateau_error=plateau_error, contraction_error=rate_error)
